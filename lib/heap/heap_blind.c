/* SPDX-License-Identifier: MIT */
/*
 * Who serves the program's malloc when Tether does not: named once, when a
 * window begins, from the map of the process.
 */
#include "heap/heap_asan.h"

#include "base/base_text.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char reason[512];

/* The file name of the mapping that holds 'address', cut out of 'maps'. */
static bool module_name(const char *maps, uintptr_t address, char *name,
                        size_t size)
{
    for (const char *line = maps; *line;) {
        const char *const end = line + strcspn(line, "\n");
        char *at;
        const uintptr_t start = strtoul(line, &at, 16);
        const uintptr_t stop = strtoul(at + 1, NULL, 16);
        if (address >= start && address < stop) {
            const char *const slash = memrchr(line, '/', (size_t)(end - line));
            if (!slash)
                return false;
            snprintf(name, size, "%.*s", (int)(end - slash - 1), slash + 1);
            return true;
        }
        line = *end ? end + 1 : end;
    }
    return false;
}

static void reason_write(const char *maps)
{
    char name[128];
    if (strstr(maps, "/vgpreload_"))
        snprintf(reason, sizeof reason,
                 "valgrind serves this program's malloc, so Tether sees no "
                 "allocation: run the tests without valgrind");
    else if (heap_sanitized)
        snprintf(reason, sizeof reason,
                 "this sanitizer does not tell of realloc, so Tether cannot "
                 "follow allocations: use AddressSanitizer");
    else if (module_name(maps, (uintptr_t)malloc, name, sizeof name))
        snprintf(reason, sizeof reason,
                 "%s serves this program's malloc, so Tether sees no "
                 "allocation: link or preload Tether before it",
                 name);
}

const char *tt_heap_blind_reason(void)
{
    struct tt_text maps;
    if (!*reason) {
        snprintf(reason, sizeof reason,
                 "another allocator serves this program's malloc, so Tether "
                 "sees no allocation: link or preload Tether before it");
        tt_text_make(&maps);
        if (tt_os_read_file("/proc/self/maps", &maps) && maps.data)
            reason_write(maps.data);
        tt_text_drop(&maps);
    }
    return reason;
}
