/* SPDX-License-Identifier: MIT */
/*
 * Who holds an object, through the public headers: each verdict, each check,
 * passing and failing, and budgets of what is lost.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>
#include <tether/tether.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct session {
    char name[32];
    struct session *twin;
    char more[56];
};

static struct session *registry[4];
static struct session *other;

__attribute__((noinline)) static tether_weak session_in(struct session **place)
{
    struct session *const session = calloc(1, sizeof *session);
    if (place)
        *place = session;
    return tether_weak_to(session);
}

/* Overwrites what calls have left on the stack. */
__attribute__((noinline)) static void scrub(void)
{
    volatile char bytes[16384];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

static struct tether_message why;

Test(verdict, each)
{
    const tether_weak held = session_in(&registry[1]);
    const tether_weak lost = session_in(NULL);
    struct session *dead = NULL;
    const tether_weak collected = session_in(&dead);
    free(dead);
    scrub();
    cr_expect_eq(tether_verdict(held), TETHER_VERDICT_HELD);
    cr_expect_eq(tether_verdict(lost), TETHER_VERDICT_LOST);
    cr_expect_eq(tether_verdict(collected), TETHER_VERDICT_COLLECTED);
    cr_expect_str_eq(tether_verdict_name(TETHER_VERDICT_AMBIGUOUS),
                     "ambiguous");
    free(tether_weak_get(lost));
}

Test(verdict, an_own_variable_is_no_holder)
{
    struct session *volatile mine = NULL;
    const tether_weak ref = session_in((struct session **)&mine);
    scrub();
    cr_expect_eq(tether_verdict(ref), TETHER_VERDICT_LOST);
    EXPECT_UNREACHABLE(ref);
    struct session *volatile box = calloc(1, sizeof *box);
    box->twin = mine;
    cr_expect_neq(tether_verdict(ref), TETHER_VERDICT_LOST,
                  "it is one where a longer path begins with it");
    cr_expect_not_null(mine);
}

Test(checks, unreachable)
{
    const tether_weak ref = session_in(&registry[2]);
    scrub();
    cr_assert_eq(tether_check_unreachable(ref, &why), TETHER_FAILED);
    cr_expect_not_null(strstr(why.text, "is still reachable: 96 B"));
    cr_expect_not_null(strstr(why.text, "registry[2]"), "%s", why.text);
    cr_expect_not_null(strstr(why.text, "verdict: held"), "%s", why.text);
    struct session *const kept = registry[2];
    registry[2] = NULL;
    EXPECT_UNREACHABLE(ref);
    free(kept);
    EXPECT_UNREACHABLE(ref);
}

Test(checks, held_by_and_beside)
{
    const tether_weak ref = session_in(&registry[0]);
    scrub();
    EXPECT_HELD_ONLY_BY(ref, &registry);
    EXPECT_NOT_HELD_BY(ref, &other);
    const struct tether_holder both = { &registry, sizeof registry,
                                        "&registry" };
    const struct tether_holder none = { &other, sizeof other, "&other" };
    cr_expect_eq(tether_check_not_held_by(ref, &both, &why), TETHER_FAILED);
    cr_expect_not_null(strstr(why.text, "is held by `&registry`"));
    cr_expect_eq(tether_check_held_only_by(ref, &none, &why), TETHER_FAILED);
    other = registry[0];
    cr_expect_eq(tether_check_held_only_by(ref, &both, &why), TETHER_FAILED);
    cr_expect_not_null(strstr(why.text, "held not only by `&registry`"));
    cr_expect_not_null(strstr(why.text, "other"), "%s", why.text);
}

Test(checks, held_by_a_block)
{
    const tether_weak outer = session_in(&registry[0]);
    const tether_weak inner = session_in(&registry[0]->twin);
    scrub();
    (void)outer;
    /* A pointer into a block stands for all of it. */
    EXPECT_HELD_ONLY_BY(inner, registry[0]->name);
    const struct tether_holder block = { registry[0], 1, "it" };
    cr_expect_eq(tether_check_not_held_by(inner, &block, &why), TETHER_FAILED);
}

Test(checks, retained)
{
    size_t bytes;
    const tether_weak ref = session_in(&registry[0]);
    session_in(&registry[0]->twin);
    session_in(&registry[0]->twin->twin);
    other = registry[0]->twin->twin;
    scrub();
    EXPECT_RETAINED_AT_MOST(ref, 192);
    cr_expect_eq(tether_retained_size(ref, &bytes), TETHER_OK);
    cr_expect_eq(bytes, 192, "what another leads to is not retained: %zu",
                 bytes);
    other = NULL;
    cr_expect_eq(tether_check_retained(ref, 192, &why), TETHER_FAILED);
    cr_expect_not_null(strstr(why.text, "keeps 288 B in 3 blocks alive"), "%s",
                       why.text);
}

Test(checks, dangling)
{
    const tether_weak ref = session_in(&registry[0]);
    tether_quarantine(ref);
    cr_expect_eq(tether_check_no_dangling(ref, &why), TETHER_FAILED);
    cr_expect_not_null(strstr(why.text, "is still alive"));
    session_in(&other);
    other->twin = (struct session *)&registry[0]->more[8];
    free(registry[0]);
    scrub();
    cr_assert_eq(tether_check_no_dangling(ref, &why), TETHER_FAILED);
    cr_expect_not_null(strstr(why.text, "dead and still pointed to"));
    cr_expect_not_null(strstr(why.text, "registry"), "%s", why.text);
    registry[0] = NULL;
    cr_expect_eq(tether_check_no_dangling(ref, &why), TETHER_FAILED,
                 "an interior pointer dangles too");
    other->twin = NULL;
    EXPECT_NO_DANGLING(ref);
}

/* ---- regions ---- */

Test(regions, added_and_removed)
{
    static uintptr_t hidden;
    struct session *session = calloc(1, sizeof *session);
    const tether_weak ref = tether_weak_to(session);
    hidden = ~(uintptr_t)session;
    session = NULL;
    scrub();
    EXPECT_UNREACHABLE(ref);
    cr_expect_eq(tether_root_remove(&hidden, 8), TETHER_NOT_FOUND);
    cr_expect_eq(tether_root_add(&hidden, 8), TETHER_OK);
    cr_expect_eq(tether_root_remove(&hidden, 8), TETHER_OK);
    free((void *)~hidden);
}

/* ---- what is lost ---- */

Test(lost, what_is_held_is_not, HEAP_BUDGET(NO_LOST))
{
    session_in(&registry[0]);
    session_in(&registry[0]->twin);
}

Test(lost, what_stays_is_not, HEAP_BUDGET(NO_LOST))
{
    ONE_TIME
        session_in(NULL);
    scrub();
}

static char failed_with[4096];

static void failure_keep(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    strncpy(failed_with, failure->message, sizeof failed_with - 1);
}

static tether_status window_lost(int ambiguous, uint64_t limit)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    tether_on_failure(failure_keep, NULL);
    tether_budget_set(&budget, TETHER_MAX_LOST, limit);
    budget.ambiguous = ambiguous;
    failed_with[0] = '\0';
    tether_budget_begin(&budget);
    session_in(&registry[3]);
    session_in(NULL);
    scrub();
    return tether_budget_end(&budget);
}

Test(lost, one_of_two)
{
    cr_expect_eq(window_lost(TETHER_PASS, 0), TETHER_REFUSED);
    cr_expect_not_null(strstr(failed_with, "1 block, 96 B lost"), "%s",
                       failed_with);
    cr_expect_null(strstr(failed_with, "held"), "%s", failed_with);
    cr_expect_eq(window_lost(TETHER_PASS, 96), TETHER_OK);
}

/* ---- threads ---- */

static _Atomic int ready, leave;
static tether_weak of_thread;

static void *waits(void *ctx)
{
    struct session *volatile mine = NULL;
    of_thread = session_in((struct session **)&mine);
    ready = 1;
    while (!leave)
        usleep(500);
    free(mine);
    return ctx;
}

Test(threads, a_blocked_thread_holds)
{
    pthread_t thread;
    pthread_create(&thread, NULL, waits, NULL);
    while (!ready)
        usleep(500);
    scrub();
    const enum tether_verdict verdict = tether_verdict(of_thread);
    cr_expect(verdict == TETHER_VERDICT_HELD ||
              verdict == TETHER_VERDICT_AMBIGUOUS);
    leave = 1;
    pthread_join(thread, NULL);
    cr_expect_eq(tether_verdict(of_thread), TETHER_VERDICT_COLLECTED);
}
