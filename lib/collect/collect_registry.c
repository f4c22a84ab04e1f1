/* SPDX-License-Identifier: MIT */
/*
 * The registry of collectors. It is a list in the order of running; who walks
 * it remembers how far it came by (order, number of making), not by a
 * pointer, so units may come and go between any two steps.
 *
 * Locks: the registry's; no callback runs under it.
 */
#include "collect/collect_registry.h"

#include "collect/collect_turn.h"

#include <stdio.h>

#define INDEX_BITS 12
#define AWAIT_NS   INT64_C(10000000)
_Static_assert(1u << INDEX_BITS == UNITS_MAX, "a handle holds an index");

struct tt_registry tt_registry;

/* Place 0 is nobody's. */
static struct unit units[UNITS_MAX];

uint64_t tt_unit_bits(const struct unit *unit)
{
    return UNIT_TAG | unit->opened << INDEX_BITS | (uint64_t)(unit - units);
}

static bool comes_after(const struct unit *unit, int order, uint64_t opened)
{
    return unit->order != order ? unit->order > order : unit->opened > opened;
}

static struct unit *unit_take(void)
{
    struct unit *const unit = tt_registry.free;
    if (unit) {
        tt_registry.free = unit->next;
        return unit;
    }
    return tt_registry.used == UNIT_INDEX_MAX ? NULL
                                              : &units[++tt_registry.used];
}

uint32_t tt_unit_index(const struct unit *unit)
{
    return (uint32_t)(unit - units);
}

bool tt_unit_copy(uint32_t index, struct unit *copy)
{
    tt_lock_take(&tt_registry.lock);
    *copy = units[index];
    tt_lock_give(&tt_registry.lock);
    return copy->opened != 0;
}

uint64_t tt_unit_add(const char *name, const struct unit *as)
{
    uint64_t bits = 0;
    tt_lock_take(&tt_registry.lock);
    struct unit *const unit = unit_take();
    if (unit) {
        *unit = *as;
        unit->opened = ++tt_registry.opened;
        unit->index = (uint32_t)(unit - units);
        snprintf(unit->name, sizeof unit->name, "%s", name);
        struct unit **link = &tt_registry.first;
        while (*link && !comes_after(*link, unit->order, unit->opened))
            link = &(*link)->next;
        unit->next = *link;
        *link = unit;
        atomic_fetch_add(&tt_registry.count, unit->collect != NULL);
        bits = tt_unit_bits(unit);
    }
    tt_lock_give(&tt_registry.lock);
    return bits;
}

/* The unit that this thread runs inside malloc; it may remove itself. */
static _Thread_local uint64_t running_in_malloc
    __attribute__((tls_model("initial-exec")));

bool tt_unit_next_in_malloc(struct unit *copy)
{
    tt_lock_take(&tt_registry.lock);
    struct unit *unit = tt_unit_after(copy->order, copy->opened, UINT64_MAX);
    while (unit && !unit->in_malloc)
        unit = tt_unit_after(unit->order, unit->opened, UINT64_MAX);
    if (unit) {
        atomic_fetch_add(&unit->inside, 1);
        *copy = *unit;
        running_in_malloc = unit->opened;
    }
    tt_lock_give(&tt_registry.lock);
    return unit != NULL;
}

void tt_unit_left_in_malloc(const struct unit *copy)
{
    struct unit *const unit = &units[copy->index];
    running_in_malloc = 0;
    atomic_fetch_sub(&unit->inside, 1);
    tt_futex_wake(&unit->inside, INT32_MAX);
}

/* Waits until no other thread runs it inside malloc. */
static void await_in_malloc(struct unit *unit, uint64_t opened)
{
    const uint32_t mine = running_in_malloc == opened;
    uint32_t inside;
    while ((inside = atomic_load(&unit->inside)) > mine)
        tt_futex_wait(&unit->inside, inside, AWAIT_NS);
}

struct unit *tt_unit_lock(const char *call, const void *handle)
{
    const uint64_t bits = (uint64_t)(uintptr_t)handle;
    struct unit *const unit = &units[bits & UNIT_INDEX_MAX];
    tt_lock_take(&tt_registry.lock);
    if (unit->opened && tt_unit_bits(unit) == bits)
        return unit;
    const uint64_t opened = (bits & ~UNIT_TAG) >> INDEX_BITS;
    const bool was =
        (bits & UNIT_TAG) && opened && opened <= tt_registry.opened;
    tt_lock_give(&tt_registry.lock);
    tt_die(call, was ? "it was removed before; remove it after its last use"
                     : "the handle is none that was ever given out: pass what "
                       "the call that added it returned");
}

void tt_unit_remove(struct unit *unit)
{
    const uint64_t opened = unit->opened;
    struct unit **link = &tt_registry.first;
    while (*link != unit)
        link = &(*link)->next;
    *link = unit->next;
    unit->opened = 0;
    atomic_fetch_sub(&tt_registry.count, unit->collect != NULL);
    tt_lock_give(&tt_registry.lock);
    tt_collect_await(opened);
    await_in_malloc(unit, opened);
    tt_lock_take(&tt_registry.lock);
    unit->next = tt_registry.free;
    tt_registry.free = unit;
    tt_lock_give(&tt_registry.lock);
}

struct unit *tt_unit_after(int order, uint64_t opened, uint64_t newest)
{
    struct unit *unit = tt_registry.first;
    while (unit && (!comes_after(unit, order, opened) || unit->opened > newest))
        unit = unit->next;
    return unit;
}

tether_collector *
tether_collector_add(const struct tether_collector_table *table)
{
    static const char call[] = "tether_collector_add";
    if (!table)
        tt_die(call, "'table' is NULL; give it a struct that is filled");
    if (!table->name || !table->name[0])
        tt_die(call, "the collector has no name; reports need one");
    if (!table->collect)
        tt_die(call, "`%s` has no function; fill .collect", table->name);
    return (tether_collector *)(uintptr_t)tt_unit_add(
        table->name, &(struct unit){ .order = table->order,
                                     .collect = table->collect,
                                     .pending = table->pending,
                                     .in_malloc = table->in_malloc,
                                     .ctx = table->ctx });
}

void tether_collector_remove(tether_collector *collector)
{
    if (collector)
        tt_unit_remove(tt_unit_lock("tether_collector_remove", collector));
}

bool tt_collect_any(void)
{
    tt_urcu_look();
    return atomic_load_explicit(&tt_registry.count, memory_order_relaxed) != 0;
}

void tt_collect_lock(void)
{
    tt_lock_take(&tt_registry.lock);
    tt_collect_turn_lock();
}

void tt_collect_unlock(void)
{
    tt_collect_turn_unlock();
    tt_lock_give(&tt_registry.lock);
}

void tt_collect_child(void)
{
    tt_urcu_child();
    tt_collect_unlock();
}

static const char *registry_check(void)
{
    const struct unit *last = NULL;
    uint32_t listed = 0;
    uint32_t collecting = 0;
    uint32_t free = 0;
    for (const struct unit *unit = tt_registry.first; unit; unit = unit->next) {
        if (!unit->opened ||
            (!unit->collect && !unit->domain.recognise && !unit->trim))
            return "the registry lists a unit that was removed";
        if (last && !comes_after(unit, last->order, last->opened))
            return "the registry is out of order";
        last = unit;
        listed++;
        collecting += unit->collect != NULL;
    }
    for (const struct unit *unit = tt_registry.free; unit; unit = unit->next) {
        if (unit->opened)
            return "a unit is both free and used";
        free++;
    }
    if (collecting != atomic_load(&tt_registry.count))
        return "the registry miscounts its units";
    return listed + free == tt_registry.used ? NULL : "a unit was lost";
}

const char *tt_collect_check(void)
{
    tt_lock_take(&tt_registry.lock);
    const char *const broken = registry_check();
    tt_lock_give(&tt_registry.lock);
    return broken;
}
