/* SPDX-License-Identifier: MIT */
/*
 * The slow paths: every kind of block, asking the ledger, and realloc.
 *
 * A realloc is, to every count, the end of the old block and the birth of the
 * new one; references, the KEEP mark and 'older than the window' stay with
 * the object, and so does its serial.
 *
 * Hook: everything here runs inside malloc and free.
 */
#include "heap/heap_alloc.h"
#include "heap/heap_cache.h"

#include "heap/heap_asan.h"
#include "heap/heap_count.h"

#include "base/base_mem.h"

#include <errno.h>
#include <mimalloc.h>
#include <string.h>

/* mimalloc 2.0.9 fails for large alignments: those are mapped here. */
#define ALIGNMENT_MAPPED ((size_t)1024 * 1024)

/* mimalloc's own thread-local storage is not there yet while the program is
 * relocated, which runs resolvers of IFUNC symbols; and what a thread takes
 * after mimalloc has ended for it is never given back. Such blocks are private
 * memory. */
static bool allocator_is_there(void)
{
    return tt_self.is_set_up && !tt_self.is_ending;
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* Maps a block by itself: room for its size at its alignment. */
static char *raw_mapped(size_t size, size_t alignment, size_t *length)
{
    const size_t bytes = (TT_MAX(size, 1) + 4095) & ~(size_t)4095;
    char *const start = tt_map_sparse(bytes + alignment);
    if (!start)
        return NULL;
    char *const block =
        (char *)(((uintptr_t)start + alignment - 1) & -alignment);
    if (block != start)
        tt_unmap(start, (size_t)(block - start));
    char *const end = start + bytes + alignment;
    if (block + bytes != end)
        tt_unmap(block + bytes, (size_t)(end - (block + bytes)));
    *length = bytes;
    return block;
}

/* Where a block's bytes come from. */
struct raw {
    char *block; /* what the program gets */
    uint8_t kind;
    size_t mapping; /* length of it, or of private memory; 0: mimalloc's */
};

static bool raw_small(const struct request *request, struct raw *raw)
{
    const size_t bytes = cache_round(request->size);
    char *const base =
        request->alignment > 16
            ? mi_malloc_aligned_at(bytes, request->alignment, HEADER_BYTES)
        : request->zeroed ? mi_zalloc(bytes)
                          : mi_malloc(bytes);
    *raw = (struct raw){ .block = base + HEADER_BYTES, .kind = SHADOW_SMALL };
    return base != NULL;
}

static bool raw_big(const struct request *request, struct raw *raw)
{
    const size_t bytes = TT_MAX(request->size, BIG_MIN);
    *raw = (struct raw){ .kind = SHADOW_BIG };
    if (request->alignment >= ALIGNMENT_MAPPED || !allocator_is_there())
        raw->block = raw_mapped(request->size, TT_MAX(request->alignment, 4096),
                                &raw->mapping);
    else if (request->alignment > 16)
        raw->block = mi_malloc_aligned(bytes, request->alignment);
    else
        raw->block = request->zeroed ? mi_zalloc(bytes) : mi_malloc(bytes);
    return raw->block != NULL;
}

static bool raw_private(const struct request *request, struct raw *raw)
{
    const size_t bytes = cache_round(request->size);
    char *const base = tt_mem_take(bytes);
    *raw = (struct raw){ .block = base + HEADER_BYTES,
                         .kind = SHADOW_SMALL,
                         .mapping = bytes };
    return base != NULL;
}

static bool raw_take(const struct request *request, struct raw *raw)
{
    if (request->size > PTRDIFF_MAX - request->alignment - HEADER_BYTES)
        return false;
    if (request->size > SMALL_MAX || request->alignment >= BIG_MIN)
        return raw_big(request, raw);
    if (TT_LIKELY(allocator_is_there()))
        return raw_small(request, raw);
    return request->alignment <= 16 ? raw_private(request, raw)
                                    : raw_big(request, raw);
}

static void raw_give(const struct raw *raw)
{
    const int before = errno;
    if (raw->mapping && raw->kind == SHADOW_SMALL)
        tt_mem_give(raw->block - HEADER_BYTES, raw->mapping);
    else if (raw->mapping)
        tt_unmap(raw->block, raw->mapping);
    else if (raw->block)
        mi_free(raw->kind == SHADOW_SMALL ? raw->block - HEADER_BYTES
                                          : raw->block);
    errno = before;
}

/* A block that exists gets its facts. NULL: no memory for the shadow. */
static void *born(const struct raw *raw, struct tt_block *facts)
{
    facts->address = raw->block;
    facts->flags |= raw->mapping ? TT_BLOCK_MAPPED : 0;
    if (!block_write(facts, raw->kind, raw->mapping)) {
        raw_give(raw);
        return no_memory();
    }
    return raw->block;
}

static void zero_what_is_not(const struct request *request,
                             const struct raw *raw)
{
    if (request->zeroed && request->alignment > 16 && !raw->mapping)
        memset(raw->block, 0, request->size);
}

void *alloc_slow(const struct request *request)
{
    const int before = errno;
    struct tt_slot *const slot = slot_ready();
    uint32_t flags = count_flags(slot), stack = 0;
    struct raw raw;
    if (TT_UNLIKELY(heap_sanitized))
        return sanitizer_alloc(request);
    /* No machine has half of it, and no count overflows by less. */
    if (request->size > PTRDIFF_MAX / 2)
        return no_memory();
    if (is_counted(flags) &&
        !count_take(slot, request->size, request->frame, &stack, &flags))
        return no_memory();
    if (!raw_take(request, &raw)) {
        if (is_counted(flags))
            count_untaken(slot, request->size);
        count_site_left(&(struct tt_block){ .size = request->size,
                                            .stack = stack,
                                            .epoch = ledger_epoch,
                                            .flags = flags });
        return no_memory();
    }
    zero_what_is_not(request, &raw);
    if (!stack && slot && !(flags & TT_BLOCK_TOOL))
        stack = stack_of_alloc(request->frame);
    if (is_counted(flags))
        count_born(slot, request->size);
    void *const block = born(
        &raw, &(struct tt_block){
                  .size = request->size,
                  .serial = slot ? (uint64_t)slot_value(slot, GAUGE_COUNT) : 0,
                  .stack = stack,
                  .thread = slot_thread(slot),
                  .epoch = ledger_epoch,
                  .flags = flags });
    if (block)
        errno = before;
    return block;
}

static struct raw raw_of(const struct tt_block *block, uint8_t kind)
{
    const uintptr_t address = (uintptr_t)block->address;
    struct raw raw = { .block = block->address, .kind = kind };
    if (block->flags & TT_BLOCK_MAPPED)
        raw.mapping = kind == SHADOW_SMALL
                          ? cache_round(block->size)
                          : big_of(region_of(address), address)->mapping;
    return raw;
}

/* One frame says where; a watched block's death is told in full. */
static uint32_t stack_of_free(const struct tt_block *block, void *frame)
{
    if (block->flags & TT_BLOCK_TOOL)
        return 0;
    return tt_stack_capture(
        frame, block->flags & TT_BLOCK_REF ? TT_MAX(tt_stack_depth, 8) : 1);
}

static void bury(const struct tt_block *block, uint8_t kind, uint32_t stack)
{
    const uintptr_t address = (uintptr_t)block->address;
    struct big_header *const big = big_of(region_of(address), address);
    if (kind == SHADOW_SMALL) {
        small_bury((uint64_t *)(address - HEADER_BYTES), DEAD_STACK, stack);
    } else {
        big->word[1] = (big->word[1] & ~FLAGS_MASK) | DEAD_STACK;
        big->mapping = stack;
    }
}

void free_slow(void *address, void *frame, const char *call)
{
    const int before = errno;
    struct tt_slot *const slot = slot_ready();
    struct tt_block block;
    uint8_t kind;
    if (TT_UNLIKELY(heap_sanitized)) {
        sanitizer_free(address);
        return;
    }
    if (!block_at(address, &block, &kind) || !shadow_leave(address, kind)) {
        misuse_tell(address, frame, call);
        errno = before;
        return;
    }
    const uint32_t stack = stack_of_free(&block, frame);
    const bool kept = block.flags & TT_BLOCK_REF && tell_died(&block, stack);
    if (is_counted(block.flags) && slot)
        count_died(slot, &block);
    count_site_left(&block);
    const struct raw raw = raw_of(&block, kind);
    bury(&block, kind, stack);
    if (!kept)
        raw_give(&raw);
    errno = before;
}

void tt_block_release(const struct tt_block *block)
{
    raw_give(&(struct raw){
        .block = block->address,
        .kind = block->flags & TT_BLOCK_BIG ? SHADOW_BIG : SHADOW_SMALL });
}

/* Can the block be 'size' bytes where it is? Halving moves it, so that memory
 * is given back. */
static bool fits_in_place(const struct tt_block *block, uint8_t kind,
                          size_t size)
{
    const bool small = kind == SHADOW_SMALL;
    if (block->flags & TT_BLOCK_MAPPED || small != (size <= SMALL_MAX))
        return false;
    const char *const base =
        (char *)block->address - (small ? HEADER_BYTES : 0);
    const size_t usable = mi_usable_size(base) - (small ? HEADER_BYTES : 0);
    return size <= usable && size >= usable / 2;
}

static void *realloc_moved(const struct tt_block *from, uint8_t kind,
                           const struct request *request,
                           struct tt_block *facts)
{
    struct raw raw;
    if (!raw_take(request, &raw))
        return NULL;
    memcpy(raw.block, from->address, TT_MIN(from->size, facts->size));
    if (!born(&raw, facts))
        return NULL;
    if (from->flags & TT_BLOCK_REF)
        tell_moved(from, facts);
    const struct raw old = raw_of(from, kind);
    if (shadow_leave(from->address, kind)) {
        bury(from, kind, facts->stack);
        raw_give(&old);
    }
    return raw.block;
}

static void *realloc_block(const struct tt_block *from, uint8_t kind,
                           const struct request *request,
                           struct tt_block *facts)
{
    if (!fits_in_place(from, kind, request->size))
        return realloc_moved(from, kind, request, facts);
    /* Only what the block reaches into anew can lack memory: it then stays as
     * it was. */
    const struct raw raw = raw_of(from, kind);
    facts->address = raw.block;
    if (from->flags & TT_BLOCK_REF) {
        if (!shadow_enter((uintptr_t)raw.block, facts->size,
                          shadow_with(kind, facts->flags)))
            return NULL;
        tell_moved(from, facts);
        return raw.block;
    }
    if (block_write(facts, raw.kind, raw.mapping))
        return raw.block;
    block_write(from, raw.kind, raw.mapping);
    return NULL;
}

/* The block as a realloc leaves it. NULL: denied, or no memory; nothing has
 * changed then. */
static void *realloc_counted(struct tt_slot *slot, const struct tt_block *from,
                             uint8_t kind, const struct request *request)
{
    uint32_t flags = count_flags(slot), stack = 0;
    const bool counted = slot && is_counted(flags);
    if (counted &&
        !count_take(slot, request->size, request->frame, &stack, &flags))
        return NULL;
    if (!stack && slot && !(flags & TT_BLOCK_TOOL))
        stack = stack_of_alloc(request->frame);
    struct tt_block facts =
        count_facts_after(from, request->size, flags, stack);
    void *const block = realloc_block(from, kind, request, &facts);
    if (!counted)
        return block;
    if (block) {
        count_born(slot, request->size);
    } else {
        count_untaken(slot, request->size);
        count_site_left(&facts);
    }
    return block;
}

void *realloc_slow(void *address, size_t size, void *frame, const char *call)
{
    const int before = errno;
    struct tt_slot *const slot = slot_ready();
    const struct request request = { .size = size, .frame = frame };
    struct tt_block from;
    uint8_t kind;
    if (TT_UNLIKELY(heap_sanitized))
        return sanitizer_realloc(address, size);
    if (!block_at(address, &from, &kind)) {
        misuse_tell(address, frame, call);
        return no_memory();
    }
    if (size > PTRDIFF_MAX / 2)
        return no_memory();
    const bool was_counted = slot && is_counted(from.flags);
    if (was_counted)
        count_died(slot, &from);
    count_site_left(&from);
    void *const block = realloc_counted(slot, &from, kind, &request);
    if (block) {
        errno = before;
        return block;
    }
    if (was_counted)
        count_undied(slot, &from);
    count_site_back(&from);
    return no_memory();
}
