/* SPDX-License-Identifier: MIT */
#ifndef STACK_ORACLE_H
#define STACK_ORACLE_H
/*
 * Compares captures with libunwind's walk from the same place.
 */
#include "stack/stack.h"

/* What a series of comparisons came to. */
struct oracle {
    unsigned seen;    /* comparisons made */
    unsigned wrong;   /* that came out different */
    unsigned signals; /* frames that a signal interrupted */
    unsigned deepest; /* frames of the deepest stack */
    uint32_t last;    /* id of the last capture, at full depth */
};

/* A see_fn: captures its caller's stack at several depths, twice each, and
 * compares with the oracle. 'ctx' is a struct oracle. */
void oracle_compare(void *ctx);

/* Asserts that something was compared and nothing was wrong. */
#define ORACLE_AGREES(oracle)                                               \
    do {                                                                    \
        cr_assert_gt((oracle).seen, 0u);                                    \
        cr_assert_eq((oracle).wrong, 0u, "%u of %u differ", (oracle).wrong, \
                     (oracle).seen);                                        \
    } while (0)

#endif
