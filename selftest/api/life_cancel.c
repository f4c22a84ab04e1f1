/* SPDX-License-Identifier: MIT */
/* Threads that are cancelled: never inside malloc, and no lock stays taken. */
#include <criterion/criterion.h>
#include <tether/criterion.h>
#include <tether/window.h>

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static _Atomic unsigned reached;

/* None of this may be a point where a thread is cancelled: it would leave
 * Tether's locks taken, and free and malloc are none in glibc. */
static void no_cancellation_point(void)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    void *volatile block;
    tether_budget_set(&budget, TETHER_MAX_HEAP, 1000);
    tether_budget_begin(&budget);
    free(block = malloc(2000));
    free(block = memalign(1 << 21, 100));
    free(block = calloc(1, 1 << 22));
    free(block = realloc(malloc(10), 100000));
    tether_budget_end(&budget);
    tether_weak ref = tether_weak_to(block = malloc(100));
    free(block);
    tether_weak_drop(ref);
}

static void ignore(const struct tether_failure *failure, void *ctx)
{
    (void)failure;
    ++*(_Atomic unsigned *)ctx;
}

/* Cancelled already when it allocates first. */
static void *is_cancelled(void *ctx)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_barrier_wait(ctx);
    pthread_barrier_wait(ctx);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    no_cancellation_point();
    reached++;
    pthread_testcancel();
    reached += 1000;
    return NULL;
}

Test(life_cancel, no_thread_is_cancelled_inside_malloc, .timeout = 60)
{
    static _Atomic unsigned told;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    tether_on_failure(ignore, &told);
    for (int i = 0; i < 30; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, is_cancelled, &barrier);
        pthread_barrier_wait(&barrier);
        pthread_cancel(thread);
        pthread_barrier_wait(&barrier);
        pthread_join(thread, &result);
        cr_expect_eq(result, PTHREAD_CANCELED);
        cr_expect_eq(reached, (unsigned)i + 1);
    }
    cr_expect_eq(told, 60u); /* once, and at four times the limit */
}

static void *is_cancelled_at_any_time(void *ctx)
{
    for (;;) {
        no_cancellation_point();
        pthread_testcancel();
    }
    return ctx;
}

Test(life_cancel, cancelled_threads_leave_no_lock_taken, .timeout = 60)
{
    static _Atomic unsigned told;
    tether_on_failure(ignore, &told);
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, is_cancelled_at_any_time, NULL);
        usleep((unsigned)i * 50);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        cr_expect_eq(result, PTHREAD_CANCELED);
        no_cancellation_point();
    }
}
