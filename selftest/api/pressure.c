/* SPDX-License-Identifier: MIT */
/*
 * Pressure by hand: trim callbacks and stretches.
 */
#include <criterion/criterion.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>

/* ---- trim callbacks ---- */

static char called[64];

struct pool {
    char letter;
    size_t has;
    size_t wanted;
};

static size_t pool_trim(size_t wanted, void *ctx)
{
    struct pool *pool = ctx;
    size_t frees = pool->has < wanted ? pool->has : wanted;
    called[strlen(called)] = pool->letter;
    pool->wanted = wanted;
    pool->has -= frees;
    return frees;
}

Test(pressure, trim_callbacks_run_by_level_then_order_then_age)
{
    struct pool pools[] = {
        { 'a', 10, 0 }, { 'b', 10, 0 }, { 'c', 10, 0 }, { 'd', 10, 0 }
    };
    tether_trim *trims[] = {
        tether_trim_add(pool_trim, &pools[0], .level = TETHER_CRITICAL),
        tether_trim_add(pool_trim, &pools[1], .order = 1),
        tether_trim_add(pool_trim, &pools[2]),
        tether_trim_add(pool_trim, &pools[3]),
    };

    struct tether_relief relief = tether_pressure(TETHER_EXHAUSTED);
    cr_assert_str_eq(called, "cdba");
    cr_assert_eq(relief.trimmed, 4);
    cr_assert_eq(relief.freed_bytes, 40);
    cr_assert_eq(pools[0].wanted, TETHER_EVERYTHING);
    memset(called, 0, sizeof called);
    tether_pressure(TETHER_MODERATE);
    cr_assert_str_eq(called, "cdb");
    for (int i = 0; i < 4; i++)
        tether_trim_remove(trims[i]);
    memset(called, 0, sizeof called);
    cr_assert_eq(tether_pressure(TETHER_EXHAUSTED).trimmed, 0);
    cr_assert_str_eq(called, "");
}

Test(pressure, each_is_asked_for_what_is_missing_until_it_is_enough)
{
    struct pool pools[] = { { 'a', 30, 0 }, { 'b', 100, 0 }, { 'c', 9, 0 } };
    tether_trim *trims[3];

    for (int i = 0; i < 3; i++)
        trims[i] = tether_trim_add(pool_trim, &pools[i]);
    struct tether_relief relief =
        tether_pressure(TETHER_MODERATE, .bytes = 100);
    cr_assert_str_eq(called, "ab");
    cr_assert_eq(pools[0].wanted, 100);
    cr_assert_eq(pools[1].wanted, 70);
    cr_assert_eq(relief.freed_bytes, 100);
    for (int i = 0; i < 3; i++)
        tether_trim_remove(trims[i]);
}

static void release(void *object, void *ctx)
{
    if (ctx)
        ++*(unsigned *)ctx;
    free(object);
}

Test(pressure, soft_references_of_a_level_go_before_its_trim_callbacks)
{
    unsigned released = 0;
    struct pool pool = { 'a', 1000, 0 };
    tether_trim *trim = tether_trim_add(pool_trim, &pool);
    tether_soft ref = tether_soft_hold(malloc(100), release, &released);
    tether_soft late = tether_soft_hold(malloc(100), release, &released,
                                        .level = TETHER_CRITICAL);

    tether_pressure(TETHER_CRITICAL, .bytes = 300);
    cr_assert_eq(released, 1);
    cr_assert_eq(pool.wanted, 200);
    tether_soft_drop(late);
    tether_soft_drop(ref);
    tether_trim_remove(trim);
}

static tether_trim *own;
static struct tether_relief nested;
static const char *running;

static size_t trim_nested(size_t wanted, void *ctx)
{
    (void)wanted;
    (void)ctx;
    nested = tether_pressure(TETHER_MODERATE);
    running = tether_collect_running();
    cr_assert_eq(tether_collect().rounds, 0);
    tether_trim_remove(own);
    return 1;
}

Test(pressure, inside_a_callback_it_is_busy)
{
    own = tether_trim_add(trim_nested, NULL);
    cr_assert_eq(tether_pressure(TETHER_MODERATE).trimmed, 1);
    cr_assert_eq(nested.status, TETHER_BUSY);
    cr_assert_eq(nested.freed_bytes, 0);
    cr_assert_str_eq(running, "trim_nested");
    cr_assert_null(tether_collect_running());
    cr_assert_eq(tether_pressure(TETHER_MODERATE).trimmed, 0);
}

Test(pressure, no_level_stops, .signal = SIGABRT)
{
    tether_pressure(TETHER_NO_PRESSURE);
}

Test(pressure, removing_a_trim_callback_twice_stops, .signal = SIGABRT)
{
    struct pool pool = { 'a', 0, 0 };
    tether_trim *trim = tether_trim_add(pool_trim, &pool);

    tether_trim_remove(trim);
    tether_trim_remove(trim);
}

static void collect_nothing(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)ctx;
    reclaimed->objects = reclaimed->bytes = 0;
}

Test(pressure, a_collector_is_no_trim_callback, .signal = SIGABRT)
{
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "none", .collect = collect_nothing });
    tether_trim_remove((tether_trim *)collector);
}

Test(pressure, shares_out_of_order_stop, .signal = SIGABRT)
{
    tether_pressure_shares(90, 80);
}

/* ---- stretches ---- */

Test(pressure, with_pressure_gives_up_at_each_safe_point)
{
    unsigned released = 0;
    tether_soft before = tether_soft_hold(malloc(10), release, &released);

    WITH_PRESSURE(TETHER_MODERATE)
    {
        cr_assert_eq(released, 1);
        cr_assert_eq(tether_pressure_level(), TETHER_MODERATE);
        tether_soft within = tether_soft_hold(malloc(10), release, &released);
        cr_assert_eq(released, 1);
        tether_safepoint();
        cr_assert_eq(released, 2);
        tether_soft_drop(within);
    }
    cr_assert_eq(tether_pressure_level(), TETHER_NO_PRESSURE);
    tether_soft after = tether_soft_hold(malloc(10), release, &released);
    tether_safepoint();
    cr_assert_eq(released, 2);
    tether_soft_drop(after);
    tether_soft_drop(before);
}

Test(pressure, stretches_nest_and_end_however_they_are_left)
{
    for (int i = 0; i < 3; i++) {
        WITH_PRESSURE(TETHER_MODERATE)
        {
            WITH_PRESSURE(TETHER_EXHAUSTED)
            {
                cr_assert_eq(tether_pressure_level(), TETHER_EXHAUSTED);
                if (i == 1)
                    break;
            }
            cr_assert_eq(tether_pressure_level(), TETHER_MODERATE);
            if (i == 2)
                goto out;
        }
        cr_assert_eq(tether_pressure_level(), TETHER_NO_PRESSURE);
    }
out:
    cr_assert_eq(tether_pressure_level(), TETHER_NO_PRESSURE);
}

static jmp_buf over;

static __attribute__((noinline)) void leave_within(void)
{
    WITH_PRESSURE(TETHER_CRITICAL)
    longjmp(over, 1);
}

Test(pressure, a_stretch_that_a_longjmp_left_ends_at_the_next_scope)
{
    if (!setjmp(over))
        leave_within();
    WITH_PRESSURE(TETHER_MODERATE)
    cr_assert_eq(tether_pressure_level(), TETHER_MODERATE);
    cr_assert_eq(tether_pressure_level(), TETHER_NO_PRESSURE);
}

Test(pressure, ending_what_is_not_open_stops, .signal = SIGABRT)
{
    tether_pressure_end(TETHER_CRITICAL);
}
