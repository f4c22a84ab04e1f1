/* SPDX-License-Identifier: MIT */
/*
 * Tags: how a block finds its references without a table. The tag stands in
 * word 1 of the block's own header, which free reads anyway, in the place of
 * the stack and the thread; the owner of the tag keeps those meanwhile and
 * tells them to readers (tt_heap_news.tagged). The epoch, the serial, the size
 * and the flags stay, so that counting never depends on a tag.
 *
 * Locks: the owner's. Only flags may change beside it (tether_keep).
 * Hook: everything here runs inside free and realloc.
 */
#include "heap/heap_block.h"

/* Word 1 of a block that is alive, or dies and is not given back yet. */
TT_INLINE uint64_t *word_of(struct region *region, uintptr_t at)
{
    if (TT_UNLIKELY(*shadow_of(region, at) & (SHADOW_BIG | SHADOW_DEAD_BIG)))
        return &big_of(region, at)->word[1];
    return &words_of(region, at, region->side ? SHADOW_SIDE : SHADOW_SMALL)[1];
}

TT_INLINE uint32_t tag_of(uint64_t word)
{
    return word & TAGGED ? (uint32_t)(word & TAG_MASK) : 0;
}

/* Sends free the slow way. A plain store will do, as who tags a block has a
 * pointer to it that it may use, so nobody frees it meanwhile. False: it is
 * dead. */
TT_INLINE bool shadow_flag(uint8_t *shadow)
{
    const uint8_t mark = __atomic_load_n(shadow, __ATOMIC_RELAXED);
    if (mark == SHADOW_SMALL)
        __atomic_store_n(shadow, SHADOW_SMALL | SHADOW_FLAGGED,
                         __ATOMIC_RELEASE);
    return mark & SHADOW_LIVE;
}

static void word_change(uint64_t *word, uint64_t clear, uint64_t set)
{
    uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(word, &old, (old & ~clear) | set, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
}

uint32_t tt_block_tag(const void *address)
{
    const uintptr_t at = (uintptr_t)address;
    struct region *const region = region_of(at);
    return region && at % 16 == 0
               ? tag_of(__atomic_load_n(word_of(region, at), __ATOMIC_ACQUIRE))
               : 0;
}

bool tt_block_tag_set(const void *address, uint32_t tag)
{
    const uintptr_t at = (uintptr_t)address;
    struct region *const region = region_of(at);
    if (!region || at % 16)
        return false;
    uint64_t *const word = word_of(region, at);
    /* A block that dies just now keeps its tag until its owner is told. */
    if (!shadow_flag(shadow_of(region, at)) && !tag_of(*word))
        return false;
    word_change(word, TAG_MASK, TAGGED | tag);
    return true;
}

void tt_block_tag_clear(const void *address, uint32_t stack, uint32_t thread)
{
    const uintptr_t at = (uintptr_t)address;
    struct region *const region = region_of(at);
    uint64_t *const word = region && at % 16 == 0 ? word_of(region, at) : NULL;
    const uint64_t facts = stack | (uint64_t)thread << THREAD_SHIFT;
    if (!word || !tag_of(*word))
        return;
    if (*shadow_of(region, at) & SHADOW_LIVE)
        word_change(word, TAG_MASK | TAGGED, facts);
    else /* nobody else may change a block that dies */
        __atomic_store_n(word, (*word & ~(TAG_MASK | TAGGED)) | facts,
                         __ATOMIC_RELEASE);
}

void tt_block_rewrite(const struct tt_block *block)
{
    const uintptr_t at = (uintptr_t)block->address;
    struct region *const region = region_of(at);
    const uint8_t kind = *shadow_of(region, at) & SHADOW_LIVE;
    const size_t mapping = block->flags & TT_BLOCK_MAPPED && kind == SHADOW_BIG
                               ? big_of(region, at)->mapping
                               : 0;
    block_write(block, kind, mapping);
}
