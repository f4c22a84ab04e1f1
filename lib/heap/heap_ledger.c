/* SPDX-License-Identifier: MIT */
/*
 * The ledger: scopes, what they measured, and who allocates in them.
 *
 * While one thread alone has allocated since the innermost scope began, its
 * stop is the limit itself, less what the others hold: exact, with no flush.
 * From the second on each thread gets a stop of its own (heap_ask.c).
 *
 * Locks: ledger.lock, before slots'. No callback runs while it is held.
 * Hook: all of it.
 */
#include "heap/heap_ledger.h"

#include "os/os.h"

#include <sched.h>

/* How long a thread that is between looking at its stops and counting is
 * waited for: it may have been interrupted there, but not for ever. */
#define QUIET_NS ((uint64_t)200 * 1000 * 1000)

struct tt_heap_news tt_heap_news;
uint32_t ledger_epoch;

struct ledger ledger;

void ledger_epoch_set(uint32_t epoch)
{
    __atomic_store_n(&ledger_epoch, epoch, __ATOMIC_RELAXED);
    __atomic_store_n(&heap_process.epochs, EPOCH_MAX + 1 - epoch,
                     __ATOMIC_RELAXED);
}

void ledger_lock(void)
{
    tt_lock_take(&ledger.lock);
}

void ledger_unlock(void)
{
    tt_lock_give(&ledger.lock);
}

/* While others allocate and free, all births are read before all deaths: so
 * it is never more than was alive at some instant. */
static int64_t sum_live(void)
{
    int64_t sum = 0;
    for (const struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        sum += __atomic_load_n(&slot->total, __ATOMIC_ACQUIRE);
    for (const struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        sum -= __atomic_load_n(&slot->freed, __ATOMIC_ACQUIRE);
    return sum;
}

int64_t ledger_sum(enum gauge gauge)
{
    int64_t sum = 0;
    if (gauge == GAUGE_LIVE)
        return sum_live();
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

int64_t ledger_limit(enum gauge gauge)
{
    int64_t lowest = TT_NO_LIMIT;
    for (struct tt_scope *scope = ledger.inner; scope; scope = scope->outer) {
        if (scope->limit[gauge] != TT_NO_LIMIT)
            lowest = TT_MIN(lowest, scope->base[gauge] + scope->limit[gauge]);
        if (scope->mark[gauge])
            lowest =
                TT_MIN(lowest, scope->base[gauge] + scope->mark[gauge] - 1);
    }
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

void ledger_size_stop(struct tt_slot *slot)
{
    slot->size_limit = size_limit();
    slot->size_stop =
        TT_MIN(TT_MIN(slot->size_limit, SMALL_MAX), slot->largest);
}

/* The thread's peak since the last fold is taken down. */
static void peak_take_down(struct tt_slot *slot)
{
    slot->peak_ever = TT_MAX(slot->peak_ever, slot->peak);
    slot->peak = slot_value(slot, GAUGE_LIVE);
}

static void scope_fold(struct tt_scope *scope, int64_t peak, uint64_t largest)
{
    scope->peak = TT_MAX(scope->peak, peak - scope->base[GAUGE_LIVE]);
    scope->largest = TT_MAX(scope->largest, largest);
}

void ledger_fold(int64_t sum)
{
    int64_t peak = sum;
    uint64_t largest = 0;
    if (ledger.owner) {
        const int64_t others = sum - slot_value(ledger.owner, GAUGE_LIVE);
        peak = TT_MAX(sum, ledger.owner->peak + others);
        peak_take_down(ledger.owner);
    }
    for (const struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        largest = TT_MAX(largest, slot->largest);
    for (struct tt_scope *scope = ledger.inner; scope; scope = scope->outer)
        scope_fold(scope, peak, largest);
    scope_fold(&ledger.whole, peak, largest);
    board_publish(ledger.owner != NULL);
}

void ledger_owner_stops(void)
{
    for (enum gauge gauge = 0; gauge < GAUGES; gauge++) {
        const int64_t limit = ledger_limit(gauge);
        const int64_t others =
            ledger_sum(gauge) - slot_value(ledger.owner, gauge);
        slot_stop_set(ledger.owner, gauge,
                      limit == TT_NO_LIMIT ? limit : limit - others);
    }
    ledger_size_stop(ledger.owner);
}

/* Waits until the thread is not between looking at its stops and counting. */
static void wait_quiet(const struct tt_slot *slot)
{
    if (TT_LIKELY(!__atomic_load_n(&slot->counting, __ATOMIC_ACQUIRE)))
        return;
    const uint64_t until = tt_os_now_ns() + QUIET_NS;
    while (__atomic_load_n(&slot->counting, __ATOMIC_ACQUIRE) &&
           tt_os_now_ns() < until)
        sched_yield();
}

void ledger_squeeze(const struct tt_slot *self, unsigned gauges)
{
    for (struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        for (enum gauge gauge = 0; gauge < GAUGES; gauge++)
            if (slot != self && gauges & 1u << gauge)
                slot_stop_set(slot, gauge, STOP_ASK);
    tt_os_fence_all();
    for (const struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        if (slot != self)
            wait_quiet(slot);
}

/* From here on every thread asks before it allocates once more. */
static void mode_reset(struct tt_slot *owner)
{
    ledger.owner = owner;
    ledger.threads = owner ? 1 : 0;
    for (struct tt_slot *slot = slot_first(); slot; slot = slot->next) {
        slot->asked = slot == owner;
        ledger_size_stop(slot);
    }
    if (owner)
        ledger_owner_stops();
}

/* The thread's largest request so far belongs to what was before. */
static void largest_reset(void)
{
    for (struct tt_slot *slot = slot_first(); slot; slot = slot->next) {
        slot->largest_ever = TT_MAX(slot->largest_ever, slot->largest);
        __atomic_store_n(&slot->largest, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->size_stop, 0, __ATOMIC_RELAXED);
    }
}

void ledger_stamp(struct tt_slot *self)
{
    self->stamp = (self->stamp & ~(uint64_t)EPOCH_MAX) | ledger_epoch;
}

void tt_scope_begin(struct tt_scope *scope)
{
    struct tt_slot *const self = slot_home();
    tt_lock_take(&ledger.lock);
    /* Nobody allocates while the numbers are read, as all must ask. */
    ledger_squeeze(self, ALL_GAUGES);
    ledger_fold(ledger_sum(GAUGE_LIVE));
    for (enum gauge gauge = 0; gauge < GAUGES; gauge++)
        scope->base[gauge] = ledger_sum(gauge);
    scope->blocks_base = sum_of_blocks();
    scope->peak = 0;
    scope->largest = 0;
    atomic_store(&scope->tellers, 0);
    scope->outer = ledger.inner;
    scope->epoch = TT_MIN(ledger.epochs + 1, EPOCH_MAX);
    __atomic_store_n(&ledger.epochs, scope->epoch, __ATOMIC_RELAXED);
    ledger_epoch_set(scope->epoch);
    ledger.inner = scope;
    largest_reset();
    if (self) {
        peak_take_down(self);
        ledger_stamp(self);
    }
    mode_reset(self);
    tt_lock_give(&ledger.lock);
}

bool ledger_is_open(const struct tt_scope *scope)
{
    const struct tt_scope *open = ledger.inner;
    while (open && open != scope)
        open = open->outer;
    return open != NULL;
}

/* Waits until nobody is being told of a breach of the scope: its memory is
 * its owner's again. Not for the thread that is told itself. */
static void wait_told(struct tt_scope *scope)
{
    uint32_t tellers;
    while ((tellers = atomic_load(&scope->tellers)) > tt_self.telling)
        tt_futex_wait(&scope->tellers, tellers, 10 * 1000 * 1000);
}

void tt_scope_end(struct tt_scope *scope)
{
    struct tt_slot *const self = slot_home();
    struct tt_scope *ended = NULL;
    tt_lock_take(&ledger.lock);
    if (ledger_is_open(scope)) {
        ledger_squeeze(self, ALL_GAUGES);
        ended = ledger.inner;
        ledger_fold(ledger_sum(GAUGE_LIVE));
        ledger.inner = scope->outer;
        ledger_epoch_set(ledger.inner ? ledger.inner->epoch : 0);
        if (self)
            ledger_stamp(self);
        mode_reset(self);
    }
    struct tt_scope *const outer = scope->outer;
    tt_lock_give(&ledger.lock);
    for (; ended && ended != outer; ended = ended->outer)
        wait_told(ended);
}

bool tt_scope_is_open(const struct tt_scope *scope)
{
    heap_process_look();
    tt_lock_take(&ledger.lock);
    const bool open = ledger_is_open(scope);
    tt_lock_give(&ledger.lock);
    return open;
}

void tt_scope_limits_changed(void)
{
    heap_process_look();
    tt_lock_take(&ledger.lock);
    ledger_squeeze(NULL, ALL_GAUGES);
    mode_reset(ledger.owner);
    tt_lock_give(&ledger.lock);
}

struct tt_scope *tt_scope_inner(void)
{
    return __atomic_load_n(&ledger.inner, __ATOMIC_ACQUIRE);
}

struct tt_scope *tt_scope_outermost(void)
{
    struct tt_scope *scope = tt_scope_inner();
    while (scope && scope->outer)
        scope = scope->outer;
    return scope;
}

void ledger_old_block(struct tt_slot *slot, uint32_t epoch, int64_t bytes,
                      int64_t blocks)
{
    tt_lock_take(&ledger.lock);
    ledger_fold(ledger_sum(GAUGE_LIVE));
    slot->freed += bytes;
    slot->freed_count += blocks;
    for (struct tt_scope *scope = ledger.inner; scope; scope = scope->outer)
        if (epoch < scope->epoch) {
            scope->base[GAUGE_LIVE] -= bytes;
            scope->blocks_base -= blocks;
        }
    if (ledger.owner) {
        peak_take_down(ledger.owner);
        ledger_owner_stops();
    }
    board_publish(ledger.owner != NULL);
    tt_lock_give(&ledger.lock);
}

static void scope_forget(struct tt_scope *scope, const struct tt_slot *slot)
{
    for (enum gauge gauge = 0; gauge < GAUGES; gauge++)
        scope->base[gauge] -= slot_value(slot, gauge);
    scope->blocks_base -= slot_blocks(slot);
}

/* What the slot's former thread counted goes into the scopes' bases, so that
 * the new one begins with nothing. */
static void slot_empty(struct tt_slot *slot)
{
    for (struct tt_scope *scope = ledger.inner; scope; scope = scope->outer)
        scope_forget(scope, slot);
    scope_forget(&ledger.whole, slot);
    slot->total = slot->freed = slot->freed_count = 0;
    slot->stamp = ledger_epoch;
    slot->peak = slot->peak_ever = 0;
    slot->largest = slot->largest_ever = 0;
    board_publish(ledger.owner != NULL);
}

void ledger_enter(struct tt_slot *slot)
{
    tt_lock_take(&ledger.lock);
    ledger_fold(ledger_sum(GAUGE_LIVE));
    slot_empty(slot);
    slot->asked = 0;
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
    heap_process_look();
    tt_lock_take(&ledger.lock);
    const int64_t sum = ledger_sum(GAUGE_LIVE);
    if (!scope || ledger_is_open(scope))
        ledger_fold(sum);
    const struct tt_scope *const from = scope ? scope : &ledger.whole;
    *numbers = (struct tt_numbers){
        .live_bytes = sum - from->base[GAUGE_LIVE],
        .live_blocks = sum_of_blocks() - from->blocks_base,
        .peak_bytes = from->peak,
        .total_bytes = ledger_sum(GAUGE_TOTAL) - from->base[GAUGE_TOTAL],
        .total_count = ledger_sum(GAUGE_COUNT) - from->base[GAUGE_COUNT],
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
        .peak_bytes = TT_MAX(slot->peak, slot->peak_ever),
        .total_bytes = slot->total,
        .total_count = slot_value(slot, GAUGE_COUNT),
        .largest_bytes = TT_MAX(slot->largest, slot->largest_ever),
        .threads = 1,
    };
    numbers_clamp(numbers);
}

/* In a forked child nothing is measured: its scopes are the parent's. */
void ledger_child(void)
{
    tt_lock_reset(&ledger.lock);
    ledger.inner = NULL;
    ledger_epoch_set(0);
    if (tt_self.home)
        ledger_stamp(tt_self.home);
    mode_reset(tt_self.home);
}
