/* SPDX-License-Identifier: MIT */
/*
 * Threads that ask before they allocate, and the stops they get.
 *
 * A thread at its stop asks for more. It gets a stop a little above its value,
 * such that the sum of all stops stays within the limit. When that is refused
 * though the true sum is below the limit, all other stops are taken away ('ask
 * first'), followed by a fence that makes every thread see it and a look that
 * none is between its check and its count (an asymmetric hand-shake: the
 * common path pays two plain stores), and from then on the sum is exact. So
 * the allocation that breaks a limit is the one that is caught, and far from
 * limits nobody shares a cache line.
 *
 * Locks: ledger.lock. No callback runs while it is held; the scope that a
 * callback is about is held by its count of tellers.
 * Hook: all of it.
 */
#include "heap/heap_ledger.h"

#include "os/os.h"
#include "stack/stack.h"

#define CHUNK_MAX ((int64_t)64 * 1024)
#define ASK_TRIES 1000

/* How much more than it asks for a thread is given when there is room. */
static int64_t chunk_of(int64_t room)
{
    const int64_t share = room / (2 * (int64_t)TT_MAX(ledger.threads, 1));
    return TT_MAX(0, TT_MIN(share, CHUNK_MAX));
}

/* What all other threads may reach without asking. */
static int64_t reach_of_others(const struct tt_slot *self, enum gauge gauge)
{
    int64_t reach = 0;
    for (const struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        if (slot != self)
            reach += TT_MAX(slot_stop(slot, gauge), slot_value(slot, gauge));
    return reach;
}

/* Moves the thread's stop so that 'want' is within it, if a limit allows. */
static bool stop_grant(struct tt_slot *self, enum gauge gauge, int64_t want)
{
    const int64_t limit = ledger_limit(gauge);
    if (limit == TT_NO_LIMIT) {
        /* Without a limit a stop serves to look at the peak now and then. */
        slot_stop_set(self, gauge,
                      gauge == GAUGE_LIVE ? want + CHUNK_MAX : TT_NO_LIMIT);
        return true;
    }
    int64_t room = limit - reach_of_others(self, gauge) - want;
    if (room < 0) {
        ledger_squeeze(self, 1u << gauge);
        room = limit - reach_of_others(self, gauge) - want;
    }
    if (room < 0)
        return false;
    slot_stop_set(self, gauge, want + chunk_of(room));
    return true;
}

/* Would a growth break this limit of this scope? *value gets what it would
 * reach. */
static bool limit_breaks(const struct tt_scope *scope, enum tt_limit limit,
                         const int64_t add[GAUGES], size_t bytes,
                         int64_t *value)
{
    if (scope->limit[limit] == TT_NO_LIMIT)
        return false;
    if (limit == TT_LIMIT_ALLOC) {
        *value = (int64_t)bytes;
    } else {
        const enum gauge gauge = (enum gauge)limit;
        if (add[gauge] <= 0)
            return false;
        *value = ledger_sum(gauge) + add[gauge] - scope->base[gauge];
    }
    return *value > scope->limit[limit];
}

static void join(struct tt_slot *self)
{
    if (self->asked)
        return;
    self->asked = 1;
    ledger.threads++;
    if (ledger.threads == 1)
        ledger.owner = self;
    if (ledger.owner && ledger.owner != self) {
        /* The second thread: the first may no longer take all. */
        ledger_fold(ledger_sum(GAUGE_LIVE));
        ledger.owner = NULL;
        ledger_squeeze(self, ALL_GAUGES);
    }
}

/* Counts the allocation; until the lock is given back nobody sees less. */
static void count(struct tt_slot *self, const int64_t add[GAUGES])
{
    self->total += add[GAUGE_TOTAL];
    self->stamp += (uint64_t)add[GAUGE_COUNT] << EPOCH_BITS;
}

/* Under the lock: settles the stops and counts the allocation. False, with
 * nothing counted: some limit is in the way. */
static bool settle(struct tt_slot *self, const int64_t add[GAUGES],
                   size_t bytes)
{
    bool fits = true;
    join(self);
    ledger_stamp(self);
    ledger_fold(ledger_sum(GAUGE_LIVE));
    if (ledger.owner == self)
        ledger_owner_stops();
    for (enum gauge gauge = 0; gauge < GAUGES; gauge++) {
        const int64_t want = slot_value(self, gauge) + add[gauge];
        if (want > slot_stop(self, gauge) &&
            (ledger.owner == self || !stop_grant(self, gauge, want)))
            fits = false;
    }
    ledger_size_stop(self);
    fits = fits && bytes <= self->size_limit;
    if (fits)
        count(self, add);
    if (fits && ledger.owner != self)
        ledger_fold(ledger_sum(GAUGE_LIVE));
    return fits;
}

uint32_t stack_now(void *frame, uint32_t *stack)
{
    if (!*stack && frame)
        *stack = tt_stack_capture(frame, TT_MAX(tt_stack_depth, 8));
    return *stack;
}

/* Goes on to the scope around 'scope' (NULL: to the innermost), which stays
 * whole until it is left again. */
static struct tt_scope *scope_hold_next(struct tt_scope *scope)
{
    tt_lock_take(&ledger.lock);
    struct tt_scope *const next = scope ? scope->outer : ledger.inner;
    const bool open = next && ledger_is_open(next);
    if (open) {
        atomic_fetch_add(&next->tellers, 1);
        tt_self.telling++;
    }
    tt_lock_give(&ledger.lock);
    if (scope) {
        tt_self.telling--;
        atomic_fetch_sub(&scope->tellers, 1);
        tt_futex_wake(&scope->tellers, 1);
    }
    return open ? next : NULL;
}

/* One allocation that some limit does not allow. */
struct asked {
    const int64_t *add; /* by gauge */
    size_t bytes;
    uint32_t stack;
    bool told;     /* some breach */
    bool relieved; /* something was freed to make room for it */
};

/* Does a growth reach the scope's mark? *value gets what it comes to. */
static bool mark_reached(const struct tt_scope *scope, enum gauge gauge,
                         const int64_t add[GAUGES], int64_t *value)
{
    if (!scope->mark[gauge] || add[gauge] <= 0)
        return false;
    *value = ledger_sum(gauge) + add[gauge] - scope->base[gauge];
    return *value >= scope->mark[gauge];
}

static void tell_mark(struct tt_scope *scope, enum gauge gauge,
                      const struct asked *asked)
{
    int64_t value = 0;
    tt_lock_take(&ledger.lock);
    const bool reached =
        ledger_is_open(scope) && mark_reached(scope, gauge, asked->add, &value);
    if (reached && !tt_heap_news.marked)
        scope->mark[gauge] = 0;
    tt_lock_give(&ledger.lock);
    if (!reached || !tt_heap_news.marked)
        return;
    tt_enter();
    tt_heap_news.marked(scope, (enum tt_limit)gauge, value);
    tt_leave();
}

/* Would have broken a limit on live bytes: is there something to free? */
static bool relieve(int64_t excess)
{
    if (!tt_heap_news.relieve)
        return false;
    tt_enter();
    const bool relieved = tt_heap_news.relieve(excess);
    tt_leave();
    return relieved;
}

static enum tt_answer tell_breach(struct tt_scope *scope, enum tt_limit limit,
                                  struct asked *asked)
{
    int64_t value = 0;
    tt_lock_take(&ledger.lock);
    const bool breaks =
        ledger_is_open(scope) &&
        limit_breaks(scope, limit, asked->add, asked->bytes, &value);
    tt_lock_give(&ledger.lock);
    if (!breaks || !tt_heap_news.breach)
        return TT_ALLOW;
    if (limit == TT_LIMIT_HEAP && relieve(value - scope->limit[limit])) {
        asked->relieved = true;
        return TT_ALLOW;
    }
    asked->told = true;
    tt_enter();
    const enum tt_answer answer =
        tt_heap_news.breach(scope, limit, value, asked->bytes, asked->stack);
    tt_leave();
    return answer;
}

/* Tells each mark that is reached and each limit that breaks, the innermost
 * scope's first, until one refuses or room was made. */
static enum tt_answer tell_breaches(struct asked *asked)
{
    enum tt_answer answer = TT_ALLOW;
    struct tt_scope *scope = NULL;
    while ((scope = scope_hold_next(scope)) != NULL) {
        for (enum gauge gauge = 0; gauge < GAUGES; gauge++)
            tell_mark(scope, gauge, asked);
        for (enum tt_limit limit = 0; limit < TT_LIMITS; limit++)
            if (answer == TT_ALLOW && !asked->relieved)
                answer = tell_breach(scope, limit, asked);
    }
    return answer;
}

static bool settle_locked(struct tt_slot *slot, const int64_t add[GAUGES],
                          size_t bytes, bool at_any_rate)
{
    tt_lock_take(&ledger.lock);
    const bool fits = settle(slot, add, bytes);
    if (!fits && at_any_rate)
        count(slot, add);
    tt_lock_give(&ledger.lock);
    return fits;
}

enum tt_answer ledger_ask(struct tt_slot *slot, const int64_t add[GAUGES],
                          size_t bytes, void *frame, uint32_t *stack)
{
    struct asked asked = { .add = add, .bytes = bytes };
    /* Others may free, or take what they freed, between the look at the
     * limits and the look at which of them breaks: then look again. */
    for (int tries = 0; tries < ASK_TRIES && !asked.told; tries++) {
        if (TT_LIKELY(settle_locked(slot, add, bytes, false)))
            return TT_ALLOW;
        asked.stack = stack_now(frame, stack);
        if (tell_breaches(&asked) == TT_REFUSE)
            return TT_REFUSE;
        if (asked.relieved)
            tries = -1; /* there is less to free each time */
        asked.relieved = false;
    }
    settle_locked(slot, add, bytes, true);
    return TT_ALLOW;
}
