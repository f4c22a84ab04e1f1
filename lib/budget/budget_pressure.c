/* SPDX-License-Identifier: MIT */
/*
 * Shares of .max_heap, as marks below the limit: an allocation that reaches
 * one asks the ledger as one that breaks the limit does, so far from marks
 * nothing is slower. A mark that was told moves up to the next share, and down
 * again only when somebody has done something about it; so a heap that swings
 * round a share tells it once.
 *
 * Hook: tt_budget_marked runs inside malloc, on any thread.
 */
#include "budget/budget_options.h"

#include "base/base_lock.h"

#define MODERATE_PERCENT 80u
#define CRITICAL_PERCENT 95u

struct tt_budget_tell tt_budget_tell;

static struct {
    struct tt_lock lock;
    _Atomic unsigned moderate, critical; /* per cent; 0: never */
} shares = { .moderate = MODERATE_PERCENT, .critical = CRITICAL_PERCENT };

static int64_t share_of(const struct tt_scope *scope, unsigned percent)
{
    const int64_t limit = scope->limit[TT_LIMIT_HEAP];
    if (!percent || limit == TT_NO_LIMIT)
        return 0;
    const int64_t share = limit / 100 * percent + limit % 100 * percent / 100;
    return TT_MAX(share, 1);
}

static int64_t moderate_of(const struct tt_scope *scope)
{
    return share_of(scope, atomic_load(&shares.moderate));
}

static int64_t critical_of(const struct tt_scope *scope)
{
    return share_of(scope, atomic_load(&shares.critical));
}

/* The lowest share that is above 'value'; 0: none. */
static int64_t mark_above(const struct tt_scope *scope, int64_t value)
{
    const int64_t moderate = moderate_of(scope);
    const int64_t critical = critical_of(scope);
    if (moderate > value && (!critical || moderate <= critical))
        return moderate;
    return critical > value ? critical : 0;
}

void budget_mark_first(struct tt_scope *scope)
{
    scope->mark[TT_LIMIT_HEAP] = mark_above(scope, 0);
}

void tt_budget_marked(struct tt_scope *scope, enum tt_limit gauge,
                      int64_t value)
{
    tt_lock_take(&shares.lock);
    const bool is_new = scope->mark[gauge] && value >= scope->mark[gauge];
    const int64_t critical = critical_of(scope);
    if (is_new)
        scope->mark[gauge] = gauge == TT_LIMIT_HEAP ? mark_above(scope, value)
                             : tt_budget_tell.stress_after
                                 ? tt_budget_tell.stress_after(value)
                                 : 0;
    tt_lock_give(&shares.lock);
    if (!is_new)
        return; /* another thread was told */
    tt_scope_limits_changed();
    if (gauge == TT_LIMIT_HEAP && tt_budget_tell.pressure)
        tt_budget_tell.pressure(
            critical && value >= critical ? TETHER_CRITICAL : TETHER_MODERATE);
    if (gauge == TT_LIMIT_COUNT && tt_budget_tell.stressed)
        tt_budget_tell.stressed(value);
}

size_t tt_budget_excess(void)
{
    int64_t excess = 0;
    for (struct tt_scope *scope = tt_scope_inner(); scope;
         scope = scope->outer) {
        struct tt_numbers numbers;
        const int64_t moderate = moderate_of(scope);
        if (!moderate)
            continue;
        tt_scope_numbers(scope, &numbers);
        excess = TT_MAX(excess, numbers.live_bytes - moderate + 1);
    }
    return (size_t)excess;
}

void tt_budget_rearm(void)
{
    bool changed = false;
    for (struct tt_scope *scope = tt_scope_inner(); scope;
         scope = scope->outer) {
        struct tt_numbers numbers;
        if (scope->limit[TT_LIMIT_HEAP] == TT_NO_LIMIT)
            continue;
        tt_scope_numbers(scope, &numbers);
        tt_lock_take(&shares.lock);
        const int64_t mark = mark_above(scope, numbers.live_bytes);
        changed |= mark != scope->mark[TT_LIMIT_HEAP];
        scope->mark[TT_LIMIT_HEAP] = mark;
        tt_lock_give(&shares.lock);
    }
    if (changed)
        tt_scope_limits_changed();
}

void tt_budget_shares(unsigned moderate, unsigned critical)
{
    atomic_store(&shares.moderate, moderate);
    atomic_store(&shares.critical, critical);
    tt_budget_rearm();
}

bool tt_budget_stress_at(int64_t index)
{
    struct tt_scope *const window = tt_scope_outermost();
    if (!window)
        return false;
    tt_lock_take(&shares.lock);
    window->mark[TT_LIMIT_COUNT] = index;
    tt_lock_give(&shares.lock);
    tt_scope_limits_changed();
    return true;
}

void budget_pressure_child(void)
{
    tt_lock_reset(&shares.lock);
}
