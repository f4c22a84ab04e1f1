/* SPDX-License-Identifier: MIT */
/*
 * Captures a stack inside malloc. Following frame pointers is fastest, and
 * wrong wherever code uses the register for something else. Whether it is
 * wrong is a matter of the code alone: following the frame pointer from a
 * return address is right exactly if the rule there is the plain one. So a
 * stack that was found by frame pointers is looked up; if it is known as
 * plain (each of its addresses has the plain rule) that was the answer, else
 * the unwinder walks again.
 *
 * Hook: everything here may run inside malloc and free; no lock in the common
 * path.
 */
#include "stack/stack.h"

#include "stack/stack_rule.h"
#include "stack/stack_table.h"
#include "stack/stack_walk.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "os/os.h"

#include <dlfcn.h>

unsigned tt_stack_depth = 8;

/* What a thread keeps between captures. */
struct thread_cache {
    struct tt_range own;
};

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
        sum += tt_stack_hash_part(frames[count], count);
        count++;
        const uintptr_t next = record->caller_fp;
        if (next <= frame || next > last || next % 8 != 0)
            break;
        frame = next;
    }
    *hash = tt_stack_hash_end(sum, count);
    return count;
}

/* Unwinds by rules. '*plain': following frame pointers would have found the
 * same 'depth' frames. */
static unsigned walk_by_rules(struct tt_range *own, uintptr_t frame,
                              uintptr_t *frames, unsigned depth, bool *plain)
{
    struct tt_walk walk;
    *plain = false;
    if (!tt_walk_start(&walk, frame, own))
        return 0;
    unsigned count = 1;
    tt_rule rules_all_plain = TT_RULE_PLAIN, rule;
    frames[0] = walk.pc + 1;
    while (count < depth && tt_walk_step(&walk, &rule, &frames[count])) {
        if (rule != TT_RULE_PLAIN)
            rules_all_plain = 0;
        count++;
    }
    *plain = rules_all_plain && count == depth;
    return count;
}

static struct thread_cache *cache_make(void)
{
    struct thread_cache *const cache = tt_mem_take(sizeof *cache);
    tt_self.stack_cache = cache;
    return cache;
}

static TT_NOINLINE uint32_t capture_by_rules(struct thread_cache *cache,
                                             uintptr_t frame, unsigned depth)
{
    uintptr_t frames[TT_STACK_DEPTH_MAX];
    bool plain;
    const uint32_t generation = tt_rules_generation;
    const unsigned count =
        walk_by_rules(&cache->own, frame, frames, depth, &plain);
    if (count == 0)
        return 0;
    struct tt_stack *const stack =
        tt_stack_keep(frames, count, tt_stack_hash(frames, count));
    if (!stack)
        return 0;
    if (plain)
        atomic_store_explicit(&stack->plain, generation, memory_order_relaxed);
    return stack->id;
}

uint32_t tt_stack_capture(void *frame_at, unsigned depth)
{
    const uintptr_t frame = (uintptr_t)frame_at;
    struct thread_cache *cache = tt_self.stack_cache;
    depth = tt_stack_depth_bound(depth);
    if (TT_UNLIKELY(depth == 0 || (!cache && !(cache = cache_make()))))
        return 0;
    if (frame >= cache->own.low && frame < cache->own.high) {
        uintptr_t frames[TT_STACK_DEPTH_MAX];
        uint64_t hash;
        const unsigned count =
            walk_by_fp(&cache->own, frame, frames, depth, &hash);
        const struct tt_stack *const stack =
            count == depth ? tt_stack_find(frames, count, hash) : NULL;
        if (stack &&
            atomic_load_explicit(&stack->plain, memory_order_relaxed) ==
                tt_rules_generation)
            return stack->id;
    }
    return capture_by_rules(cache, frame, depth);
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

void tt_stack_forget(void)
{
    tt_rules_forget();
}

void tt_stack_lock(void)
{
    tt_stack_table_lock();
    tt_rules_lock();
}

void tt_stack_unlock(void)
{
    tt_rules_unlock();
    tt_stack_table_unlock();
}
