/* SPDX-License-Identifier: MIT */
/*
 * Pointers that are no live block: what they are, and the report of a bad
 * free or realloc. Nothing is freed, so the heap stays sound.
 *
 * The allocation and first free of a block that was freed are read from what
 * is left of its header, which is there until mimalloc uses the memory again;
 * the read cannot fault.
 *
 * Hook: misuse_tell runs inside free.
 */
#include "heap/heap_alloc.h"

#include "base/base_text.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>

/* The dead block that started at 'address', if its header is still there. */
static bool dead_find(const void *address, struct tt_block *block,
                      uint32_t *freed_stack)
{
    const uintptr_t at = (uintptr_t)address;
    struct region *const region = region_of(at);
    uint64_t word1;
    if (!region || at % 16 || *shadow_of(region, at) != SHADOW_DEAD)
        return false;
    if (!tt_os_read((const char *)address - 8, &word1, sizeof word1) ||
        word1 >> FLAGS_SHIFT != DEAD_TAG)
        return false;
    *block = (struct tt_block){ .address = (void *)at,
                                .stack = (uint32_t)(word1 & STACK_MASK) };
    *freed_stack = (uint32_t)(word1 >> THREAD_SHIFT & DEAD_STACK);
    return true;
}

TT_COLD void misuse_tell(const void *address, void *frame, const char *call)
{
    struct tt_misuse_report report = { .kind = TT_MISUSE_FOREIGN,
                                       .call = call,
                                       .address = address };
    if (tt_block_find(address, &report.block))
        report.kind = TT_MISUSE_INSIDE;
    else if (dead_find(address, &report.block, &report.freed_stack) ||
             (region_of((uintptr_t)address) &&
              *shadow_of(region_of((uintptr_t)address), (uintptr_t)address) ==
                  SHADOW_DEAD))
        report.kind = TT_MISUSE_DOUBLE_FREE;
    if (!tt_heap_news.misuse)
        return;
    report.now_stack = tt_stack_capture(frame, TT_MAX(tt_stack_depth, 8));
    tt_enter();
    tt_heap_news.misuse(&report);
    tt_leave();
}

struct mapping {
    uintptr_t start, end;
    char access[8];
    const char *path;
};

/* Reads one line of /proc/self/maps; returns the next one. */
static char *mapping_read(char *line, struct mapping *map)
{
    char *const end = strchr(line, '\n');
    char *at = line;
    if (!end)
        return NULL;
    *end = '\0';
    map->start = strtoul(at, &at, 16);
    map->end = strtoul(at + 1, &at, 16);
    memcpy(map->access, at + 1, 4);
    map->access[4] = '\0';
    const char *path = strchr(line, '/');
    if (!path)
        path = strchr(line, '[');
    map->path = path ? path : "";
    return end + 1;
}

static void mapping_tell(const struct mapping *map, struct tt_text *text)
{
    if (strcmp(map->path, "[stack]") == 0)
        tt_text_add(text, "is on the stack of the main thread");
    else if (map->path[0] == '/' && map->access[1] == 'w')
        tt_text_add(text, "is a global of %s", strrchr(map->path, '/') + 1);
    else if (map->path[0] == '/')
        tt_text_add(text, "is constant data or code of %s",
                    strrchr(map->path, '/') + 1);
    else
        tt_text_add(text, "is in mapped memory that no malloc returned");
}

static bool is_on_this_stack(uintptr_t address)
{
    const char here = 0;
    return address >= (uintptr_t)&here && address < tt_self.stack_top;
}

void tt_block_tell_why_not(const void *address, struct tt_text *text)
{
    const uintptr_t at = (uintptr_t)address;
    struct tt_block block;
    uint32_t freed;
    struct tt_text maps;
    if (is_on_this_stack(at)) {
        tt_text_add(text, "is on the stack of thread %u", tt_thread_number());
        return;
    }
    if (dead_find(address, &block, &freed)) {
        tt_text_add(text, "is a freed block");
        return;
    }
    if (region_of(at) && tt_os_read(address, &freed, 1)) {
        tt_text_add(text, "is in a freed block, or between blocks");
        return;
    }
    tt_text_make(&maps);
    bool told = false;
    if (tt_os_read_file("/proc/self/maps", &maps)) {
        struct mapping map;
        for (char *line = maps.data; line && !told;) {
            line = mapping_read(line, &map);
            if (line && at >= map.start && at < map.end) {
                mapping_tell(&map, text);
                told = true;
            }
        }
    }
    if (!told)
        tt_text_add(text, "is not mapped: no memory is there");
    tt_text_drop(&maps);
}
