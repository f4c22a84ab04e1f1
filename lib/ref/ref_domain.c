/* SPDX-License-Identifier: MIT */
/*
 * References to objects of domains. They are slots and chains as those of
 * blocks are, under a key in place of an address. What differs: nobody but
 * the domain knows when such an object dies, and what it says is believed.
 *
 * Locks: the shard's. Hook: tt_ref_has and tt_ref_died_in may run inside free.
 */
#include "ref/ref_life.h"

#include "os/os.h"
#include "ref/ref_place.h"

_Atomic uint32_t tt_ref_domain_objects[TT_DOMAINS_MAX];

uint64_t tt_ref_make_in(const struct ref_ask *ask, uintptr_t key)
{
    const uint32_t place = tt_place_of(ask->name, ask->file, ask->line);
    struct shard *const shard = tt_chain_shard(key);
    tt_shard_take(&shard->lock);
    const bool known = tt_chain_first(shard, key);
    const struct tt_block object = { .address = (void *)key,
                                     .size = ask->size,
                                     .flags = known ? TT_BLOCK_REF : 0 };
    const uint64_t bits = tt_slot_begin(shard, ask, &object, ask->entry, place);
    if (bits && !known)
        atomic_fetch_add(&tt_ref_domain_objects[tt_key_domain(key)], 1);
    tt_shard_give(&shard->lock);
    return bits ? bits : tt_ref_no_memory();
}

bool tt_ref_has(uintptr_t key)
{
    struct shard *const shard = tt_chain_shard(key);
    tt_shard_take(&shard->lock);
    const bool has = tt_chain_first(shard, key);
    tt_shard_give(&shard->lock);
    return has;
}

void tt_ref_died_in(uintptr_t key, uint32_t stack)
{
    struct tt_block within;
    const struct tt_block object = {
        .address = (void *)key,
        .stack = tt_block_find(tt_key_address(key), &within) ? within.stack : 0,
    };
    const struct tt_death death = { .stack = stack,
                                    .thread = tt_thread_number(),
                                    .when_ns = tt_os_tick_ns() };
    tt_ref_died(&object, &death);
}
