/* SPDX-License-Identifier: MIT */
/*
 * Who serves the program's malloc when Tether does not: named once, when a
 * window begins, from the map of the process.
 */
#include "heap/heap_asan.h"

#include "base/base_text.h"
#include "os/os_maps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char reason[512];

static void reason_write(const struct tt_text *maps)
{
    struct tt_map map;
    size_t len;
    if (strstr(maps->data, "/vgpreload_"))
        snprintf(reason, sizeof reason,
                 "valgrind serves this program's malloc, so Tether sees no "
                 "allocation: run the tests without valgrind");
    else if (heap_sanitized)
        snprintf(reason, sizeof reason,
                 "this sanitizer does not tell of realloc, so Tether cannot "
                 "follow allocations: use AddressSanitizer");
    else if (tt_maps_find(maps, (uintptr_t)malloc, &map) &&
             memchr(map.path, '/', map.path_len)) {
        const char *const name = tt_map_name(&map, &len);
        snprintf(reason, sizeof reason,
                 "%.*s serves this program's malloc, so Tether sees no "
                 "allocation: link or preload Tether before it",
                 (int)len, name);
    }
}

const char *tt_heap_blind_reason(void)
{
    struct tt_text maps;
    if (!*reason) {
        snprintf(reason, sizeof reason,
                 "another allocator serves this program's malloc, so Tether "
                 "sees no allocation: link or preload Tether before it");
        tt_text_make(&maps);
        if (tt_maps_read(&maps))
            reason_write(&maps);
        tt_text_drop(&maps);
    }
    return reason;
}
