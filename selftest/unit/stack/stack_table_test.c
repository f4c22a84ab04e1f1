/* SPDX-License-Identifier: MIT */
/*
 * The table of stacks: ids, notes, growth and its bound; functions and
 * modules of program counters.
 */
#include "stack/stack.h"

#include "stack/stack_rule.h"
#include "stack/stack_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(stack_table, same_frames_have_the_same_id)
{
    const uintptr_t a[] = { 0x1000, 0x2000, 0x3000 };
    const uintptr_t b[] = { 0x1000, 0x3000, 0x2000 };
    const uint32_t id = tt_stack_intern(a, 3);
    cr_assert_neq(id, 0u);
    cr_assert_eq(tt_stack_intern(a, 3), id);
    cr_assert_neq(tt_stack_intern(b, 3), id);
    cr_assert_neq(tt_stack_intern(a, 2), id);
    const uintptr_t *frames;
    cr_assert_eq(tt_stack_frames(id, &frames), 3u);
    cr_assert_eq(memcmp(frames, a, sizeof a), 0);
}

Test(stack_table, empty_and_unknown_ids_have_no_frames)
{
    const uintptr_t *frames = (const uintptr_t *)1;
    cr_assert_eq(tt_stack_intern(NULL, 0), 0u);
    cr_assert_eq(tt_stack_frames(0, &frames), 0u);
    cr_assert_null(frames);
    cr_assert_eq(tt_stack_frames(TT_STACK_ID_MAX, &frames), 0u);
    cr_assert_eq(tt_stack_frames(UINT32_MAX, &frames), 0u);
    cr_assert_null(tt_stack_note(0));
    cr_assert_null(tt_stack_note(UINT32_MAX));
    cr_assert_eq(tt_stack_capture(__builtin_frame_address(0), 0), 0u);
}

Test(stack_table, note_starts_at_zero_and_is_kept)
{
    const uintptr_t frame = 0x4711;
    const uint32_t id = tt_stack_intern(&frame, 1);
    _Atomic uint32_t *const note = tt_stack_note(id);
    cr_assert_eq(*note, 0u);
    *note = 99;
    cr_assert_eq(*tt_stack_note(tt_stack_intern(&frame, 1)), 99u);
}

Test(stack_table, grows_and_then_cuts_the_depth)
{
    const uint32_t first = (uint32_t)tt_stack_count();
    uintptr_t frames[4] = { 0 };
    cr_assert_eq(tt_stack_depth_bound(64), 64u);
    for (uint32_t i = 0; i < 300000; i++) {
        frames[0] = 0x10000 + i;
        frames[1] = 0x5555 * (uintptr_t)i;
        cr_assert_neq(tt_stack_intern(frames, 4), 0u);
    }
    cr_assert_geq(tt_stack_count(), first + 300000u);
    const uintptr_t *kept;
    for (uint32_t i = 0; i < 300000; i += 1013) {
        frames[0] = 0x10000 + i;
        frames[1] = 0x5555 * (uintptr_t)i;
        const uint32_t id = tt_stack_intern(frames, 4);
        cr_assert_eq(tt_stack_frames(id, &kept), 4u);
        cr_assert_eq(memcmp(kept, frames, sizeof frames), 0);
    }
    cr_assert_eq(tt_stack_depth_bound(64), 4u);
    cr_assert_eq(tt_stack_depth_bound(1), 1u);
}

Test(stack_table, sums_can_grow_and_be_cut)
{
    const uintptr_t frames[] = { 11, 22, 33, 44, 55 };
    uint64_t sum = 0, outer = 0;
    for (int i = 4; i >= 0; i--) {
        sum = tt_stack_sum_grow(sum, frames[i]);
        if (i == 3)
            outer = sum;
    }
    cr_assert_eq(tt_stack_hash_end(tt_stack_sum_cut(sum, outer, 3), 3),
                 tt_stack_hash(frames, 3));
    cr_assert_eq(tt_stack_hash_end(sum, 5), tt_stack_hash(frames, 5));
}

Test(stack_rules, a_function_covers_its_code)
{
    uintptr_t start, end;
    const uintptr_t pc = (uintptr_t)&tt_stack_intern + 1;
    cr_assert(tt_stack_function(pc, &start, &end));
    cr_assert_eq(start, (uintptr_t)&tt_stack_intern);
    cr_assert_gt(end, pc);
    cr_assert(tt_stack_function((uintptr_t)&qsort, &start, &end));
    cr_assert_not(tt_stack_function((uintptr_t)&start, &start, &end));
    cr_assert_eq(start, 0u);
    cr_assert_not(tt_stack_function(0, &start, &end));
}

Test(stack_rules, a_module_is_told_by_its_start)
{
    int local;
    const uintptr_t own = tt_stack_module((uintptr_t)&tt_stack_intern);
    cr_assert_neq(own, 0u);
    cr_assert_eq(tt_stack_module((uintptr_t)&tt_stack_frames), own);
    cr_assert_neq(tt_stack_module((uintptr_t)&qsort), own);
    cr_assert_eq(tt_stack_module((uintptr_t)&local), 0u);
}

Test(stack_rules, pack_and_unpack)
{
    struct tt_rule_parts parts = { .kind = TT_RULE_STEP,
                                   .base_is_fp = true,
                                   .fp = TT_FP_AT_CFA,
                                   .cfa_off = 16,
                                   .ra_off = -8,
                                   .fp_off = -16 };
    cr_assert_eq(tt_rule_pack(&parts), TT_RULE_PLAIN);
    parts = (struct tt_rule_parts){ .kind = TT_RULE_STEP,
                                    .cfa_is_pointed = true,
                                    .ra_at_base = true,
                                    .is_signal = true,
                                    .fp = TT_FP_AT_BASE,
                                    .cfa_off = -160,
                                    .ra_off = 168,
                                    .fp_off = -2048 };
    const tt_rule rule = tt_rule_pack(&parts);
    cr_assert_eq(TT_RULE_CFA_OFF(rule), -160);
    cr_assert_eq(TT_RULE_RA_OFF(rule), 168);
    cr_assert_eq(TT_RULE_FP_OFF(rule), -2048);
    cr_assert(TT_RULE_POINTED(rule) && TT_RULE_RA_AT_BASE(rule) &&
              TT_RULE_SIGNAL(rule) && !TT_RULE_BASE_IS_FP(rule));
    cr_assert_eq(TT_RULE_FP(rule), (unsigned)TT_FP_AT_BASE);
    parts.cfa_off = (int64_t)1 << 30;
    cr_assert_eq(tt_rule_pack(&parts), TT_RULE_STOP);
    parts.cfa_off = 12;
    cr_assert_eq(tt_rule_pack(&parts), TT_RULE_STOP);
}
