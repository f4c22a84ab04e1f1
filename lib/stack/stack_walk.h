/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_WALK_H
#define TT_STACK_WALK_H
/*
 * Walking a stack without ever reading what is not mapped.
 *
 * Words. A thread's own stack is the range from the lowest page that was
 * found readable up to the stack's top; it only grows downward, and while the
 * thread runs in it all of it stays mapped. A foreign stack is any other one
 * (sigaltstack, makecontext): it may be unmapped between two captures, so
 * nothing about it is remembered.
 */
#include "stack/stack_rule.h"

/* What may be read without asking. Empty when low == high. */
struct tt_range {
    uintptr_t low, high;
};

/* A frame while it is looked at. */
struct tt_walk {
    uintptr_t pc;         /* in the function: for a return address one less */
    uintptr_t sp;         /* the stack pointer there */
    uintptr_t fp;         /* the frame pointer there */
    struct tt_range now;  /* the stack that the walk is in */
    struct tt_range *own; /* the thread's own */
};

/* Widens a thread's own stack down to 'address'. False: it is on another
 * stack. */
bool tt_range_widen(struct tt_range *own, uintptr_t address);

bool tt_walk_read_slowly(struct tt_walk *walk, uintptr_t at, uintptr_t *word);

/* Reads a word of a stack. False, with *word 0, when it cannot be read. */
TT_INLINE bool tt_walk_read(struct tt_walk *walk, uintptr_t at, uintptr_t *word)
{
    if (TT_LIKELY(at >= walk->now.low && at < walk->now.high && at % 8 == 0)) {
        *word = *(const uintptr_t *)at;
        return true;
    }
    return tt_walk_read_slowly(walk, at, word);
}

/* Starts at the caller of the function whose frame record is at 'frame', which
 * lies in the range 'now'. */
TT_INLINE void tt_walk_begin(struct tt_walk *walk, uintptr_t frame)
{
    const struct tt_frame_record *const record = (const void *)frame;
    walk->pc = record->return_address - 1;
    walk->fp = record->caller_fp;
    walk->sp = tt_machine_cfa(frame);
}

/* The same on whatever stack 'frame' is in. False: it cannot be read. */
bool tt_walk_start(struct tt_walk *walk, uintptr_t frame, struct tt_range *own);

TT_INLINE bool tt_walk_caller_fp(struct tt_walk *walk, tt_rule rule,
                                 uintptr_t base, uintptr_t cfa)
{
    switch (TT_RULE_FP(rule)) {
    case TT_FP_SAME:
        return true;
    case TT_FP_AT_CFA:
        return tt_walk_read(walk, cfa + (uintptr_t)TT_RULE_FP_OFF(rule),
                            &walk->fp);
    case TT_FP_AT_BASE:
        return tt_walk_read(walk, base + (uintptr_t)TT_RULE_FP_OFF(rule),
                            &walk->fp);
    default:
        walk->fp = 0; /* a rule that needs it stops there */
        return true;
    }
}

/*
 * Goes on to the caller, whose return address (or, for code that a signal
 * interrupted, program counter + 1) is put into *frame.
 * Returns false at the outermost frame and where the walk must stop; *rule is
 * the rule that was followed or that stopped it.
 */
TT_INLINE bool tt_walk_step(struct tt_walk *walk, tt_rule *rule_out,
                            uintptr_t *frame)
{
    const tt_rule rule = tt_rule_get(walk->pc);
    *rule_out = rule;
    if (TT_RULE_KIND(rule) != TT_RULE_STEP)
        return false;
    const uintptr_t base = TT_RULE_BASE_IS_FP(rule) ? walk->fp : walk->sp;
    uintptr_t cfa = base + (uintptr_t)TT_RULE_CFA_OFF(rule);
    if (TT_RULE_POINTED(rule) && !tt_walk_read(walk, cfa, &cfa))
        return false;
    /* Callers lie further up; only a signal may come from another stack. */
    if (cfa <= walk->sp && !TT_RULE_SIGNAL(rule))
        return false;
    uintptr_t ra;
    const uintptr_t from = TT_RULE_RA_AT_BASE(rule) ? base : cfa;
    if (!tt_walk_read(walk, from + (uintptr_t)TT_RULE_RA_OFF(rule), &ra) ||
        ra == 0 || !tt_walk_caller_fp(walk, rule, base, cfa))
        return false;
    walk->sp = cfa;
    walk->pc = TT_RULE_SIGNAL(rule) ? ra : ra - 1;
    *frame = walk->pc + 1;
    return true;
}

#endif
