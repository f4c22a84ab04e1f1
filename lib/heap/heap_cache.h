/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_CACHE_H
#define TT_HEAP_CACHE_H
/*
 * A few free small blocks for each thread and size, taken and given back
 * without a call: what malloc and free do most is to hand the same sizes to
 * and fro. A block's header holds the link, where mimalloc's would be; its
 * shadow says that it is dead, so nobody finds it, and a second free of it is
 * caught as any other. A list never holds more than 16 blocks.
 *
 * A class is a number of 16 bytes, the header included, and whatever is in its
 * list has at least so many: requests are rounded up before they get to
 * mimalloc.
 */
#include "heap/heap_slot.h"

#define CACHE_CLASS_MAX ((size_t)64) /* 1 KiB */
#define CACHE_DEPTH     16

struct small_cache {
    uint64_t *first[CACHE_CLASS_MAX + 1];
    uint8_t count[CACHE_CLASS_MAX + 1];
};

extern _Thread_local struct small_cache small_cache
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* An empty block has room for a byte, as one word behind the header of a dead
 * block is Tether's. */
TT_INLINE size_t cache_class(size_t size)
{
    return (size + (size == 0) + HEADER_BYTES + 15) / 16;
}

/* What mimalloc is asked for when a small block is wanted. */
TT_INLINE size_t cache_round(size_t size)
{
    return cache_class(size) * 16;
}

/* NULL: none of that class is there. */
TT_INLINE uint64_t *cache_take(size_t class)
{
    uint64_t *const words =
        TT_LIKELY(class <= CACHE_CLASS_MAX) ? small_cache.first[class] : NULL;
    if (TT_LIKELY(words != NULL)) {
        small_cache.first[class] = (uint64_t *)words[0];
        small_cache.count[class]--;
    }
    return words;
}

/* False: the list is full, give the block to mimalloc. */
TT_INLINE bool cache_give(uint64_t *words, size_t class)
{
    if (TT_UNLIKELY(class > CACHE_CLASS_MAX ||
                    small_cache.count[class] >= CACHE_DEPTH))
        return false;
    words[0] = (uintptr_t)small_cache.first[class];
    small_cache.first[class] = words;
    small_cache.count[class]++;
    return true;
}

/* Gives all that the calling thread has to mimalloc. */
void cache_empty(void);

/* The calling thread ends: gives all to mimalloc, and takes no more. */
void cache_close(void);

#endif
