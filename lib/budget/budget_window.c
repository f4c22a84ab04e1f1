/* SPDX-License-Identifier: MIT */
/*
 * Windows: the outermost scope of a test, the judgement of leaks at its end,
 * and the telling of failures.
 *
 * Hook: tt_failure_tell and tt_budget_misuse run inside malloc and free.
 */
#include "budget/budget_options.h"

#include <tether/check.h>

#include "base/base_text.h"
#include "budget/budget_profile.h"
#include "os/os.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool open;
    char name[256];
    bool failed;       /* something was told */
    pid_t thread;      /* that began it */
    const char *blind; /* why nothing is seen; NULL: all is */
    struct tt_scope scope;
    const struct tether_budget *budget;
    tether_failure_fn tell;
    void *ctx;
} window;

size_t (*tt_window_ending)(void);

__attribute__((noinline)) void tether_breach(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) void tether_failed(void)
{
    __asm__ volatile("");
}

void tether_on_failure(tether_failure_fn tell, void *ctx)
{
    window.ctx = ctx;
    window.tell = tell;
}

static void failure_print(const struct tether_failure *failure)
{
    struct tt_text text;
    tt_text_make(&text);
    tt_text_add(&text, "tether: %s\n", failure->message);
    const bool written = write(STDERR_FILENO, text.data, text.len) >= 0;
    tt_text_drop(&text);
    if (failure->stop || !written)
        _exit(1);
}

void tt_note(const char *lines)
{
    if (!tt_board_note(lines) && write(STDERR_FILENO, lines, strlen(lines)) < 0)
        return; /* there is nobody else to tell */
}

void tt_failure_tell(const struct tether_failure *failure)
{
    tt_enter();
    window.failed = true;
    tt_board_failed(failure->kind);
    tether_failed();
    if (window.tell)
        window.tell(failure, window.ctx);
    else
        failure_print(failure);
    tt_leave();
}

void tt_budget_misuse(const struct tt_misuse_report *report)
{
    struct tt_text text;
    tt_text_make(&text);
    if (tt_budget_words.misuse)
        tt_budget_words.misuse(report, &text);
    else
        tt_text_add(&text, "bad pointer given to %s", report->call);
    tt_text_end(&text);
    tt_failure_tell(&(struct tether_failure){
        .kind = TETHER_FAILURE_MISUSE, .message = text.data, .in_malloc = 1 });
    tt_text_drop(&text);
}

bool tt_window_is_mine(void)
{
    return !window.open || window.thread == tt_os_thread_id();
}

const struct tether_budget *window_budget(void)
{
    return window.open ? window.budget : NULL;
}

/* The time zone is read before counting begins, so that the first test that
 * asks for a local time is not charged with it. */
static void libc_warm_up(void)
{
    static bool done;
    if (!done)
        tzset();
    done = true;
}

tether_status tether_window_begin(const char *name)
{
    if (!name)
        tt_die("tether_window_begin", "'name' is NULL; give the test's name");
    if (window.open)
        return TETHER_BUSY;
    tt_enter();
    window.budget = NULL;
    window.scope.owner = NULL;
    for (enum tt_limit limit = 0; limit < TT_LIMITS; limit++)
        window.scope.limit[limit] = TT_NO_LIMIT;
    for (enum tt_limit gauge = 0; gauge < TT_GAUGES; gauge++)
        window.scope.mark[gauge] = 0;
    tt_heap_stacks_start();
    libc_warm_up();
    tt_threads_ignore_others();
    tt_board_window(name);
    window.blind = tt_heap_sees() ? NULL : tt_heap_blind_reason();
    window.open = true;
    snprintf(window.name, sizeof window.name, "%s", name);
    window.failed = false;
    window.thread = tt_os_thread_id();
    tt_scope_begin(&window.scope);
    profile_begin();
    if (tt_profile_on)
        site_watch_update();
    if (tt_budget_tell.window_began)
        tt_budget_tell.window_began(name);
    tt_leave();
    return window.blind ? TETHER_BLIND : TETHER_OK;
}

tether_status tether_window_budget(const struct tether_budget *budget)
{
    uint64_t max_heap;
    budget_validate("tether_window_budget", budget);
    if (!window.open)
        return TETHER_NOT_FOUND;
    window.budget = budget;
    if (tether_budget_get(budget, TETHER_MAX_HEAP, &max_heap))
        tt_board_limit(max_heap);
    return TETHER_OK;
}

const char *tether_window_blind(void)
{
    return window.open ? window.blind : NULL;
}

unsigned tt_budget_roots(void)
{
    return window.open && window.budget ? window.budget->roots : 0;
}

bool tt_budget_ambiguous_fails(void)
{
    return window.open && window.budget &&
           window.budget->ambiguous == TETHER_FAIL;
}

/* Judges by one limit. */
static bool leaks_judge_by(const struct tether_budget *budget,
                           enum tether_limit limit, struct tt_leak_facts *facts)
{
    char written[QUOTE_BYTES];
    struct tt_text text;
    struct tether_failure failure = { .kind = TETHER_FAILURE_LEAK };
    facts->bound = UINT64_MAX;
    facts->lost = limit == TETHER_MAX_LOST;
    if (budget) {
        facts->written = budget_quote(budget, limit, written, sizeof written);
        facts->roots = budget->roots;
        facts->ambiguous_lost = budget->ambiguous == TETHER_FAIL;
        failure.file = budget->file;
        failure.line = budget->line;
        if (!tether_budget_get(budget, limit, &facts->bound))
            facts->bound = UINT64_MAX;
    }
    tt_text_make(&text);
    const bool broken = tt_budget_words.leak(facts, &text);
    tt_text_end(&text);
    failure.message = text.data;
    if (broken)
        tt_failure_tell(&failure);
    tt_text_drop(&text);
    return broken;
}

/* What is lost has leaked too: one failure tells both. */
bool leaks_judge(const struct tether_budget *budget, uint32_t epoch,
                 int64_t blocks_left)
{
    struct tt_leak_facts facts = { .epoch = epoch };
    if (blocks_left <= 0 || !tt_budget_words.leak)
        return false;
    const bool broken = leaks_judge_by(budget, TETHER_MAX_LEAKED, &facts);
    if (window.budget == budget)
        tt_board_leaked(facts.bytes);
    if (broken || facts.blocks == 0 || !budget ||
        !tether_budget_get(budget, TETHER_MAX_LOST, NULL))
        return broken;
    struct tt_leak_facts lost = { .epoch = epoch };
    return leaks_judge_by(budget, TETHER_MAX_LOST, &lost);
}

/* LeakSanitizer's own verdict comes when the process ends, where a test
 * framework no longer listens. So it is asked here, unless a limit on leaks,
 * which sees more and says it better, has judged already. */
static void lost_judge(void)
{
    if (tt_heap_lost_by_sanitizer())
        tt_failure_tell(&(struct tether_failure){
            .kind = TETHER_FAILURE_LEAK,
            .message = "LeakSanitizer found memory that nothing points to; "
                       "its report is on stderr" });
}

/* Without a limit the leaks are counted for the table. */
static void window_judge(void)
{
    struct tt_numbers numbers;
    tt_scope_numbers(&window.scope, &numbers);
    leaks_judge(window.budget, window.scope.epoch, numbers.live_blocks);
    if (!window.budget ||
        (!tether_budget_get(window.budget, TETHER_MAX_LEAKED, NULL) &&
         !tether_budget_get(window.budget, TETHER_MAX_LOST, NULL)))
        lost_judge();
}

/* Before the leaks are judged, whose words could allocate. */
static void window_profile(void)
{
    tt_budget_words.profile(window.name);
    profile_end();
    site_watch_update();
}

tether_status tether_window_end(unsigned checks)
{
    TETHER_KEEP_REGISTERS();
    if (!window.open)
        return TETHER_NOT_FOUND;
    tt_enter();
    if (checks && tt_window_ending)
        tt_window_ending();
    if (tt_profile_on)
        window_profile();
    if (checks & TETHER_CHECK_LEAKS && !window.blind)
        window_judge();
    if (tt_budget_tell.window_ends)
        tt_budget_tell.window_ends(checks != TETHER_CHECK_NOTHING &&
                                   !window.failed);
    tt_scope_end(&window.scope);
    window.open = false;
    window.budget = NULL;
    tt_board_ended();
    tt_leave();
    return TETHER_OK;
}

void tether_uncounted_begin(void)
{
    tt_enter();
}

void tether_uncounted_end(void)
{
    tt_leave();
}

void tt_budget_child(void)
{
    window.open = false;
    window.budget = NULL;
    site_watch_child();
    budget_rules_child();
    budget_pressure_child();
}
