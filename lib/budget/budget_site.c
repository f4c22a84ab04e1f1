/* SPDX-License-Identifier: MIT */
/*
 * .max_site: live bytes by the function that allocated them.
 *
 * The function of a stack is the unwind table's entry that covers the first
 * return address outside libc and the wrappers named in TETHER_WRAPPERS. What
 * the loader and the framework allocate is no function's. It
 * gets a number, which lib/stack keeps beside the stack; so a block costs one
 * look-up and one atomic add, and only while such a limit is open.
 *
 * Locks: sites.lock, for new functions; nothing is called while it is held.
 * Hook: site_see and all it calls run inside malloc and free.
 */
#include "budget/budget_options.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "budget/budget_profile.h"
#include "os/os.h"
#include "stack/stack.h"

#include <string.h>

#define NUMBER_BITS   16
#define FUNCTIONS_MAX (1u << NUMBER_BITS)
#define NUMBER_MASK   (FUNCTIONS_MAX - 1)

struct site_watch {
    struct site_watch *outer;
    struct budget_state *state;
    int64_t limit;
    _Atomic int64_t live[FUNCTIONS_MAX]; /* by the function's number */
};

static struct {
    struct tt_lock lock;
    struct site_watch *_Atomic inner;
    _Atomic uint32_t readers[2]; /* threads that walk the watches, by phase */
    _Atomic uint32_t phase;
    struct tt_range *functions; /* number n is at n - 1 */
    uint32_t count;
    _Atomic uint32_t generation; /* of modules; NUMBER_BITS wide */
} sites;

/* While a thread walks the watches none of them goes away. */
static uint32_t walk_begin(void)
{
    const uint32_t phase = sites.phase & 1;
    atomic_fetch_add(&sites.readers[phase], 1);
    return phase;
}

static void walk_end(uint32_t phase)
{
    if (atomic_fetch_sub(&sites.readers[phase], 1) == 1)
        tt_futex_wake(&sites.readers[phase], 1);
}

/* Waits for all walks that may have begun before the call. Twice, as a walk
 * may have read the phase before the last change of it. */
static void walks_wait(void)
{
    for (int round = 0; round < 2; round++) {
        const uint32_t old = atomic_fetch_add(&sites.phase, 1) & 1;
        uint32_t left;
        while ((left = sites.readers[old]) != 0)
            tt_futex_wait(&sites.readers[old], left, 10 * 1000 * 1000);
    }
}

/* 0: the loader's or the framework's, which is no function of the test's. */
static uintptr_t site_pc(uint32_t stack)
{
    const uintptr_t *frames;
    const unsigned depth = tt_stack_frames(stack, &frames);
    for (unsigned i = 0; i < depth; i++) {
        const uintptr_t pc = frames[i] - 1;
        if (module_is_runtime(pc))
            return 0;
        if (!module_is_libc(pc) && !wrapper_has(pc))
            return pc;
    }
    /* Libc's or a wrapper's as far as the stack goes. A sanitizer allocates
     * when a thread starts, below which there is nobody. */
    const uintptr_t last = depth ? frames[depth - 1] - 1 : 0;
    return module_is_sanitizer(last) ? 0 : last;
}

static uint32_t function_number(struct tt_range range)
{
    tt_lock_take(&sites.lock);
    uint32_t number = 0;
    for (uint32_t i = 0; i < sites.count && !number; i++)
        if (sites.functions[i].start == range.start)
            number = i + 1;
    if (!number && sites.count < FUNCTIONS_MAX - 1) {
        sites.functions[sites.count] = range;
        number = ++sites.count;
    }
    tt_lock_give(&sites.lock);
    return number;
}

static uint32_t number_find(uint32_t stack)
{
    const uintptr_t pc = site_pc(stack);
    struct tt_range range = { pc, pc + 1 };
    if (!pc)
        return 0;
    tt_stack_function(pc, &range.start, &range.end);
    return function_number(range);
}

/* Gets the number of a stack's function, 0: none is known. The word beside the
 * stack is the number and the generation it was found in. A module that was
 * unloaded begins a new one: then what allocates from the same addresses may
 * be another function, while blocks that die are still the old one's. */
static uint32_t number_of_stack(uint32_t stack, bool is_birth)
{
    _Atomic uint32_t *const note = tt_stack_note(stack);
    const uint32_t generation = atomic_load(&sites.generation);
    if (!note)
        return 0;
    uint32_t number = *note & NUMBER_MASK;
    if (number && (!is_birth || *note >> NUMBER_BITS == generation))
        return number;
    number = number_find(stack);
    *note = generation << NUMBER_BITS | number;
    return number;
}

/* A block died, or did not after all. */
static void site_add(uint32_t number, int64_t bytes, uint32_t epoch)
{
    for (struct site_watch *watch = sites.inner; watch; watch = watch->outer)
        if (epoch >= watch->state->scope.epoch)
            watch->live[number] += bytes;
}

/* Takes back what the watches up to 'last' have counted. */
static void site_undo(uint32_t number, int64_t bytes,
                      const struct site_watch *last)
{
    for (struct site_watch *watch = sites.inner; watch; watch = watch->outer) {
        watch->live[number] -= bytes;
        if (watch == last)
            return;
    }
}

static bool is_of_number(const struct tt_block *block, void *ctx)
{
    return number_of_stack(block->stack, false) == *(const uint32_t *)ctx;
}

static enum tt_answer site_breach(struct site_watch *watch, uint32_t number,
                                  int64_t live, int64_t bytes, uint32_t stack)
{
    struct tt_breach_facts facts = {
        .limit = TETHER_MAX_SITE,
        .value = (uint64_t)live,
        .bytes = (size_t)bytes,
        .stack = stack,
        .site = site_pc(stack) + 1,
        .counts = is_of_number,
        .ctx = &number,
    };
    return breach_happened(watch->state, &facts);
}

static enum tt_answer site_born(uint32_t number, uint32_t stack, int64_t bytes)
{
    for (struct site_watch *watch = sites.inner; watch; watch = watch->outer) {
        const int64_t live =
            atomic_fetch_add(&watch->live[number], bytes) + bytes;
        if (live > watch->limit &&
            site_breach(watch, number, live, bytes, stack) == TT_REFUSE) {
            site_undo(number, bytes, watch);
            return TT_REFUSE;
        }
    }
    return TT_ALLOW;
}

static enum tt_answer site_see(enum tt_site_change change, uint32_t stack,
                               size_t size, uint32_t epoch)
{
    enum tt_answer answer = TT_ALLOW;
    const int64_t bytes =
        change == TT_SITE_LEFT ? -(int64_t)size : (int64_t)size;
    const uint32_t phase = walk_begin();
    const uint32_t number =
        sites.inner ? number_of_stack(stack, change == TT_SITE_BORN) : 0;
    if (number && change == TT_SITE_BORN)
        answer = site_born(number, stack, bytes);
    else if (number)
        site_add(number, bytes, epoch);
    walk_end(phase);
    if (tt_profile_on && answer == TT_ALLOW)
        profile_see(stack, bytes);
    return answer;
}

void site_watch_update(void)
{
    tt_heap_watch_sites(sites.inner || tt_profile_on ? site_see : NULL);
}

bool site_watch_start(struct budget_state *state, uint64_t limit)
{
    tt_enter();
    if (!sites.functions)
        sites.functions =
            tt_map_sparse(FUNCTIONS_MAX * sizeof *sites.functions);
    struct site_watch *const watch =
        sites.functions ? tt_map_sparse(sizeof *watch) : NULL;
    if (watch) {
        module_ranges_find();
        wrappers_find();
        watch->state = state;
        watch->limit = limit < INT64_MAX / 4 ? (int64_t)limit : INT64_MAX / 4;
        watch->outer = sites.inner;
        sites.inner = watch;
        state->sites = watch;
        site_watch_update();
    }
    tt_leave();
    return watch != NULL;
}

void site_watch_stop(struct budget_state *state)
{
    struct site_watch *const watch = state->sites;
    if (!watch)
        return;
    if (sites.inner == watch)
        sites.inner = watch->outer;
    for (struct site_watch *in = sites.inner; in; in = in->outer)
        if (in->outer == watch)
            in->outer = watch->outer;
    site_watch_update();
    walks_wait();
    state->sites = NULL;
    tt_unmap(watch, sizeof *watch);
}

void tt_budget_forget(void)
{
    atomic_store(&sites.generation,
                 (atomic_load(&sites.generation) + 1) & NUMBER_MASK);
    wrappers_forget();
}

void site_watch_child(void)
{
    tt_lock_reset(&sites.lock);
    sites.readers[0] = sites.readers[1] = 0;
    sites.inner = NULL;
    wrappers_child();
    profile_child();
    site_watch_update();
}
