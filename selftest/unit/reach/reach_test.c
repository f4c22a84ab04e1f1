/* SPDX-License-Identifier: MIT */
#include "reach_test.h"

#include "heap/heap.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <tether/check.h>

struct node *node_make(void)
{
    struct node *const node = calloc(1, sizeof *node);
    cr_assert_not_null(node);
    return node;
}

__attribute__((noinline)) void stack_scrub(void)
{
    volatile char bytes[16384];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

static struct tt_snap *snap_take(void *frame, uint32_t kinds)
{
    const char *why;
    struct tt_snap *const snap = tt_reach_take(frame, kinds, &why);
    cr_assert_not_null(snap, "%s", why);
    return snap;
}

__attribute__((noinline)) enum tt_reach mark_of_by(uintptr_t hidden,
                                                   uint32_t kinds)
{
    TETHER_KEEP_REGISTERS();
    struct tt_snap *const snap = snap_take(__builtin_frame_address(0), kinds);
    const struct tt_record_block *const block = tt_reach_block(snap, ~hidden);
    cr_assert_not_null(block);
    const enum tt_reach reach = (enum tt_reach)block->reach;
    tt_reach_drop(snap);
    return reach;
}

__attribute__((noinline)) enum tt_reach mark_of(uintptr_t hidden)
{
    return mark_of_by(hidden, TT_ROOTS_ALL);
}

__attribute__((noinline)) enum tt_root_kind root_of(uintptr_t hidden,
                                                    size_t *hops_count)
{
    TETHER_KEEP_REGISTERS();
    struct tt_snap *const snap =
        snap_take(__builtin_frame_address(0), TT_ROOTS_ALL);
    struct tt_record_question question = {
        .kind = TT_QUESTION_WHY,
        .roots = TT_ROOTS_ALL,
        .target = ~hidden,
        .size = 8,
        .paths_max = 1,
    };
    const char *why = NULL;
    size_t count;
    cr_assert(tt_reach_ask(snap, &question, 1, &why), "%s", why);
    const struct tt_record_hop *const hops =
        tt_reach_section(snap, TT_RECORD_HOPS, &count);
    const struct tt_record_root *const roots =
        tt_reach_section(snap, TT_RECORD_ROOTS, &count);
    enum tt_root_kind kind = TT_ROOTS;
    if (question.hops_count)
        kind = (enum tt_root_kind)roots[hops[question.hops].root].kind;
    if (hops_count)
        *hops_count = question.hops_count;
    tt_reach_drop(snap);
    return kind;
}
