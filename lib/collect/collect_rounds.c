/* SPDX-License-Identifier: MIT */
/*
 * Rounds to a fixed point. One collector's garbage may be another one's root:
 * a round that changed anything (something was reclaimed, a collector was
 * added, a queue's callback ran) is followed by one more, up to a bound,
 * because a collector may find something for ever.
 *
 * What a collector does not say is measured, by the calling thread's numbers
 * and by the process's, whichever shows more: the first are not disturbed by
 * other threads, the second see what the collector's own threads free.
 *
 * Locks: the turn, then the registry's for single steps; callbacks run with
 * the turn only, which waits for no lock.
 */
#include "collect/collect_turn.h"
#include "budget/budget.h"
#include "heap/heap.h"
#include "os/os.h"
#include "ref/ref.h"

#include <limits.h>

static _Thread_local struct tt_collect_sums sums;

/* The number of the newest collection; the turn guards it. */
static uint64_t collections;

void tt_collect_sums(struct tt_collect_sums *out)
{
    *out = sums;
}

struct levels {
    struct tt_numbers thread, process;
};

static void levels_read(struct levels *levels)
{
    tt_thread_numbers(&levels->thread);
    tt_scope_numbers(NULL, &levels->process);
}

static size_t fallen(int64_t mine, int64_t mine_now, int64_t all,
                     int64_t all_now)
{
    const int64_t most = TT_MAX(mine - mine_now, all - all_now);
    return most > 0 ? (size_t)most : 0;
}

/* The live objects that a domain counts; 0 where none does. */
static size_t unit_count(const struct unit *unit)
{
    return unit->domain.count ? unit->domain.count(unit->ctx) : 0;
}

/* Puts numbers where the collector said nothing. */
static void reclaimed_measure(struct tether_reclaimed *reclaimed,
                              const struct unit *unit, size_t counted,
                              const struct levels *before)
{
    struct levels now;
    if (unit->domain.count && reclaimed->objects == TETHER_MEASURE) {
        const size_t left = unit_count(unit);
        reclaimed->objects = counted > left ? counted - left : 0;
    }
    if (reclaimed->objects != TETHER_MEASURE &&
        reclaimed->bytes != TETHER_MEASURE)
        return;
    levels_read(&now);
    if (reclaimed->objects == TETHER_MEASURE)
        reclaimed->objects =
            fallen(before->thread.live_blocks, now.thread.live_blocks,
                   before->process.live_blocks, now.process.live_blocks);
    if (reclaimed->bytes == TETHER_MEASURE)
        reclaimed->bytes =
            fallen(before->thread.live_bytes, now.thread.live_bytes,
                   before->process.live_bytes, now.process.live_bytes);
}

/* Runs one unit's callbacks. Returns whether it collected. */
static bool unit_run(const struct unit *unit, struct unit_share *share)
{
    struct tether_reclaimed reclaimed = { TETHER_MEASURE, TETHER_MEASURE };
    struct levels before;
    if (!unit->collect || (unit->pending && !unit->pending(unit->ctx)))
        return false;
    const uint64_t begin_ns = tt_os_now_ns();
    const size_t counted = unit_count(unit);
    levels_read(&before);
    unit->collect(&reclaimed, unit->ctx);
    reclaimed_measure(&reclaimed, unit, counted, &before);
    *share = (struct unit_share){ .objects = reclaimed.objects,
                                  .bytes = reclaimed.bytes,
                                  .time_ns = tt_os_now_ns() - begin_ns };
    return true;
}

/* Adds to what a unit did in this collection. 'before' is the unit as it was
 * before the run, in which it may have been removed. */
static void share_add(struct unit *unit, const struct unit *before,
                      const struct unit_share *more,
                      struct tether_collection *all)
{
    const bool is_first = before->share.collection != collections;
    all->collectors += is_first;
    all->objects += more->objects;
    all->bytes += more->bytes;
    if (unit->opened != before->opened)
        return;
    if (is_first)
        unit->share = (struct unit_share){ .collection = collections };
    unit->share.rounds++;
    unit->share.objects += more->objects;
    unit->share.bytes += more->bytes;
    unit->share.time_ns += more->time_ns;
}

/* Runs the units that there are now. Returns whether one reclaimed anything;
 * the registry is locked before and after. */
static bool round_run(struct tether_collection *all)
{
    const uint64_t newest = tt_registry.opened;
    struct unit *unit;
    struct unit copy = { .order = INT_MIN };
    bool any = false;
    while ((unit = tt_unit_after(copy.order, copy.opened, newest))) {
        struct unit_share share = { 0 };
        copy = *unit;
        tt_unit_enter(unit);
        tt_lock_give(&tt_registry.lock);
        const bool ran = unit_run(&copy, &share);
        tt_lock_take(&tt_registry.lock);
        tt_unit_leave();
        if (ran)
            share_add(unit, &copy, &share, all);
        any |= share.objects || share.bytes;
    }
    return any;
}

static void rounds_run(struct tether_collection *all)
{
    bool again = true;
    bool reclaimed = false;
    while (again && all->rounds < TETHER_COLLECT_ROUNDS_MAX) {
        const uint64_t served = tt_ref_served();
        all->rounds++;
        tt_lock_take(&tt_registry.lock);
        const uint64_t opened = tt_registry.opened;
        reclaimed = round_run(all);
        again = reclaimed || tt_registry.opened != opened;
        tt_lock_give(&tt_registry.lock);
        tether_safepoint();
        again |= tt_ref_served() != served;
    }
    all->unsettled = reclaimed;
}

TT_NOINLINE struct tether_collection tether_collect(void)
{
    struct tether_collection all = { .status = TETHER_OK };
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    if (!tt_collect_any()) {
        tether_safepoint();
        return all;
    }
    if (tt_collect_turn_take(frame, true) != TT_TURN_TAKEN) {
        all.status = TETHER_BUSY;
        return all;
    }
    const uint64_t begin_ns = tt_os_now_ns();
    collections++;
    tether_safepoint();
    tt_profile_mark("collection");
    rounds_run(&all);
    all.time_ns = tt_os_now_ns() - begin_ns;
    tt_collect_turn_give();
    sums.rounds += all.rounds;
    sums.objects += all.objects;
    sums.bytes += all.bytes;
    return all;
}

struct tether_release tether_release_memory(void)
{
    struct tether_release release = { .rss_before_bytes =
                                          tt_os_resident_bytes() };
    tt_heap_release();
    release.rss_after_bytes = tt_os_resident_bytes();
    return release;
}

size_t tether_collect_visit(void (*see)(const struct tether_collector_row *,
                                        void *),
                            void *ctx)
{
    struct unit copy = { .order = INT_MIN };
    const struct unit *unit;
    size_t seen = 0;
    if (!see)
        tt_die("tether_collect_visit", "'see' is NULL; give it a function");
    tt_lock_take(&tt_registry.lock);
    const uint64_t newest = collections;
    while ((unit = tt_unit_after(copy.order, copy.opened, UINT64_MAX))) {
        copy = *unit;
        if (!newest || copy.share.collection != newest)
            continue;
        tt_lock_give(&tt_registry.lock);
        seen++;
        see(&(struct tether_collector_row){ .name = copy.name,
                                            .rounds = copy.share.rounds,
                                            .objects = copy.share.objects,
                                            .bytes = copy.share.bytes,
                                            .time_ns = copy.share.time_ns },
            ctx);
        tt_lock_take(&tt_registry.lock);
    }
    tt_lock_give(&tt_registry.lock);
    return seen;
}
