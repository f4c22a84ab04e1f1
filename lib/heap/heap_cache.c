/* SPDX-License-Identifier: MIT */
/*
 * Opening a thread's lists of free blocks, and giving the blocks back.
 *
 * Hook: a thread may still free after the end; its lists are closed then.
 */
#include "heap/heap_cache.h"

#include <mimalloc.h>

void cache_open(void)
{
    for (size_t class = CACHE_CLASS_MAX + 1; class < TT_CACHE_CLASSES; class ++)
        tt_self.cache[class] = CACHE_CLOSED;
}

void cache_empty(void)
{
    for (size_t class = 0; class < TT_CACHE_CLASSES; class ++) {
        uint64_t *words;
        while ((words = cache_take(class)) != NULL)
            mi_free(words);
    }
}

void cache_close(void)
{
    cache_empty();
    for (size_t class = 0; class < TT_CACHE_CLASSES; class ++)
        tt_self.cache[class] = CACHE_CLOSED;
}
