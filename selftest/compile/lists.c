/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* Option lists with no field, one, all, and in other orders. */
#include <tether/criterion.h>
#include <criterion/parameterized.h>
#include <criterion/theories.h>

extern int work(int);
static void warm(void)
{
    work(0);
}
static void prepare(void)
{
    work(1);
}

TestSuite(none, HEAP_BUDGET());
TestSuite(one, HEAP_BUDGET(NO_LEAKS), .init = prepare, .timeout = 5);

Test(none, none, HEAP_BUDGET())
{
}
Test(none, no_budget, .fini = prepare)
{
}
Test(one, leaks, HEAP_BUDGET(NO_LEAKS))
{
}
Test(one, count, .description = "first", HEAP_BUDGET(.max_count = 0))
{
}
Test(all, in_order, .timeout = 1,
     HEAP_BUDGET(.max_heap = MiB(8), .max_alloc = KiB(64), .max_site = 1,
                 .max_total = GiB(1), .max_count = 100, .min_count = 0,
                 .max_leaked = 0, .on_breach = TETHER_STOP, .fixtures = 1,
                 .warm_up = warm))
{
}
Test(all, backwards,
     HEAP_BUDGET(.warm_up = warm, .fixtures = 1, .on_breach = TETHER_DENY,
                 NO_LEAKS, .min_count = 1, .max_count = 2, .max_total = 3,
                 .max_site = 4, .max_alloc = 5, .max_heap = 6))
{
}

ParameterizedTestParameters(all, parameters)
{
    static int rows[] = { 1, 2 };
    return cr_make_param_array(int, rows, 2);
}
ParameterizedTest(int *row, all, parameters, HEAP_BUDGET(.max_heap = KiB(1)))
{
    cr_assert(work(*row));
}

#ifndef __cplusplus /* Criterion's theories warn as C++ */
TheoryDataPoints(all, theory) = {
    DataPoints(int, 1, 2),
    DataPoints(int, 3, 4),
};
Theory((int a, int b), all, theory, HEAP_BUDGET(NO_LEAKS, .max_alloc = 3))
{
    cr_assert(work(a + b));
}
#endif

static int within(int n)
{
    WITHIN_BUDGET() {
        n++;
    }
    WITHIN_BUDGET(.max_count = 0)
        n++;
    WITHIN_BUDGET(.on_breach = TETHER_GO_ON, .max_heap = (uint64_t)n * KiB(1),
                  NO_LEAKS) {
        WITHIN_BUDGET(.max_alloc = work(n) ? 1 : 2, .max_count = 3) {
            if (work(1))
                continue;
            if (work(2))
                goto out;
            if (work(3))
                return 1;
            break;
        }
    }
out:
    return n;
}

static int assigned(void)
{
    int inside, once;
    WITHIN_BUDGET(.max_count = 0) {
        inside = work(1);
    }
    ONE_TIME {
        once = work(2);
    }
    return inside + once;
}

static void waits(tether_weak ref, int n)
{
    ASSERT_EVENTUALLY(n == 1);
    EXPECT_EVENTUALLY(n == 1, .within_ms = 5);
    ASSERT_EVENTUALLY(work(n) == 1, .every_ms = 1, .within_ms = 2);
    EXPECT_EVENTUALLY(work(1), .within_ms = 2, .every_ms = 1);
    ASSERT_CONSISTENTLY(n);
    EXPECT_EVENTUALLY(work(1), .collect = true, .within_ms = 2);
    EXPECT_CONSISTENTLY(n != 2 && work(3), .every_ms = 1, .for_ms = 2);
    ASSERT_EVENTUALLY_COLLECTED(ref);
    EXPECT_EVENTUALLY_COLLECTED(ref, .within_ms = 1);
}

Test(all, uses)
{
    tether_weak ref = tether_weak_to(&ref);
    cr_assert(within(1) + assigned());
    waits(ref, 1);
}
