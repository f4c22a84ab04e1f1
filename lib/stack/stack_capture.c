/* SPDX-License-Identifier: MIT */
/*
 * Captures a stack inside malloc, in the first of three ways that serves. A
 * memo knows the last capture that began like this one, and compares the
 * words that it had read. Following frame pointers is fast and simple, but
 * wrong wherever code uses the register for something else. Whether it is
 * wrong is a matter of the code alone: following the frame pointer from a
 * return address is right exactly if the rule there is the plain one. So a
 * stack that was found by frame pointers is looked up; if it is known as
 * plain (each of its addresses has the plain rule) that was the answer, else
 * the unwinder walks again.
 *
 * Locks: caches_lock, the table's, the rules'; two at once over a fork only.
 * Hook: everything here may run inside malloc and free; no lock in the common
 * path.
 */
#include "stack/stack.h"

#include "stack/stack_gone.h"
#include "stack/stack_rule.h"
#include "stack/stack_shadow.h"
#include "stack/stack_table.h"
#include "stack/stack_walk.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "os/os.h"

#include <dlfcn.h>
#include <string.h>

unsigned tt_stack_depth = 8;

/* What a thread keeps between captures; all zero at first. */
struct thread_cache {
    struct thread_cache *next; /* while it is free */
    struct tt_range own;
    bool busy; /* the shadow is being changed */
    struct tt_shadow shadow;
    struct tt_memo memos[TT_MEMOS];
};

_Static_assert(sizeof(struct thread_cache) > 16 * 1024,
               "tt_release wants a mapping of its own");

void tt_stack_setup(void)
{
    uint64_t depth;
    if (tt_os_env_size("TETHER_STACK_DEPTH", &depth))
        tt_stack_depth = (unsigned)TT_MIN(depth, TT_STACK_DEPTH_MAX);
}

/* Follows frame pointers inside the thread's own stack. */
static unsigned walk_by_fp(const struct tt_range *own, uintptr_t frame,
                           uintptr_t *frames, unsigned depth, uint64_t *hash)
{
    const uintptr_t last = own->high - sizeof(struct tt_frame_record);
    uint64_t sum = 0;
    unsigned count = 0;
    while (count < depth) {
        const struct tt_frame_record *const record = (const void *)frame;
        frames[count] = record->return_address;
        sum += tt_stack_sum_part(frames[count], count);
        count++;
        const uintptr_t next = record->caller_fp;
        if (next <= frame || next > last || next % 8 != 0)
            break;
        frame = next;
    }
    *hash = tt_stack_hash_end(sum, count);
    return count;
}

static unsigned walk_by_rules(struct tt_walk *walk, uintptr_t *frames,
                              unsigned depth)
{
    unsigned count = 1;
    tt_rule rule;
    frames[0] = walk->pc + 1;
    while (count < depth && tt_walk_step(walk, &rule, &frames[count]))
        count++;
    return count;
}

/* Unwinds by rules alone and remembers nothing of it. */
static TT_NOINLINE uint32_t capture_by_rules(struct tt_walk *walk,
                                             unsigned depth)
{
    uintptr_t frames[TT_STACK_DEPTH_MAX];
    return tt_stack_intern(frames, walk_by_rules(walk, frames, depth));
}

/* Captures in the thread's own stack. */
static uint32_t capture_by_shadow(struct thread_cache *cache, uintptr_t frame,
                                  unsigned depth)
{
    struct tt_walk walk = { .now = cache->own, .own = &cache->own };
    tt_walk_begin(&walk, frame);
    /* In a signal handler that interrupted a capture of this thread the
     * shadow may be half written. */
    if (TT_UNLIKELY(cache->busy))
        return capture_by_rules(&walk, depth);
    cache->busy = true;
    atomic_signal_fence(memory_order_seq_cst);
    const uint32_t id = tt_shadow_capture(&cache->shadow, &walk, depth);
    tt_memo_put(cache->memos, &cache->shadow, frame, depth);
    atomic_signal_fence(memory_order_seq_cst);
    cache->busy = false;
    return id;
}

/* Captures below the part of the stack that is known, or in another one:
 * nothing about a foreign stack is remembered. */
static TT_NOINLINE uint32_t capture_elsewhere(struct thread_cache *cache,
                                              uintptr_t frame, unsigned depth)
{
    struct tt_walk walk;
    if (tt_range_widen(&cache->own, frame))
        return capture_by_shadow(cache, frame, depth);
    return tt_walk_start(&walk, frame, &cache->own)
               ? capture_by_rules(&walk, depth)
               : 0;
}

/* Caches of threads that have ended. */
static struct tt_lock caches_lock;
static struct thread_cache *caches_free;

/* Stands in for the cache of a thread that has said its end. */
static struct thread_cache cache_ended;

static struct thread_cache *cache_make(void)
{
    tt_lock_take(&caches_lock);
    struct thread_cache *cache = caches_free;
    if (cache)
        caches_free = cache->next;
    tt_lock_give(&caches_lock);
    if (!cache)
        cache = tt_mem_take(sizeof *cache);
    tt_self.stack_cache = cache;
    return cache;
}

/* Captures where the thread has no cache, or no more. */
static TT_COLD uint32_t capture_first(void *frame, unsigned depth)
{
    if (tt_self.stack_cache == &cache_ended) {
        struct tt_range own = { 0 };
        struct tt_walk walk;
        return tt_walk_start(&walk, (uintptr_t)frame, &own)
                   ? capture_by_rules(&walk, depth)
                   : 0;
    }
    return cache_make() ? tt_stack_capture(frame, depth) : 0;
}

void tt_stack_thread_end(void)
{
    struct thread_cache *const cache = tt_self.stack_cache;
    tt_self.stack_cache = &cache_ended;
    if (!cache || cache == &cache_ended)
        return;
    /* Most threads have touched little of it: the pages go, and are zero when
     * they come back. It is a mapping of its own (base_mem.c). */
    tt_release(cache, sizeof *cache);
    tt_lock_take(&caches_lock);
    cache->next = caches_free;
    caches_free = cache;
    tt_lock_give(&caches_lock);
}

uint32_t tt_stack_capture(void *frame_at, unsigned depth)
{
    const uintptr_t frame = (uintptr_t)frame_at;
    struct thread_cache *const cache = tt_self.stack_cache;
    depth = tt_stack_depth_bound(depth);
    if (TT_UNLIKELY(depth == 0))
        return 0;
    if (TT_UNLIKELY(!cache || cache == &cache_ended))
        return capture_first(frame_at, depth);
    const uint32_t generation = tt_rules_generation;
    if (TT_UNLIKELY(frame < cache->own.low || frame >= cache->own.high))
        return capture_elsewhere(cache, frame, depth);
    const struct tt_frame_record *const record = frame_at;
    const uintptr_t sp = tt_machine_cfa(frame);
    const uintptr_t value = record->return_address;
    const struct tt_memo *const memo = tt_memo_of(cache->memos, sp, value);
    const uint32_t id =
        cache->busy ? 0 : tt_memo_get(memo, generation, sp, value, depth);
    if (id)
        return id;
    uintptr_t frames[TT_STACK_DEPTH_MAX];
    uint64_t hash;
    const unsigned count = walk_by_fp(&cache->own, frame, frames, depth, &hash);
    const struct tt_stack *const stack =
        count == depth ? tt_stack_find(frames, count, hash) : NULL;
    if (stack &&
        atomic_load_explicit(&stack->plain, memory_order_relaxed) == generation)
        return stack->id;
    return capture_by_shadow(cache, frame, depth);
}

unsigned tt_stack_calls(void *frame, struct tt_call *calls, unsigned max)
{
    struct tt_range own = { 0 };
    struct tt_walk walk;
    tt_rule rule;
    unsigned count = 0;
    if (max == 0 || !tt_walk_start(&walk, (uintptr_t)frame, &own))
        return 0;
    calls[count++] = (struct tt_call){ walk.pc + 1, walk.sp };
    for (; count < max; count++) {
        uintptr_t returns;
        if (!tt_walk_step(&walk, &rule, &returns))
            break;
        calls[count] = (struct tt_call){ returns, walk.sp };
    }
    return count;
}

unsigned tt_stack_walk(void *frame, uintptr_t *frames, unsigned depth)
{
    struct thread_cache *cache = tt_self.stack_cache;
    struct tt_walk walk;
    if (depth == 0 || (!cache && !(cache = cache_make())) ||
        !tt_walk_start(&walk, (uintptr_t)frame, &cache->own))
        return 0;
    return walk_by_rules(&walk, frames, depth);
}

bool tt_stack_function(uintptr_t pc, uintptr_t *start, uintptr_t *end)
{
    return tt_rule_function(pc, start, end);
}

uintptr_t tt_stack_module(uintptr_t pc)
{
    struct dl_find_object object;
    return _dl_find_object((void *)pc, &object) == 0
               ? (uintptr_t)object.dlfo_map_start
               : 0;
}

size_t tt_stack_tails(uintptr_t function, uintptr_t *tails, size_t max)
{
    uintptr_t start, end, targets[16], target_start, target_end;
    size_t found = 0;
    if (!tt_stack_function(function, &start, &end) || start != function)
        return 0;
    const size_t count =
        tt_os_tail_calls(start, end, targets, TT_COUNT(targets));
    for (size_t i = 0; i < count && found < max; i++)
        if (tt_stack_module(targets[i]) == tt_stack_module(start) &&
            tt_stack_function(targets[i], &target_start, &target_end) &&
            target_start == targets[i])
            tails[found++] = targets[i];
    return found;
}

void tt_stack_forget(void)
{
    tt_rules_forget();
}

void tt_stack_lock(void)
{
    tt_lock_take(&caches_lock);
    tt_stack_table_lock();
    tt_rules_lock();
    tt_stack_gone_lock();
}

void tt_stack_unlock(void)
{
    tt_stack_gone_unlock();
    tt_rules_unlock();
    tt_stack_table_unlock();
    tt_lock_give(&caches_lock);
}
