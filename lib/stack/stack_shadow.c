/* SPDX-License-Identifier: MIT */
/*
 * The shadow of a thread's stack. A capture unwinds by rules until it comes
 * to a frame that the shadow has, proves the rest of the shadow that it needs
 * and takes it. Then the new frames are put on top. Where a check fails, rules
 * lead past the failed step and the shadow is tried again further out.
 *
 * Hook: everything here may run inside malloc and free, on the shadow's own
 * thread, and not in a signal handler that interrupted it here.
 */
#include "stack/stack_shadow.h"

#include "stack/stack.h"

#include <string.h>

_Static_assert(TT_SHADOW_FRAMES_MAX >= 2 * TT_STACK_DEPTH_MAX,
               "a stack must fit beside what it is joined to");

/* A frame that was unwound by a rule, innermost first. */
struct fresh {
    uintptr_t sp, value, fp;
    tt_rule rule;   /* of the step to the next; 0: no step was made */
    uintptr_t base; /* that the rule was applied to */
};

struct fresh_list {
    unsigned count;
    bool whole;   /* the last one is the outermost frame */
    bool foreign; /* one of them is on another stack */
    struct fresh frames[TT_STACK_DEPTH_MAX];
};

static void check_add(struct tt_shadow *shadow, struct tt_shadow_frame *frame,
                      uintptr_t at, uintptr_t word)
{
    shadow->checks[frame->checks++] =
        (struct tt_shadow_check){ .at = at, .word = word };
}

/* Notes the words that the step from 'fresh' to the frame outside has read. */
static void step_note(struct tt_shadow *shadow, const struct fresh *fresh,
                      struct tt_shadow_frame *frame,
                      const struct tt_shadow_frame *outer)
{
    const tt_rule rule = fresh->rule;
    const uintptr_t cfa = outer->sp;
    const uintptr_t ra_from = TT_RULE_RA_AT_BASE(rule) ? fresh->base : cfa;
    const unsigned fp = TT_RULE_FP(rule);
    if (TT_RULE_POINTED(rule))
        check_add(shadow, frame, fresh->base + (uintptr_t)TT_RULE_CFA_OFF(rule),
                  cfa);
    check_add(shadow, frame, ra_from + (uintptr_t)TT_RULE_RA_OFF(rule),
              outer->value - (TT_RULE_SIGNAL(rule) ? 1 : 0));
    if ((fp == TT_FP_AT_CFA || fp == TT_FP_AT_BASE) && outer->needs_fp)
        check_add(shadow, frame,
                  (fp == TT_FP_AT_CFA ? cfa : fresh->base) +
                      (uintptr_t)TT_RULE_FP_OFF(rule),
                  outer->fp);
    frame->plain = rule == TT_RULE_PLAIN ? outer->plain + 1 : 0;
    frame->needs_fp =
        TT_RULE_BASE_IS_FP(rule) || (fp == TT_FP_SAME && outer->needs_fp);
}

static void frame_push(struct tt_shadow *shadow, const struct fresh *fresh)
{
    struct tt_shadow_frame *const frame = &shadow->frames[shadow->count];
    const struct tt_shadow_frame *const outer =
        shadow->count ? frame - 1 : NULL;
    const uint64_t outer_sum = outer ? outer->sum : shadow->outer_sum;
    *frame = (struct tt_shadow_frame){
        .sp = fresh->sp,
        .value = fresh->value,
        .fp = fresh->fp,
        .sum = tt_stack_sum_grow(outer_sum, fresh->value),
        .checks = outer ? outer->checks : 0,
    };
    if (outer)
        step_note(shadow, fresh, frame, outer);
    shadow->count++;
}

/* Drops the outermost frames; 'kept' innermost ones stay. */
static void shadow_drop_outer(struct tt_shadow *shadow, unsigned kept)
{
    const unsigned dropped = shadow->count - kept;
    const uint32_t checks = shadow->frames[dropped].checks;
    const uint32_t checks_kept =
        shadow->frames[shadow->count - 1].checks - checks;
    shadow->outer_sum = shadow->frames[dropped - 1].sum;
    shadow->whole = false;
    memmove(shadow->frames, shadow->frames + dropped,
            kept * sizeof *shadow->frames);
    memmove(shadow->checks, shadow->checks + checks,
            checks_kept * sizeof *shadow->checks);
    for (unsigned i = 0; i < kept; i++)
        shadow->frames[i].checks -= checks;
    shadow->count = kept;
}

static void shadow_clear(struct tt_shadow *shadow)
{
    shadow->count = 0;
    shadow->whole = false;
    shadow->outer_sum = 0;
}

/* Finds the outermost step between the two frames that does not hold. */
static unsigned broken_find(const struct tt_shadow *shadow, unsigned inner,
                            unsigned outer)
{
    while (outer < inner && tt_shadow_holds(shadow, outer + 1, outer))
        outer++;
    return outer + 1;
}

/*
 * Tries to take the rest of the stack, 'need' frames, from the shadow, whose
 * frames from *at inward are of no use any more. Returns whether it could;
 * *at is the frame that is the walk's. Else *at is the innermost frame that
 * may still be of use.
 */
static bool shadow_join(const struct tt_shadow *shadow,
                        const struct tt_walk *walk, unsigned need, int *at)
{
    while (*at >= 0 && shadow->frames[*at].sp < walk->sp)
        --*at;
    if (*at < 0)
        return false;
    const struct tt_shadow_frame *const frame = &shadow->frames[*at];
    if (frame->sp != walk->sp || frame->value != walk->pc + 1 ||
        (frame->needs_fp && frame->fp != walk->fp))
        return false;
    const unsigned inner = (unsigned)*at;
    if (inner + 1 < need && !shadow->whole) {
        *at = -1;
        return false;
    }
    const unsigned outer = inner + 1 > need ? inner + 1 - need : 0;
    if (tt_shadow_holds(shadow, inner, outer))
        return true;
    *at = (int)broken_find(shadow, inner, outer) - 1;
    return false;
}

/* Unwinds until the shadow can be joined, the depth is reached or the stack
 * ends. Returns the shadow's frame that was joined, -1 if none. */
static int fresh_walk(const struct tt_shadow *shadow, struct tt_walk *walk,
                      unsigned depth, struct fresh_list *list)
{
    int at = (int)shadow->count - 1;
    list->count = 0;
    list->whole = list->foreign = false;
    for (;;) {
        if (shadow_join(shadow, walk, depth - list->count, &at))
            return at;
        struct fresh *const fresh = &list->frames[list->count++];
        *fresh = (struct fresh){ .sp = walk->sp,
                                 .value = walk->pc + 1,
                                 .fp = walk->fp };
        if (list->count == depth)
            return -1;
        tt_rule rule;
        uintptr_t value;
        if (!tt_walk_step(walk, &rule, &value)) {
            list->whole = TT_RULE_KIND(rule) != TT_RULE_STEP;
            return -1;
        }
        list->foreign |=
            walk->sp < walk->own->low || walk->sp > walk->own->high;
        fresh->rule = rule;
        fresh->base = TT_RULE_BASE_IS_FP(rule) ? fresh->fp : fresh->sp;
    }
}

/* Copies the innermost frames of the shadow, innermost first. */
static unsigned shadow_frames(const struct tt_shadow *shadow, unsigned depth,
                              uintptr_t *frames)
{
    const unsigned count = TT_MIN(depth, shadow->count);
    for (unsigned i = 0; i < count; i++)
        frames[i] = shadow->frames[shadow->count - 1 - i].value;
    return count;
}

static uint32_t shadow_identify(struct tt_shadow *shadow, unsigned depth)
{
    struct tt_shadow_frame *const top = &shadow->frames[shadow->count - 1];
    if (top->id_depth == depth)
        return top->id;
    uintptr_t frames[TT_STACK_DEPTH_MAX];
    const unsigned count = shadow_frames(shadow, depth, frames);
    const uint64_t outer_sum =
        shadow->count > count ? top[-(int)count].sum : shadow->outer_sum;
    const uint64_t hash =
        tt_stack_hash_end(tt_stack_sum_cut(top->sum, outer_sum, count), count);
    struct tt_stack *const stack = tt_stack_keep(frames, count, hash);
    if (!stack)
        return 0;
    if (top->plain + 1u >= depth && count == depth) {
        /* Following frame pointers finds it faster than the shadow can. */
        atomic_store_explicit(&stack->plain, shadow->generation,
                              memory_order_relaxed);
        return stack->id;
    }
    /* A walk that ended early for what it read, and not for what the code
     * says, is not proved by the checks of its steps. */
    if (count == depth || shadow->whole) {
        top->id = stack->id;
        top->id_depth = depth;
    }
    return stack->id;
}

uint32_t tt_shadow_capture(struct tt_shadow *shadow, struct tt_walk *walk,
                           unsigned depth)
{
    struct fresh_list list;
    const uint32_t generation = tt_rules_generation;
    if (shadow->generation != generation)
        shadow_clear(shadow);
    const int joined = fresh_walk(shadow, walk, depth, &list);
    if (joined < 0) {
        shadow_clear(shadow);
        shadow->whole = list.whole;
    } else {
        shadow->count = (unsigned)joined + 1;
        if (shadow->count + list.count > TT_SHADOW_FRAMES_MAX)
            shadow_drop_outer(shadow, TT_STACK_DEPTH_MAX);
    }
    shadow->generation = generation;
    for (unsigned i = list.count; i > 0; i--)
        frame_push(shadow, &list.frames[i - 1]);
    const uint32_t id = shadow_identify(shadow, depth);
    if (TT_UNLIKELY(list.foreign))
        shadow_clear(shadow);
    return id;
}

void tt_memo_put(struct tt_memo *memos, const struct tt_shadow *shadow,
                 uintptr_t frame, unsigned depth)
{
    if (shadow->count == 0)
        return;
    const unsigned inner = shadow->count - 1;
    const unsigned outer = shadow->count > depth ? shadow->count - depth : 0;
    const struct tt_shadow_frame *const top = &shadow->frames[inner];
    const uint32_t first = shadow->frames[outer].checks;
    const uint32_t count = top->checks - first;
    if (top->id_depth != depth || count >= TT_MEMO_CHECKS_MAX)
        return;
    struct tt_memo *const memo = tt_memo_of(memos, top->sp, top->value);
    memo->sp = top->sp;
    memo->value = top->value;
    memo->generation = shadow->generation;
    memo->depth = depth;
    memo->id = top->id;
    memo->count = count;
    for (uint32_t i = 0; i < count; i++)
        memo->checks[i] = shadow->checks[first + i];
    if (top->needs_fp)
        memo->checks[memo->count++] =
            (struct tt_shadow_check){ .at = frame, .word = top->fp };
}
