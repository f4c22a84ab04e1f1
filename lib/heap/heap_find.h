/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_FIND_H
#define TT_HEAP_FIND_H
/*
 * From any address to the block that may hold it, by the shadow alone: the
 * last start at or before the address. Small blocks end within 2 KiB of their
 * start; a big one that began in an earlier 64 KiB is known to the table of
 * covers. So at most 4,096 shadow bytes are read, eight at a time, and nearly
 * always one.
 */
#include "heap/heap_block.h"

#include <string.h>

#define SHADOW_LIVE_8 (SHADOW_LIVE * 0x0101010101010101ull)

/* The last start in the shadow bytes [floor, at]; NULL: none. */
TT_INLINE const uint8_t *shadow_back(const uint8_t *floor, const uint8_t *at)
{
    while (at - floor >= 8) {
        uint64_t eight;
        memcpy(&eight, at - 7, 8);
        eight &= SHADOW_LIVE_8;
        if (eight)
            return at - (__builtin_clzll(eight) >> 3);
        at -= 8;
    }
    for (; at >= floor; at--)
        if (*at & SHADOW_LIVE)
            return at;
    return NULL;
}

/* The last start at or before 'address' and not before 'first', which is of
 * the same region; 0: none. */
TT_INLINE uintptr_t start_back(const struct region *region, uintptr_t address,
                               uintptr_t first)
{
    const uint8_t *const floor =
        &region->shadow[(first & (REGION_BYTES - 1)) >> GRANULE_SHIFT];
    const uint8_t *const at =
        shadow_back(floor, floor + ((address - first) >> GRANULE_SHIFT));
    return at ? first + ((uintptr_t)(at - floor) << GRANULE_SHIFT) : 0;
}

/* The bytes that count as the live block's that starts at 'start': one for an
 * empty block, whose own address is in it. 0: no block starts there. */
TT_INLINE size_t block_extent(struct region *region, uintptr_t start)
{
    const uint8_t kind =
        __atomic_load_n(shadow_of(region, start), __ATOMIC_ACQUIRE) &
        SHADOW_LIVE;
    if (!kind)
        return 0;
    const size_t size =
        kind == SHADOW_BIG
            ? big_of(region, start)->size
            : (size_t)(__atomic_load_n(&words_of(region, start, kind)[1],
                                       __ATOMIC_RELAXED) >>
                           SIZE_SHIFT &
                       SIZE_MASK);
    return TT_MAX(size, 1);
}

TT_INLINE uintptr_t start_if_reaches(uintptr_t start, uintptr_t address)
{
    struct region *const region = start ? region_of(start) : NULL;
    return region && address - start < block_extent(region, start) ? start : 0;
}

/* Where the live block starts that holds 'address', which is in 'region'; 0:
 * none. */
TT_INLINE uintptr_t block_start(const struct region *region, uintptr_t address)
{
    const uintptr_t chunk = address & ~(((uintptr_t)1 << CHUNK_SHIFT) - 1);
    uintptr_t start = start_back(region, address, chunk);
    if (start)
        return start_if_reaches(start, address);
    start = start_if_reaches(
        region->cover[(chunk & (REGION_BYTES - 1)) >> CHUNK_SHIFT], address);
    if (start || address - chunk >= BIG_MIN)
        return start;
    const struct region *const before = region_of(chunk - 16);
    return before
               ? start_if_reaches(
                     start_back(before, chunk - 16, chunk - BIG_MIN), address)
               : 0;
}

#endif
