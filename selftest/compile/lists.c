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
    EXPECT_EVENTUALLY(work(1), .collect = 1, .within_ms = 2);
    EXPECT_CONSISTENTLY(n != 2 && work(3), .every_ms = 1, .for_ms = 2);
    ASSERT_EVENTUALLY_COLLECTED(ref);
    EXPECT_EVENTUALLY_COLLECTED(ref, .within_ms = 1);
}

static void give_up(void *object, void *ctx)
{
    work(object == ctx);
}

static size_t trim(size_t wanted, void *ctx)
{
    return ctx ? wanted : 0;
}

static int pressed(tether_queue *queue, void *object, int n)
{
    tether_soft first = tether_soft_hold(object, give_up, NULL);
    tether_soft second =
        tether_soft_hold(object, give_up, &n, .queue = queue, .pinned = 1,
                         .cost = KiB(1), .level = TETHER_CRITICAL);
    tether_soft third = tether_soft_hold(object, give_up, NULL, .tag = object,
                                         .in_malloc = 1, .cost = 0);
    tether_trim *trims[2] = {
        tether_trim_add(trim, NULL),
        tether_trim_add(trim, object, .level = TETHER_MODERATE, .name = "it",
                        .in_malloc = 1, .order = n),
    };
    struct tether_relief relief = tether_pressure(TETHER_MODERATE);

    relief = tether_pressure(TETHER_EXHAUSTED, .bytes = KiB(1));
    work(tether_stress(10) == tether_stress(0, .pressure = TETHER_MODERATE));
    ASSERT_ENQUEUED_IN_ORDER(queue, tether_for_reason(first, TETHER_DIED),
                             second, third);
    WITH_PRESSURE(TETHER_CRITICAL)
    {
        WITH_PRESSURE(work(n) ? TETHER_MODERATE : TETHER_EXHAUSTED)
        n++;
        if (work(1))
            continue;
        if (work(2))
            return 1;
    }
    tether_trim_remove(trims[0]);
    return (int)relief.cleared;
}

static void domains(tether_domain *domain, void *object)
{
    tether_weak ref = tether_weak_in(domain, object);
    tether_weak (*by)(tether_domain *, const void *) = tether_weak_in;
    tether_soft (*hold)(const void *, tether_release_fn, void *) =
        tether_soft_hold;

    ASSERT_COLLECTED(ref);
    ASSERT_COLLECTED(by(domain, object));
    tether_soft_drop(hold(object, give_up, NULL));
}

Test(all, uses)
{
    tether_weak ref = tether_weak_to(&ref);
    cr_assert(within(1) + assigned());
    waits(ref, 1);
    pressed(tether_queue_make(), &ref, 1);
    domains(NULL, &ref);
}
