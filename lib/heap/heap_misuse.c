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
#include "os/os_maps.h"

#include <string.h>

/* The words of the dead block that started at 'address': word 1, who freed
 * it, its size. False: nothing of it is left. */
static bool dead_read(uintptr_t at, uint64_t *word1, uint64_t *who,
                      uint64_t *size)
{
    struct region *const region = region_of(at);
    const uint8_t mark = region ? *shadow_of(region, at) : SHADOW_NONE;
    uint64_t words[2];
    if (mark == SHADOW_DEAD_BIG) {
        const struct big_header *const big = big_of(region, at);
        *word1 = big->word[1];
        *who = big->mapping;
        *size = big->size;
        return true;
    }
    if (mark != SHADOW_DEAD ||
        !tt_os_read((const char *)at - 8, words, sizeof words))
        return false;
    *word1 = words[0];
    *who = words[1];
    *size = words[0] >> SIZE_SHIFT & SIZE_MASK;
    return true;
}

/* The dead block that started at 'address', if its facts are still there. */
static bool dead_find(const void *address, struct tt_block *block,
                      uint32_t *freed_stack)
{
    const uintptr_t at = (uintptr_t)address;
    uint64_t word1, who, size;
    if (at % 16 || !dead_read(at, &word1, &who, &size))
        return false;
    const uint64_t tag = word1 & FLAGS_MASK;
    if (tag != DEAD_CALLER && tag != DEAD_STACK)
        return false;
    const uintptr_t caller = who;
    *block = (struct tt_block){ .address = (void *)at,
                                .size = size,
                                .stack = (uint32_t)(word1 & STACK_MASK) };
    *freed_stack = tag == DEAD_STACK ? (uint32_t)who & STACK_MASK
                                     : tt_stack_intern(&caller, 1);
    return true;
}

/* Was a block that started here freed, though nothing is left of it? */
static bool dead_is(uintptr_t at)
{
    struct region *const region = region_of(at);
    return region && at % 16 == 0 &&
           *shadow_of(region, at) & (SHADOW_DEAD | SHADOW_DEAD_BIG);
}

TT_COLD void misuse_tell(const void *address, void *frame, const char *call)
{
    struct tt_misuse_report report = { .kind = TT_MISUSE_FOREIGN,
                                       .call = call,
                                       .address = address };
    if (tt_block_find(address, &report.block))
        report.kind = TT_MISUSE_INSIDE;
    else if (dead_find(address, &report.block, &report.freed_stack) ||
             dead_is((uintptr_t)address))
        report.kind = TT_MISUSE_DOUBLE_FREE;
    if (!tt_heap_news.misuse)
        return;
    report.now_stack = tt_stack_capture(frame, TT_MAX(tt_stack_depth, 8));
    tt_enter();
    tt_heap_news.misuse(&report);
    tt_leave();
}

static void mapping_tell(const struct tt_map *map, struct tt_text *text)
{
    size_t len;
    const char *const name = tt_map_name(map, &len);
    if (len == 7 && memcmp(name, "[stack]", 7) == 0)
        tt_text_add(text, "is on the stack of the main thread");
    else if (map->path_len == 0 || map->path[0] != '/')
        tt_text_add(text, "is in mapped memory that no malloc returned");
    else
        tt_text_add(text, "is %s of %.*s",
                    map->writable ? "a global" : "constant data or code",
                    (int)len, name);
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
    struct tt_map map;
    if (tt_maps_read(&maps) && tt_maps_find(&maps, at, &map))
        mapping_tell(&map, text);
    else
        tt_text_add(text, "is not mapped: no memory is there");
    tt_text_drop(&maps);
}
