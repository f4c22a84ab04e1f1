/* SPDX-License-Identifier: MIT */
/*
 * Collections that nest, are left, meet on threads, and run callbacks.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tether/criterion.h>
#include <time.h>
#include <unistd.h>

/* A collector that says 'left' objects one after the other. */
struct store {
    unsigned left;
    unsigned calls;
    unsigned asked;
    const char *name;
    const char *running;
    char *log; /* names in the order of calls */
};

static void store_collect(struct tether_reclaimed *reclaimed, void *ctx)
{
    struct store *store = ctx;
    store->calls++;
    store->running = tether_collect_running();
    reclaimed->objects = store->left > 0;
    reclaimed->bytes = store->left > 0 ? 10 : 0;
    if (store->left)
        store->left--;
    if (store->log)
        strcat(store->log, store->name);
}

static tether_collector *store_add(struct store *store, const char *name,
                                   int order)
{
    store->name = name;
    return tether_collector_add(&(struct tether_collector_table){
        .name = name, .order = order, .collect = store_collect, .ctx = store });
}

/* ---- nesting ---- */

static struct tether_collection nested;

static void nest(struct tether_reclaimed *reclaimed, void *ctx)
{
    unsigned *calls = ctx;
    ++*calls;
    nested = tether_collect();
    reclaimed->objects = reclaimed->bytes = 0;
}

static int nest_pending(void *ctx)
{
    (void)ctx;
    return tether_collect().status == TETHER_BUSY;
}

Test(collect_turns, inside_a_collector_it_is_busy)
{
    unsigned calls = 0;
    tether_collector *collector = tether_collector_add(
        &(struct tether_collector_table){ .name = "nest",
                                          .collect = nest,
                                          .pending = nest_pending,
                                          .ctx = &calls });

    cr_assert_eq(tether_collect().status, TETHER_OK);
    cr_assert_eq(calls, 1);
    cr_assert_eq(nested.status, TETHER_BUSY);
    cr_assert_eq(nested.rounds, 0);
    tether_collector_remove(collector);
}

/* ---- leaving by longjmp ---- */

static jmp_buf out;

static void leave(struct tether_reclaimed *reclaimed, void *ctx)
{
    unsigned *calls = ctx;
    if (++*calls == 1)
        longjmp(out, 1);
    reclaimed->objects = reclaimed->bytes = 0;
}

Test(collect_turns, left_by_longjmp_the_next_one_works)
{
    static unsigned calls;
    tether_collector *volatile collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "leave", .collect = leave, .ctx = &calls });

    for (int i = 0; i < 2; i++)
        if (!setjmp(out))
            cr_assert_eq(tether_collect().status, TETHER_OK);
    cr_assert_eq(calls, 2);
    cr_assert_null(tether_collect_running());
    tether_collector_remove(collector);
}

static void *collect_and_end(void *ctx)
{
    if (!setjmp(out))
        tether_collect();
    return ctx;
}

Test(collect_turns, left_by_a_thread_that_ended_the_next_one_works)
{
    static unsigned calls;
    pthread_t thread;
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "leave", .collect = leave, .ctx = &calls });

    pthread_create(&thread, NULL, collect_and_end, NULL);
    pthread_join(thread, NULL);
    cr_assert_eq(tether_collect().status, TETHER_OK);
    cr_assert_eq(calls, 2);
    tether_collector_remove(collector);
}

/* ---- threads ---- */

static _Atomic unsigned inside, most_inside;

static void alone(struct tether_reclaimed *reclaimed, void *ctx)
{
    _Atomic unsigned *calls = ctx;
    unsigned now = ++inside;
    if (now > most_inside)
        most_inside = now;
    ++*calls;
    sched_yield();
    inside--;
    reclaimed->objects = reclaimed->bytes = 0;
}

static void *collect_often(void *ctx)
{
    unsigned *ok = ctx;
    for (unsigned i = 0; i < 500; i++)
        *ok += tether_collect().status == TETHER_OK;
    return NULL;
}

Test(collect_turns, threads_take_turns)
{
    static _Atomic unsigned calls;
    pthread_t threads[4];
    unsigned ok[4] = { 0 };
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "alone", .collect = alone, .ctx = (void *)&calls });

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, collect_often, &ok[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(ok[i], 500);
    cr_assert_eq(most_inside, 1);
    cr_assert_eq(calls, 2000);
    tether_collector_remove(collector);
}

static _Atomic int stop;

static void *add_and_remove(void *ctx)
{
    (void)ctx;
    while (!stop) {
        struct store *store = calloc(1, sizeof *store);
        tether_collector *collector = store_add(store, "brief", 0);
        sched_yield();
        tether_collector_remove(collector);
        memset(store, 0xee, sizeof *store);
        free(store);
    }
    return NULL;
}

Test(collect_turns, removing_waits_for_the_run_on_another_thread)
{
    pthread_t threads[2];
    unsigned ok = 0;

    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, add_and_remove, NULL);
    collect_often(&ok);
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(ok, 500);
}

static void *collect_until_stop(void *ctx)
{
    while (!stop)
        tether_collect();
    return ctx;
}

/* The child's first collection finds the turn of a thread that it lacks. */
static int child_collects(void)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(tether_collect().status == TETHER_OK ? 0 : 1);
    }
    waitpid(child, &status, 0);
    return status;
}

Test(collect_turns, a_forked_child_collects_whoever_had_the_turn)
{
    static _Atomic unsigned calls;
    pthread_t threads[2];
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "alone", .collect = alone, .ctx = (void *)&calls });

    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, collect_until_stop, NULL);
    for (int i = 0; i < 200; i++)
        cr_assert_eq(child_collects(), 0, "child %d", i);
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    tether_collector_remove(collector);
}

/* ---- a safe point ---- */

static unsigned records;
static struct tether_collection from_callback;

static void record_see(const struct tether_record *record, void *ctx)
{
    (void)record;
    records++;
    free(ctx);
    from_callback = tether_collect();
}

Test(collect_turns, callbacks_of_queues_run)
{
    struct store store = { .left = 0 };
    tether_queue *queue = tether_queue_make();
    char *object = malloc(10);
    tether_phantom phantom = tether_phantom_to(object, queue, NULL);

    tether_queue_on(queue, record_see, NULL);
    free(object);
    cr_assert_eq(records, 0);
    cr_assert_eq(tether_collect().status, TETHER_OK);
    cr_assert_eq(records, 1);
    cr_assert_eq(from_callback.status, TETHER_OK);
    tether_phantom_drop(phantom);
    tether_queue_drop(queue);
    cr_assert_eq(store.calls, 0);
}

static void object_free(struct tether_reclaimed *reclaimed, void *ctx)
{
    void **object = ctx;
    reclaimed->objects = reclaimed->bytes = 0;
    free(*object);
    *object = NULL;
}

Test(collect_turns, a_round_in_which_a_callback_ran_is_not_the_last)
{
    tether_queue *queue = tether_queue_make();
    char *object = malloc(10);
    tether_phantom phantom = tether_phantom_to(object, queue, NULL);
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "free", .collect = object_free, .ctx = &object });

    tether_queue_on(queue, record_see, NULL);
    cr_assert_eq(tether_collect().rounds, 2);
    cr_assert_eq(records, 1);
    cr_assert_eq(from_callback.status, TETHER_BUSY);
    tether_phantom_drop(phantom);
    tether_queue_drop(queue);
    tether_collector_remove(collector);
}
