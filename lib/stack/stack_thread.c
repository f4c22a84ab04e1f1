/* SPDX-License-Identifier: MIT */
/*
 * Walks the stack of a thread that waits in the kernel, which tells its stack
 * pointer and program counter but not its frame pointer. So a walk begins
 * without one. Most functions need none, and a function that saves the
 * register gives it back on the way; only code with frame pointers right above
 * a function that never touched it needs it before it is known. Then the
 * frame's record is looked for on the stack: a return address, behind a call
 * that can have called this very function, with a saved frame pointer below it,
 * from which the walk comes to the end of the stack, the thread's first
 * function. Of what lies on the stack from earlier little passes that; where
 * nothing passes, or two records contradict each other, the walk stops.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "stack/stack_thread.h"

#include <string.h>

#include "base/base_mem.h"
#include "os/os.h"
#include "os/os_maps.h"
#include "stack/stack.h"
#include "stack/stack_rule.h"

#define COPY_MAX   ((size_t)256 * 1024)   /* bytes of a stack that are copied */
#define FRAME_MAX  ((uintptr_t)64 * 1024) /* a record is looked for so far */
#define RED_BYTES  128 /* below the stack pointer, still in use */
#define STEPS_MAX  4096
#define OTHERS_MAX 64
#define WORD_BYTES sizeof(uintptr_t)

struct foreign {
    const uintptr_t *words; /* the copy */
    uintptr_t low, high;    /* what was copied */
    uintptr_t pc, sp, fp;
    bool has_fp;
};

static bool foreign_read(const struct foreign *walk, uintptr_t at,
                         uintptr_t *word)
{
    if (at < walk->low || at >= walk->high || at % WORD_BYTES != 0)
        return false;
    *word = walk->words[(at - walk->low) / WORD_BYTES];
    return true;
}

/* How a return address goes with a function that it may return from. */
enum fit {
    FIT_NONE,  /* there is no call before it */
    FIT_OTHER, /* the call goes to another function */
    FIT_ANY,   /* the call goes anywhere */
    FIT_SURE   /* the call, or the kernel's for a handler, goes there */
};

static bool ends_by_calling(uintptr_t function, uintptr_t start)
{
    uintptr_t tails[8];
    size_t count = tt_stack_tails(function, tails, TT_COUNT(tails));
    while (count > 0 && tails[count - 1] != start)
        count--;
    return count > 0;
}

static enum fit fit_of(uintptr_t return_address, uintptr_t start)
{
    uintptr_t target;
    const tt_rule rule = tt_rule_get(return_address - 1);
    if (TT_RULE_KIND(rule) == TT_RULE_STEP && TT_RULE_SIGNAL(rule))
        return FIT_SURE;
    switch (tt_os_call_before(return_address, &target)) {
    case TT_OS_CALLS_ANYTHING:
        return FIT_ANY;
    case TT_OS_CALLS_TARGET:
        target = tt_os_jump_target(target);
        return target == start || ends_by_calling(target, start) ? FIT_SURE
                                                                 : FIT_OTHER;
    default:
        return FIT_NONE;
    }
}

static void foreign_caller_fp(struct foreign *walk, tt_rule rule,
                              uintptr_t base, uintptr_t cfa)
{
    const uintptr_t off = (uintptr_t)TT_RULE_FP_OFF(rule);
    if (TT_RULE_FP(rule) == TT_FP_AT_CFA)
        walk->has_fp = foreign_read(walk, cfa + off, &walk->fp);
    else if (TT_RULE_FP(rule) == TT_FP_AT_BASE)
        walk->has_fp = foreign_read(walk, base + off, &walk->fp);
    else if (TT_RULE_FP(rule) == TT_FP_LOST)
        walk->has_fp = false;
}

/* As tt_walk_step, in a copy. False: it is the end of the stack, or the walk
 * must stop; *rule says which. */
static bool foreign_step(struct foreign *walk, tt_rule *rule_out)
{
    const tt_rule rule = tt_rule_get(walk->pc);
    uintptr_t return_address;
    *rule_out = rule;
    if (TT_RULE_KIND(rule) != TT_RULE_STEP ||
        (TT_RULE_BASE_IS_FP(rule) && !walk->has_fp))
        return false;
    const uintptr_t base = TT_RULE_BASE_IS_FP(rule) ? walk->fp : walk->sp;
    uintptr_t cfa = base + (uintptr_t)TT_RULE_CFA_OFF(rule);
    if (TT_RULE_POINTED(rule) && !foreign_read(walk, cfa, &cfa))
        return false;
    if (cfa <= walk->sp && !TT_RULE_SIGNAL(rule))
        return false;
    const uintptr_t from = TT_RULE_RA_AT_BASE(rule) ? base : cfa;
    if (!foreign_read(walk, from + (uintptr_t)TT_RULE_RA_OFF(rule),
                      &return_address) ||
        return_address == 0)
        return false;
    foreign_caller_fp(walk, rule, base, cfa);
    walk->sp = cfa;
    walk->pc = TT_RULE_SIGNAL(rule) ? return_address : return_address - 1;
    return true;
}

/* A walk that begins with the record at 'at'. */
static struct foreign walk_from(const struct foreign *walk, uintptr_t at)
{
    struct foreign from = *walk;
    from.fp = at;
    from.has_fp = true;
    return from;
}

/* Does a walk come to the stack's end? */
static bool foreign_ends(struct foreign walk)
{
    tt_rule rule;
    for (int steps = 0; steps < STEPS_MAX && foreign_step(&walk, &rule);)
        steps++;
    return TT_RULE_KIND(rule) == TT_RULE_END;
}

/* Does a walk say that the record at 'at' is another function's than that at
 * 'start'? One from what a callee has left behind says that it is its own. */
static bool foreign_denies(struct foreign walk, uintptr_t at, uintptr_t start,
                           uintptr_t end)
{
    tt_rule rule;
    for (int steps = 0; steps < STEPS_MAX && foreign_step(&walk, &rule);
         steps++)
        if (walk.has_fp && walk.fp == at)
            return walk.pc < start || walk.pc >= end;
    return false;
}

static enum fit record_fit(const struct foreign *walk, uintptr_t at,
                           uintptr_t start)
{
    uintptr_t return_address, caller, caller_end;
    if (!foreign_read(walk, at + WORD_BYTES, &return_address) ||
        !tt_rule_function(return_address - 1, &caller, &caller_end))
        return FIT_NONE;
    const enum fit fit = fit_of(return_address, start);
    return fit != FIT_NONE && foreign_ends(walk_from(walk, at)) ? fit
                                                                : FIT_NONE;
}

/* Finds the record that a plain frame has, and with it the frame pointer. One
 * behind a call that goes anywhere may be a caller's, if the frame's own was
 * not known for one (its function was jumped to): then a walk from that passes
 * it. */
static bool foreign_find_fp(struct foreign *walk, tt_rule rule)
{
    uintptr_t start, end, others[OTHERS_MAX];
    size_t count = 0;
    if (rule != TT_RULE_PLAIN || walk->has_fp ||
        !tt_rule_function(walk->pc, &start, &end))
        return false;
    const uintptr_t last = TT_MIN(walk->high, walk->sp + FRAME_MAX);
    for (uintptr_t at = walk->sp; at < last; at += WORD_BYTES) {
        const enum fit fit = record_fit(walk, at, start);
        if (fit == FIT_OTHER && count < OTHERS_MAX)
            others[count++] = at;
        for (size_t i = 0; fit == FIT_ANY && i < count; i++)
            if (foreign_denies(walk_from(walk, others[i]), at, start, end))
                return false;
        if (fit == FIT_ANY || fit == FIT_SURE) {
            *walk = walk_from(walk, at);
            return true;
        }
    }
    return false;
}

static unsigned foreign_walk(struct foreign *walk, uintptr_t *frames,
                             unsigned depth)
{
    unsigned count = 0;
    tt_rule rule;
    frames[count++] = walk->pc + 1;
    while (count < depth &&
           (foreign_step(walk, &rule) ||
            (foreign_find_fp(walk, rule) && foreign_step(walk, &rule))))
        frames[count++] = walk->pc + 1;
    return count;
}

unsigned tt_stack_of_thread(const struct tt_os_thread *at,
                            const struct tt_text *maps, uintptr_t *frames,
                            unsigned depth)
{
    struct tt_map map;
    unsigned count = 0;
    if (at->where != TT_OS_WAITS || depth == 0 ||
        !tt_maps_find(maps, at->sp, &map))
        return 0;
    const uintptr_t low =
        TT_MAX(map.start, (at->sp - RED_BYTES) & ~(WORD_BYTES - 1));
    const size_t bytes = TT_MIN(map.end - low, COPY_MAX) & ~(WORD_BYTES - 1);
    uintptr_t *const words = tt_map(bytes);
    if (words && tt_os_read((const void *)low, words, bytes) &&
        tt_os_thread_same(at)) {
        struct foreign walk = { .words = words,
                                .low = low,
                                .high = low + bytes,
                                .pc = at->pc - 1,
                                .sp = at->sp };
        count = foreign_walk(&walk, frames, depth);
    }
    if (words)
        tt_unmap(words, bytes);
    return count;
}
