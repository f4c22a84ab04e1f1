/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_CACHE_H
#define TT_HEAP_CACHE_H
/*
 * A few free small blocks for each thread and size, taken and given back
 * without a call: what malloc and free do most is to hand the same sizes to
 * and fro. A block's header holds the link, where mimalloc's would be; its
 * shadow says that it is dead, so nobody finds it, and a second free of it is
 * caught as any other.
 *
 * A class is a number of 16 bytes, the header included, and whatever is in its
 * list has at least so many: requests are rounded up before they get to
 * mimalloc. (Class 1 is that of empty blocks, which have room for a byte, as
 * one word behind the header of a dead block is Tether's.)
 *
 * A link is the address of a block's header, shifted by 16 bits, and below it
 * how many blocks the list holds from this one on. No block and the largest
 * number is a closed list, which gives nothing and takes nothing: those of a
 * thread that has ended, and those of large classes.
 */
#include "heap/heap_slot.h"

#define CACHE_CLASS_MAX ((size_t)64) /* 1 KiB */
#define CACHE_DEPTH     31
#define LINK_SHIFT      16
#define CACHE_CLOSED    ((uintptr_t)CACHE_DEPTH)

/* At most SMALL_MAX bytes. */
TT_INLINE size_t cache_class(size_t size)
{
    return (size + HEADER_BYTES + 15) / 16;
}

_Static_assert((SMALL_MAX + HEADER_BYTES + 15) / 16 < TT_CACHE_CLASSES,
               "each small size has a class");

/* What mimalloc is asked for when a small block is wanted. */
TT_INLINE size_t cache_round(size_t size)
{
    return TT_MAX(cache_class(size), 2) * 16;
}

/* NULL: none of that class is there. */
TT_INLINE uint64_t *cache_take(size_t class)
{
    uint64_t *const words = (uint64_t *)(tt_self.cache[class] >> LINK_SHIFT);
    if (TT_LIKELY(words != NULL))
        tt_self.cache[class] = words[0];
    return words;
}

/* False: the list is full, give the block to mimalloc. Any class will do. */
TT_INLINE bool cache_give(uint64_t *words, size_t class)
{
    if (TT_UNLIKELY(class >= TT_CACHE_CLASSES))
        return false;
    const uintptr_t first = tt_self.cache[class];
    const uint16_t count = (uint16_t)first;
    if (TT_UNLIKELY(count >= CACHE_DEPTH))
        return false;
    words[0] = first;
    tt_self.cache[class] = ((uintptr_t)words << LINK_SHIFT) + count + 1;
    return true;
}

/* The calling thread begins: opens the lists of the classes that have one. */
void cache_open(void);

/* Gives all that the calling thread has to mimalloc. */
void cache_empty(void);

/* The calling thread ends: gives all to mimalloc, and takes no more. */
void cache_close(void);

#endif
