/* SPDX-License-Identifier: MIT */
/*
 * The wrapper round every test: the window opens before .init, the budget
 * holds for the body, the leaks are judged after .fini.
 *
 * Criterion takes a failure that comes after a test's main phase, prints it
 * and passes the test. So the wrapper runs the test's and the suite's .fini at
 * the end of the body, inside the main phase, and takes them out of the
 * worker's copy of the test, so that Criterion does not run them again. A body
 * that ends early (a failed assertion longjmps) never gets there: Criterion
 * runs the .fini then, and there is no leak check, because the test has
 * failed.
 */
#include "criterion_plug.h"

#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*user_body)(void);

/* Where a failure of the test as a whole is told: at the test, though its
 * budget may be its suite's. */
static const char *wrap_file(void)
{
    const struct criterion_test *test = tt_plug.entry.test;
    return test ? test->data->file_ : "unknown";
}

static unsigned wrap_line(void)
{
    const struct criterion_test *test = tt_plug.entry.test;
    return test ? test->data->line_ : 0;
}

static bool wrap_is_budgets_place(const struct tether_failure *failure)
{
    const struct tether_budget *budget = &tt_plug.budget;
    return budget->file && failure->line == budget->line &&
           strcmp(failure->file, budget->file) == 0;
}

/* Takes what libtether tells. Runs inside malloc at times. */
static void wrap_tell(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    if (tt_plug.unjudged)
        return;
    const bool whole = !failure->file || wrap_is_budgets_place(failure);
    const char *file = whole ? wrap_file() : failure->file;
    const unsigned line = whole ? wrap_line() : failure->line;
    if (failure->in_malloc && tt_plug.in_theory && !tt_is_forked() &&
        !(tt_plug.in_point && pthread_equal(pthread_self(), tt_plug.thread))) {
        tt_tell_later(file, line, failure->message);
        return;
    }
    tt_tell(file, line, failure->message);
    if (!failure->stop && !tt_is_forked())
        return;
    if (failure->in_malloc)
        tt_leave_process();
    tt_leave();
}

/* What tether.ini says of this test. The file has been found good by the
 * runner. What a test starts must not take it for its own. */
static bool wrap_budget_of_file(struct tether_budget *budget)
{
    static char text[1024];
    struct config config;
    char name[512];
    const struct criterion_test *const test = criterion_current_test;
    bool any = false;
    if (config_take(&config)) {
        snprintf(name, sizeof name, "%s/%s", test->category, test->name);
        any = config_budget(&config, name, budget, text, sizeof text);
    }
    config_drop(&config);
    unsetenv(CONFIG_HANDED);
    return any;
}

/* From the weakest to the strongest: the file, the suite, the test, and the
 * environment, which tether_budget_merge knows. */
static void wrap_budget_find(void)
{
    const struct tt_entry *entry = &tt_plug.entry;
    struct tether_budget of_file, of_suite, of_test, weaker;
    bool file = wrap_budget_of_file(&of_file);
    bool suite = entry->suite && entry->suite->data &&
                 tt_entry_budget(entry->suite->data->data, &of_suite);
    bool test =
        entry->test && tt_entry_budget(entry->test->data->data, &of_test);
    if (file && suite)
        tether_budget_merge(&of_file, &of_suite, &weaker, NULL, 0);
    const struct tether_budget *const below = file && suite ? &weaker
                                              : file        ? &of_file
                                              : suite       ? &of_suite
                                                            : NULL;
    if (tether_budget_merge(below, test ? &of_test : NULL, &tt_plug.budget,
                            tt_plug.refusal,
                            sizeof tt_plug.refusal) == TETHER_OK)
        tt_plug.refusal[0] = '\0';
}

static void wrap_window_begin(void)
{
    char name[256];
    const struct criterion_test *test = tt_plug.entry.test;
    if (!test)
        test = criterion_current_test;
    snprintf(name, sizeof name, "%s::%s", test->category, test->name);
    tether_window_begin(name);
    tt_plug.window_open = true;
    if (tt_plug.off) {
        tether_board_unchecked("TETHER_OFF is set");
        return;
    }
    tt_plug.blind = tether_window_blind();
    if (tt_plug.blind)
        tether_board_unchecked(tt_plug.blind);
    tether_window_budget(&tt_plug.budget);
}

static void wrap_budget_begin(void)
{
    if (tt_plug.off || tt_plug.budget_open)
        return;
    tt_plug.budget_open = true;
    if (tether_budget_begin(&tt_plug.budget) == TETHER_REFUSED) {
        tt_plug.budget_open = false;
        tt_leave();
    }
}

static void wrap_budget_end(void)
{
    if (tt_plug.budget_open)
        tether_budget_end(&tt_plug.budget);
    tt_plug.budget_open = false;
}

static void wrap_window_end(unsigned checks)
{
    if (tt_plug.window_open)
        tether_window_end(checks);
    tt_plug.window_open = false;
}

/* A worker gets these records packed into its command, at any address. */
static void extra_get(const struct criterion_test_extra_data *from,
                      struct criterion_test_extra_data *to)
{
    memset(to, 0, sizeof *to);
    if (from)
        memcpy(to, (const void *)from, sizeof *to);
}

static void extra_fixture_set(struct criterion_test_extra_data *in,
                              size_t field, void (*fixture)(void))
{
    memcpy((char *)in + field, &fixture, sizeof fixture);
}

static void (*suite_init)(void), (*test_init)(void);

/* Runs a fixture's .init as the test's code, amid Criterion's. */
static void wrap_init(void (*init)(void))
{
    tt_framework(false);
    if (tt_plug.budget.fixtures && !tt_plug.refusal[0])
        wrap_budget_begin();
    init();
    tt_framework(true);
}

static void wrap_suite_init(void)
{
    wrap_init(suite_init);
}

static void wrap_test_init(void)
{
    wrap_init(test_init);
}

static void wrap_init_take(struct criterion_test_extra_data *of,
                           void (**kept)(void), void (*wrapper)(void))
{
    struct criterion_test_extra_data extra;
    extra_get(of, &extra);
    if (!extra.init)
        return;
    *kept = extra.init;
    extra_fixture_set(of, offsetof(struct criterion_test_extra_data, init),
                      wrapper);
}

void tether_criterion_setup(void)
{
    const struct tt_real *real = tt_real();
    tt_plug.thread = pthread_self();
    tt_plug.pid = getpid();
    tt_plug.off = tt_env_is_on("TETHER_OFF");
    tt_plug.strict = tt_env_is_on("TETHER_STRICT");
    tt_entry_find(criterion_current_test, &tt_plug.entry);
    tt_plug.phase = TT_PHASE_TEST;
    tether_on_failure(wrap_tell, NULL);
    if (!tt_plug.off) {
        wrap_budget_find();
        if (tt_plug.budget.warm_up && !tt_plug.refusal[0])
            tt_plug.budget.warm_up();
    }
    wrap_window_begin();
    tt_framework(true);
    wrap_init_take(criterion_current_suite->data, &suite_init, wrap_suite_init);
    wrap_init_take(criterion_current_test->data, &test_init, wrap_test_init);
    real->setup();
}

static void wrap_fini_of(struct criterion_test_extra_data *of)
{
    struct criterion_test_extra_data extra;
    extra_get(of, &extra);
    if (!extra.fini)
        return;
    extra_fixture_set(of, offsetof(struct criterion_test_extra_data, fini),
                      NULL);
    extra.fini();
}

/* Runs the fixtures' .fini in Criterion's order, once. */
static void wrap_fini(void)
{
    wrap_fini_of(criterion_current_test->data);
    wrap_fini_of(criterion_current_suite->data);
}

void tt_unchecked(const char *why)
{
    char text[512];
    tether_board_unchecked(why);
    if (!tt_plug.strict)
        tt_skip(why);
    snprintf(text, sizeof text, "unchecked: %s", why);
    tt_tell(wrap_file(), wrap_line(), text);
    tt_leave();
}

/* A test that could not be checked is no pass. One that was to end in another
 * way, by a signal or a status, is Criterion's to judge. */
static void wrap_blind_end(void)
{
    struct criterion_test_extra_data test;
    char text[512];
    extra_get(criterion_current_test->data, &test);
    if (!tt_plug.blind || tt_plug.failed || test.signal || test.exit_code)
        return;
    if (tt_plug.strict) {
        snprintf(text, sizeof text, "unchecked: %s", tt_plug.blind);
        tt_tell(wrap_file(), wrap_line(), text);
        return;
    }
    tt_skip(tt_plug.blind);
}

static void wrap_body_begin(void)
{
    tt_framework(false);
    if (tt_plug.refusal[0]) {
        tt_tell(wrap_file(), wrap_line(), tt_plug.refusal);
        tt_leave();
    }
    const char *const why = tt_plug.off && tt_plug.strict ? "TETHER_OFF is set"
                            : tt_plug.off
                                ? NULL
                                : tether_budget_unchecked(&tt_plug.budget);
    if (why)
        tt_unchecked(why);
    wrap_budget_begin();
}

static void wrap_body_end(void)
{
    tether_safepoint();
    tt_scopes_drop();
    if (!tt_plug.budget.fixtures)
        wrap_budget_end();
    wrap_fini();
    tt_scopes_drop();
    wrap_budget_end();
    wrap_window_end(tt_plug.failed || tt_plug.off ? TETHER_CHECK_NOTHING
                                                  : TETHER_CHECK_LEAKS);
    wrap_blind_end();
    tt_framework(true);
}

static void wrap_body(void)
{
    wrap_body_begin();
    user_body();
    wrap_body_end();
}

static void wrap_body_with(void *parameter)
{
    wrap_body_begin();
    ((void (*)(void *))user_body)(parameter);
    wrap_body_end();
}

void tether_criterion_main(void (*body)(void))
{
    struct criterion_test_extra_data test;
    extra_get(criterion_current_test->data, &test);
    user_body = body;
    if (test.param_)
        tt_real()->main((void (*)(void))wrap_body_with);
    else
        tt_real()->main(wrap_body);
    /* Only a body that ended early left these open. */
    tt_plug.phase = TT_PHASE_OVER;
    tt_plug.unjudged = true;
    tt_scopes_drop();
    wrap_budget_end();
    tt_plug.unjudged = false;
}

void tether_criterion_teardown(void)
{
    tt_real()->teardown();
    wrap_window_end(TETHER_CHECK_NOTHING);
}
