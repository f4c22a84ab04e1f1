/* SPDX-License-Identifier: MIT */
/*
 * Check runs each test in a child of its own, where _exit follows a failure,
 * so one may be told from wherever it happens, inside malloc too. With
 * CK_FORK=no a failure is a longjmp, which must not leave malloc: then there
 * are no windows and no budgets, which is said once.
 */
#include "check_tether.h"

#include <stdio.h>
#include <unistd.h>

static pid_t runner; /* the process that tcase_add_tether was called in */

static int is_child(void)
{
    return getpid() != runner;
}

static void test_fail(const char *file, unsigned line, const char *text)
{
    _ck_assert_failed(file, (int)line, "Tether", "%s", text);
}

static void tell(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    if (failure->file)
        test_fail(failure->file, failure->line, failure->message);
    else
        test_fail(__FILE__, __LINE__, failure->message);
}

static void window_open(void)
{
    static struct tether_budget budget = { TETHER_BUDGET_INIT };
    if (!is_child()) {
        fputs("Tether: leaks and budgets are unchecked, CK_FORK is no\n",
              stderr);
        return;
    }
    tether_on_failure(tell, NULL);
    tether_window_begin("check");
    /* A blind instrument never passes a test. */
    if (tether_window_blind())
        test_fail(__FILE__, __LINE__, tether_window_blind());
    tether_budget_set(&budget, TETHER_MAX_LEAKED, 0);
    tether_window_budget(&budget);
}

/* A test that failed never comes here. */
static void window_close(void)
{
    tether_window_end(TETHER_CHECK_LEAKS);
}

void tcase_add_tether(TCase *tcase)
{
    runner = getpid();
    tcase_add_checked_fixture(tcase, window_open, window_close);
}

void check_tether_judge(enum tether_outcome outcome,
                        const struct check_tether_why *why, const char *file,
                        unsigned line)
{
    if (outcome != TETHER_PASSED)
        test_fail(file, line, why->message.text);
}

struct tether_budget *check_tether_begin(struct tether_budget *budget)
{
    if (is_child())
        tether_budget_begin(budget);
    return budget;
}

struct tether_budget *check_tether_end(struct tether_budget *budget)
{
    if (is_child())
        tether_budget_end(budget);
    return NULL;
}
