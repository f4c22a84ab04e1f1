/* SPDX-License-Identifier: MIT */
/*
 * Relief: soft references and trim callbacks, level by level.
 *
 * Nothing of it takes longer for being one of many: a reference is cleared in
 * constant time, and what became due by a budget is worked off in slices of a
 * few milliseconds, one a safe point, so that no safe point is a long pause.
 *
 * Relief and collections share one turn, because both run the program's own
 * functions, which were written for one at a time. Inside malloc there is no
 * turn to wait for: what may run there has promised to be fit for it.
 *
 * Locks: the turn; none of the registry's or lib/ref's is held while a
 * callback runs.
 * Hook: tt_pressure_due and tt_pressure_relieve run inside malloc.
 */
#include "pressure/pressure.h"

#include "budget/budget.h"
#include "collect/collect_turn.h"
#include "heap/heap.h"
#include "os/os.h"
#include "ref/ref.h"
#include "ref/ref_soft.h"
#include "stack/stack.h"

#include <limits.h>

#undef tether_pressure

#define LEVELS      (TETHER_EXHAUSTED + 1)
#define SLICE_NS    UINT64_C(4000000)
#define LOOK_EVERY  64u /* clearings, at the clock and at queues' callbacks */
#define CLEAR_DEPTH 8u  /* frames of who cleared */

static struct {
    _Atomic int due;               /* enum tether_level */
    _Atomic unsigned held[LEVELS]; /* stretches that are open */
} pressure;

/* What is being given up. */
struct relief {
    enum tether_level level;
    size_t wanted;
    uint64_t until_ns; /* of the slice; 0: until it is done */
    bool in_malloc;
    uint32_t stack;
    struct tether_relief done;
};

static enum tether_reason reason_of(enum tether_level level)
{
    return (enum tether_reason)(TETHER_DIED + (int)level);
}

static bool is_enough(const struct relief *relief)
{
    return relief->done.freed_bytes >= relief->wanted;
}

static bool slice_is_over(const struct relief *relief)
{
    return relief->until_ns && tt_os_now_ns() >= relief->until_ns;
}

static void freed_add(struct relief *relief, size_t bytes)
{
    relief->done.freed_bytes = relief->done.freed_bytes > SIZE_MAX - bytes
                                   ? SIZE_MAX
                                   : relief->done.freed_bytes + bytes;
}

/* False: the slice is over before the level is. */
static bool soft_slice(struct relief *relief, enum tether_level level,
                       enum tt_soft_who who)
{
    size_t bytes;
    while (!is_enough(relief) &&
           tt_soft_clear(level, who, reason_of(relief->level), relief->stack,
                         &bytes)) {
        freed_add(relief, bytes);
        if (++relief->done.cleared % LOOK_EVERY || relief->in_malloc)
            continue;
        if (slice_is_over(relief))
            return false;
        tether_safepoint();
    }
    return true;
}

/* The same; a release that crashes is named. */
static bool soft_relieve(struct relief *relief, enum tether_level level)
{
    if (relief->in_malloc)
        return soft_slice(relief, level, TT_SOFT_IN_MALLOC);
    if (!tt_soft_any(level, TT_SOFT_ALL))
        return true;
    tt_board_collecting("the release of a soft reference");
    const bool done = soft_slice(relief, level, TT_SOFT_ALL);
    tt_board_collecting(NULL);
    return done;
}

/* The wanted bytes that are still missing. */
static size_t missing(const struct relief *relief)
{
    return relief->wanted == TETHER_EVERYTHING
               ? TETHER_EVERYTHING
               : relief->wanted - relief->done.freed_bytes;
}

static void trims_run(struct relief *relief, enum tether_level level)
{
    struct unit copy = { .order = INT_MIN };
    const struct unit *unit;
    tt_lock_take(&tt_registry.lock);
    const uint64_t newest = tt_registry.opened;
    while (!is_enough(relief) &&
           (unit = tt_unit_after(copy.order, copy.opened, newest))) {
        copy = *unit;
        if (!copy.trim || copy.level != (int)level)
            continue;
        tt_unit_enter(unit);
        tt_lock_give(&tt_registry.lock);
        const size_t bytes = copy.trim(missing(relief), copy.ctx);
        relief->done.trimmed++;
        freed_add(relief, bytes);
        tt_lock_take(&tt_registry.lock);
        tt_unit_leave();
    }
    tt_lock_give(&tt_registry.lock);
}

static TT_NOINLINE uint32_t who_clears(void)
{
    return tt_stack_depth
               ? tt_stack_capture(__builtin_frame_address(0),
                                  TT_MAX(tt_stack_depth, CLEAR_DEPTH))
               : 0;
}

/* The turn is taken. False: the slice is over before all is done. */
static bool relief_run(struct relief *relief)
{
    relief->stack = who_clears();
    for (int level = TETHER_MODERATE; level <= (int)relief->level; level++) {
        if (!soft_relieve(relief, (enum tether_level)level))
            return false;
        trims_run(relief, (enum tether_level)level);
    }
    return true;
}

static void level_check(const char *call, enum tether_level level)
{
    if ((int)level < TETHER_MODERATE || (int)level > TETHER_EXHAUSTED)
        tt_die(call,
               "%d is no level; write TETHER_MODERATE, TETHER_CRITICAL or "
               "TETHER_EXHAUSTED",
               (int)level);
}

TT_NOINLINE struct tether_relief
tether_pressure_with(enum tether_level level, struct tether_pressure_how how)
{
    struct relief relief = { .level = level,
                             .wanted =
                                 how.bytes ? how.bytes : TETHER_EVERYTHING };
    struct tt_soft_sums left;
    level_check("tether_pressure", level);
    if (tt_collect_turn_take((uintptr_t)__builtin_frame_address(0), true) !=
        TT_TURN_TAKEN)
        return (struct tether_relief){ .status = TETHER_BUSY };
    relief_run(&relief);
    tt_collect_turn_give();
    tt_soft_sums(level, TT_SOFT_ALL, &left);
    relief.done.left = left.count;
    relief.done.pinned = left.pinned;
    tether_safepoint();
    return relief.done;
}

struct tether_relief tether_pressure(enum tether_level level)
{
    return tether_pressure_with(level,
                                (struct tether_pressure_how){ .text = NULL });
}

/* ---- stretches, and what is due ---- */

static enum tether_level level_held(void)
{
    for (int level = TETHER_EXHAUSTED; level > TETHER_NO_PRESSURE; level--)
        if (atomic_load(&pressure.held[level]))
            return (enum tether_level)level;
    return TETHER_NO_PRESSURE;
}

void tether_pressure_begin(enum tether_level level)
{
    level_check("tether_pressure_begin", level);
    atomic_fetch_add(&pressure.held[level], 1);
    tt_safepoint_need(1);
    tt_safepoint_set();
    (void)tether_pressure(level);
}

void tether_pressure_end(enum tether_level level)
{
    static const char call[] = "tether_pressure_end";
    level_check(call, level);
    if (!atomic_load(&pressure.held[level]))
        tt_die(call, "no stretch of this level is open; call "
                     "tether_pressure_begin first");
    atomic_fetch_sub(&pressure.held[level], 1);
    tt_safepoint_need(-1);
}

enum tether_level tether_pressure_level(void)
{
    const enum tether_level held = level_held();
    const enum tether_level due = (enum tether_level)atomic_load(&pressure.due);
    return TT_MAX(held, due);
}

void tether_pressure_shares(unsigned moderate, unsigned critical)
{
    static const char call[] = "tether_pressure_shares";
    if (moderate > 100 || critical > 100)
        tt_die(call, "a share is a number of per cent, 0 to 100");
    if (moderate && critical && moderate > critical)
        tt_die(call, "moderate (%u %%) is above critical (%u %%)", moderate,
               critical);
    tt_budget_shares(moderate, critical);
}

static void due_raise(enum tether_level level)
{
    int now = atomic_load(&pressure.due);
    while (now < (int)level &&
           !atomic_compare_exchange_weak(&pressure.due, &now, (int)level))
        ;
    tt_safepoint_set();
}

void tt_pressure_due(enum tether_level level)
{
    due_raise(level);
}

/* A slice of what is due, and of what a stretch wants. The turn is taken. */
static void slice_run(enum tether_level due, enum tether_level held)
{
    struct relief relief = { .level = TT_MAX(due, held),
                             .wanted = TETHER_EVERYTHING,
                             .until_ns = tt_os_now_ns() + SLICE_NS };
    if (due >= held && due < TETHER_EXHAUSTED)
        relief.wanted = tt_budget_excess();
    if (relief_run(&relief))
        tt_budget_rearm();
    else
        due_raise(due);
}

TT_NOINLINE void tt_pressure_safepoint(void)
{
    tt_stress_safepoint();
    const enum tether_level held = level_held();
    const enum tether_level due = (enum tether_level)atomic_load(&pressure.due);
    if (!due && !held)
        return;
    if (!tt_window_is_mine() ||
        tt_collect_turn_take((uintptr_t)__builtin_frame_address(0), false) !=
            TT_TURN_TAKEN) {
        tt_safepoint_set();
        return;
    }
    atomic_store(&pressure.due, TETHER_NO_PRESSURE);
    slice_run(due, held);
    tt_collect_turn_give();
    if (level_held())
        tt_safepoint_set();
}

/* ---- inside malloc ---- */

static int64_t live_bytes(void)
{
    struct tt_numbers numbers;
    tt_scope_numbers(NULL, &numbers);
    return numbers.live_bytes;
}

static void trims_in_malloc(struct relief *relief)
{
    struct unit copy = { .order = INT_MIN };
    while (!is_enough(relief) && tt_unit_next_in_malloc(&copy)) {
        if (copy.trim && copy.level <= (int)relief->level) {
            relief->done.trimmed++;
            freed_add(relief, copy.trim(missing(relief), copy.ctx));
        }
        tt_unit_left_in_malloc(&copy);
    }
}

/* A release or a trim callback that allocates, or frees what another one of
 * them frees, is told of no relief. */
static _Thread_local bool relieving __attribute__((tls_model("initial-exec")));

static void relieve_in_malloc(struct relief *relief)
{
    relieving = true;
    relief->stack = who_clears();
    for (int level = TETHER_MODERATE; level <= (int)relief->level; level++)
        soft_relieve(relief, (enum tether_level)level);
    trims_in_malloc(relief);
    relieving = false;
}

bool tt_pressure_relieve(int64_t excess)
{
    struct relief relief = { .level = TETHER_EXHAUSTED,
                             .wanted = (size_t)excess,
                             .in_malloc = true };
    if (relieving)
        return false;
    const int64_t before = live_bytes();
    relieve_in_malloc(&relief);
    due_raise(TETHER_EXHAUSTED);
    return relief.done.cleared || live_bytes() < before;
}

void tt_pressure_in_malloc(enum tether_level level)
{
    struct relief relief = { .level = level,
                             .wanted = TETHER_EVERYTHING,
                             .in_malloc = true };
    if (!relieving)
        relieve_in_malloc(&relief);
}

void tt_pressure_waiting(struct tt_pressure_waiting *waiting)
{
    struct tt_soft_sums all;
    *waiting = (struct tt_pressure_waiting){ .trim_name = "" };
    tt_soft_sums(TETHER_EXHAUSTED, TT_SOFT_ALL, &all);
    waiting->soft_count = all.count;
    waiting->soft_bytes = all.bytes;
    waiting->pinned = all.pinned;
    tt_lock_take(&tt_registry.lock);
    for (const struct unit *unit = tt_registry.first; unit; unit = unit->next) {
        if (!unit->trim || unit->in_malloc)
            continue;
        if (!waiting->trims++)
            __builtin_memcpy(waiting->trim_name, unit->name,
                             sizeof waiting->trim_name);
    }
    tt_lock_give(&tt_registry.lock);
}

void tt_pressure_forget(void)
{
    atomic_store(&pressure.due, TETHER_NO_PRESSURE);
}
