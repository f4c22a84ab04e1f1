/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_FAST_H
#define TT_HEAP_FAST_H
/*
 * The common paths, inlined into each entry point of C and C++.
 */
#include "heap/heap_alloc.h"
#include "heap/heap_cache.h"

#include <mimalloc.h>

/* Counts a small block before it is taken, if the thread may go on without
 * asking. *word becomes its word 0. */
TT_INLINE bool small_count(struct tt_slot *slot, size_t size, uint64_t *word)
{
    slot_counting(slot, 1);
    /* Unsigned, because a size that is refused below may overflow them. */
    const int64_t total = (int64_t)((uint64_t)slot->total + size);
    const int64_t live = (int64_t)((uint64_t)total - (uint64_t)slot->freed);
    const uint64_t stamp = slot->stamp + STAMP_ONE;
    if (TT_UNLIKELY(size > slot->size_stop || live > slot->stop[GAUGE_LIVE] ||
                    total > slot->stop[GAUGE_TOTAL] ||
                    (int64_t)stamp > slot->stop[GAUGE_COUNT])) {
        slot_counting(slot, 0);
        return false;
    }
    slot->total = total;
    slot->stamp = *word = stamp;
    slot_counting(slot, 0);
    if (TT_UNLIKELY(live > slot->peak))
        slot->peak = live;
    return true;
}

/*
 * The rest of fast_alloc where it has to call somebody is out of line, so that
 * the common path keeps few registers and needs no frame: it ends in jumps.
 * What is jumped to begins the stack with its own frame, whose return address
 * is that of the entry point. (The two files of entry points are built with
 * optimisation in every build, for without it a jump is a call.)
 */
void *small_born_stack(const struct tt_slot *slot, uint64_t *words,
                       size_t size);

/* A counted block from mimalloc. NULL: no memory, and no longer counted. */
void *small_fresh(struct tt_slot *slot, size_t size, bool zeroed, void *frame);

/* The whole of malloc, calloc and new: 'miss' takes a counted block from
 * mimalloc, 'slow' does what is not common. */
TT_INLINE void *fast_alloc(size_t size, bool zeroed,
                           void *(*miss)(struct tt_slot *slot, size_t size),
                           void *(*slow)(size_t size))
{
    struct tt_slot *const slot = tt_self.fast;
    uint64_t word;
    if (TT_UNLIKELY(!slot || !heap_process_is_mine() ||
                    !small_count(slot, size, &word)))
        return slow(size);
    uint64_t *const words = cache_take(cache_class(size));
    if (TT_UNLIKELY(!words))
        return miss(slot, size);
    const uintptr_t address = (uintptr_t)words + HEADER_BYTES;
    /* A block was there before, and so is its region. */
    *(uint8_t *)(region_bias[address >> REGION_SHIFT] +
                 (address >> GRANULE_SHIFT)) = SHADOW_SMALL;
    words[0] = word;
    if (zeroed)
        __builtin_memset((void *)address, 0, size);
    if (tt_stack_depth)
        return small_born_stack(slot, words, size);
    words[1] = word1_of(0, slot->thread_bits, size, 0);
    return (void *)address;
}

/* mimalloc's free, with errno as it was. */
void mi_free_errno(void *base);

/* False: this one is for free_slow (or NULL). 'caller' is the return address
 * of the entry point. */
TT_INLINE bool fast_free(void *address, void *caller)
{
    /* Turned right by four bits, an address that is no multiple of 16 is as
     * large as one that no program has: one comparison refuses both. */
    const uintptr_t granule = (uintptr_t)address >> GRANULE_SHIFT |
                              (uintptr_t)address << (64 - GRANULE_SHIFT);
    size_t index = granule / SHADOW_BYTES;
    /* Hidden from the compiler, which would compare with two instructions. */
    __asm__("" : "+r"(index));
    struct tt_slot *const slot = tt_self.fast;
    if (TT_UNLIKELY(!slot || index >= REGIONS_MAX || !region_bias[index]))
        return false;
    uint8_t *const shadow = (uint8_t *)(region_bias[index] + granule);
    uint64_t *const words = (uint64_t *)((uintptr_t)address - HEADER_BYTES);
    if (TT_UNLIKELY(*shadow != SHADOW_SMALL ||
                    !heap_process_is_young(word0_epoch(words[0]))))
        return false;
    const size_t size = words[1] >> SIZE_SHIFT;
    slot->freed += (int64_t)size;
    slot->freed_count++;
    *shadow = SHADOW_DEAD;
    /* It has no flags: small_bury in one instruction less. */
    ((uint8_t *)words)[15] = DEAD_CALLER >> 56;
    words[2] = (uintptr_t)caller;
    if (TT_UNLIKELY(!cache_give(words, cache_class(size))))
        mi_free_errno(words);
    return true;
}

/* The mark is in the uppermost byte of word 1, where a size never reaches. */
_Static_assert(DEAD_CALLER << 8 == 0 && SMALL_MAX < 1 << (56 - SIZE_SHIFT),
               "see fast_free");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "see fast_free");

#endif
