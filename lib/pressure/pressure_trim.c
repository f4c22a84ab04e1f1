/* SPDX-License-Identifier: MIT */
/*
 * Trim callbacks: units of the registry of collectors, with a function that is
 * called under pressure.
 */
#include "collect/collect_registry.h"
#include "pressure/pressure.h"
#include "ref/ref.h"

#undef tether_trim_add

tether_trim *tether_trim_add_at(tether_trim_fn trim, void *ctx,
                                struct tether_trim_how how, const char *name)
{
    static const char call[] = "tether_trim_add";
    if (!trim)
        tt_die(call, "'trim' is NULL; give it a function");
    if (how.level < 0 || how.level > TETHER_EXHAUSTED)
        tt_die(call,
               "%d is no level; write TETHER_MODERATE, TETHER_CRITICAL or "
               "TETHER_EXHAUSTED",
               how.level);
    if (how.name && how.name[0])
        name = how.name;
    const uint64_t bits = tt_unit_add(
        name ? name : "a trim callback",
        &(struct unit){ .order = how.order,
                        .trim = trim,
                        .ctx = ctx,
                        .level = how.level ? how.level : TETHER_MODERATE,
                        .in_malloc = how.in_malloc });
    if (bits)
        tt_safepoint_need(1);
    return (tether_trim *)(uintptr_t)bits;
}

tether_trim *tether_trim_add(tether_trim_fn trim, void *ctx)
{
    return tether_trim_add_at(trim, ctx,
                              (struct tether_trim_how){ .text = NULL }, NULL);
}

void tether_trim_remove(tether_trim *trim)
{
    static const char call[] = "tether_trim_remove";
    if (!trim)
        return;
    struct unit *const unit = tt_unit_lock(call, trim);
    if (!unit->trim) {
        tt_lock_give(&tt_registry.lock);
        tt_die(call, "the handle is of a collector or a domain, not of a trim "
                     "callback");
    }
    tt_unit_remove(unit);
    tt_safepoint_need(-1);
}
