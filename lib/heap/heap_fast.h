/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_FAST_H
#define TT_HEAP_FAST_H
/*
 * The common paths, inlined into each entry point of C and C++.
 */
#include "heap/heap_alloc.h"

#include <mimalloc.h>

/*
 * Counts a small block before it is taken, if the thread may go on without
 * asking. Before, because nothing but the block's address then has to survive
 * the call of mimalloc; the rare failure is taken back.
 */
TT_INLINE bool small_count(struct tt_slot *slot, size_t size)
{
    const int64_t total = slot->total + (int64_t)size;
    const int64_t live = total - slot->freed;
    const uint64_t stamp = slot->stamp + STAMP_ONE;
    if (TT_UNLIKELY(size > slot->size_stop || live > slot->stop[GAUGE_LIVE] ||
                    total > slot->stop[GAUGE_TOTAL] ||
                    (int64_t)stamp > slot->stop[GAUGE_COUNT]))
        return false;
    slot->total = total;
    slot->stamp = stamp;
    if (TT_UNLIKELY(live > slot->peak))
        slot->peak = live;
    return true;
}

TT_INLINE void small_uncount(struct tt_slot *slot, size_t size)
{
    slot->total -= (int64_t)size;
    slot->stamp -= STAMP_ONE;
}

/* The first word of a header, and the shadow. False: no region yet. What
 * mimalloc returns is below 2^47, so the table needs no check of its bound. */
TT_INLINE bool small_mark(const struct tt_slot *slot, char *base)
{
    const uintptr_t address = (uintptr_t)base + HEADER_BYTES;
    struct region *const region = region_table[address >> REGION_SHIFT];
    if (TT_UNLIKELY(!region))
        return false;
    *(uint64_t *)base = slot->stamp;
    *shadow_of(region, address) = SHADOW_SMALL;
    return true;
}

/* The rest of fast_alloc where it has to call somebody: out of line, so that
 * the common path keeps few registers. */
void *small_born_stack(struct tt_slot *slot, char *base, size_t size,
                       void *frame);
void *small_born_region(struct tt_slot *slot, char *base, size_t size,
                        void *frame);

/* The whole of malloc and calloc: 'take' is mimalloc's, 'slow' ours. */
TT_INLINE void *fast_alloc(size_t size, void *frame, void *(*take)(size_t),
                           void *(*slow)(size_t size, void *frame))
{
    struct tt_slot *const slot = tt_self.fast;
    if (TT_UNLIKELY(!slot || !small_count(slot, size)))
        return slow(size, frame);
    char *const base = take(size + HEADER_BYTES);
    if (TT_UNLIKELY(base == NULL)) {
        small_uncount(slot, size);
        return slow(size, frame);
    }
    if (TT_UNLIKELY(!small_mark(slot, base)))
        return small_born_region(slot, base, size, frame);
    if (tt_stack_depth)
        return small_born_stack(slot, base, size, frame);
    ((uint64_t *)base)[1] = word1_of(0, slot->thread_bits, size, 0);
    return base + HEADER_BYTES;
}

/* mimalloc's free, with errno as it was. */
TT_INLINE void mi_free_errno(void *base)
{
    const int before = *errno_place();
    mi_free(base);
    *errno_place() = before;
}

/* False: this one is for free_slow (or NULL). 'caller' is the return address
 * of the entry point. */
TT_INLINE bool fast_free(void *address, void *caller)
{
    const uintptr_t at = (uintptr_t)address;
    struct tt_slot *const slot = tt_self.fast;
    struct region *const region = region_of(at);
    if (TT_UNLIKELY(!slot || !region))
        return false;
    uint8_t *const shadow = shadow_of(region, at);
    uint64_t *const words = (uint64_t *)(at - HEADER_BYTES);
    if (TT_UNLIKELY(*shadow != SHADOW_SMALL || at % 16 != 0))
        return false;
    if (TT_UNLIKELY(word0_epoch(words[0]) < ledger_epoch))
        return false;
    slot->freed += (int64_t)(words[1] >> SIZE_SHIFT);
    slot->freed_count++;
    *shadow = SHADOW_DEAD;
    /* It has no flags: small_bury in one instruction less. */
    words[1] |= DEAD_CALLER;
    words[2] = (uintptr_t)caller;
    mi_free_errno(words);
    return true;
}

#endif
