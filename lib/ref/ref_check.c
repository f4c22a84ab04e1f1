/* SPDX-License-Identifier: MIT */
/*
 * The invariants of this part, and its fork handlers: both take every lock.
 *
 * Locks: all shards in their order, then soft references, queues, places, the
 * slab area.
 */
#include "base/base_mem.h"
#include "ref/ref.h"
#include "ref/ref_place.h"
#include "ref/ref_quarantine.h"
#include "ref/ref_queue.h"
#include "ref/ref_slot.h"
#include "ref/ref_soft.h"

void tt_ref_lock(void)
{
    for (unsigned i = 0; i < TT_SHARDS; i++)
        tt_shard_take(&tt_shards[i].lock);
    tt_soft_lock();
    tt_queue_lock_all();
    tt_place_lock();
    tt_slot_area_lock();
    tt_quarantine_lock();
}

static void parts_unlock(void)
{
    tt_quarantine_unlock();
    tt_slot_area_unlock();
    tt_place_unlock();
    tt_queue_unlock_all();
    tt_soft_unlock();
}

void tt_ref_child(void)
{
    parts_unlock();
    for (unsigned i = 0; i < TT_SHARDS; i++)
        tt_shard_reset(&tt_shards[i].lock);
}

void tt_ref_unlock(void)
{
    parts_unlock();
    for (unsigned i = TT_SHARDS; i-- > 0;)
        tt_shard_give(&tt_shards[i].lock);
}

const char *tt_ref_holds(const void *block)
{
    return tt_soft_of(block) ? "soft reference" : NULL;
}

size_t tt_ref_count(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < TT_SHARDS; i++)
        count += __atomic_load_n(&tt_shards[i].used, __ATOMIC_RELAXED);
    return count;
}

size_t tt_ref_bytes(void)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < TT_SHARDS; i++)
        bytes +=
            (size_t)__atomic_load_n(&tt_shards[i].slabs, __ATOMIC_RELAXED) *
                TT_SLAB_SLOTS * sizeof(struct ref_slot) +
            (size_t)__atomic_load_n(&tt_shards[i].buckets, __ATOMIC_RELAXED) *
                sizeof(uint32_t);
    return bytes;
}

/* One block's ring. Adds the slots in it to *slots. */
static const char *chain_check(uint32_t first, size_t *slots)
{
    const uintptr_t base = atomic_load(&slot_at(first)->base);
    uint32_t index = first;
    do {
        const struct ref_slot *const slot = slot_at(index);
        const uint64_t state = atomic_load(&slot->state);
        if (!(state & SLOT_USED) || (state & SLOT_DEAD))
            return "a chain holds a slot that is not alive";
        if (atomic_load(&slot->base) != base)
            return "a chain holds a slot of another block";
        if (slot_at(slot->live.chain_next)->live.chain_prev != index)
            return "a chain is no ring";
        ++*slots;
        index = slot->live.chain_next;
    } while (index != first);
    struct tt_block block;
    if (tt_key_is(base))
        return NULL;
    if (!tt_block_find((void *)base, &block) || block.address != (void *)base)
        return "a chain is that of a block that is not alive";
    return block.flags & TT_BLOCK_REF &&
                   block.stack == slot_at(first)->live.alloc_stack
               ? NULL
               : "a block with references lacks its flag or its stack";
}

/* A live slot; those of blocks lead to the chains. */
static const char *slot_check(uint32_t index, size_t *chained)
{
    const uintptr_t base = atomic_load(&slot_at(index)->base);
    if (tt_key_is(base))
        return NULL;
    const uint32_t first = tt_block_tag((const void *)base);
    if (!first)
        return "a live reference's block has no tag";
    return first == index ? chain_check(first, chained) : NULL;
}

static const char *table_check(struct shard *shard, size_t *slots)
{
    size_t objects = 0;
    for (uint32_t number = 0; number < shard->buckets; number++)
        for (uint32_t index = *tt_table_bucket(shard, number); index;
             index = slot_at(index)->live.bucket_next) {
            const uintptr_t base = atomic_load(&slot_at(index)->base);
            if (!tt_key_is(base) || tt_chain_shard(base) != shard ||
                tt_table_number(shard, base) != number)
                return "an object is in the wrong bucket";
            const char *const broken = chain_check(index, slots);
            if (broken)
                return broken;
            objects++;
        }
    return objects == shard->objects ? NULL : "a shard miscounts its objects";
}

/* The slots that a shard mapped: used, dropped or retired. Adds those alive
 * to *alive, and those in chains of blocks to *chained. */
static const char *slots_check(struct shard *shard, size_t *alive,
                               size_t *chained)
{
    const uint32_t me = (uint32_t)(shard - tt_shards);
    size_t used = 0;
    size_t listed = 0;
    size_t retired = 0;
    size_t given = 0;
    for (uint32_t k = 0; k < shard->slabs; k++) {
        const uint32_t slab = k * TT_SHARDS + me;
        const uint32_t end =
            k + 1 == shard->slabs ? shard->fresh : TT_SLAB_SLOTS;
        for (uint32_t i = slab == 0; i < end; i++) {
            const uint32_t index = (slab << TT_SLAB_BITS) + i;
            const uint64_t state = atomic_load(&slot_at(index)->state);
            const bool live = (state & SLOT_USED) && !(state & SLOT_DEAD);
            const char *const broken = live ? slot_check(index, chained) : NULL;
            if (broken)
                return broken;
            given++;
            used += (state & SLOT_USED) != 0;
            retired += (state & SLOT_RETIRED) != 0;
            *alive += live;
        }
    }
    for (uint32_t i = shard->drop_first; i; i = slot_at(i)->drop.next) {
        if (atomic_load(&slot_at(i)->state) & (SLOT_USED | SLOT_RETIRED))
            return "a used slot is in the list of dropped ones";
        listed++;
    }
    if (used != shard->used)
        return "a shard miscounts its references";
    return used + listed + retired == given ? NULL : "a slot was lost";
}

static const char *everything_check(void)
{
    size_t chained = 0;
    size_t alive = 0;
    for (unsigned i = 0; i < TT_SHARDS; i++) {
        const char *broken = table_check(&tt_shards[i], &chained);
        if (!broken)
            broken = slots_check(&tt_shards[i], &alive, &chained);
        if (broken)
            return broken;
    }
    if (chained != alive)
        return "a live reference is in no chain";
    const char *const broken = tt_soft_check();
    return broken ? broken : tt_queue_check();
}

const char *tt_ref_check(void)
{
    tt_ref_lock();
    const char *const broken = everything_check();
    tt_ref_unlock();
    return broken;
}
