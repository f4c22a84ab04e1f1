/* SPDX-License-Identifier: MIT */
/* What queues promise: what a record tells, that assertions take none, and
 * where callbacks run, with several threads. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tether/criterion.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- records ---- */

static __attribute__((noinline)) void *letter_drop(void *letter)
{
    free(letter);
    return NULL;
}

Test(ref_queue, a_record_tells_who_what_where_and_when)
{
    tether_queue *const queue = tether_queue_make();
    void *const letter = malloc(40);
    struct tether_record record;
    char tag, text[2000];
    pthread_t thread;
    const tether_phantom phantom = tether_phantom_to(letter, queue, &tag);
    const tether_weak weak = tether_weak_in_queue(letter, queue, &tag);
    const uint64_t before_ns = now_ns();
    pthread_create(&thread, NULL, letter_drop, letter);
    pthread_join(thread, NULL);
    const uint64_t after_ns = now_ns();
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(tether_queue_poll(queue, &record), TETHER_OK);
        cr_expect_eq(record.kind, i ? TETHER_REF_WEAK : TETHER_REF_PHANTOM);
        cr_expect_eq(record.phantom.bits, i ? 0 : phantom.bits);
        cr_expect_eq(record.weak.bits, i ? weak.bits : 0);
        cr_expect_eq(record.tag, &tag);
        cr_expect_str_eq(record.words.name, "letter");
        cr_expect_eq(record.words.size, 40u);
        cr_expect_neq(record.words.free_thread, 0u);
        /* Exact to the kernel's tick. */
        cr_expect_geq(record.words.freed_ns + 10000000u, before_ns);
        cr_expect_leq(record.words.freed_ns, after_ns);
        tether_stack_text(record.words.free_stack, text, sizeof text);
        cr_expect(strstr(text, "letter_drop"), "%s", text);
        tether_stack_text(record.words.alloc_stack, text, sizeof text);
        cr_expect(strstr(text, "a_record_tells"), "%s", text);
    }
    cr_expect_eq(tether_queue_poll(queue, &record), TETHER_EMPTY);
    tether_weak_drop(weak);
    tether_phantom_drop(phantom);
    tether_queue_drop(queue);
}

static void count(const struct tether_record *record, void *seen)
{
    (void)record;
    ++*(unsigned *)seen;
}

Test(ref_queue, assertions_and_criteria_take_nothing)
{
    tether_queue *const queue = tether_queue_make();
    void *const one = malloc(8), *const two = malloc(8);
    struct tether_message why;
    unsigned seen = 0;
    const tether_phantom a = tether_phantom_to(one, queue, NULL);
    const tether_weak b = tether_weak_in_queue(two, queue, NULL);
    ASSERT_QUEUE_EMPTY(queue);
    free(one);
    free(two);
    for (int i = 0; i < 3; i++) {
        const uint64_t turned[] = { b.bits, a.bits };
        ASSERT_ENQUEUED(a);
        ASSERT_ENQUEUED_IN_ORDER(queue, a, b);
        ASSERT_COLLECTED(b);
        cr_expect_eq(tether_check_queue_empty(queue, &why), TETHER_FAILED);
        cr_expect_eq(tether_check_enqueued_in_order(queue, turned, 2, &why),
                     TETHER_FAILED);
    }
    cr_expect_eq(tether_queue_visit(queue, count, &seen), 2u);
    cr_expect_eq(tether_queue_drain(queue, count, &seen), 2u);
    cr_expect_eq(seen, 4u);
    /* They entered, even if they were taken since. */
    ASSERT_ENQUEUED(a);
    ASSERT_ENQUEUED_IN_ORDER(queue, a, b);
    ASSERT_QUEUE_EMPTY(queue);
    tether_queue_drop(queue);
}

/* ---- callbacks ---- */

#define THREADS 4
#define ROUNDS  500

static struct {
    tether_queue *queue;
    _Atomic int inside, freeing, calls, overlaps, in_free;
    _Atomic unsigned char seen[THREADS * ROUNDS];
} shared;

static _Thread_local int in_free;

static void on_record(const struct tether_record *record, void *ctx)
{
    (void)ctx;
    if (shared.inside++)
        shared.overlaps++;
    shared.in_free += in_free;
    shared.seen[(size_t)record->tag]++;
    shared.calls++;
    shared.inside--;
}

static void *free_and_serve(void *first)
{
    for (size_t i = 0; i < ROUNDS; i++) {
        void *const object = malloc(16);
        const tether_phantom ref = tether_phantom_to(
            object, shared.queue, (void *)((size_t)first + i));
        (void)ref;
        in_free = 1;
        free(object);
        in_free = 0;
        if (i % 3 == 0)
            tether_safepoint();
    }
    tether_safepoint();
    return NULL;
}

Test(ref_queue, a_callback_is_called_once_a_record_and_never_twice_at_once)
{
    pthread_t threads[THREADS];
    shared.queue = tether_queue_make();
    tether_queue_on(shared.queue, on_record, NULL);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, free_and_serve, (void *)(i * ROUNDS));
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    tether_safepoint();
    cr_expect_eq(shared.calls, THREADS * ROUNDS);
    cr_expect_eq(shared.overlaps, 0);
    cr_expect_eq(shared.in_free, 0);
    for (size_t i = 0; i < THREADS * ROUNDS; i++)
        cr_expect_eq(shared.seen[i], 1);
    tether_queue_drop(shared.queue);
}

static int ended;

static void on_end(const struct tether_record *record, void *ctx)
{
    (void)record;
    (void)ctx;
    ended++;
}

static void ended_before(void)
{
    cr_assert_eq(ended, 1, "the end of the body is a safe point");
}

Test(ref_queue, the_end_of_the_body_serves_callbacks, .fini = ended_before)
{
    tether_queue *const queue = tether_queue_make();
    void *const object = malloc(8);
    tether_queue_on(queue, on_end, NULL);
    tether_phantom_to(object, queue, NULL);
    free(object);
    cr_assert_eq(ended, 0, "not in free");
}

/* ---- signals, forks ---- */

static void on_signal(int signal)
{
    (void)signal;
}

static void *signal_often(void *thread)
{
    for (int i = 0; i < 50; i++) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        usleep(500);
    }
    return NULL;
}

Test(ref_queue, signals_do_not_end_a_wait)
{
    struct sigaction action = { .sa_handler = on_signal };
    tether_queue *const queue = tether_queue_make();
    struct tether_record record;
    pthread_t self = pthread_self(), thread;
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, signal_often, &self);
    const uint64_t begin_ns = now_ns();
    cr_expect_eq(tether_queue_wait(queue, 40, &record), TETHER_TIMEOUT);
    cr_expect_geq(now_ns() - begin_ns, 40000000u);
    pthread_join(thread, NULL);
    tether_queue_drop(queue);
}

Test(ref_queue, callbacks_of_a_forked_child_are_its_own)
{
    int status;
    tether_queue *const queue = tether_queue_make();
    void *const object = malloc(8);
    tether_queue_on(queue, on_end, NULL);
    tether_phantom_to(object, queue, NULL);
    const pid_t child = fork();
    if (child == 0) {
        free(object);
        tether_safepoint();
        _exit(ended == 1 ? 0 : 1);
    }
    waitpid(child, &status, 0);
    cr_expect_eq(status, 0);
    tether_safepoint();
    cr_expect_eq(ended, 0, "nothing died here");
    free(object);
    tether_safepoint();
    cr_expect_eq(ended, 1);
    tether_queue_drop(queue);
}
