/* SPDX-License-Identifier: MIT */
/*
 * The end of a thread's cache of free blocks.
 *
 * Hook: a thread may still free after it; its lists are full then.
 */
#include "heap/heap_cache.h"

#include <mimalloc.h>

_Thread_local struct small_cache small_cache
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

void cache_close(void)
{
    for (size_t class = 0; class <= CACHE_CLASS_MAX; class ++) {
        while (small_cache.first[class])
            mi_free(cache_take(class));
        small_cache.count[class] = CACHE_DEPTH;
    }
}
