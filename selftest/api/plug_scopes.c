/* SPDX-License-Identifier: MIT */
/* Scopes are closed however they are left, and count what is theirs. A scope
 * with .min_count = 1 that allocates nothing would fail, so one that passes
 * with an allocation shows that it was open. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <setjmp.h>
#include <tether/criterion.h>

static char *volatile kept;

static void take_and_give(size_t bytes)
{
    kept = malloc(bytes);
    free(kept);
}

static int scope_returns(int way)
{
    WITHIN_BUDGET(.max_count = 1, .min_count = 1) {
        take_and_give(1);
        switch (way) {
        case 0:
            return 10;
        case 1:
            goto out;
        }
    }
    return 12;
out:
    return 11;
}

ParameterizedTestParameters(scopes, are_left)
{
    static int ways[] = { 0, 1, 2 };
    return cr_make_param_array(int, ways, 3);
}

ParameterizedTest(int *way, scopes, are_left)
{
    cr_assert_eq(scope_returns(*way), 10 + *way);
    /* Closed: what follows breaks nothing. */
    take_and_give(1);
    take_and_give(1);
}

Test(scopes, break_leaves_the_scope_only)
{
    int rounds = 0;
    for (int i = 0; i < 3; i++) {
        WITHIN_BUDGET(.max_count = 1) {
            take_and_give(1);
            break;
        }
        rounds++;
    }
    cr_assert_eq(rounds, 3);
}

Test(scopes, continue_leaves_the_scope_only)
{
    int rounds = 0;
    for (int i = 0; i < 3; i++) {
        WITHIN_BUDGET(.max_count = 1) {
            take_and_give(1);
            continue;
        }
        rounds++;
    }
    cr_assert_eq(rounds, 3);
}

Test(scopes, nest)
{
    WITHIN_BUDGET(.max_count = 3, .min_count = 3) {
        take_and_give(1);
        WITHIN_BUDGET(.max_count = 1, .max_alloc = 8) {
            take_and_give(8);
        }
        take_and_give(100);
    }
}

static jmp_buf back;

__attribute__((noinline)) static void scope_jumps(void)
{
    WITHIN_BUDGET(.min_count = 1000, .max_total = 1) {
        longjmp(back, 1);
    }
}

Test(scopes, longjmp_closes_unchecked_at_the_next_call)
{
    if (setjmp(back) == 0)
        scope_jumps();
    ASSERT_EVENTUALLY(kept == NULL);
    take_and_give(1);
    take_and_give(1);
}

Test(scopes, longjmp_out_of_two)
{
    WITHIN_BUDGET(.max_count = 10) {
        if (setjmp(back) == 0)
            scope_jumps();
    }
    take_and_give(1);
    take_and_give(1);
}

Test(scopes, deny_is_for_the_scope_only)
{
    WITHIN_BUDGET(.max_alloc = 8, .on_breach = TETHER_DENY) {
        kept = malloc(9);
        cr_assert_null(kept);
    }
    kept = malloc(9);
    cr_assert_not_null(kept);
    free(kept);
}

Test(scopes, no_leaks_of_the_scope, HEAP_BUDGET(NO_LEAKS))
{
    char *outer = malloc(7);
    WITHIN_BUDGET(NO_LEAKS) {
        take_and_give(5);
    }
    free(outer);
}

Test(scopes, one_time_is_no_leak, HEAP_BUDGET(NO_LEAKS))
{
    ONE_TIME {
        kept = malloc(33);
    }
}

Test(scopes, kept_is_no_leak, HEAP_BUDGET(NO_LEAKS))
{
    kept = malloc(33);
    cr_assert_eq(tether_keep(kept), TETHER_OK);
}
