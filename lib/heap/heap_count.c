/* SPDX-License-Identifier: MIT */
/*
 * Births and deaths: limits are asked, the site watch and the owners of
 * references are told.
 *
 * Hook: everything here runs inside malloc and free.
 */
#include "heap/heap_count.h"

#include "heap/heap_alloc.h"
#include "heap/heap_asan.h"
#include "os/os.h"

static tt_site_fn site_watch;

void tt_heap_watch_sites(tt_site_fn see)
{
    __atomic_store_n(&site_watch, see, __ATOMIC_RELEASE);
    tt_scope_limits_changed();
}

static tt_site_fn site_watch_now(void)
{
    return __atomic_load_n(&site_watch, __ATOMIC_ACQUIRE);
}

static void site_tell(enum tt_site_change change, const struct tt_block *block)
{
    const tt_site_fn see =
        block->flags & TT_BLOCK_SITE ? site_watch_now() : NULL;
    if (see)
        see(change, block->stack, block->size, block->epoch);
}

void count_site_left(const struct tt_block *block)
{
    site_tell(TT_SITE_LEFT, block);
}

void count_site_back(const struct tt_block *block)
{
    site_tell(TT_SITE_BACK, block);
}

/* Within its stops a thread need not ask. */
static bool count_unasked(struct tt_slot *slot, size_t size)
{
    slot_counting(slot, 1);
    const bool within = !count_must_ask(slot, size);
    if (within)
        count_taken(slot, size);
    slot_counting(slot, 0);
    return within;
}

bool count_take(struct tt_slot *slot, size_t size, void *frame, uint32_t *stack,
                uint32_t *flags)
{
    const int64_t add[GAUGES] = { [GAUGE_LIVE] = (int64_t)size,
                                  [GAUGE_TOTAL] = (int64_t)size,
                                  [GAUGE_COUNT] = 1 };
    if (!count_unasked(slot, size) &&
        ledger_ask(slot, add, size, frame, stack) == TT_REFUSE)
        return false;
    const tt_site_fn see = site_watch_now();
    if (!see)
        return true;
    tt_enter();
    const enum tt_answer answer =
        see(TT_SITE_BORN, stack_now(frame, stack), size, ledger_epoch);
    tt_leave();
    *flags |= TT_BLOCK_SITE;
    if (answer == TT_REFUSE)
        count_untaken(slot, size);
    return answer == TT_ALLOW;
}

uint32_t count_flags(const struct tt_slot *slot)
{
    if (tt_self.inside)
        return TT_BLOCK_TOOL;
    if (!slot || slot->ignored)
        return TT_BLOCK_SKIP;
    return tt_self.one_time ? TT_BLOCK_KEEP : 0;
}

bool count_watches_sites(void)
{
    return site_watch_now() != NULL;
}

struct tt_block count_facts_after(const struct tt_block *from, size_t size,
                                  uint32_t flags, uint32_t stack)
{
    struct tt_block facts = *from;
    const struct tt_scope *const outer = tt_scope_outermost();
    facts.size = size;
    facts.stack = stack;
    facts.flags =
        flags | (from->flags & (TT_BLOCK_REF | TT_BLOCK_KEEP | TT_BLOCK_OLD));
    if (outer && from->epoch < outer->epoch)
        facts.flags |= TT_BLOCK_OLD;
    facts.epoch = ledger_epoch;
    return facts;
}

/* Lets the common path in where nothing speaks against it. */
static void fast_open(struct tt_slot *slot)
{
    const bool open = slot && !slot->ignored && !tt_self.inside &&
                      !tt_self.one_time && !tt_self.is_ending &&
                      !site_watch_now() && !heap_sanitized;
    tt_self.fast = open ? slot : NULL;
}

static unsigned depth_paused;

static void stacks_pause(void)
{
    depth_paused = tt_stack_depth;
    tt_stack_depth = 0;
}

void tt_heap_stacks_start(void)
{
    if (depth_paused)
        tt_stack_depth = depth_paused;
    depth_paused = 0;
}

struct tt_slot *slot_ready(void)
{
    static bool ready;
    if (TT_UNLIKELY(!tt_self.is_set_up))
        return NULL;
    if (TT_UNLIKELY(!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))) {
        tt_enter();
        heap_sanitizer_look();
        tt_stack_setup();
        /* A worker's own start is nobody's test: no stacks before a window,
         * which saves a third of a millisecond of each worker. */
        if (tt_os_env("TETHER_BOARD"))
            stacks_pause();
        __atomic_store_n(&ready, true, __ATOMIC_RELEASE);
        tt_leave();
    }
    struct tt_slot *const slot = slot_home();
    fast_open(slot);
    return slot;
}

bool tell_died(const struct tt_block *block, uint32_t stack)
{
    if (!tt_heap_news.died)
        return false;
    const struct tt_death death = { .stack = stack,
                                    .thread = tt_thread_number(),
                                    .when_ns = tt_os_tick_ns() };
    tt_enter();
    const bool kept = tt_heap_news.died(block, &death);
    tt_leave();
    return kept;
}

void tell_moved(const struct tt_block *from, const struct tt_block *to)
{
    if (!tt_heap_news.moved)
        return;
    tt_enter();
    tt_heap_news.moved(from, to);
    tt_leave();
}
