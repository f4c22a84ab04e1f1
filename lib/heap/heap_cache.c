/* SPDX-License-Identifier: MIT */
/*
 * Giving a thread's free blocks back, on request and at its end.
 *
 * Hook: a thread may still free after it; its lists are full then.
 */
#include "heap/heap_cache.h"

#include <mimalloc.h>

_Thread_local struct small_cache small_cache
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

void cache_empty(void)
{
    for (size_t class = 0; class <= CACHE_CLASS_MAX; class ++)
        while (small_cache.first[class])
            mi_free(cache_take(class));
}

void cache_close(void)
{
    cache_empty();
    for (size_t class = 0; class <= CACHE_CLASS_MAX; class ++)
        small_cache.count[class] = CACHE_DEPTH;
}
