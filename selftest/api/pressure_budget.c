/* SPDX-License-Identifier: MIT */
/*
 * Pressure by budgets, and where callbacks run.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>
#include <time.h>

/* ---- budgets ---- */

#define ENTRY KiB(1)

/* Compilers know that malloc calls nothing of this file: what changes inside
 * it has to be said to change, as with signal handlers. */
static _Atomic unsigned dropped;
static pthread_t dropped_on;

static void entry_release(void *object, void *ctx)
{
    (void)ctx;
    dropped_on = pthread_self();
    dropped++;
    free(object);
}

static tether_soft entries[512];
static unsigned entry_count;

static void entries_make(unsigned count, int in_malloc)
{
    for (unsigned i = 0; i < count; i++)
        entries[entry_count++] = tether_soft_hold(malloc(ENTRY), entry_release,
                                                  NULL, .in_malloc = in_malloc);
}

static void entries_drop(void)
{
    while (entry_count)
        tether_soft_drop(entries[--entry_count]);
}

Test(pressure, at_a_share_of_the_budget_it_is_due,
     HEAP_BUDGET(.max_heap = KiB(100)))
{
    entries_make(79, 0);
    cr_assert_eq(tether_pressure_level(), TETHER_NO_PRESSURE);
    void *more = malloc(ENTRY); /* 80 KiB */
    cr_assert_eq(tether_pressure_level(), TETHER_MODERATE);
    cr_assert_eq(dropped, 0, "inside malloc nothing is given up");
    tether_safepoint();
    cr_assert_eq(tether_pressure_level(), TETHER_NO_PRESSURE);
    cr_assert_eq(dropped, 1, "%u", dropped);
    void *again = malloc(ENTRY);
    cr_assert_eq(tether_pressure_level(), TETHER_MODERATE, "armed again");
    tether_safepoint();
    cr_assert_eq(dropped, 2);
    free(more);
    free(again);
    entries_drop();
}

Test(pressure, at_the_second_share_it_is_critical,
     HEAP_BUDGET(.max_heap = KiB(100)))
{
    entries_make(70, 0);
    tether_soft late = tether_soft_hold(malloc(ENTRY), entry_release, NULL,
                                        .level = TETHER_CRITICAL);
    void *more = malloc(KiB(24)); /* 95 KiB */
    cr_assert_eq(tether_pressure_level(), TETHER_CRITICAL);
    tether_safepoint();
    cr_assert_eq(dropped, 16, "down to the moderate share: %u", dropped);
    free(more);
    entries_drop();
    tether_soft_drop(late);
}

Test(pressure, shares_can_be_set, HEAP_BUDGET(.max_heap = KiB(100)))
{
    tether_pressure_shares(50, 0);
    void *half = malloc(KiB(50));
    cr_assert_eq(tether_pressure_level(), TETHER_MODERATE);
    tether_safepoint();
    tether_pressure_shares(0, 0);
    void *rest = malloc(KiB(50));
    cr_assert_eq(tether_pressure_level(), TETHER_NO_PRESSURE);
    free(half);
    free(rest);
}

/* Ten times the budget go through the cache, which never fails it. */
Test(pressure, what_may_go_inside_malloc_goes_before_the_budget_breaks,
     HEAP_BUDGET(.max_heap = KiB(100)))
{
    for (int i = 0; i < 2; i++)
        entries_make(256, 1);
    cr_assert_geq(dropped, 512 - 100);
    cr_assert_eq(tether_soft_reason(entries[0]), TETHER_CLEARED_MODERATE);
    entries_drop();
}

/* Without a safe point in between. */
Test(pressure, all_that_may_go_is_given_up_first,
     HEAP_BUDGET(.max_heap = KiB(100)))
{
    entries_make(70, 1);
    dropped = 0;
    char *all[99];
    for (int i = 0; i < 99; i++)
        all[i] = malloc(ENTRY);
    cr_assert_eq(dropped, 69, "%u", dropped);
    cr_assert_eq(tether_soft_reason(entries[0]), TETHER_CLEARED_EXHAUSTED);
    for (int i = 0; i < 99; i++)
        free(all[i]);
    entries_drop();
}

static char *volatile reserve;
static volatile unsigned reserve_calls;

static size_t reserve_trim(size_t wanted, void *ctx)
{
    (void)wanted;
    (void)ctx;
    reserve_calls++;
    if (!reserve)
        return 0;
    free(reserve);
    reserve = NULL;
    return KiB(60);
}

Test(pressure, a_trim_callback_may_run_inside_malloc,
     HEAP_BUDGET(.max_heap = KiB(100)))
{
    tether_trim *trim = tether_trim_add(
        reserve_trim, NULL, .level = TETHER_EXHAUSTED, .in_malloc = true);
    reserve = malloc(KiB(60));
    void *large = malloc(KiB(90));
    cr_assert_not_null(large);
    cr_assert_null(reserve);
    cr_assert_eq(reserve_calls, 1);
    free(large);
    tether_trim_remove(trim);
}

/* ---- the two caches of which nothing may run inside malloc ---- */

/* One whose lock is held during the allocation: a callback that ran there
 * would wait for its own thread for ever. */
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile unsigned locked_releases;

static void locked_release(void *object, void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&cache_lock);
    locked_releases++;
    pthread_mutex_unlock(&cache_lock);
    free(object);
}

static tether_soft locked_put(void)
{
    pthread_mutex_lock(&cache_lock);
    void *entry = malloc(ENTRY);
    pthread_mutex_unlock(&cache_lock);
    return tether_soft_hold(entry, locked_release, NULL);
}

Test(pressure, a_cache_whose_lock_is_held_during_the_allocation,
     HEAP_BUDGET(.max_heap = KiB(100)), .timeout = 20)
{
    static tether_soft refs[1000];

    for (int i = 0; i < 1000; i++) {
        refs[i] = locked_put();
        cr_assert_leq(i + 1 - locked_releases, 99);
    }
    cr_assert_geq(locked_releases, 900);
    for (int i = 0; i < 1000; i++)
        tether_soft_drop(refs[i]);
    cr_assert_eq(locked_releases, 1000);
}

/* One that has no lock and is half through a change when it allocates: its
 * length is wrong there, and a callback that ran would find it so. */
struct slots {
    tether_soft ref[1000];
    volatile int length, changing, used;
};
static struct slots slots;
static volatile unsigned seen_changing, slot_releases;

static void slot_release(void *object, void *ctx)
{
    (void)ctx;
    seen_changing += slots.changing != 0;
    slot_releases++;
    slots.length--;
    free(object);
}

static void slots_put(void)
{
    slots.changing = 1;
    slots.length++; /* counted, and not there yet */
    void *entry = malloc(ENTRY);
    slots.changing = 0;
    slots.ref[slots.used++] = tether_soft_hold(entry, slot_release, NULL);
}

Test(pressure, a_cache_in_mid_update_without_a_lock,
     HEAP_BUDGET(.max_heap = KiB(100)))
{
    for (int i = 0; i < 1000; i++) {
        slots_put();
        cr_assert_leq(slots.length, 100);
    }
    cr_assert_geq(slot_releases, 900);
    cr_assert_eq(seen_changing, 0);
    while (slots.used)
        tether_soft_drop(slots.ref[--slots.used]);
    cr_assert_eq(slots.length, 0);
}

/* ---- threads ---- */

static void *allocate_much(void *ctx)
{
    for (int i = 0; i < 90; i++)
        ((void **)ctx)[i] = malloc(ENTRY);
    for (int i = 0; i < 10; i++)
        tether_safepoint();
    return NULL;
}

Test(pressure, it_is_relieved_on_the_tests_own_thread,
     HEAP_BUDGET(.max_heap = KiB(200)))
{
    static void *blocks[90];
    pthread_t thread;

    entries_make(100, 0);
    pthread_create(&thread, NULL, allocate_much, blocks);
    pthread_join(thread, NULL);
    cr_assert_geq(tether_pressure_level(), TETHER_MODERATE);
    cr_assert_eq(dropped, 0);
    tether_safepoint();
    cr_assert_gt(dropped, 0);
    cr_assert(pthread_equal(dropped_on, pthread_self()));
    for (int i = 0; i < 90; i++)
        free(blocks[i]);
    entries_drop();
}

static void *make_and_free(void *ctx)
{
    for (int i = 0; i < 20000; i++) {
        void *block = malloc(ENTRY);
        memset(block, 1, 16);
        free(block);
    }
    return ctx;
}

/* Allocations on several threads make room for each other's. */
Test(pressure, threads_relieve_inside_malloc, HEAP_BUDGET(.max_heap = KiB(200)),
     .timeout = 60)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, make_and_free, NULL);
    for (int i = 0; i < 8; i++) {
        entries_make(64, 1);
        if (entry_count == 512)
            entries_drop();
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    entries_drop();
    cr_assert_eq(dropped, 512);
}

/* ---- where it runs ---- */

static unsigned polls;

static int polled(void *ctx)
{
    (void)ctx;
    return ++polls > 3;
}

Test(pressure, the_polls_of_a_wait_are_safe_points,
     HEAP_BUDGET(.max_heap = KiB(100)))
{
    struct tether_wait wait = { .within_ms = 5000 };

    entries_make(70, 0);
    void *more = malloc(KiB(12));
    cr_assert_eq(dropped, 0);
    cr_assert_eq(tether_eventually(polled, NULL, &wait), TETHER_OK);
    cr_assert_gt(dropped, 0);
    free(more);
    entries_drop();
}

Test(pressure, pinning_is_a_safe_point, HEAP_BUDGET(.max_heap = KiB(100)))
{
    entries_make(70, 0);
    void *more = malloc(KiB(12));
    cr_assert_eq(dropped, 0);
    cr_assert_not_null(tether_soft_pin(entries[69]));
    cr_assert_gt(dropped, 0);
    tether_soft_unpin(entries[69]);
    free(more);
    entries_drop();
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Each release takes some time, so that there are many slices of it. */
static void slow_release(void *object, void *ctx)
{
    uint64_t until = now_ns() + 100000;
    while (now_ns() < until)
        ;
    entry_release(object, ctx);
}

/* No safe point takes long, however much there is to give up. */
Test(pressure, much_is_given_up_in_slices, HEAP_BUDGET(.max_heap = KiB(512)))
{
    unsigned points = 0;

    for (int i = 0; i < 400; i++)
        entries[entry_count++] =
            tether_soft_hold(malloc(ENTRY), slow_release, NULL);
    void *block = malloc(KiB(100)); /* 500 KiB, and 410 are to be left */
    cr_assert_eq(tether_pressure_level(), TETHER_CRITICAL);
    while (tether_pressure_level() != TETHER_NO_PRESSURE) {
        unsigned before = dropped;
        tether_safepoint();
        cr_assert_leq(dropped - before, 64);
        points++;
    }
    cr_assert_eq(points, 2);
    cr_assert_geq(dropped, 90);
    free(block);
    entries_drop();
}
