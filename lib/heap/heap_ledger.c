/* SPDX-License-Identifier: MIT */
/*
 * The ledger: scopes, their limits, and the stops that keep threads within
 * them.
 *
 * While one thread alone has allocated since the innermost scope began, its
 * stop is the limit itself, less what the others hold: exact, with no flush.
 * From the second on each thread gets a stop a little above its value, such
 * that the sum of all stops stays within the limit; a thread at its stop asks
 * for more. When that is refused though the true sum is below the limit, all
 * other stops are taken away ('ask first'), followed by a fence that makes
 * every thread see it (an asymmetric Dekker hand-shake), and from then on the
 * sum is exact. So the allocation that breaks a limit is the one that is
 * caught, and far from limits nobody shares a cache line.
 *
 * Locks: ledger.lock, before slots'. No callback runs while it is held.
 * Hook: all of it.
 */
#include "heap/heap_slot.h"

#include "base/base_lock.h"
#include "os/os.h"
#include "stack/stack.h"

#define CHUNK_MAX ((int64_t)64 * 1024)

struct tt_heap_news tt_heap_news;
uint32_t ledger_epoch;

static struct {
    struct tt_lock lock;
    struct tt_scope *inner;
    struct tt_slot *owner; /* the one thread that allocates, or NULL: many */
    uint32_t epochs;       /* given out */
    uint32_t threads;      /* that asked */
} ledger;

void ledger_lock(void)
{
    tt_lock_take(&ledger.lock);
}

void ledger_unlock(void)
{
    tt_lock_give(&ledger.lock);
}

static int64_t sum_of(enum gauge gauge)
{
    int64_t sum = 0;
    for (const struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        sum += slot_value(slot, gauge);
    return sum;
}

static int64_t sum_of_blocks(void)
{
    int64_t sum = 0;
    for (const struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        sum += slot_blocks(slot);
    return sum;
}

/* The sum that no scope's limit allows to be passed. */
static int64_t limit_of(enum gauge gauge)
{
    int64_t lowest = TT_NO_LIMIT;
    for (struct tt_scope *scope = ledger.inner; scope; scope = scope->outer)
        if (scope->limit[gauge] != TT_NO_LIMIT)
            lowest = TT_MIN(lowest, scope->base[gauge] + scope->limit[gauge]);
    return lowest;
}

static uint64_t size_limit(void)
{
    int64_t lowest = TT_NO_LIMIT;
    for (struct tt_scope *scope = ledger.inner; scope; scope = scope->outer)
        lowest = TT_MIN(lowest, scope->limit[TT_LIMIT_ALLOC]);
    return (uint64_t)lowest;
}

static void stops_set(struct tt_slot *slot, int64_t stop)
{
    for (enum gauge gauge = 0; gauge < GAUGES; gauge++)
        slot_stop_set(slot, gauge, stop);
}

static void size_stop_set(struct tt_slot *slot)
{
    slot->size_limit = size_limit();
    slot->size_stop =
        TT_MIN(TT_MIN(slot->size_limit, SMALL_MAX), slot->largest);
}

/* Gives the peaks reached since the last fold to every open scope. 'sum' is
 * the live bytes at this instant. */
static void fold_peaks(int64_t sum)
{
    int64_t peak = sum;
    uint64_t largest = 0;
    if (ledger.owner) {
        const int64_t others = sum - slot_value(ledger.owner, GAUGE_LIVE);
        peak = TT_MAX(sum, ledger.owner->peak + others);
        ledger.owner->peak = slot_value(ledger.owner, GAUGE_LIVE);
    }
    for (const struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        largest = TT_MAX(largest, slot->largest);
    for (struct tt_scope *scope = ledger.inner; scope; scope = scope->outer) {
        scope->peak = TT_MAX(scope->peak, peak - scope->base[GAUGE_LIVE]);
        scope->largest = TT_MAX(scope->largest, largest);
    }
    board_publish(ledger.owner != NULL);
}

/* One thread allocates: its stops are the limits themselves. */
static void stops_of_owner(void)
{
    for (enum gauge gauge = 0; gauge < GAUGES; gauge++) {
        const int64_t limit = limit_of(gauge);
        const int64_t others = sum_of(gauge) - slot_value(ledger.owner, gauge);
        slot_stop_set(ledger.owner, gauge,
                      limit == TT_NO_LIMIT ? limit : limit - others);
    }
    size_stop_set(ledger.owner);
}

/* From here on every thread asks before it allocates once more. */
static void mode_reset(struct tt_slot *owner)
{
    ledger.owner = owner;
    ledger.threads = owner ? 1 : 0;
    for (struct tt_slot *slot = slot_first(); slot; slot = slot->next) {
        slot->asked = slot == owner;
        if (slot != owner)
            stops_set(slot, STOP_ASK);
        size_stop_set(slot);
    }
    if (owner)
        stops_of_owner();
}

/* The thread's largest request so far belongs to what was before. */
static void largest_reset(void)
{
    for (struct tt_slot *slot = slot_first(); slot; slot = slot->next) {
        __atomic_store_n(&slot->largest, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->size_stop, 0, __ATOMIC_RELAXED);
    }
}

/* The blocks that the thread makes without asking are of this epoch. */
static void stamp_epoch(struct tt_slot *self)
{
    self->stamp = (self->stamp & ~(uint64_t)EPOCH_MAX) | ledger_epoch;
}

void tt_scope_begin(struct tt_scope *scope)
{
    struct tt_slot *const self = slot_home();
    tt_lock_take(&ledger.lock);
    fold_peaks(sum_of(GAUGE_LIVE));
    for (enum gauge gauge = 0; gauge < GAUGES; gauge++)
        scope->base[gauge] = sum_of(gauge);
    scope->blocks_base = sum_of_blocks();
    scope->peak = 0;
    scope->largest = 0;
    scope->outer = ledger.inner;
    scope->epoch = TT_MIN(ledger.epochs + 1, EPOCH_MAX);
    __atomic_store_n(&ledger.epochs, scope->epoch, __ATOMIC_RELAXED);
    __atomic_store_n(&ledger_epoch, scope->epoch, __ATOMIC_RELAXED);
    ledger.inner = scope;
    largest_reset();
    if (self) {
        self->peak = slot_value(self, GAUGE_LIVE);
        stamp_epoch(self);
    }
    mode_reset(self);
    tt_os_fence_all();
    tt_lock_give(&ledger.lock);
}

static bool scope_is_open(const struct tt_scope *scope)
{
    const struct tt_scope *open = ledger.inner;
    while (open && open != scope)
        open = open->outer;
    return open != NULL;
}

void tt_scope_end(struct tt_scope *scope)
{
    struct tt_slot *const self = slot_home();
    tt_lock_take(&ledger.lock);
    if (scope_is_open(scope)) {
        fold_peaks(sum_of(GAUGE_LIVE));
        ledger.inner = scope->outer;
        __atomic_store_n(&ledger_epoch, ledger.inner ? ledger.inner->epoch : 0,
                         __ATOMIC_RELAXED);
        if (self)
            stamp_epoch(self);
        mode_reset(self);
    }
    tt_lock_give(&ledger.lock);
}

void tt_scope_limits_changed(void)
{
    tt_lock_take(&ledger.lock);
    mode_reset(ledger.owner);
    tt_os_fence_all();
    tt_lock_give(&ledger.lock);
}

struct tt_scope *tt_scope_inner(void)
{
    return __atomic_load_n(&ledger.inner, __ATOMIC_ACQUIRE);
}

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

static void squeeze(const struct tt_slot *self, enum gauge gauge)
{
    for (struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        if (slot != self)
            slot_stop_set(slot, gauge, STOP_ASK);
    tt_os_fence_all();
}

/* Moves the thread's stop so that 'want' is within it, if a limit allows. */
static bool stop_grant(struct tt_slot *self, enum gauge gauge, int64_t want)
{
    const int64_t limit = limit_of(gauge);
    if (limit == TT_NO_LIMIT) {
        /* Without a limit a stop serves to look at the peak now and then. */
        slot_stop_set(self, gauge,
                      gauge == GAUGE_LIVE ? want + CHUNK_MAX : TT_NO_LIMIT);
        return true;
    }
    int64_t room = limit - reach_of_others(self, gauge) - want;
    if (room < 0) {
        squeeze(self, gauge);
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
        *value = sum_of(gauge) + add[gauge] - scope->base[gauge];
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
        fold_peaks(sum_of(GAUGE_LIVE));
        struct tt_slot *const first = ledger.owner;
        ledger.owner = NULL;
        stops_set(first, STOP_ASK);
        tt_os_fence_all();
    }
}

/* Under the lock: settles the stops. False: some limit is in the way. */
static bool settle(struct tt_slot *self, const int64_t add[GAUGES],
                   size_t bytes)
{
    bool fits = true;
    join(self);
    stamp_epoch(self);
    const int64_t sum = sum_of(GAUGE_LIVE);
    fold_peaks(sum);
    if (ledger.owner == self)
        stops_of_owner();
    for (enum gauge gauge = 0; gauge < GAUGES; gauge++) {
        const int64_t want = slot_value(self, gauge) + add[gauge];
        if (want > slot_stop(self, gauge) &&
            (ledger.owner == self || !stop_grant(self, gauge, want)))
            fits = false;
    }
    if (fits && ledger.owner != self)
        fold_peaks(sum + TT_MAX(add[GAUGE_LIVE], 0));
    size_stop_set(self);
    return fits && bytes <= self->size_limit;
}

uint32_t stack_now(void *frame, uint32_t *stack)
{
    if (!*stack && frame)
        *stack = tt_stack_capture(frame, TT_MAX(tt_stack_depth, 8));
    return *stack;
}

static enum tt_answer tell_breach(struct tt_scope *scope, enum tt_limit limit,
                                  const int64_t add[GAUGES], size_t bytes,
                                  uint32_t stack)
{
    int64_t value = 0;
    tt_lock_take(&ledger.lock);
    const bool breaks = limit_breaks(scope, limit, add, bytes, &value);
    tt_lock_give(&ledger.lock);
    if (!breaks || !tt_heap_news.breach)
        return TT_ALLOW;
    tt_enter();
    const enum tt_answer answer =
        tt_heap_news.breach(scope, limit, value, bytes, stack);
    tt_leave();
    return answer;
}

/* Tells each limit that breaks, the innermost scope's first, until one
 * refuses. */
static enum tt_answer tell_breaches(const int64_t add[GAUGES], size_t bytes,
                                    uint32_t stack)
{
    for (struct tt_scope *scope = tt_scope_inner(); scope; scope = scope->outer)
        for (enum tt_limit limit = 0; limit < TT_LIMITS; limit++)
            if (tell_breach(scope, limit, add, bytes, stack) == TT_REFUSE)
                return TT_REFUSE;
    return TT_ALLOW;
}

enum tt_answer ledger_ask(struct tt_slot *slot, const int64_t add[GAUGES],
                          size_t bytes, void *frame, uint32_t *stack)
{
    tt_lock_take(&ledger.lock);
    const bool fits = settle(slot, add, bytes);
    tt_lock_give(&ledger.lock);
    if (TT_LIKELY(fits))
        return TT_ALLOW;
    const enum tt_answer answer =
        tell_breaches(add, bytes, stack_now(frame, stack));
    if (answer == TT_ALLOW) {
        tt_lock_take(&ledger.lock);
        settle(slot, add, bytes);
        tt_lock_give(&ledger.lock);
    }
    return answer;
}

void ledger_old_block(struct tt_slot *slot, uint32_t epoch, int64_t bytes,
                      int64_t blocks)
{
    tt_lock_take(&ledger.lock);
    fold_peaks(sum_of(GAUGE_LIVE));
    slot->freed += bytes;
    slot->freed_count += blocks;
    for (struct tt_scope *scope = ledger.inner; scope; scope = scope->outer)
        if (epoch < scope->epoch) {
            scope->base[GAUGE_LIVE] -= bytes;
            scope->blocks_base -= blocks;
        }
    if (ledger.owner) {
        ledger.owner->peak = slot_value(ledger.owner, GAUGE_LIVE);
        stops_of_owner();
    }
    board_publish(ledger.owner != NULL);
    tt_lock_give(&ledger.lock);
}

void ledger_enter(struct tt_slot *slot)
{
    tt_lock_take(&ledger.lock);
    slot->asked = 0;
    slot->peak = slot_value(slot, GAUGE_LIVE);
    slot->largest = 0;
    slot->size_stop = 0;
    stops_set(slot, STOP_ASK);
    tt_lock_give(&ledger.lock);
}

static void numbers_clamp(struct tt_numbers *numbers)
{
    numbers->live_bytes = TT_MAX(numbers->live_bytes, 0);
    numbers->live_blocks = TT_MAX(numbers->live_blocks, 0);
    numbers->peak_bytes = TT_MAX(numbers->peak_bytes, numbers->live_bytes);
}

void tt_scope_numbers(struct tt_scope *scope, struct tt_numbers *numbers)
{
    static const struct tt_scope nothing;
    tt_lock_take(&ledger.lock);
    const int64_t sum = sum_of(GAUGE_LIVE);
    if (scope && scope_is_open(scope))
        fold_peaks(sum);
    const struct tt_scope *const from = scope ? scope : &nothing;
    *numbers = (struct tt_numbers){
        .live_bytes = sum - from->base[GAUGE_LIVE],
        .live_blocks = sum_of_blocks() - from->blocks_base,
        .peak_bytes = from->peak,
        .total_bytes = sum_of(GAUGE_TOTAL) - from->base[GAUGE_TOTAL],
        .total_count = sum_of(GAUGE_COUNT) - from->base[GAUGE_COUNT],
        .largest_bytes = from->largest,
        .threads = ledger.threads,
    };
    tt_lock_give(&ledger.lock);
    numbers_clamp(numbers);
}

void tt_thread_numbers(struct tt_numbers *numbers)
{
    const struct tt_slot *const slot = slot_home();
    *numbers = (struct tt_numbers){ 0 };
    if (!slot)
        return;
    *numbers = (struct tt_numbers){
        .live_bytes = slot_value(slot, GAUGE_LIVE),
        .live_blocks = slot_blocks(slot),
        .peak_bytes = slot->peak,
        .total_bytes = slot->total,
        .total_count = slot_value(slot, GAUGE_COUNT),
        .largest_bytes = slot->largest,
        .threads = 1,
    };
    numbers_clamp(numbers);
}

/* In a forked child nothing is measured: its scopes are the parent's. */
void ledger_child(void)
{
    tt_lock_reset(&ledger.lock);
    ledger.inner = NULL;
    ledger_epoch = 0;
    if (tt_self.home)
        stamp_epoch(tt_self.home);
    mode_reset(tt_self.home);
}
