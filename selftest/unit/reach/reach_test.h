/* SPDX-License-Identifier: MIT */
#ifndef REACH_TEST_H
#define REACH_TEST_H
/* What the suites of lib/reach share: nodes, and questions in one line. */
#include "reach/reach.h"

#include <stddef.h>
#include <stdint.h>

struct node {
    struct node *next;
    void *data;
    char more[48];
};

/* A block whose address no register or stack word keeps: made by functions
 * that have returned, known by a number that is no pointer. */
#define HIDE(pointer) (~(uintptr_t)(pointer))
#define SEEK(hidden)  ((void *)~(hidden))

struct node *node_make(void);

/* Overwrites what calls have left below this frame. */
void stack_scrub(void);

/* How a hidden block is reached, by the mark of a fresh snapshot. */
enum tt_reach mark_of(uintptr_t hidden);
enum tt_reach mark_of_by(uintptr_t hidden, uint32_t kinds);

/* Asks why a hidden block is held. Returns the kind of root of its first
 * path, TT_ROOTS: no path. 'hops' (may be NULL) gets its length. */
enum tt_root_kind root_of(uintptr_t hidden, size_t *hops);

#endif
