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

/* Starts at the caller of the function whose frame record is at 'frame'. */
bool tt_walk_start(struct tt_walk *walk, uintptr_t frame, struct tt_range *own);

/*
 * Goes on to the caller, whose return address (or, for code that a signal
 * interrupted, program counter + 1) is put into *frame.
 * Returns false at the outermost frame and where the walk must stop; *rule is
 * the rule that was followed or that stopped it.
 */
bool tt_walk_step(struct tt_walk *walk, tt_rule *rule, uintptr_t *frame);

#endif
