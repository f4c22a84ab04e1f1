/* SPDX-License-Identifier: MIT */
/*
 * Domains: units of the registry that say which pointers are their objects
 * and tell each death. A reference to such an object is one of lib/ref's, by a
 * key that holds the unit's index. A unit's index is used again only once it
 * was removed, and a domain is not removed while references to live objects
 * of it exist; so a key never means the object of another domain.
 *
 * Locks: none of ours is held while a domain's function runs.
 * Hook: tether_domain_died may run inside free.
 */
#include "collect/collect_registry.h"
#include "ref/ref_life.h"
#include "stack/stack.h"

#include <string.h>

#undef tether_weak_in

_Static_assert(UNITS_MAX <= TT_DOMAINS_MAX, "a key holds a unit's index");

#define DEATH_DEPTH 8u

tether_domain *tether_domain_add(const struct tether_domain_table *table)
{
    static const char call[] = "tether_domain_add";
    if (!table)
        tt_die(call, "'table' is NULL; give it a struct that is filled");
    if (!table->name || !table->name[0])
        tt_die(call, "the domain has no name; reports need one");
    if (!table->recognise)
        tt_die(call,
               "`%s` cannot tell its objects from other pointers; fill "
               ".recognise",
               table->name);
    return (tether_domain *)(uintptr_t)tt_unit_add(
        table->name,
        &(struct unit){ .order = table->order,
                        .collect = table->collect,
                        .pending = table->pending,
                        .ctx = table->ctx,
                        .domain = { .recognise = table->recognise,
                                    .watch = table->watch,
                                    .count = table->count,
                                    .describe = table->describe } });
}

/* Copies the domain of a handle. */
static uint32_t domain_get(const char *call, tether_domain *domain,
                           struct unit *copy)
{
    if (!domain)
        tt_die(call, "the domain is NULL; add it with tether_domain_add");
    const struct unit *const unit = tt_unit_lock(call, domain);
    *copy = *unit;
    tt_lock_give(&tt_registry.lock);
    if (!copy->domain.recognise)
        tt_die(call, "`%s` is a collector, not a domain", copy->name);
    return tt_unit_index(unit);
}

void tether_domain_remove(tether_domain *domain)
{
    static const char call[] = "tether_domain_remove";
    struct unit copy;
    if (!domain)
        return;
    const uint32_t index = domain_get(call, domain, &copy);
    const uint32_t left = atomic_load(&tt_ref_domain_objects[index]);
    if (left)
        tt_die(call,
               "%u live object%s of `%s` still %s references; drop them before "
               "the domain goes",
               left, left == 1 ? "" : "s", copy.name,
               left == 1 ? "has" : "have");
    tt_unit_remove(tt_unit_lock(call, domain));
}

TT_NOINLINE void tether_domain_died(tether_domain *domain, const void *object)
{
    struct unit copy;
    const uint32_t index = domain_get("tether_domain_died", domain, &copy);
    const uintptr_t key = tt_key_of(index, object);
    if (!atomic_load(&tt_ref_domain_objects[index]) || !tt_ref_has(key))
        return;
    const uint32_t stack =
        tt_stack_depth ? tt_stack_capture(__builtin_frame_address(0),
                                          TT_MAX(tt_stack_depth, DEATH_DEPTH))
                       : 0;
    tt_ref_died_in(key, stack);
}

tether_weak tether_weak_in_at(tether_domain *domain, const void *object,
                              const char *name, const char *file, unsigned line)
{
    static const char call[] = "tether_weak_in";
    struct unit copy;
    struct tether_domain_object what = { .address = NULL };
    const uint32_t index = domain_get(call, domain, &copy);
    const char *const shown = name ? name : "an object";
    if (!object || !copy.domain.recognise(object, &what, copy.ctx))
        tt_die(call, "`%s` (%s:%u) is no live object of the domain `%s`: %p%s",
               shown, file ? file : "?", line, copy.name,
               (void *)(uintptr_t)object,
               object ? ", as its .recognise says" : "");
    if (!what.address)
        what.address = object;
    if (copy.domain.watch && !copy.domain.watch(what.address, copy.ctx))
        tt_die(call,
               "`%s` (%s:%u) cannot be watched, as the .watch of the domain "
               "`%s` says",
               shown, file ? file : "?", line, copy.name);
    const struct ref_ask ask = { .call = call,
                                 .object = object,
                                 .name = name,
                                 .file = file,
                                 .line = line,
                                 .size = what.size };
    return (
        tether_weak){ tt_ref_make_in(&ask, tt_key_of(index, what.address)) };
}

tether_weak tether_weak_in(tether_domain *domain, const void *object)
{
    return tether_weak_in_at(domain, object, NULL, NULL, 0);
}

void tt_domain_about(const struct tt_ref_about *of,
                     struct tt_domain_about *about)
{
    struct unit copy;
    *about = (struct tt_domain_about){ .name = "" };
    if (!tt_unit_copy(of->domain, &copy) || !copy.domain.recognise)
        return;
    memcpy(about->name, copy.name, sizeof about->name);
    if (!copy.domain.describe || !of->alive)
        return;
    copy.domain.describe(of->base, about->holders, sizeof about->holders,
                         copy.ctx);
    about->holders[sizeof about->holders - 1] = '\0';
}
