/* SPDX-License-Identifier: MIT */
/*
 * cmocka has neither child nor thread: a test that fails leaves by longjmp and
 * its teardown still runs. So the window is judged at the end of the body,
 * which only a test that held comes to, and closed unjudged in the teardown.
 */
#include "cmocka_tether.h"

#include <stdio.h>

static struct {
    int open;        /* a window */
    char text[4096]; /* the first failure of the window, "": none */
    char file[256];
    int line;
} run;

void cmocka_tether_fail(const char *text, const char *file, int line)
{
    print_error("%s\n", text);
    _fail(file, line);
}

static void tell(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    if (run.text[0])
        return;
    snprintf(run.text, sizeof run.text, "%s", failure->message);
    snprintf(run.file, sizeof run.file, "%s",
             failure->file ? failure->file : __FILE__);
    run.line = failure->file ? (int)failure->line : __LINE__;
}

static void window_end(unsigned checks)
{
    if (run.open)
        tether_window_end(checks);
    run.open = 0;
}

void cmocka_tether_run(void **state)
{
    struct cmocka_tether *const test = *state;
    void *own_state = NULL;
    run.text[0] = '\0';
    tether_on_failure(tell, NULL);
    tether_window_begin("cmocka");
    run.open = 1;
    /* A blind instrument never passes a test. */
    if (tether_window_blind())
        cmocka_tether_fail(tether_window_blind(), __FILE__, __LINE__);
    tether_window_budget(&test->budget);
    if (tether_budget_begin(&test->budget) == TETHER_OK) {
        test->test(&own_state);
        tether_budget_end(&test->budget);
    }
    window_end(TETHER_CHECK_LEAKS);
    if (run.text[0])
        cmocka_tether_fail(run.text, run.file, run.line);
}

int cmocka_tether_teardown(void **state)
{
    (void)state;
    window_end(TETHER_CHECK_NOTHING);
    return 0;
}
