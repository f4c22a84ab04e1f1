/* SPDX-License-Identifier: MIT */
/*
 * Private memory: free lists of powers of two, cut from mapped chunks; larger
 * pieces are mappings of their own. Simple on purpose: Tether takes memory
 * rarely (a new stack, a thread, a reference's slab), never once a block.
 *
 * Locks: one, the innermost of all; nothing is called while it is held.
 * Hook: everything here may run inside malloc and free.
 */
#include "base/base_mem.h"

#include "base/base_lock.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES    ((size_t)4096)
#define CHUNK_BYTES   ((size_t)256 * 1024)
#define SMALL_MAX     ((size_t)16 * 1024)
#define SMALL_CLASSES 11 /* 16, 32, ... 16384 */

struct piece {
    struct piece *next;
};

static struct {
    struct tt_lock lock;
    struct piece *free[SMALL_CLASSES];
    char *chunk_at;
    char *chunk_end;
    size_t used;
} memory;

static void *map_pages(size_t bytes, int flags)
{
    const int before = errno;
    void *const start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    errno = before;
    return start == MAP_FAILED ? NULL : start;
}

void *tt_map(size_t bytes)
{
    return map_pages(bytes, 0);
}

void *tt_map_sparse(size_t bytes)
{
    return map_pages(bytes, MAP_NORESERVE);
}

void tt_unmap(void *start, size_t bytes)
{
    const int before = errno;
    munmap(start, bytes);
    errno = before;
}

void tt_release(void *start, size_t bytes)
{
    const int before = errno;
    madvise(start, bytes, MADV_DONTNEED);
    errno = before;
}

static size_t page_up(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static unsigned small_class(size_t bytes)
{
    unsigned class = 0;
    while (((size_t)16 << class) < bytes)
        class ++;
    return class;
}

/* Cuts a piece from the chunk; what is left of an old chunk is lost, at most
 * 16 KiB for each 256. */
static void *chunk_cut(size_t bytes)
{
    if ((size_t)(memory.chunk_end - memory.chunk_at) < bytes) {
        char *const chunk = tt_map(CHUNK_BYTES);
        if (!chunk)
            return NULL;
        memory.chunk_at = chunk;
        memory.chunk_end = chunk + CHUNK_BYTES;
    }
    void *const piece = memory.chunk_at;
    memory.chunk_at += bytes;
    return piece;
}

void *tt_mem_take(size_t bytes)
{
    if (bytes > SMALL_MAX) {
        void *const start = tt_map(page_up(bytes));
        if (start)
            __atomic_fetch_add(&memory.used, page_up(bytes), __ATOMIC_RELAXED);
        return start;
    }
    const unsigned class = small_class(bytes);
    const size_t size = (size_t)16 << class;
    tt_lock_take(&memory.lock);
    struct piece *const used = memory.free[class];
    if (used)
        memory.free[class] = used->next;
    struct piece *const piece = used ? used : chunk_cut(size);
    tt_lock_give(&memory.lock);
    if (!piece)
        return NULL;
    __atomic_fetch_add(&memory.used, size, __ATOMIC_RELAXED);
    /* What was never used is zero, and stays untouched. */
    if (used)
        memset(piece, 0, size);
    return piece;
}

void tt_mem_give(void *start, size_t bytes)
{
    if (!start)
        return;
    if (bytes > SMALL_MAX) {
        __atomic_fetch_sub(&memory.used, page_up(bytes), __ATOMIC_RELAXED);
        tt_unmap(start, page_up(bytes));
        return;
    }
    const unsigned class = small_class(bytes);
    struct piece *const piece = start;
    __atomic_fetch_sub(&memory.used, (size_t)16 << class, __ATOMIC_RELAXED);
    tt_lock_take(&memory.lock);
    piece->next = memory.free[class];
    memory.free[class] = piece;
    tt_lock_give(&memory.lock);
}

size_t tt_mem_used(void)
{
    return __atomic_load_n(&memory.used, __ATOMIC_RELAXED);
}

void tt_mem_lock(void)
{
    tt_lock_take(&memory.lock);
}

void tt_mem_unlock(void)
{
    tt_lock_give(&memory.lock);
}
