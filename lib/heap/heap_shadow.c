/* SPDX-License-Identifier: MIT */
/*
 * The shadow map: which addresses are blocks. Blocks are written by the thread
 * that allocates or frees them, with plain stores: the start byte is the last
 * thing written at birth and the first at death, so a reader that sees it set
 * finds a whole header.
 *
 * Locks: one, for making regions; nothing is called while it is held but the
 * mapping of memory.
 * Hook: everything here runs inside malloc and free.
 */
#include "heap/heap_find.h"

#include "heap/heap_asan.h"

#include "base/base_lock.h"
#include "base/base_mem.h"

#include <string.h>
#include <sys/mman.h>

uintptr_t region_bias[REGIONS_MAX];

/* The regions in use, so that a visit need not look at four million slots. */
static struct {
    struct tt_lock lock;
    uint32_t *index; /* region numbers, in the order of their making */
    size_t count;
    size_t capacity;
} regions;

static bool region_list_add(uint32_t index)
{
    if (regions.count == regions.capacity) {
        const size_t capacity = TT_MAX(regions.capacity * 2, 256);
        uint32_t *const grown = tt_map(capacity * sizeof *grown);
        if (!grown)
            return false;
        /* A visit may still read the old list: it stays mapped. */
        if (regions.count)
            memcpy(grown, regions.index, regions.count * sizeof *grown);
        __atomic_store_n(&regions.index, grown, __ATOMIC_RELEASE);
        regions.capacity = capacity;
    }
    regions.index[regions.count] = index;
    __atomic_store_n(&regions.count, regions.count + 1, __ATOMIC_RELEASE);
    return true;
}

TT_COLD struct region *region_make(uintptr_t address)
{
    const size_t index = address >> REGION_SHIFT;
    if (index >= REGIONS_MAX)
        return NULL;
    tt_lock_take(&regions.lock);
    struct region *region = region_of(address);
    if (!region) {
        const size_t bytes = sizeof *region + (heap_sanitized ? SIDE_BYTES : 0);
        region = tt_map_sparse(bytes);
        if (region && !region_list_add((uint32_t)index)) {
            tt_unmap(region, bytes);
            region = NULL;
        }
        if (region) {
            /* A huge page would cost 2 MiB for the first block. */
            madvise(region, bytes, MADV_NOHUGEPAGE);
            region->side = heap_sanitized ? (void *)(region + 1) : NULL;
            __atomic_store_n(&region_bias[index],
                             (uintptr_t)region - index * SHADOW_BYTES,
                             __ATOMIC_RELEASE);
        }
    }
    tt_lock_give(&regions.lock);
    return region;
}

/* Tells each 64 KiB after the first that the block reaches into. */
static bool cover_enter(uintptr_t address, size_t size)
{
    const uintptr_t last = (address + size - 1) >> CHUNK_SHIFT;
    for (uintptr_t chunk = (address >> CHUNK_SHIFT) + 1; chunk <= last;
         chunk++) {
        const uintptr_t at = chunk << CHUNK_SHIFT;
        struct region *region = region_of(at);
        if (TT_UNLIKELY(!region) && !(region = region_make(at)))
            return false;
        region->cover[(at & (REGION_BYTES - 1)) >> CHUNK_SHIFT] = address;
    }
    return true;
}

bool shadow_enter(uintptr_t address, size_t size, uint8_t kind)
{
    struct region *region = region_of(address);
    if (TT_UNLIKELY(!region) && !(region = region_make(address)))
        return false;
    if (kind == SHADOW_BIG &&
        (address ^ (address + size - 1)) >> CHUNK_SHIFT != 0 && size > 1 &&
        !cover_enter(address, size))
        return false;
    __atomic_store_n(shadow_of(region, address), kind, __ATOMIC_RELEASE);
    return true;
}

bool shadow_leave(const void *address, uint8_t kind)
{
    struct region *const region = region_of((uintptr_t)address);
    const uint8_t after = kind == SHADOW_SMALL ? SHADOW_DEAD
                          : kind == SHADOW_BIG ? SHADOW_DEAD_BIG
                                               : SHADOW_NONE;
    const uint8_t before = __atomic_exchange_n(
        shadow_of(region, (uintptr_t)address), after, __ATOMIC_ACQ_REL);
    return (before & SHADOW_LIVE) == kind;
}

bool block_write(const struct tt_block *block, uint8_t kind, size_t mapping)
{
    const uintptr_t address = (uintptr_t)block->address;
    const bool big = kind == SHADOW_BIG;
    struct region *region = region_of(address);
    if (!region && !(region = region_make(address)))
        return false;
    const uint32_t flags =
        (block->flags & ~(uint32_t)TT_BLOCK_REF) | (big ? TT_BLOCK_BIG : 0);
    uint64_t *const words = words_of(region, address, kind);
    words[0] = word0_of(block->serial, block->epoch);
    words[1] = word1_of(block->stack, (uint64_t)block->thread << THREAD_SHIFT,
                        big ? 0 : block->size,
                        flags | (mapping ? TT_BLOCK_MAPPED : 0));
    if (big) {
        big_of(region, address)->size = block->size;
        big_of(region, address)->mapping = mapping;
    }
    return shadow_enter(address, block->size, shadow_with(kind, block->flags));
}

bool block_at(const void *address, struct tt_block *block, uint8_t *kind)
{
    const uintptr_t at = (uintptr_t)address;
    struct region *const region = region_of(at);
    if (!region || at % 16)
        return false;
    *kind = *shadow_of(region, at) & SHADOW_LIVE;
    if (!*kind)
        return false;
    block_read(region, at, *kind, block);
    return true;
}

/* Asks the owner of a tag for what it keeps of the block. What is read is good
 * if the tag is still there after that. Returns word 1. */
static TT_NOINLINE uint64_t tag_resolve(const uint64_t *word, uint64_t tagged,
                                        struct tt_block *block)
{
    for (;;) {
        block->stack = block->thread = 0;
        if (tt_heap_news.tagged)
            tt_heap_news.tagged((uint32_t)(tagged & TAG_MASK), block);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        const uint64_t now = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (now == tagged)
            return now;
        if (!(now & TAGGED)) {
            block->stack = (uint32_t)(now & STACK_MASK);
            block->thread = (uint32_t)(now >> THREAD_SHIFT & THREAD_MAX);
            return now;
        }
        tagged = now;
    }
}

void block_read(struct region *region, uintptr_t address, uint8_t kind,
                struct tt_block *block)
{
    const uint64_t *const words = words_of(region, address, kind);
    const uint64_t first = __atomic_load_n(&words[0], __ATOMIC_RELAXED);
    const uint64_t second = __atomic_load_n(&words[1], __ATOMIC_ACQUIRE);
    *block = (struct tt_block){
        .address = (void *)address,
        .size = kind == SHADOW_BIG ? big_of(region, address)->size
                                   : (second >> SIZE_SHIFT & SIZE_MASK),
        .serial = first >> EPOCH_BITS,
        .stack = (uint32_t)(second & STACK_MASK),
        .thread = (uint32_t)(second >> THREAD_SHIFT & THREAD_MAX),
        .epoch = word0_epoch(first),
        .flags = word1_flags(second),
    };
    if (TT_UNLIKELY(second & TAGGED))
        block->flags = word1_flags(tag_resolve(&words[1], second, block));
}

bool tt_block_find(const void *pointer, struct tt_block *block)
{
    const uintptr_t address = (uintptr_t)pointer;
    struct region *region = region_of(address);
    const uintptr_t start = region ? block_start(region, address) : 0;
    if (!start)
        return false;
    region = region_of(start);
    const uint8_t kind =
        __atomic_load_n(shadow_of(region, start), __ATOMIC_ACQUIRE) &
        SHADOW_LIVE;
    if (!kind)
        return false;
    block_read(region, start, kind, block);
    return !(block->flags & TT_BLOCK_TOOL);
}

static int region_order(const void *a, const void *b)
{
    const uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
    return one < two ? -1 : one > two;
}

/* Sorts in place without libc: qsort may call malloc. */
static void region_sort(uint32_t *index, size_t count)
{
    for (size_t gap = count / 2; gap > 0; gap /= 2)
        for (size_t i = gap; i < count; i++)
            for (size_t j = i;
                 j >= gap && region_order(&index[j - gap], &index[j]) > 0;
                 j -= gap) {
                const uint32_t swap = index[j];
                index[j] = index[j - gap];
                index[j - gap] = swap;
            }
}

uint32_t *regions_sorted(size_t *count)
{
    *count = __atomic_load_n(&regions.count, __ATOMIC_ACQUIRE);
    uint32_t *const index = *count ? tt_mem_take(*count * sizeof *index) : NULL;
    if (!index) {
        *count = 0;
        return NULL;
    }
    memcpy(index, regions.index, *count * sizeof *index);
    region_sort(index, *count);
    return index;
}

static bool region_visit(uint32_t index,
                         bool (*see)(const struct tt_block *, void *),
                         void *ctx)
{
    const uintptr_t start = (uintptr_t)index << REGION_SHIFT;
    struct region *const region = region_of(start);
    for (size_t byte = 0; byte < SHADOW_BYTES; byte += 8) {
        uint64_t eight;
        memcpy(&eight, &region->shadow[byte], 8);
        eight &= SHADOW_LIVE * 0x0101010101010101ull;
        for (; eight; eight &= eight - 1) {
            const unsigned bit = (unsigned)__builtin_ctzll(eight);
            const uintptr_t address =
                start + ((byte + bit / 8) << GRANULE_SHIFT);
            const uint8_t kind = (uint8_t)(1u << (bit % 8));
            struct tt_block block;
            block_read(region, address, kind, &block);
            if (!(block.flags & TT_BLOCK_TOOL) && !see(&block, ctx))
                return false;
        }
    }
    return true;
}

void tt_blocks_visit(bool (*see)(const struct tt_block *, void *), void *ctx)
{
    size_t count;
    uint32_t *const index = regions_sorted(&count);
    for (size_t i = 0; i < count; i++)
        if (!region_visit(index[i], see, ctx))
            break;
    if (index)
        tt_mem_give(index, count * sizeof *index);
}

bool tt_block_flags(const void *pointer, uint32_t set, uint32_t clear)
{
    const uintptr_t address = (uintptr_t)pointer;
    struct region *const region = region_of(address);
    if (!region || address % 16)
        return false;
    const uint8_t kind = *shadow_of(region, address) & SHADOW_LIVE;
    if (!kind)
        return false;
    uint64_t *const word = &words_of(region, address, kind)[1];
    if (set && kind == SHADOW_SMALL)
        __atomic_fetch_or(shadow_of(region, address), SHADOW_FLAGGED,
                          __ATOMIC_ACQ_REL);
    if (set)
        __atomic_fetch_or(word, (uint64_t)set << FLAGS_SHIFT, __ATOMIC_ACQ_REL);
    if (clear)
        __atomic_fetch_and(word, ~((uint64_t)clear << FLAGS_SHIFT),
                           __ATOMIC_ACQ_REL);
    return true;
}

void shadow_lock(void)
{
    tt_lock_take(&regions.lock);
}

void shadow_unlock(void)
{
    tt_lock_give(&regions.lock);
}
