/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_FAST_H
#define TT_HEAP_FAST_H
/*
 * The common paths, inlined into each entry point of C and C++.
 */
#include "heap/heap_alloc.h"

#include <mimalloc.h>

/* Is a small request within all that this thread may do without asking? */
TT_INLINE bool within_stops(const struct tt_slot *slot, size_t size)
{
    return size <= slot->size_stop &&
           slot->value[GAUGE_LIVE] + (int64_t)size <= slot->stop[GAUGE_LIVE] &&
           slot->value[GAUGE_TOTAL] + (int64_t)size <=
               slot->stop[GAUGE_TOTAL] &&
           slot->value[GAUGE_COUNT] < slot->stop[GAUGE_COUNT];
}

/* Counts a small block of mimalloc's and writes its header. */
TT_INLINE void *small_born(struct tt_slot *slot, char *base, size_t size,
                           void *frame)
{
    const uintptr_t address = (uintptr_t)base + HEADER_BYTES;
    uint64_t *const words = (uint64_t *)base;
    const int64_t live = slot->value[GAUGE_LIVE] + (int64_t)size;
    const int64_t serial = slot->value[GAUGE_COUNT] + 1;
    slot->value[GAUGE_LIVE] = live;
    slot->value[GAUGE_TOTAL] += (int64_t)size;
    slot->value[GAUGE_COUNT] = serial;
    slot->blocks++;
    if (live > slot->peak)
        slot->peak = live;
    words[0] = word0_of((uint64_t)serial, ledger_epoch);
    words[1] = word1_of(stack_of_alloc(frame), slot->thread_bits, size, 0);
    struct region *const region = region_of(address);
    if (TT_LIKELY(region && (address ^ (address + size)) >> CHUNK_SHIFT == 0))
        *shadow_of(region, address) = SHADOW_SMALL;
    else
        shadow_enter(address, size, SHADOW_SMALL);
    return (void *)address;
}

/* NULL: this one is for alloc_slow. */
TT_INLINE void *fast_alloc(size_t size, void *frame)
{
    struct tt_slot *const slot = tt_self.fast;
    if (TT_UNLIKELY(!slot || !within_stops(slot, size)))
        return NULL;
    char *const base = mi_malloc(size + HEADER_BYTES);
    return TT_LIKELY(base != NULL) ? small_born(slot, base, size, frame)
                                   : NULL;
}

/* False: this one is for free_slow (or NULL). */
TT_INLINE bool fast_free(void *address, void *frame)
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
    const uint64_t word1 = words[1];
    if (TT_UNLIKELY(word1_flags(word1) != 0 ||
                    word0_epoch(words[0]) < ledger_epoch))
        return false;
    slot->value[GAUGE_LIVE] -= (int64_t)(word1 >> SIZE_SHIFT & SIZE_MASK);
    slot->blocks--;
    *shadow = SHADOW_DEAD;
    words[1] = word1_of_dead(
        word1, free_depth ? tt_stack_capture(frame, free_depth) : 0);
    int *const place = errno_place();
    const int before = *place;
    mi_free(words);
    *place = before;
    return true;
}

#endif
