/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_COUNT_H
#define TT_HEAP_COUNT_H
/*
 * What the birth and the death of a block do to counts, limits, the site
 * watch and references: the same whoever serves the memory, this library
 * (heap_alloc.c) or a sanitizer (heap_asan.c).
 */
#include "heap/heap_slot.h"
#include "stack/stack.h"

/* An allocation takes part in the limits from count_taken (or count_take,
 * which asks) on; it is a block, and part of peaks, from count_born on. */
TT_INLINE void count_taken(struct tt_slot *slot, size_t size)
{
    slot->total += (int64_t)size;
    slot->stamp += STAMP_ONE;
}

/* There was no memory for it after all. */
TT_INLINE void count_untaken(struct tt_slot *slot, size_t size)
{
    slot->total -= (int64_t)size;
    slot->stamp -= STAMP_ONE;
}

TT_INLINE void count_born(struct tt_slot *slot, size_t size)
{
    slot->peak = TT_MAX(slot->peak, slot->total - slot->freed);
    if (size > slot->largest) {
        slot->largest = size;
        slot->size_stop =
            TT_MIN(TT_MIN(slot->size_limit, SMALL_MAX), slot->largest);
    }
}

TT_INLINE void count_died(struct tt_slot *slot, const struct tt_block *block)
{
    if (block->epoch < ledger_epoch) {
        ledger_old_block(slot, block->epoch, (int64_t)block->size, 1);
    } else {
        slot->freed += (int64_t)block->size;
        slot->freed_count++;
    }
}

/* Takes back what count_died did. */
TT_INLINE void count_undied(struct tt_slot *slot, const struct tt_block *block)
{
    if (block->epoch < ledger_epoch) {
        ledger_old_block(slot, block->epoch, -(int64_t)block->size, -1);
    } else {
        slot->freed -= (int64_t)block->size;
        slot->freed_count--;
    }
}

TT_INLINE bool is_counted(uint32_t flags)
{
    return !(flags & (TT_BLOCK_TOOL | TT_BLOCK_SKIP));
}

TT_INLINE uint32_t slot_thread(const struct tt_slot *slot)
{
    return slot ? (uint32_t)(slot->thread_bits >> THREAD_SHIFT) : 0;
}

/* Must an allocation of 'size' bytes ask the ledger? */
TT_INLINE bool count_must_ask(const struct tt_slot *slot, size_t size)
{
    const int64_t add = (int64_t)size;
    return size > slot->size_limit ||
           slot_value(slot, GAUGE_LIVE) + add > slot_stop(slot, GAUGE_LIVE) ||
           slot_value(slot, GAUGE_TOTAL) + add > slot_stop(slot, GAUGE_TOTAL) ||
           slot_value(slot, GAUGE_COUNT) + 1 > slot_stop(slot, GAUGE_COUNT);
}

/* Counts an allocation as taken if every limit allows it. Tells breaches.
 * *stack is captured at 'frame' when it is needed and still 0. 'flags' gets
 * what the block is to have when the site watch has seen it. */
bool count_take(struct tt_slot *slot, size_t size, void *frame, uint32_t *stack,
                uint32_t *flags);

/* What a new block of this thread is to be. */
uint32_t count_flags(const struct tt_slot *slot);

/* Is there a site watch? */
bool count_watches_sites(void);

/* Tells the site watch, where it has seen the block, that it died or was not
 * made after all; and that it did not die after all. */
void count_site_left(const struct tt_block *block);
void count_site_back(const struct tt_block *block);

/* The facts of an object after a realloc at 'stack'. */
struct tt_block count_facts_after(const struct tt_block *from, size_t size,
                                  uint32_t flags, uint32_t stack);

/* Gets the calling thread ready to count. NULL when out of memory. */
struct tt_slot *slot_ready(void);

/* Returns whether the block's memory is to be kept. */
bool tell_died(const struct tt_block *block, uint32_t stack);
void tell_moved(const struct tt_block *from, const struct tt_block *to);

#endif
