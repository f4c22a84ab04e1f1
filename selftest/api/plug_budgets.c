/* SPDX-License-Identifier: MIT */
/* Budgets of tests and suites that hold, in every way to write them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <criterion/theories.h>
#include <tether/criterion.h>

static char *volatile kept;
static char *volatile fixture;
static int inits, warm_ups;

static void take_and_give(size_t bytes)
{
    kept = malloc(bytes);
    free(kept);
}

static void warm(void)
{
    static char *volatile cache;
    cache = malloc(50);
    warm_ups++;
    cr_assert_eq(inits, 0);
    cr_assert_not_null(cache);
}

static void fixture_make(void)
{
    inits++;
    fixture = malloc(4096);
}

static void fixture_drop(void)
{
    free(fixture);
}

TestSuite(budgets, .init = fixture_make, .fini = fixture_drop,
          HEAP_BUDGET(NO_LEAKS, .max_heap = 100));

Test(budgets, fixtures_are_the_baseline)
{
    take_and_give(100);
}

Test(budgets, test_overrides_its_suite, HEAP_BUDGET(.max_heap = 300))
{
    take_and_give(300);
}

Test(budgets, fixtures_count, HEAP_BUDGET(.max_heap = 4196, .fixtures = 1))
{
    take_and_give(100);
}

Test(budgets, framework_is_not_counted,
     HEAP_BUDGET(.max_count = 1, .fixtures = 1, .max_heap = KiB(8)))
{
    cr_assert(1);
    cr_expect_eq(1, 1);
}

Test(budgets, warm_up_is_before_the_window,
     HEAP_BUDGET(.max_count = 0, .warm_up = warm))
{
    cr_assert_eq(warm_ups, 1);
    cr_assert_eq(inits, 1);
}

Test(budgets, freeing_the_fixture_lowers_nothing, HEAP_BUDGET(.max_heap = 100))
{
    free(fixture);
    fixture = NULL;
    take_and_give(100);
}

Test(budgets, no_field, HEAP_BUDGET())
{
    take_and_give(100);
}

Test(limits, none_at_all, HEAP_BUDGET(.max_count = 0))
{
}

Test(limits, exactly,
     HEAP_BUDGET(.max_leaked = 0, .min_count = 2, .max_count = 2,
                 .max_total = 30, .max_alloc = 20, .max_heap = 20))
{
    take_and_give(20);
    take_and_give(10);
}

Test(limits, zero_is_a_limit,
     HEAP_BUDGET(.on_breach = TETHER_DENY, .max_alloc = 0))
{
    kept = malloc(1);
    cr_assert_null(kept);
}

Test(limits, leak_below_the_limit, HEAP_BUDGET(.max_leaked = 16))
{
    kept = malloc(16);
}

ParameterizedTestParameters(limits, parameters)
{
    static int rows[] = { 1, 2, 3, 4, 5 };
    return cr_make_param_array(int, rows, 5);
}

ParameterizedTest(int *row, limits, parameters, HEAP_BUDGET(.max_alloc = 5))
{
    take_and_give((size_t)*row);
}

TheoryDataPoints(limits, theory) = {
    DataPoints(int, 1, 2),
    DataPoints(int, 3, 4),
};

Theory((int a, int b), limits, theory, HEAP_BUDGET(.max_heap = KiB(64)))
{
    cr_assume(a != 2);
    take_and_give((size_t)(a + b));
}

TheoryDataPoints(limits, theory_of_nothing) = {
    DataPoints(int, 1, 2, 3),
    DataPoints(double, 3, 4),
};

/* What Criterion allocates between two points is not the theory's. */
Theory((int a, double b), limits, theory_of_nothing,
       HEAP_BUDGET(.max_count = 0, NO_LEAKS))
{
    cr_assume(a != 2);
    cr_assert_lt(a, b + 1);
}

TheoryDataPoints(limits, theory_of_five) = {
    DataPoints(int, 1, 2, 3),
    DataPoints(int, 3, 4),
};

/* Six points, of which cr_assume leaves one. */
Theory((int a, int b), limits, theory_of_five,
       HEAP_BUDGET(.max_count = 5, .min_count = 5))
{
    cr_assume(a != 2 || b != 4);
    take_and_give(1);
}

/* Criterion talks to its runner for a line of the log, and allocates. */
Test(limits, log_is_not_the_tests, HEAP_BUDGET(.max_count = 0, NO_LEAKS))
{
    cr_log_info("a line of %d words", 5);
}

static int own_data = 7;

Test(own, data_may_be_anything, .data = &own_data)
{
    cr_assert_eq(own_data, 7);
}

Test(own, data_may_be_no_pointer, .data = (void *)16)
{
}

Test(own, stats_of_the_window)
{
    struct tether_stats before, after;
    cr_assert_eq(tether_stats(&before), TETHER_OK);
    take_and_give(123);
    cr_assert_eq(tether_stats(&after), TETHER_OK);
    cr_assert_eq(after.total_count - before.total_count, 1u);
    cr_assert_eq(after.total_bytes - before.total_bytes, 123u);
}
