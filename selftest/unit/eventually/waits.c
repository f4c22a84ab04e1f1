/* SPDX-License-Identifier: MIT */
/*
 * Waits: polls at the start and at the deadline, refusals, the scale of time,
 * the free that wakes.
 */
#include "base/base_time.h"
#include "ref/ref.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <tether/eventually.h>

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
    struct timespec left = { ms / 1000, ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0)
        ;
}

/* Answers yes from the nth question on. */
struct nth {
    unsigned asked;
    unsigned yes_from;
    unsigned slow_ms;
};

static int is_nth(void *ctx)
{
    struct nth *const nth = ctx;
    if (nth->slow_ms)
        sleep_ms(nth->slow_ms);
    return ++nth->asked >= nth->yes_from;
}

static int is_not_nth(void *ctx)
{
    return !is_nth(ctx);
}

Test(eventually, a_first_yes_is_one_poll)
{
    struct nth nth = { .yes_from = 1 };
    struct tether_wait wait = { .within_ms = 60000 };
    cr_assert_eq(tether_eventually(is_nth, &nth, &wait), TETHER_OK);
    cr_assert_eq(wait.polls, 1);
    cr_assert_lt(wait.elapsed_ms, 60000);
}

Test(eventually, polls_until_yes)
{
    struct nth nth = { .yes_from = 5 };
    struct tether_wait wait = { .within_ms = 60000 };
    cr_assert_eq(tether_eventually(is_nth, &nth, &wait), TETHER_OK);
    cr_assert_eq(wait.polls, 5);
    cr_assert_eq(nth.asked, 5);
    cr_assert_geq(wait.elapsed_ms, 1 + 2 + 4 + 8 - 1);
}

Test(eventually, gives_up_at_the_deadline_after_a_last_poll)
{
    struct nth nth = { .yes_from = 1000000 };
    struct tether_wait wait = { .within_ms = 40 };
    const uint64_t start = now_ms();
    cr_assert_eq(tether_eventually(is_nth, &nth, &wait), TETHER_TIMEOUT);
    cr_assert_geq(now_ms() - start, 39);
    cr_assert_geq(wait.elapsed_ms, 40);
    cr_assert_eq(wait.polls, nth.asked);
    cr_assert_geq(wait.polls, 2);
    cr_assert_leq(wait.polls, 8); /* 0 1 3 7 15 31 40 */
}

Test(eventually, a_slow_question_is_asked_again_at_the_deadline)
{
    struct nth nth = { .yes_from = 2, .slow_ms = 30 };
    struct tether_wait wait = { .within_ms = 5 };
    cr_assert_eq(tether_eventually(is_nth, &nth, &wait), TETHER_OK);
    cr_assert_eq(wait.polls, 2);
}

Test(eventually, every_ms_fixes_the_interval)
{
    struct nth nth = { .yes_from = 1000000 };
    struct tether_wait wait = { .within_ms = 100, .every_ms = 20 };
    cr_assert_eq(tether_eventually(is_nth, &nth, &wait), TETHER_TIMEOUT);
    cr_assert_geq(wait.polls, 2);
    cr_assert_leq(wait.polls, 6);
}

Test(eventually, every_ms_may_be_the_whole_wait)
{
    struct nth nth = { .yes_from = 1000000 };
    struct tether_wait wait = { .within_ms = 10, .every_ms = 10 };
    cr_assert_eq(tether_eventually(is_nth, &nth, &wait), TETHER_TIMEOUT);
    cr_assert_eq(wait.polls, 2);
}

static void tick(int number)
{
    (void)number;
}

Test(eventually, signals_make_no_polls)
{
    const struct itimerval often = { { 0, 500 }, { 0, 500 } };
    struct sigaction action = { .sa_handler = tick };
    struct nth nth = { .yes_from = 1000000 };
    struct tether_wait wait = { .within_ms = 60, .every_ms = 30 };
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    cr_assert_eq(tether_eventually(is_nth, &nth, &wait), TETHER_TIMEOUT);
    cr_assert_leq(wait.polls, 3);
}

Test(eventually, refuses_what_contradicts)
{
    struct tether_wait waits[] = {
        { .within_ms = 10, .every_ms = 11 },
        { .every_ms = 1001 },
        { .within_ms = 10, .for_ms = 10 },
        { .within_ms = 10, .for_ms = 20 },
        { .text = ".within_ms = 0" },
        { .text = ".every_ms=0, .within_ms = 5", .within_ms = 5 },
        { .text = ".for_ms = 0" },
    };
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        struct nth nth = { .yes_from = 1 };
        cr_assert_eq(tether_eventually(is_nth, &nth, &waits[i]), TETHER_REFUSED,
                     "list %zu", i);
        cr_assert_eq(nth.asked, 0);
        cr_assert_eq(waits[i].polls, 0);
    }
}

Test(eventually, a_text_with_values_is_no_refusal)
{
    struct nth nth = { .yes_from = 1 };
    struct tether_wait wait = { .within_ms = 5,
                                .text = ".within_ms = 5 * FACTOR" };
    cr_assert_eq(tether_eventually(is_nth, &nth, &wait), TETHER_OK);
}

Test(consistently, lasts_its_time)
{
    struct nth nth = { .yes_from = 1 };
    struct tether_wait wait = { .for_ms = 40 };
    cr_assert_eq(tether_consistently(is_nth, &nth, &wait), TETHER_OK);
    cr_assert_geq(wait.elapsed_ms, 40);
    cr_assert_geq(wait.polls, 2);
}

Test(consistently, ends_with_the_first_no)
{
    struct nth nth = { .yes_from = 4 };
    struct tether_wait wait = { .for_ms = 60000 };
    cr_assert_eq(tether_consistently(is_not_nth, &nth, &wait), TETHER_TIMEOUT);
    cr_assert_eq(wait.polls, 4);
    cr_assert_lt(wait.elapsed_ms, 60000);
}

Test(consistently, refuses_what_contradicts)
{
    struct tether_wait waits[] = {
        { .for_ms = 10, .every_ms = 11 },
        { .every_ms = 201 },
        { .within_ms = 10, .for_ms = 20 },
        { .text = ".for_ms = 0" },
    };
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        struct nth nth = { .yes_from = 1 };
        cr_assert_eq(tether_consistently(is_nth, &nth, &waits[i]),
                     TETHER_REFUSED, "list %zu", i);
    }
}

Test(collected, is_one_poll_for_the_dead)
{
    void *const block = malloc(8);
    const tether_weak ref = tether_weak_to(block);
    struct tether_wait wait = { .within_ms = 60000 };
    free(block);
    cr_assert_eq(tether_eventually_collected(ref, &wait), TETHER_OK);
    cr_assert_eq(wait.polls, 1);
    tether_weak_drop(ref);
}

static void *free_later(void *block)
{
    sleep_ms(30);
    free(block);
    return NULL;
}

Test(collected, is_woken_by_the_free)
{
    pthread_t thread;
    void *const block = malloc(8);
    const tether_weak ref = tether_weak_to(block);
    struct tether_wait wait = { .within_ms = 60000 };
    pthread_create(&thread, NULL, free_later, block);
    cr_assert_eq(tether_eventually_collected(ref, &wait), TETHER_OK);
    cr_assert_eq(wait.polls, 2); /* at the start, and when it was woken */
    cr_assert_lt(wait.elapsed_ms, 60000);
    pthread_join(thread, NULL);
    tether_weak_drop(ref);
}

Test(collected, gives_up_on_the_living)
{
    void *const block = malloc(8);
    const tether_weak ref = tether_weak_to(block);
    struct tether_wait wait = { .within_ms = 30 };
    cr_assert_eq(tether_eventually_collected(ref, &wait), TETHER_TIMEOUT);
    cr_assert_geq(wait.elapsed_ms, 30);
    cr_assert_eq(wait.polls, 2);
    tether_weak_drop(ref);
    free(block);
}

/* The object is freed by a callback that only the waiting thread can run. */
static void free_ctx(const struct tether_record *record, void *ctx)
{
    tether_phantom_drop(record->phantom);
    free(ctx);
}

Test(collected, serves_safe_points_while_it_waits, .timeout = 50)
{
    pthread_t thread;
    void *const block = malloc(8);
    void *const trigger = malloc(8);
    tether_queue *const queue = tether_queue_make();
    const tether_weak ref = tether_weak_to(block);
    struct tether_wait wait = { .within_ms = 60000 };
    tether_queue_on(queue, free_ctx, block);
    (void)tether_phantom_to(trigger, queue, NULL);
    pthread_create(&thread, NULL, free_later, trigger);
    cr_assert_eq(tether_eventually_collected(ref, &wait), TETHER_OK);
    pthread_join(thread, NULL);
    tether_weak_drop(ref);
    tether_queue_drop(queue);
}

Test(collected, refuses_what_contradicts)
{
    void *const block = malloc(8);
    const tether_weak ref = tether_weak_to(block);
    struct tether_wait wait = { .within_ms = 5, .every_ms = 6 };
    cr_assert_eq(tether_eventually_collected(ref, &wait), TETHER_REFUSED);
    tether_weak_drop(ref);
    free(block);
}

Test(scale, reads_plain_numbers_only)
{
    double scale = -1;
    cr_assert(tt_time_scale_read("2", &scale) && scale == 2);
    cr_assert(tt_time_scale_read("0.5", &scale) && scale == 0.5);
    cr_assert(tt_time_scale_read(".25", &scale) && scale == 0.25);
    cr_assert(tt_time_scale_read("1000000", &scale) && scale == 1e6);
    static const char *const bad[] = { "",        "0",  "-1",  "2x",
                                       "1e3",     ".",  "nan", "0.0",
                                       "1000001", " 1", "1,5", "1.2.3" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(tt_time_scale_read(bad[i], &scale), "'%s'", bad[i]);
}

static void set_scale(void)
{
    setenv("TETHER_TIME_SCALE", "0.01", 1);
}

Test(scale, shortens_every_wait, .init = set_scale)
{
    struct nth nth = { .yes_from = 1000000 };
    struct tether_wait wait = { .within_ms = 20000, .every_ms = 10000 };
    cr_assert_eq(tether_eventually(is_nth, &nth, &wait), TETHER_TIMEOUT);
    cr_assert_geq(wait.elapsed_ms, 200);
    cr_assert_lt(wait.elapsed_ms, 20000);
    cr_assert_leq(wait.polls, 3);
}
