/* SPDX-License-Identifier: MIT */
/*
 * Comparing waits: each type, each comparison, what is remembered of changes;
 * stopping a wait; a yes that comes too early.
 */
#include <tether/check.h>

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define V(x) TETHER_VALUE_OF(x)

/* One poll decides: 1 where the comparison holds. */
static int holds(struct tether_value value, const char *comparison,
                 struct tether_value wanted)
{
    const struct tether_wait wait = { .for_ms = 1 };
    struct tether_comparing comparing;
    tether_comparing_begin(&comparing, TETHER_POLL_CONSISTENTLY, wait,
                           comparison, wanted);
    const int goes_on = tether_comparing_next(&comparing, value);
    while (goes_on && tether_comparing_next(&comparing, value))
        ;
    return goes_on;
}

static int order_is(struct tether_value a, struct tether_value b, int sign)
{
    return holds(a, "==", b) == (sign == 0) &&
           holds(a, "!=", b) == (sign != 0) && holds(a, "<", b) == (sign < 0) &&
           holds(a, "<=", b) == (sign <= 0) && holds(a, ">", b) == (sign > 0) &&
           holds(a, ">=", b) == (sign >= 0);
}

Test(compare, numbers_by_value)
{
    cr_assert(order_is(V(1), V(1u), 0));
    cr_assert(order_is(V(-1), V(1u), -1));
    cr_assert(order_is(V(~0ull), V(-1), 1));
    cr_assert(order_is(V((signed char)-3), V(-3ll), 0));
    cr_assert(order_is(V(~0ull), V(~0ull - 1), 1));
    cr_assert(order_is(V((bool)true), V(1), 0));
    cr_assert(order_is(V((char)'a'), V('b'), -1));
    cr_assert(order_is(V(3), V(3.5), -1));
    cr_assert(order_is(V(~0ull), V(1e30), -1));
    cr_assert(order_is(V(0.1f), V(0.1), 0));
    cr_assert(order_is(V(0.1), V(0.1L), 1));
    cr_assert(holds(V(NAN), "!=", V(NAN)));
    cr_assert_not(holds(V(NAN), "==", V(NAN)));
    cr_assert_not(holds(V(NAN), "<=", V(1.0)));
}

Test(compare, strings_by_content)
{
    char text[] = "abc";
    const char *const none = NULL;
    cr_assert(order_is(V(text), V("abc"), 0));
    cr_assert(order_is(V(text), V("abd"), -1));
    cr_assert(order_is(V(none), V("a"), -1));
    cr_assert(order_is(V(text), V(none), 1));
    cr_assert(order_is(V(none), V(none), 0));
    cr_assert(order_is(V(none), V(NULL), 0));
    cr_assert(holds(V(text), "!=", V(NULL)));
}

Test(compare, pointers_by_address)
{
    int pair[2] = { 0 };
    cr_assert(order_is(V(&pair[0]), V((void *)pair), 0));
    cr_assert(order_is(V(&pair[0]), V(&pair[1]), -1));
    cr_assert(order_is(V(&pair[0]), V(NULL), 1));
    cr_assert(order_is(V((void *)NULL), V(0), 0));
}

static void wait_fails(struct tether_comparing *comparing,
                       const char *const *values, size_t count,
                       struct tether_message *why)
{
    const struct tether_wait wait = { .within_ms = 1, .text = "" };
    size_t at = 0;
    tether_comparing_begin(comparing, TETHER_POLL_EVENTUALLY, wait,
                           "==", V("never"));
    comparing->polling.deadline_ns += 10000000000u;
    while (at < count && tether_comparing_next(comparing, V(values[at]))) {
        if (++at == count - 1)
            comparing->polling.deadline_ns = 1;
    }
    cr_assert_eq(
        tether_check_comparing(comparing, "f(a, b), ==, \"never\"", why),
        TETHER_FAILED);
}

Test(changes, are_told_in_their_order)
{
    static const char *const values[] = { "a", "a", NULL, "bb", "bb" };
    struct tether_comparing comparing;
    struct tether_message why;
    wait_fails(&comparing, values, 5, &why);
    cr_assert_eq(comparing.changes, 2);
    cr_assert_eq(comparing.polling.wait.polls, 5);
    cr_assert(strstr(why.text, "`f(a, b) == \"never\"` did not become true"),
              "%s", why.text);
    cr_assert(strstr(why.text, "last value:  \"bb\""), "%s", why.text);
    cr_assert(strstr(why.text, "changes:     \"a\", NULL (at poll 3, after "),
              "%s", why.text);
    cr_assert(strstr(why.text, ", \"bb\" (at poll 4, after "), "%s", why.text);
}

Test(changes, of_many_the_first_and_the_latest_stay)
{
    static const char *const values[] = { "1", "2", "3", "4", "5",
                                          "6", "7", "8", "9" };
    struct tether_comparing comparing;
    struct tether_message why;
    wait_fails(&comparing, values, 9, &why);
    cr_assert_eq(comparing.changes, 8);
    cr_assert_str_eq(comparing.seen[0].text, "1");
    cr_assert_str_eq(comparing.seen[1].text, "5");
    cr_assert_str_eq(comparing.seen[5].text, "9");
    cr_assert(strstr(why.text, "changes:     \"1\", 3 more, \"5\" ("), "%s",
              why.text);
}

Test(changes, of_a_string_are_seen_though_the_pointer_stays)
{
    char text[100] = "before";
    const struct tether_wait wait = { .within_ms = 1000 };
    struct tether_comparing comparing;
    tether_comparing_begin(&comparing, TETHER_POLL_EVENTUALLY, wait,
                           "==", V("after"));
    cr_assert(tether_comparing_next(&comparing, V(text)));
    memset(text, 'x', sizeof text - 1);
    cr_assert(tether_comparing_next(&comparing, V(text)));
    strcpy(text, "after");
    cr_assert_not(tether_comparing_next(&comparing, V(text)));
    cr_assert_eq(comparing.changes, 2);
    cr_assert_str_eq(comparing.seen[0].text, "before");
    cr_assert_eq(comparing.seen[1].length, 99);
    cr_assert_eq(comparing.polling.wait.polls, 3);
}

/* ---- a yes too early ---- */

static int is_yes(void *ctx)
{
    (void)ctx;
    return 1;
}

static int is_third(void *ctx)
{
    return ++*(int *)ctx >= 3;
}

Test(at_least, refuses_an_early_yes)
{
    struct tether_wait wait = { .within_ms = 60000, .at_least_ms = 30000 };
    struct tether_message why;
    cr_assert_eq(tether_eventually(is_yes, NULL, &wait), TETHER_TOO_EARLY);
    cr_assert_eq(wait.polls, 1);
    cr_assert_eq(tether_check_eventually(is_yes, NULL, "it", &wait, &why),
                 TETHER_FAILED);
    cr_assert(strstr(why.text, "`it` became true too early"), "%s", why.text);
}

Test(at_least, takes_a_yes_in_time)
{
    int asked = 0;
    struct tether_wait wait = { .within_ms = 60000,
                                .at_least_ms = 10,
                                .every_ms = 10 };
    cr_assert_eq(tether_eventually(is_third, &asked, &wait), TETHER_OK);
    cr_assert_geq(wait.elapsed_ms, 10);
}

Test(at_least, is_refused_where_it_contradicts)
{
    struct tether_wait waits[] = {
        { .within_ms = 10, .at_least_ms = 10 },
        { .at_least_ms = 1000 },
        { .text = ".at_least_ms = 0" },
    };
    struct tether_wait other = { .for_ms = 10, .at_least_ms = 5 };
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        cr_assert_eq(tether_eventually(is_yes, NULL, &waits[i]), TETHER_REFUSED,
                     "list %zu", i);
    cr_assert_eq(tether_consistently(is_yes, NULL, &other), TETHER_REFUSED);
}

Test(at_least, is_for_deaths_too)
{
    void *const block = malloc(8);
    const tether_weak ref = tether_weak_to(block);
    struct tether_wait wait = { .within_ms = 60000, .at_least_ms = 30000 };
    free(block);
    cr_assert_eq(tether_eventually_collected(ref, &wait), TETHER_TOO_EARLY);
    tether_weak_drop(ref);
}

/* ---- stopping ---- */

static int is_stopped(void *ctx)
{
    (void)ctx;
    return tether_stop_waiting("no more") || 1;
}

Test(stop, ends_the_wait_at_once_whatever_the_answer)
{
    struct tether_wait wait = { .within_ms = 60000 };
    struct tether_wait held = { .for_ms = 60000 };
    struct tether_message why;
    cr_assert_eq(tether_eventually(is_stopped, NULL, &wait), TETHER_STOPPED);
    cr_assert_eq(wait.polls, 1);
    cr_assert_str_eq(wait.stopped, "no more");
    cr_assert_eq(tether_consistently(is_stopped, NULL, &held), TETHER_STOPPED);
    cr_assert_eq(tether_check_eventually(is_stopped, NULL, "it", &wait, &why),
                 TETHER_FAILED);
    cr_assert(
        strstr(why.text, "the wait for `it` was stopped: no more (1 poll"),
        "%s", why.text);
}

static int is_inner_stopped(void *ctx)
{
    struct tether_wait wait = { .within_ms = 60000 };
    cr_assert_eq(tether_eventually(is_stopped, NULL, &wait), TETHER_STOPPED);
    return ++*(int *)ctx == 2;
}

Test(stop, ends_the_innermost_wait_only)
{
    int asked = 0;
    struct tether_wait wait = { .within_ms = 60000 };
    cr_assert_eq(tether_eventually(is_inner_stopped, &asked, &wait), TETHER_OK);
    cr_assert_eq(asked, 2);
    cr_assert_null(wait.stopped);
}

static int is_outer_stopped(void *ctx)
{
    struct tether_wait wait = { .within_ms = 60000 };
    (void)ctx;
    tether_stop_waiting("outer");
    cr_assert_eq(tether_eventually(is_yes, NULL, &wait), TETHER_OK);
    return 0;
}

Test(stop, of_the_outer_wait_outlives_an_inner_one)
{
    struct tether_wait wait = { .within_ms = 60000 };
    cr_assert_eq(tether_eventually(is_outer_stopped, NULL, &wait),
                 TETHER_STOPPED);
    cr_assert_str_eq(wait.stopped, "outer");
}

static int is_stopped_elsewhere(void *ctx)
{
    pthread_t thread;
    pthread_create(&thread, NULL, (void *(*)(void *))(void *)is_stopped, NULL);
    pthread_join(thread, NULL);
    return is_third(ctx);
}

Test(stop, by_another_thread_does_nothing_here)
{
    int asked = 0;
    struct tether_wait wait = { .within_ms = 60000 };
    cr_assert_eq(tether_eventually(is_stopped_elsewhere, &asked, &wait),
                 TETHER_OK);
}

Test(stop, outside_of_a_wait_does_nothing)
{
    int asked = 0;
    struct tether_wait wait = { .within_ms = 60000 };
    tether_stop_waiting("nobody waits");
    cr_assert_eq(tether_eventually(is_third, &asked, &wait), TETHER_OK);
}
