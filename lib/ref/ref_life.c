/* SPDX-License-Identifier: MIT */
/*
 * The life of a reference: made, moved along by realloc, dead, dropped. Each
 * step changes the slot's state under the lock of one shard: that of the
 * block's address. So a death and a drop that meet happen one after the
 * other, and a slot is in its block's chain exactly while it is used and not
 * dead.
 *
 * A death marks all references of the block first, then lets the records
 * enter their queues, in the order in which the references were made.
 *
 * Reading needs no lock: the object's address is read first and is valid if
 * the state says alive after that, for a death writes the state first, then
 * its record over the address, and no state ever comes again.
 *
 * Locks: shard, then (inside) queue, slab area, lib/heap's, private memory.
 * Hook: tt_ref_died and tt_ref_moved run inside free and realloc.
 */
#include "ref/ref_life.h"

#include "base/base_mem.h"
#include "base/base_text.h"
#include "os/os.h"
#include "ref/ref_place.h"
#include "ref/ref_quarantine.h"
#include "ref/ref_queue.h"
#include "ref/ref_soft.h"

#define BLIND_TAG    (UINT64_C(1) << 62)
#define BLIND_HEAP   (BLIND_TAG | 1)
#define BLIND_MEMORY (BLIND_TAG | 2)

bool tt_ref_blind(uint64_t bits)
{
    return tt_ref_blind_reason(bits) != NULL;
}

const char *tt_ref_blind_reason(uint64_t bits)
{
    switch (bits) {
    case BLIND_HEAP:
        return "Tether does not see this program's allocations";
    case BLIND_MEMORY:
        return "there was no memory for the reference";
    default:
        return NULL;
    }
}

/* Sleepers to be woken when no lock is held any more. */
struct wakes {
    _Atomic uint32_t *word[16];
    unsigned count;
};

static void wakes_send(struct wakes *wakes)
{
    for (unsigned i = 0; i < wakes->count; i++)
        tt_futex_wake(wakes->word[i], INT32_MAX);
    wakes->count = 0;
}

static void wakes_add(struct wakes *wakes, _Atomic uint32_t *word)
{
    if (wakes->count == TT_COUNT(wakes->word))
        wakes_send(wakes); /* so many sleepers that some must wait for us */
    wakes->word[wakes->count++] = word;
}

static _Atomic uint32_t *slot_word(struct ref_slot *slot)
{
    return (_Atomic uint32_t *)(void *)&slot->state;
}

/* Locks the shard of the block that 'object' is in. Returns NULL, with
 * nothing locked, when it is in none. */
static struct shard *block_lock(const void *object, struct tt_block *block)
{
    struct shard *shard = tt_chain_shard((uintptr_t)object);
    for (;;) {
        tt_shard_take(&shard->lock);
        const bool found = tt_block_find(object, block);
        struct shard *const right =
            found ? tt_chain_shard((uintptr_t)block->address) : NULL;
        if (right == shard)
            return shard;
        tt_shard_give(&shard->lock);
        if (!right)
            return NULL;
        shard = right;
    }
}

struct shard *tt_slot_lock(const char *call, struct ref_slot *slot,
                           uint64_t bits)
{
    for (;;) {
        const uintptr_t base = atomic_load(&slot->base);
        struct shard *const shard = tt_chain_shard(base);
        tt_shard_take(&shard->lock);
        const bool used = state_is_of(atomic_load(&slot->state), bits);
        if (used && atomic_load(&slot->base) == base)
            return shard;
        tt_shard_give(&shard->lock);
        if (!used)
            tt_slot_die(call, bits);
    }
}

static TT_COLD uint64_t make_refused(const struct ref_ask *ask)
{
    if (!tt_heap_sees())
        return BLIND_HEAP;
    char bytes[256];
    struct tt_text why;
    tt_text_fixed(&why, bytes, sizeof bytes);
    tt_block_tell_why_not(ask->object, &why);
    tt_die(ask->call,
           "`%s` (%s:%u) is no object:\n"
           "  %p %s.\n  A reference needs a live block of the heap",
           ask->name ? ask->name : "an object", ask->file ? ask->file : "?",
           ask->line, (void *)(uintptr_t)ask->object, why.data);
}

static struct ref_entry *entry_make(const struct ref_ask *ask)
{
    uint64_t opened;
    struct ref_queue *const queue = tt_queue_of(ask->call, ask->queue, &opened);
    struct ref_entry *const entry = tt_mem_take(sizeof *entry);
    if (entry)
        *entry = (struct ref_entry){ .tag = ask->tag,
                                     .queue = queue,
                                     .opened = opened,
                                     .kind = (uint8_t)ask->kind };
    return entry;
}

/* What the tag of a block displaces. */
static void slot_facts(struct ref_slot *slot, const struct tt_block *block)
{
    __atomic_store_n(&slot->live.alloc_stack, block->stack, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->alloc_thread, block->thread, __ATOMIC_RELAXED);
}

uint64_t tt_slot_begin(struct shard *shard, const struct ref_ask *ask,
                       const struct tt_block *object, struct ref_entry *entry,
                       uint32_t place)
{
    const uint32_t index = tt_slot_take(shard);
    if (!index)
        return 0;
    struct ref_slot *const slot = slot_at(index);
    const uint64_t bits = tt_slot_next_bits(slot, index);
    atomic_store_explicit(&slot->base, (uintptr_t)object->address,
                          memory_order_relaxed);
    atomic_store_explicit(&slot->object, (uintptr_t)ask->object,
                          memory_order_relaxed);
    if (tt_key_is((uintptr_t)object->address))
        slot->size = object->size;
    else
        slot_facts(slot, object);
    slot->place = place;
    slot->entry = entry;
    if (entry)
        entry->bits = bits;
    if (!tt_chain_add(shard, index, object->flags & TT_BLOCK_REF)) {
        tt_slot_give(index);
        return 0;
    }
    atomic_store_explicit(&slot->state, (bits >> 32 << 32) | SLOT_USED,
                          memory_order_release);
    return bits;
}

uint64_t tt_ref_no_memory(void)
{
    return BLIND_MEMORY;
}

/* The reference to a block that is alive; 0 if it is not any more. The shard
 * is locked. */
static uint64_t block_begin(struct shard *shard, const struct ref_ask *ask,
                            const struct tt_block *block,
                            struct ref_entry *entry, uint32_t place)
{
    struct tt_block now;
    const uint64_t bits = tt_slot_begin(shard, ask, block, entry, place);
    if (bits)
        return bits;
    return tt_block_find(block->address, &now) ? BLIND_MEMORY : 0;
}

uint64_t tt_ref_make(const struct ref_ask *ask)
{
    struct tt_block block;
    if (!ask->object)
        tt_die(ask->call, "`%s` (%s:%u) is NULL; a reference needs an object",
               ask->name ? ask->name : "an object", ask->file ? ask->file : "?",
               ask->line);
    struct ref_entry *const entry =
        ask->with_queue ? entry_make(ask) : ask->entry;
    if (ask->with_queue && !entry)
        return BLIND_MEMORY;
    const uint32_t place = tt_place_of(ask->name, ask->file, ask->line);
    struct shard *const shard = block_lock(ask->object, &block);
    const uint64_t bits =
        shard ? block_begin(shard, ask, &block, entry, place) : 0;
    if (shard)
        tt_shard_give(&shard->lock);
    if ((!bits || bits == BLIND_MEMORY) && ask->with_queue)
        tt_mem_give(entry, sizeof *entry);
    return bits ? bits : make_refused(ask);
}

static void entry_give(struct ref_entry *entry)
{
    if (entry)
        tt_mem_give(entry, entry->kind == TETHER_REF_SOFT
                               ? sizeof(struct ref_soft)
                               : sizeof *entry);
}

/* The last reference to a live object is gone. */
static void base_unwatch(uintptr_t base)
{
    if (tt_key_is(base))
        atomic_fetch_sub(&tt_ref_domain_objects[tt_key_domain(base)], 1);
}

void tt_ref_drop(const char *call, uint64_t bits)
{
    if (!bits || tt_ref_blind(bits))
        return;
    const uint32_t index = bits_index(bits);
    struct ref_slot *const slot = tt_slot_of(call, bits);
    struct shard *const shard = tt_slot_lock(call, slot, bits);
    const bool dead = atomic_load(&slot->state) & SLOT_DEAD;
    if (!dead && tt_chain_cut(shard, index))
        base_unwatch(atomic_load(&slot->base));
    struct ref_entry *const entry = slot->entry;
    if (entry)
        tt_queue_forget(entry);
    const bool last = bits_generation(bits) == SLOT_GENERATION_MAX;
    const uint64_t generation = last ? bits >> 32 : (bits >> 32) + 1;
    const uint64_t was = atomic_load(&slot->state);
    atomic_store_explicit(&slot->state,
                          generation << 32 | (last ? SLOT_RETIRED : 0) |
                              (dead ? SLOT_DEAD : 0),
                          memory_order_release);
    struct shard *const home = index_shard(index);
    if (home != shard) {
        tt_shard_give(&shard->lock);
        tt_shard_take(&home->lock);
    }
    tt_slot_give(index);
    tt_shard_give(&home->lock);
    entry_give(entry);
    if (was & SLOT_WAITED)
        tt_futex_wake(slot_word(slot), INT32_MAX);
    if (TT_UNLIKELY(was & SLOT_KEPT))
        tt_quarantine_leave(bits);
}

/* Which reference wants the block kept. */
struct keeper {
    uint32_t index; /* 0: none */
    bool trap;
};

/* One reference reads dead from now on. Returns the state before. */
static uint64_t slot_end(struct ref_slot *slot, const struct tt_block *block,
                         const struct tt_death *death, struct wakes *wakes)
{
    const uint64_t was = slot_state_add(slot, SLOT_DEAD);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&slot->when_ns, death->when_ns, memory_order_relaxed);
    if (!tt_key_is(atomic_load(&slot->base))) /* else it is known already */
        slot->size = block->size;
    slot->dead.alloc_stack = block->stack;
    slot->dead.free_stack = death->stack;
    slot->dead.free_thread = death->thread;
    if (was & SLOT_WAITED)
        wakes_add(wakes, slot_word(slot));
    return was;
}

/* Marks the chain's references dead. Returns those of them that have a
 * queue, in their order. */
static struct ref_entry *chain_die(uint32_t first, const struct tt_block *block,
                                   const struct tt_death *death,
                                   struct wakes *wakes, struct keeper *keeper)
{
    struct ref_entry *entries = NULL;
    struct ref_entry **end = &entries;
    uint32_t index = first;
    do {
        struct ref_slot *const slot = slot_at(index);
        const uint32_t mine = index;
        index = slot->live.chain_next;
        const uint64_t was = slot_end(slot, block, death, wakes);
        if (TT_UNLIKELY(was & SLOT_KEEP) && !keeper->index)
            *keeper = (struct keeper){ mine, was & SLOT_TRAP };
        if (slot->entry) {
            tt_soft_unlist(slot->entry);
            slot->entry->reason = TETHER_DIED;
            *end = slot->entry;
            end = &slot->entry->next;
        }
    } while (index != first);
    *end = NULL;
    return entries;
}

/* Puts the block into quarantine for the first of its references that asks
 * for it. The chain is dead but whole: only 'live' was written over. */
static bool block_keep(const struct keeper *keeper,
                       const struct tt_block *block,
                       const struct tt_death *death)
{
    struct ref_slot *const slot = slot_at(keeper->index);
    const uint64_t state = atomic_load(&slot->state);
    const struct quarantine_ask ask = {
        .bits = REF_TAG | (state >> 32 << 32) | keeper->index,
        .name = tt_place_at(slot->place)->name,
        .trap = keeper->trap,
    };
    if (!tt_quarantine_enter(&ask, block, death))
        return false;
    slot_state_add(slot, SLOT_KEPT);
    return true;
}

bool tt_ref_died(const struct tt_block *block, const struct tt_death *death)
{
    struct keeper keeper = { 0 };
    struct wakes wakes = { .count = 0 };
    struct shard *const shard = tt_chain_shard((uintptr_t)block->address);
    tt_shard_take(&shard->lock);
    const uint32_t first = tt_chain_take(shard, (uintptr_t)block->address);
    struct ref_entry *entry =
        first ? chain_die(first, block, death, &wakes, &keeper) : NULL;
    if (first && tt_key_is((uintptr_t)block->address))
        atomic_fetch_sub(
            &tt_ref_domain_objects[tt_key_domain((uintptr_t)block->address)],
            1);
    while (entry) {
        struct ref_entry *const next = entry->next;
        _Atomic uint32_t *const word = tt_queue_push(entry);
        if (word)
            wakes_add(&wakes, word);
        entry = next;
    }
    const bool kept =
        TT_UNLIKELY(keeper.index) && block_keep(&keeper, block, death);
    tt_shard_give(&shard->lock);
    wakes_send(&wakes);
    if (kept)
        tt_quarantine_trim();
    return kept;
}

/* Locks the shard of a reference's block if it is used and alive. */
static struct shard *slot_lock_alive(struct ref_slot *slot, uint64_t bits)
{
    for (;;) {
        const uintptr_t base = atomic_load(&slot->base);
        struct shard *const shard = tt_chain_shard(base);
        tt_shard_take(&shard->lock);
        const uint64_t state = atomic_load(&slot->state);
        const bool alive = state_is_of(state, bits) && !(state & SLOT_DEAD);
        if (alive && atomic_load(&slot->base) == base)
            return shard;
        tt_shard_give(&shard->lock);
        if (!alive)
            return NULL;
    }
}

bool tt_ref_clear(uint64_t bits, enum tether_reason reason, uint32_t stack,
                  void **object)
{
    struct wakes wakes = { .count = 0 };
    struct tt_block block = { .address = NULL };
    struct ref_slot *const slot = slot_at(bits_index(bits));
    struct shard *const shard = slot_lock_alive(slot, bits);
    const struct tt_death death = { .stack = stack,
                                    .thread = tt_thread_number(),
                                    .when_ns = tt_os_tick_ns() };
    if (!shard)
        return false;
    const uintptr_t base = atomic_load(&slot->base);
    tt_block_find((const void *)base, &block);
    *object = (void *)atomic_load(&slot->object);
    if (tt_chain_cut(shard, bits_index(bits)))
        base_unwatch(base);
    slot_end(slot, &block, &death, &wakes);
    slot->entry->reason = (uint8_t)reason;
    _Atomic uint32_t *const word = tt_queue_push(slot->entry);
    if (word)
        wakes_add(&wakes, word);
    tt_shard_give(&shard->lock);
    wakes_send(&wakes);
    return true;
}

static void chain_move(uint32_t first, const struct tt_block *from,
                       const struct tt_block *to)
{
    uint32_t index = first;
    do {
        struct ref_slot *const slot = slot_at(index);
        atomic_fetch_add(&slot->object,
                         (uintptr_t)to->address - (uintptr_t)from->address);
        atomic_store(&slot->base, (uintptr_t)to->address);
        slot_facts(slot, to);
        index = slot->live.chain_next;
    } while (index != first);
}

void tt_ref_moved(const struct tt_block *from, const struct tt_block *to)
{
    struct shard *const old = tt_chain_shard((uintptr_t)from->address);
    struct shard *const new = tt_chain_shard((uintptr_t)to->address);
    tt_shard_take(old <= new ? &old->lock : &new->lock);
    if (old != new)
        tt_shard_take(old < new ? &new->lock : &old->lock);
    const uint32_t first = tt_chain_take(old, (uintptr_t)from->address);
    if (from->address == to->address)
        tt_block_rewrite(to);
    if (first) {
        chain_move(first, from, to);
        tt_chain_put(new, first);
    }
    tt_shard_give(&old->lock);
    if (old != new)
        tt_shard_give(&new->lock);
}

tether_status tt_ref_keep(const char *call, uint64_t bits, bool trap)
{
    struct tt_block block;
    struct ref_slot *const slot = tt_slot_of(call, bits);
    struct shard *const shard = tt_slot_lock(call, slot, bits);
    const void *const base = (const void *)atomic_load(&slot->base);
    tether_status status = TETHER_OK;
    if (tt_key_is((uintptr_t)base)) {
        status = TETHER_REFUSED; /* a domain's memory is not ours to keep */
    } else if (atomic_load(&slot->state) & SLOT_DEAD ||
               !tt_block_find(base, &block)) {
        status = TETHER_NOT_AN_OBJECT;
    } else {
        const struct ref_pages pages = tt_quarantine_pages(&block);
        if (block.flags & TT_BLOCK_MAPPED || (trap && pages.start >= pages.end))
            status = TETHER_REFUSED;
        else if (trap && !tt_quarantine_trap_setup())
            status = TETHER_REFUSED;
        else
            slot_state_add(slot, SLOT_KEEP | (trap ? SLOT_TRAP : 0));
    }
    tt_shard_give(&shard->lock);
    return status;
}

bool tt_ref_wait(const char *call, uint64_t bits, uint64_t until_ns)
{
    struct ref_slot *const slot = tt_slot_of(call, bits);
    struct shard *const shard = tt_slot_lock(call, slot, bits);
    const uint64_t state = slot_state_add(slot, SLOT_WAITED) | SLOT_WAITED;
    tt_shard_give(&shard->lock);
    const uint64_t now = tt_os_now_ns();
    if (!(state & SLOT_DEAD) && now < until_ns)
        tt_futex_wait(slot_word(slot), (uint32_t)state,
                      (int64_t)(until_ns - now));
    const uint64_t after = atomic_load(&slot->state);
    if (!state_is_of(after, bits))
        tt_slot_die(call, bits);
    return after & SLOT_DEAD;
}
