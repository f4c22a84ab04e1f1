/* SPDX-License-Identifier: MIT */
/*
 * What is known of the objects that spies were given: by address, who made
 * each, and in which call it died.
 *
 * An address is no identity, as the next object may come to lie there. So each
 * object that is in a block of the heap gets a weak reference at its first
 * sight: while that reads the same address it is the same object; when it does
 * not, whatever is at the address now is another one, or nothing. An object
 * that is in no block (of a pool, static) ends and begins by roles alone.
 *
 * Locks: all of this under that of spies; those of lib/ref and lib/heap inside.
 */
#include "spy/spy_parts.h"

#include "base/base_mem.h"
#include "heap/heap.h"
#include "ref/ref.h"

#define BUCKETS 4096u

enum life {
    ALIVE,
    DYING, /* in a call that has not returned */
    DEAD,
};

struct object {
    struct object *next;
    void *address;
    uint64_t number;
    uint64_t ref; /* weak; 0: it is in no block */
    enum life life;
    bool told;
    uint64_t dies_order; /* DYING: of that call */
    const void *dies_spy;
    const char *dies_name;
    uint32_t dies_stack;
    uint32_t born_stack;
};

static struct {
    struct object *bucket[BUCKETS];
    uint64_t last; /* number given */
} objects;

static struct object **bucket_of(const void *address)
{
    const uint64_t hash = (uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15);
    return &objects.bucket[hash >> 52];
}

static struct object *object_find(const void *address)
{
    struct object *object = *bucket_of(address);
    while (object && object->address != address)
        object = object->next;
    return object;
}

/* A new object is at the address. */
static void object_fresh(struct object *object, const struct spy_now *now,
                         bool in_block)
{
    if (object->ref)
        tether_weak_drop((tether_weak){ object->ref });
    *object = (struct object){ .next = object->next,
                               .address = object->address,
                               .number = ++objects.last };
    if (in_block)
        object->ref =
            tether_weak_to_at(object->address, now->name, NULL, 0).bits;
}

/* Is it, by its reference, not the object that it was? */
static bool object_left(const struct object *object)
{
    return object->ref && !tt_ref_blind(object->ref) &&
           tether_weak_get((tether_weak){ object->ref }) != object->address;
}

/* Gets the record of what is at the address now. *freed: it was known, was
 * freed, and nothing is there. */
static struct object *object_see(const struct spy_now *now, void *address,
                                 bool *freed)
{
    struct tt_block block;
    struct object *object = object_find(address);
    *freed = false;
    if (object && !object_left(object) && object->ref)
        return object;
    const bool in_block = tt_block_find(address, &block);
    if (object && !in_block) {
        *freed = object->ref != 0;
        return object;
    }
    if (!object) {
        object = tt_mem_take(sizeof *object);
        if (!object)
            return NULL;
        object->address = address;
        object->next = *bucket_of(address);
        *bucket_of(address) = object;
    }
    object_fresh(object, now, in_block);
    return object;
}

/* Fills what ended it. */
static void facts_fill(struct tt_spy_facts *facts, const struct object *object,
                       const struct spy_now *now)
{
    struct tether_last_words words;
    facts->born_stack = object->born_stack;
    if (facts->fault == TT_SPY_DEAD) {
        facts->dead_name = object->dies_name;
        facts->dead_stack = object->dies_stack;
        facts->again = object->dies_spy == now->spy;
        return;
    }
    facts->dead_stack = 0;
    if (!tt_ref_blind(object->ref) &&
        tether_weak_last_words((tether_weak){ object->ref }, &words) ==
            TETHER_OK) {
        facts->dead_stack = words.free_stack;
        if (!facts->born_stack)
            facts->born_stack = words.alloc_stack;
    }
}

static enum tt_spy_fault fault_of(const struct object *object, bool freed,
                                  const struct spy_now *now, bool dies)
{
    if (object->life == DEAD)
        return TT_SPY_DEAD;
    /* Another spy's call may go on to this one: a destructor to its free. */
    if (object->life == DYING && dies && object->dies_spy == now->spy)
        return TT_SPY_DEAD;
    return freed && object->life == ALIVE ? TT_SPY_FREED : TT_SPY_FINE;
}

uint64_t spy_object_begin(const struct spy_now *now, void *address,
                          enum spy_role role, struct tt_spy_facts *facts)
{
    bool freed;
    if (role == SPY_BORN)
        return spy_object_born(now, address);
    struct object *const object = object_see(now, address, &freed);
    if (!object)
        return 0;
    const bool dies = role == SPY_DIES;
    facts->fault = fault_of(object, freed, now, dies);
    if (facts->fault != TT_SPY_FINE && object->told)
        facts->fault = TT_SPY_FINE;
    if (facts->fault != TT_SPY_FINE) {
        object->told = true;
        facts->dies = dies;
        facts_fill(facts, object, now);
    }
    if (dies && object->life == ALIVE && !freed) {
        object->life = DYING;
        object->dies_order = now->order;
        object->dies_spy = now->spy;
        object->dies_name = now->name;
        object->dies_stack = now->stack;
    }
    return object->number;
}

void spy_object_died(const struct spy_now *now, void *address, bool lives)
{
    struct object *const object = object_find(address);
    if (object && object->life == DYING && object->dies_order == now->order)
        object->life = lives ? ALIVE : DEAD;
}

uint64_t spy_object_born(const struct spy_now *now, void *address)
{
    struct tt_block block;
    bool freed;
    struct object *const object = object_see(now, address, &freed);
    if (!object)
        return 0;
    if (object->life != ALIVE || freed)
        object_fresh(object, now, tt_block_find(address, &block));
    object->born_stack = now->stack;
    return object->number;
}

void spy_objects_forget(void)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while (objects.bucket[i]) {
            struct object *const object = objects.bucket[i];
            objects.bucket[i] = object->next;
            if (object->ref)
                tether_weak_drop((tether_weak){ object->ref });
            tt_mem_give(object, sizeof *object);
        }
}
