/* SPDX-License-Identifier: MIT */
/* Budgets through the public calls: what is told, when, and how often. */
#include "budget_help.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(budget, .init = budget_window);

Test(budget, a_set_zero_is_in_force)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    uint64_t value = 5;
    cr_expect_not(tether_budget_get(&budget, TETHER_MAX_COUNT, &value));
    tether_budget_set(&budget, TETHER_MAX_COUNT, 0);
    cr_expect(tether_budget_get(&budget, TETHER_MAX_COUNT, &value));
    cr_expect_eq(value, 0u);
    cr_expect_not(tether_budget_get(&budget, TETHER_MAX_HEAP, NULL));
}

Test(budget, what_holds_is_ok_and_leaves_its_numbers)
{
    struct tether_budget budget = budget_of(TETHER_MAX_HEAP, 1000, 0);
    struct tether_budget_result result;
    cr_assert_eq(tether_budget_begin(&budget), TETHER_OK);
    free(budget_make(600));
    void *const block = budget_make(900);
    cr_assert_eq(tether_budget_end(&budget), TETHER_OK);
    free(block);
    cr_expect_eq(told.count, 0);
    tether_budget_result(&budget, &result);
    cr_expect_eq(result.peak_bytes, 900u);
    cr_expect_eq(result.largest_bytes, 900u);
    cr_expect_eq(result.total_bytes, 1500u);
    cr_expect_eq(result.total_count, 2u);
}

Test(budget, go_on_tells_once_and_stops_at_four_times)
{
    struct tether_budget budget =
        budget_of(TETHER_MAX_TOTAL, 1000, TETHER_GO_ON);
    tether_budget_begin(&budget);
    for (int i = 0; i < 10; i++)
        free(budget_make(100));
    cr_expect_eq(told.count, 0);
    free(budget_make(100));
    cr_expect_eq(told.count, 1);
    cr_expect_eq(told.kind, TETHER_FAILURE_BREACH);
    for (int i = 0; i < 29; i++)
        free(budget_make(100));
    cr_expect_eq(told.count, 1);
    cr_expect_eq(told.stops, 0);
    free(budget_make(100));
    cr_expect_eq(told.count, 2);
    cr_expect_eq(told.stops, 1);
    for (int i = 0; i < 100; i++)
        free(budget_make(100));
    cr_expect_eq(told.count, 2);
    cr_expect_eq(tether_budget_end(&budget), TETHER_REFUSED);
}

Test(budget, stop_stops_at_once)
{
    struct tether_budget budget = budget_of(TETHER_MAX_COUNT, 0, TETHER_STOP);
    tether_budget_begin(&budget);
    free(budget_make(1));
    cr_expect_eq(told.count, 1);
    cr_expect_eq(told.stops, 1);
    cr_expect_eq(tether_budget_end(&budget), TETHER_REFUSED);
}

Test(budget, deny_refuses_and_is_no_failure)
{
    struct tether_budget budget = budget_of(TETHER_MAX_HEAP, 1000, TETHER_DENY);
    tether_budget_begin(&budget);
    void *const block = budget_make(900);
    errno = 0;
    cr_expect_null(budget_make(200));
    cr_expect_eq(errno, ENOMEM);
    void *same = block;
    __asm__ volatile("" : "+r"(same));
    cr_expect_null(realloc(same, 1100));
    free(block);
    void *const again = budget_make(1000);
    cr_expect_not_null(again);
    free(again);
    cr_expect_eq(tether_budget_end(&budget), TETHER_OK);
    cr_expect_eq(told.count, 0);
}

Test(budget, deny_spares_stdio)
{
    struct tether_budget budget = budget_of(TETHER_MAX_COUNT, 0, TETHER_DENY);
    FILE *const file = fopen("/dev/null", "w");
    tether_budget_begin(&budget);
    cr_expect_gt(fprintf(file, "text %d\n", 5), 0);
    FILE *const other = fopen("/dev/null", "w");
    cr_expect_not_null(other);
    cr_expect_null(budget_make(10));
    tether_budget_end(&budget);
    fclose(file);
    fclose(other);
}

Test(budget, min_count_is_judged_at_the_end)
{
    struct tether_budget budget = budget_of(TETHER_MIN_COUNT, 2, 0);
    tether_budget_begin(&budget);
    free(budget_make(1));
    cr_expect_eq(tether_budget_end(&budget), TETHER_REFUSED);
    cr_expect_eq(told.count, 1);
    cr_expect_eq(told.kind, TETHER_FAILURE_LIMIT);
}

static void *makes_five(void *arg)
{
    for (int i = 0; i < 5; i++)
        free(budget_make(1));
    return arg;
}

static tether_status min_count_of(uint64_t least)
{
    pthread_t threads[2];
    struct tether_budget_result result;
    struct tether_budget budget = budget_of(TETHER_MIN_COUNT, least, 0);
    tether_budget_begin(&budget);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, makes_five, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    const tether_status status = tether_budget_end(&budget);
    tether_budget_result(&budget, &result);
    cr_expect_eq(result.total_count >= least, status == TETHER_OK);
    return status;
}

/* Starting a thread allocates too, by how much is libc's business. */
Test(budget, min_count_is_of_all_threads)
{
    cr_expect_eq(min_count_of(10), TETHER_OK);
    cr_expect_eq(told.count, 0);
    cr_expect_eq(min_count_of(1000), TETHER_REFUSED);
    cr_expect_eq(told.count, 1);
    cr_expect(strstr(told.message, "allocations, limit 1000"), "%s",
              told.message);
}

Test(budget, min_count_exactly)
{
    struct tether_budget budget = budget_of(TETHER_MIN_COUNT, 2, 0);
    tether_budget_begin(&budget);
    free(budget_make(1));
    free(budget_make(1));
    cr_expect_eq(tether_budget_end(&budget), TETHER_OK);
}

Test(budget, after_a_breach_the_heap_goes_on)
{
    struct tether_budget_result result;
    struct tether_budget budget = budget_of(TETHER_MAX_HEAP, 100, TETHER_GO_ON);
    tether_budget_set(&budget, TETHER_MAX_COUNT, 3);
    tether_budget_begin(&budget);
    char *const block = budget_make(101);
    memset(block, 1, 101);
    const int first = told.count;
    free(block);
    free(budget_make(101));
    free(budget_make(50));
    const int second = told.count;
    free(budget_make(1)); /* the other limit's fourth */
    cr_expect_eq(tether_budget_end(&budget), TETHER_REFUSED);
    tether_budget_result(&budget, &result);
    cr_expect_eq(first, 1);
    cr_expect_eq(second, 1, "a limit is told once");
    cr_expect_eq(told.count, 2, "each limit is told");
    cr_expect_eq(told.stops, 0);
    cr_expect_eq(result.peak_bytes, 101u);
    cr_expect_eq(result.total_count, 4u);
}

Test(budget, a_contradiction_is_refused)
{
    struct tether_budget budget = budget_of(TETHER_MIN_COUNT, 3, 0);
    tether_budget_set(&budget, TETHER_MAX_COUNT, 2);
    cr_expect_eq(tether_budget_begin(&budget), TETHER_REFUSED);
    cr_expect_eq(told.count, 1);
}

Test(budget, leaks_of_a_nested_budget)
{
    struct tether_budget outer = budget_of(TETHER_MAX_HEAP, 1 << 20, 0);
    struct tether_budget inner = budget_of(TETHER_MAX_LEAKED, 0, 0);
    tether_budget_begin(&outer);
    void *const old = budget_make(50);
    tether_budget_begin(&inner);
    void *const kept = budget_make(60), *const leaked = budget_make(70);
    tether_keep(kept);
    free(old);
    cr_expect_eq(tether_budget_end(&inner), TETHER_REFUSED);
    cr_expect_eq(told.kind, TETHER_FAILURE_LEAK);
    cr_expect(strstr(told.message, "70 B"), "%s", told.message);
    cr_expect_eq(tether_budget_end(&outer), TETHER_OK);
    free(kept);
    free(leaked);
}

Test(budget, one_time_is_no_leak)
{
    struct tether_budget budget = budget_of(TETHER_MAX_LEAKED, 0, 0);
    tether_budget_begin(&budget);
    tether_one_time_begin();
    void *const block = budget_make(100);
    tether_one_time_end();
    cr_expect_eq(tether_budget_end(&budget), TETHER_OK);
    free(block);
}

Test(budget, merge_is_suite_then_test_then_environment)
{
    struct tether_budget suite = budget_of(TETHER_MAX_HEAP, 100, TETHER_STOP);
    struct tether_budget test = budget_of(TETHER_MAX_HEAP, 200, 0), merged;
    uint64_t value;
    char why[200];
    tether_budget_set(&suite, TETHER_MAX_ALLOC, 10);
    setenv("TETHER_MAX_COUNT", "7", 1);
    cr_assert_eq(tether_budget_merge(&suite, &test, &merged, why, sizeof why),
                 TETHER_OK);
    cr_expect(tether_budget_get(&merged, TETHER_MAX_HEAP, &value));
    cr_expect_eq(value, 200u);
    cr_expect(tether_budget_get(&merged, TETHER_MAX_ALLOC, &value));
    cr_expect_eq(value, 10u);
    cr_expect(tether_budget_get(&merged, TETHER_MAX_COUNT, &value));
    cr_expect_eq(value, 7u);
    cr_expect_eq(merged.on_breach, TETHER_STOP);
    setenv("TETHER_MAX_HEAP", "8KiB", 1);
    tether_budget_merge(&suite, &test, &merged, why, sizeof why);
    tether_budget_get(&merged, TETHER_MAX_HEAP, &value);
    cr_expect_eq(value, 8192u);
    setenv("TETHER_MAX_HEAP", "eight", 1);
    cr_expect_eq(tether_budget_merge(&suite, &test, &merged, why, sizeof why),
                 TETHER_REFUSED);
    cr_expect(strstr(why, "TETHER_MAX_HEAP=eight"), "%s", why);
}

/* --- children and threads --------------------------------------------------
 */

static int status_of(pid_t child)
{
    int status = 0;
    alarm(20);
    cr_assert_eq(waitpid(child, &status, 0), child);
    alarm(0);
    return status;
}

Test(budget, a_forked_child_judges_nothing)
{
    struct tether_budget budget = budget_of(TETHER_MIN_COUNT, 1, 0);
    tether_budget_begin(&budget);
    const pid_t child = fork();
    if (child == 0)
        _exit(tether_budget_end(&budget) == TETHER_OK && told.count == 0 ? 0
                                                                         : 1);
    cr_expect_eq(status_of(child), 0);
    free(budget_make(1));
    cr_expect_eq(tether_budget_end(&budget), TETHER_OK);
}

static _Atomic int going;

static void *breaks_limits(void *arg)
{
    (void)arg;
    while (going)
        free(budget_make(100));
    return NULL;
}

static void limits_come_and_go(enum tether_limit limit, int times)
{
    pthread_t threads[4];
    going = 1;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, breaks_limits, NULL);
    for (int i = 0; i < times; i++) {
        struct tether_budget budget = budget_of(limit, 50, TETHER_GO_ON);
        tether_budget_begin(&budget);
        usleep(200);
        tether_budget_end(&budget);
        memset(&budget, 0xff, sizeof budget);
    }
    going = 0;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect_gt(told.count, 0);
}

Test(budget, may_end_while_a_thread_is_told_of_its_breach)
{
    limits_come_and_go(TETHER_MAX_ALLOC, 100);
}

Test(budget, of_a_site_may_end_while_a_thread_is_told_of_its_breach)
{
    limits_come_and_go(TETHER_MAX_SITE, 100);
}

Test(budget, children_of_threads_that_break_limits_do_not_hang)
{
    pthread_t threads[4];
    going = 1;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, breaks_limits, NULL);
    for (int i = 0; i < 100; i++) {
        struct tether_budget budget =
            budget_of(i % 2 ? TETHER_MAX_SITE : TETHER_MAX_ALLOC, 50, 0);
        tether_budget_begin(&budget);
        const pid_t child = fork();
        if (child == 0) {
            struct tether_budget own = budget_of(TETHER_MAX_ALLOC, 10, 0);
            tether_budget_begin(&own);
            for (int n = 0; n < 50; n++)
                free(budget_make((size_t)n * 100));
            _exit(tether_budget_end(&own) == TETHER_REFUSED ? 0 : 1);
        }
        cr_expect_eq(status_of(child), 0);
        tether_budget_end(&budget);
    }
    going = 0;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* --- a programmer's mistakes -----------------------------------------------
 */

Test(budget, an_uninitialised_budget_dies, .signal = SIGABRT)
{
    struct tether_budget budget = { 0 };
    tether_budget_begin(&budget);
}

Test(budget, a_budget_that_is_open_dies, .signal = SIGABRT)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    tether_budget_begin(&budget);
    tether_budget_begin(&budget);
}

Test(budget, an_end_without_a_begin_dies, .signal = SIGABRT)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    tether_budget_end(&budget);
}

Test(budget, no_limit_dies, .signal = SIGABRT)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    tether_budget_set(&budget, TETHER_LIMITS, 1);
}

Test(budget, one_time_end_alone_dies, .signal = SIGABRT)
{
    tether_one_time_end();
}

Test(budget, a_second_window_is_busy)
{
    cr_expect_eq(tether_window_begin("again"), TETHER_BUSY);
    cr_expect_eq(tether_window_end(0), TETHER_OK);
    cr_expect_eq(tether_window_end(0), TETHER_NOT_FOUND);
}
