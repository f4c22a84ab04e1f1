/* SPDX-License-Identifier: MIT */
/*
 * Free memory that goes back to the system. mimalloc keeps memory for each
 * thread, which only that thread may give back; that of threads that have
 * ended is anybody's. It gives back areas of 32 MiB that are free as a whole,
 * and large blocks.
 */
#include "heap/heap.h"
#include "heap/heap_asan.h"
#include "heap/heap_cache.h"

#include <mimalloc.h>

extern void __sanitizer_purge_allocator(void) __attribute__((weak));

void tt_heap_release(void)
{
    tt_enter();
    if (heap_sanitized) {
        if (__sanitizer_purge_allocator)
            __sanitizer_purge_allocator();
    } else {
        cache_empty();
        mi_collect(true);
    }
    tt_leave();
}
