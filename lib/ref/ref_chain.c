/* SPDX-License-Identifier: MIT */
/*
 * Chains: the slots of one object, a ring in the order of their making. The
 * ring hangs by its first slot: on the block itself, or in the table of keys.
 * Each slot of a live block keeps the block's stack and thread, which the tag
 * displaces, so that any of them can be the first.
 *
 * Locks: the shard's, held by the callers; tt_ref_tagged takes none.
 * Hook: all but add runs inside free; nothing is allocated for blocks.
 */
#include "ref/ref.h"
#include "ref/ref_slot.h"

struct shard *tt_chain_shard(uintptr_t base)
{
    return &tt_shards[tt_page_hash(base) >> (64 - TT_SHARD_BITS)];
}

static uintptr_t slot_base(uint32_t index)
{
    return atomic_load_explicit(&slot_at(index)->base, memory_order_relaxed);
}

void tt_ref_tagged(uint32_t tag, struct tt_block *block)
{
    const struct ref_slot *const slot = slot_find(tag);
    if (!slot)
        return;
    block->stack = __atomic_load_n(&slot->live.alloc_stack, __ATOMIC_RELAXED);
    block->thread = __atomic_load_n(&slot->alloc_thread, __ATOMIC_RELAXED);
}

uint32_t tt_chain_first(struct shard *shard, uintptr_t base)
{
    if (!tt_key_is(base))
        return tt_block_tag((const void *)base);
    const uint32_t *const link = tt_table_find(shard, base);
    return link ? *link : 0;
}

bool tt_chain_put(struct shard *shard, uint32_t first)
{
    const uintptr_t base = slot_base(first);
    if (!tt_key_is(base))
        return tt_block_tag_set((const void *)base, first);
    tt_table_put(shard, first);
    return true;
}

bool tt_chain_add(struct shard *shard, uint32_t index, bool known)
{
    struct ref_slot *const slot = slot_at(index);
    const uint32_t head = known ? tt_chain_first(shard, slot_base(index)) : 0;
    if (!head) {
        slot->live.chain_next = slot->live.chain_prev = index;
        return tt_chain_put(shard, index);
    }
    struct ref_slot *const first = slot_at(head);
    const uint32_t last = first->live.chain_prev;
    slot->live.chain_next = head;
    slot->live.chain_prev = last;
    slot_at(last)->live.chain_next = index;
    first->live.chain_prev = index;
    return true;
}

/* The chain of 'first' hangs nowhere any more. */
static void chain_unhang(struct shard *shard, uint32_t first)
{
    const struct ref_slot *const slot = slot_at(first);
    const uintptr_t base = slot_base(first);
    if (tt_key_is(base))
        tt_table_unlink(shard, tt_table_find(shard, base));
    else
        tt_block_tag_clear((const void *)base, slot->live.alloc_stack,
                           slot->alloc_thread);
}

bool tt_chain_cut(struct shard *shard, uint32_t index)
{
    struct ref_slot *const slot = slot_at(index);
    const uint32_t next = slot->live.chain_next;
    const uint32_t prev = slot->live.chain_prev;
    if (next == index) {
        chain_unhang(shard, index);
        return true;
    }
    slot_at(prev)->live.chain_next = next;
    slot_at(next)->live.chain_prev = prev;
    if (tt_chain_first(shard, slot_base(index)) == index) {
        if (tt_key_is(slot_base(index)))
            chain_unhang(shard, index);
        tt_chain_put(shard, next); /* the second slot becomes the first */
    }
    return false;
}

uint32_t tt_chain_take(struct shard *shard, uintptr_t base)
{
    const uint32_t first = tt_chain_first(shard, base);
    if (first)
        chain_unhang(shard, first);
    return first;
}
