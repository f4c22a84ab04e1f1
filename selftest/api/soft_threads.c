/* SPDX-License-Identifier: MIT */
/*
 * Soft references that several threads reach for at once.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>

static void *object_make(size_t size)
{
    return memset(malloc(size), 'x', size);
}

#define SHARED 64

static tether_soft shared[SHARED];
static _Atomic unsigned gone, pins, stop;

static void release_shared(void *object, void *ctx)
{
    (void)ctx;
    if (*(unsigned char *)object != 'x')
        abort();
    memset(object, 'd', 32);
    free(object);
    gone++;
}

static void *pin_often(void *ctx)
{
    unsigned seed = (unsigned)(uintptr_t)ctx;
    while (!stop) {
        tether_soft ref = shared[rand_r(&seed) % SHARED];
        unsigned char *object = tether_soft_pin(ref);
        if (!object)
            continue;
        for (int i = 0; i < 32; i++)
            if (object[i] != 'x')
                abort(); /* given up while pinned */
        pins++;
        tether_soft_unpin(ref);
    }
    return NULL;
}

Test(soft, nothing_is_given_up_while_it_is_pinned)
{
    pthread_t threads[3];

    for (int round = 0; round < 20; round++) {
        stop = 0;
        gone = 0;
        for (int i = 0; i < SHARED; i++)
            shared[i] = tether_soft_hold(object_make(32), release_shared, NULL);
        for (uintptr_t i = 0; i < 3; i++)
            pthread_create(&threads[i], NULL, pin_often, (void *)(i + 1));
        while (gone < SHARED)
            tether_pressure(TETHER_MODERATE, .bytes = 64);
        stop = 1;
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        cr_assert_eq(gone, SHARED);
        for (int i = 0; i < SHARED; i++)
            tether_soft_drop(shared[i]);
    }
}

static void *press(void *ctx)
{
    while (!stop)
        tether_pressure(TETHER_MODERATE, .bytes = 100);
    return ctx;
}

/* Whatever comes first, each object is released once. */
Test(soft, drops_and_clearings_meet, HEAP_BUDGET(NO_LEAKS))
{
    pthread_t threads[2];
    unsigned made = 0;

    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, press, NULL);
    for (int round = 0; round < 3000; round++) {
        tether_soft ref =
            tether_soft_hold(object_make(32), release_shared, NULL);
        made++;
        tether_soft_drop(ref);
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(gone, made);
}

static _Atomic unsigned inside;

static void release_slowly(void *object, void *ctx)
{
    (void)ctx;
    inside = 1;
    for (volatile int i = 0; i < 3000000; i++)
        ;
    free(object);
    inside = 2;
}

static void *press_once(void *ctx)
{
    tether_pressure(TETHER_MODERATE);
    return ctx;
}

Test(soft, a_drop_waits_for_the_release_on_another_thread)
{
    pthread_t thread;
    tether_soft ref = tether_soft_hold(object_make(32), release_slowly, NULL);

    pthread_create(&thread, NULL, press_once, NULL);
    while (!inside)
        ;
    tether_soft_drop(ref);
    cr_assert_eq(inside, 2);
    pthread_join(thread, NULL);
}
