/* SPDX-License-Identifier: MIT */
/*
 * Depth first, with the colour in the shadow byte of a block's start. What
 * costs is waiting for memory, so a word that may be a pointer is not looked
 * at when it is read: its shadow byte and its block are asked for, and the
 * word goes into a ring; by the time it comes out they have arrived. A list
 * gives one word at a time and then the ring is as short as can be; a graph
 * fills it.
 *
 * Nearly all words that are no pointers fall at the first test: no region of
 * 32 MiB has a block there.
 *
 * All of it runs in the snapshot child, where nothing else does.
 */
#include "reach/reach_mark.h"

#include "base/base_mem.h"
#include "heap/heap_find.h"

#include <string.h>

#define COLOURS     (SHADOW_HELD | SHADOW_AMBIGUOUS)
#define COLOURS_8   (COLOURS * 0x0101010101010101ull)
#define RING_FULL   16 /* words in the ring before the oldest is looked at */
#define PAGE_BYTES  4096
#define LEAST_SPACE 32 /* between two blocks' starts, at least */

bool reach_mark_begin(struct reach_mark *mark, struct reach_state *state)
{
    size_t regions;
    uint32_t *const index = regions_sorted(&regions);
    if (index)
        tt_mem_give(index, regions * sizeof *index);
    memset(mark, 0, sizeof *mark);
    mark->state = state;
    mark->max = TT_MAX(regions, 1) * (REGION_BYTES / LEAST_SPACE);
    mark->stack_bytes = mark->max * sizeof *mark->stack;
    mark->stack = tt_map_sparse(mark->stack_bytes);
    return mark->stack != NULL;
}

void reach_mark_end(struct reach_mark *mark)
{
    tt_unmap(mark->stack, mark->stack_bytes);
}

/* The block at 'start' is reached. */
TT_INLINE void block_reached(struct reach_mark *mark, uint8_t *shadow,
                             uintptr_t start)
{
    if (*shadow & COLOURS)
        return;
    *shadow |= mark->colour;
    if (TT_LIKELY(mark->depth < mark->max))
        mark->stack[mark->depth++] = start;
    else
        mark->overflown = true;
}

/* A word whose shadow has arrived. */
TT_INLINE void word_look(struct reach_mark *mark, uintptr_t word)
{
    struct region *region = region_of(word);
    uint8_t *shadow = shadow_of(region, word);
    uintptr_t start = word & ~(uintptr_t)15;
    if (TT_LIKELY(*shadow & SHADOW_LIVE)) {
        /* Of a block of no bytes, or fewer than 16, an address beyond. */
        if (TT_UNLIKELY(word != start) &&
            word - start >= block_extent(region, start))
            return;
    } else {
        start = block_start(region, word);
        if (!start)
            return;
        region = region_of(start);
        shadow = shadow_of(region, start);
    }
    block_reached(mark, shadow, start);
}

TT_INLINE void word_take(struct reach_mark *mark)
{
    word_look(mark, mark->ring[mark->out++ % MARK_RING]);
}

TT_INLINE void word_put(struct reach_mark *mark, uintptr_t word)
{
    struct region *const region = region_of(word);
    if (TT_LIKELY(!region))
        return;
    __builtin_prefetch(shadow_of(region, word), 1);
    __builtin_prefetch((const char *)word - HEADER_BYTES);
    mark->ring[mark->in++ % MARK_RING] = word;
    if (mark->in - mark->out > RING_FULL)
        word_take(mark);
}

TT_INLINE void words_scan(struct reach_mark *mark, uintptr_t start,
                          uintptr_t end)
{
    for (const uintptr_t *at = (const uintptr_t *)start;
         at + 1 <= (const uintptr_t *)end; at++)
        word_put(mark, *at);
}

/* But for the words of mark->skip. */
void reach_mark_range(struct reach_mark *mark, uintptr_t start, uintptr_t end)
{
    const uintptr_t skip_start = mark->skip.start & ~(uintptr_t)7;
    const uintptr_t skip_end = (mark->skip.end + 7) & ~(uintptr_t)7;
    if (skip_start >= end || skip_end <= start) {
        words_scan(mark, start, end);
        return;
    }
    if (skip_start > start)
        words_scan(mark, start, skip_start);
    if (skip_end < end)
        words_scan(mark, skip_end, end);
}

void reach_mark_word(struct reach_mark *mark, uintptr_t word)
{
    word_put(mark, word);
}

/* A large block may have pages that the program has made unreadable. */
static TT_NOINLINE void large_scan(struct reach_mark *mark, uintptr_t start,
                                   uintptr_t end)
{
    uintptr_t piece_end;
    for (; reach_maps_piece(mark->state, &start, end, &piece_end);
         start = piece_end)
        reach_mark_range(mark, start, piece_end);
}

TT_INLINE void block_scan(struct reach_mark *mark, uintptr_t start)
{
    const size_t size = block_extent(region_of(start), start);
    mark->blocks++;
    mark->bytes += size;
    if (TT_UNLIKELY(size >= PAGE_BYTES))
        large_scan(mark, start, start + size);
    else if (TT_UNLIKELY(mark->skip.start < start + size &&
                         mark->skip.end > start))
        reach_mark_range(mark, start, start + size);
    else
        words_scan(mark, start, start + size);
}

void reach_mark_run(struct reach_mark *mark)
{
    for (;;) {
        while (mark->depth > 0)
            block_scan(mark, mark->stack[--mark->depth]);
        if (mark->in == mark->out)
            return;
        word_take(mark);
    }
}

void reach_mark_root(struct reach_mark *mark, const struct tt_record_root *root)
{
    const struct tt_record_thread *const threads = mark->state->threads.items;
    if (root->kind == TT_ROOT_KEPT) {
        word_put(mark, root->start);
        return;
    }
    if (root->kind != TT_ROOT_REGISTERS) {
        reach_mark_range(mark, root->start, root->end);
        return;
    }
    const struct tt_record_thread *const thread = &threads[root->thread];
    const bool asks = thread->flags & TT_THREAD_ASKER;
    for (size_t i = 0; i < thread->registers_count; i++)
        word_put(mark,
                 asks ? mark->state->from.registers[i] : thread->registers[i]);
}

static void roots_run(struct reach_mark *mark, uint32_t kinds, uint8_t colour)
{
    const struct tt_record_root *const roots = mark->state->roots.items;
    mark->colour = colour;
    for (size_t i = 0; i < mark->state->roots.count; i++)
        if (kinds & 1u << roots[i].kind)
            reach_mark_root(mark, &roots[i]);
    reach_mark_run(mark);
}

void reach_mark_all(struct reach_mark *mark, uint32_t kinds)
{
    roots_run(mark, kinds & ~REACH_UNSURE, SHADOW_HELD);
    roots_run(mark, kinds & REACH_UNSURE, SHADOW_AMBIGUOUS);
}

void reach_mark_forbid(uintptr_t block)
{
    struct region *const region = region_of(block);
    if (region)
        *shadow_of(region, block) |= SHADOW_HELD;
}

void reach_mark_from(struct reach_mark *mark, uintptr_t block)
{
    struct region *const region = region_of(block);
    if (!region)
        return;
    *shadow_of(region, block) &= (uint8_t)~COLOURS;
    mark->colour = SHADOW_HELD;
    word_put(mark, block);
    reach_mark_run(mark);
}

void reach_mark_clear(void)
{
    size_t count;
    uint32_t *const index = regions_sorted(&count);
    for (size_t i = 0; i < count; i++) {
        struct region *const region =
            region_of((uintptr_t)index[i] << REGION_SHIFT);
        for (size_t byte = 0; byte < SHADOW_BYTES; byte += 8) {
            uint64_t eight;
            memcpy(&eight, &region->shadow[byte], 8);
            if (!(eight & COLOURS_8))
                continue;
            eight &= ~COLOURS_8;
            memcpy(&region->shadow[byte], &eight, 8);
        }
    }
    if (index)
        tt_mem_give(index, count * sizeof *index);
}

enum tt_reach reach_mark_of(uintptr_t address)
{
    struct region *const region = region_of(address);
    const uint8_t shadow = region ? *shadow_of(region, address) : 0;
    return shadow & SHADOW_HELD        ? TT_REACH_HELD
           : shadow & SHADOW_AMBIGUOUS ? TT_REACH_AMBIGUOUS
                                       : TT_REACH_LOST;
}
