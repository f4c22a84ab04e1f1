/* SPDX-License-Identifier: MIT */
/*
 * Stress: where collections become due, where they run, and who runs inside
 * malloc.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <tether/criterion.h>

/* These change inside malloc. */
static _Atomic unsigned outside, inside, released;
static _Atomic int in_allocation;

static void collect_outside(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)ctx;
    reclaimed->objects = reclaimed->bytes = 0;
    cr_assert_not(in_allocation);
    outside++;
}

static void collect_inside(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)ctx;
    reclaimed->objects = reclaimed->bytes = 0;
    inside += in_allocation != 0;
}

static tether_collector *both[2];

static void both_add(void)
{
    both[0] = tether_collector_add(&(struct tether_collector_table){
        .name = "outside", .collect = collect_outside });
    both[1] = tether_collector_add(&(struct tether_collector_table){
        .name = "inside", .collect = collect_inside, .in_malloc = 1 });
}

static void both_remove(void)
{
    tether_collector_remove(both[0]);
    tether_collector_remove(both[1]);
    tether_stress(0);
}

TestSuite(stress, .init = both_add, .fini = both_remove);

static void allocate(unsigned count)
{
    in_allocation = 1;
    for (unsigned i = 0; i < count; i++) {
        void *volatile block = malloc(10);
        free(block);
    }
    in_allocation = 0;
}

Test(stress, a_collection_is_due_at_every_nth_allocation)
{
    cr_assert_eq(tether_stress(10), TETHER_OK);
    allocate(100);
    cr_assert_eq(inside, 10, "%u", inside);
    cr_assert_eq(outside, 0);
    tether_safepoint();
    cr_assert_eq(outside, 1);
    tether_safepoint();
    cr_assert_eq(outside, 1);
    allocate(10);
    tether_safepoint();
    cr_assert_eq(outside, 2);
}

Test(stress, zero_ends_it)
{
    tether_stress(1);
    allocate(1);
    tether_stress(0);
    allocate(10);
    cr_assert_eq(inside, 1);
}

Test(stress, each_allocation, HEAP_BUDGET(NO_LEAKS))
{
    tether_stress(1);
    for (int i = 0; i < 20; i++) {
        allocate(1);
        tether_safepoint();
    }
    cr_assert_eq(inside, 20);
    cr_assert_eq(outside, 20);
}

static void release(void *object, void *ctx)
{
    (void)ctx;
    released++;
    free(object);
}

Test(stress, pressure_comes_along)
{
    tether_soft quick =
        tether_soft_hold(malloc(10), release, NULL, .in_malloc = 1);
    tether_soft other = tether_soft_hold(malloc(10), release, NULL);
    tether_soft late =
        tether_soft_hold(malloc(10), release, NULL, .level = TETHER_EXHAUSTED);

    tether_stress(1, .pressure = TETHER_CRITICAL);
    allocate(1);
    cr_assert_eq(released, 1);
    cr_assert_eq(tether_soft_reason(quick), TETHER_CLEARED_CRITICAL);
    tether_safepoint();
    cr_assert_eq(tether_soft_reason(late), TETHER_NOT_CLEARED);
    tether_stress(0);
    tether_soft_drop(quick);
    tether_soft_drop(other);
    tether_soft_drop(late);
}

Test(stress, a_wrong_level_stops, .signal = SIGABRT)
{
    tether_stress(1, .pressure = 7);
}

static void *allocate_on_thread(void *ctx)
{
    for (int i = 0; i < 1000; i++) {
        void *volatile block = malloc(10);
        free(block);
    }
    tether_safepoint();
    return ctx;
}

/* Whatever thread comes to the nth, there are as many as there should be. */
Test(stress, threads_share_the_count)
{
    pthread_t threads[3];

    in_allocation = 1;
    tether_stress(10);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, allocate_on_thread, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    in_allocation = 0;
    tether_stress(0);
    cr_assert_geq(inside, 300, "%u", inside);
    cr_assert_leq(inside, 301, "%u", inside);
    cr_assert_eq(outside, 0, "safe points of other threads run none");
    tether_safepoint();
    cr_assert_eq(outside, 1);
}
