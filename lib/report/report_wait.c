/* SPDX-License-Identifier: MIT */
/*
 * The checks that wait, and their words:
 *
 *   `queue_len(queue) == 3` did not become true
 *     within 500 ms (12 polls in 501 ms)
 *     last value:  2
 *     wanted:      == 3
 *     changes:     0, 1 (at poll 3, after 2 ms), 2 (at poll 7, after 60 ms)
 *     thread 'worker' waits in pthread_cond_wait
 *       called by  queue_pop (queue.c:41)
 *
 * Hook: not inside malloc; what runs here is guarded, so that nothing of it
 * is counted as the test's.
 */
#include <tether/check.h>

#include <string.h>

#include "base/base_options.h"
#include "ref/ref.h"
#include "report/report_reach.h"
#include "report/report_check.h"
#include "report/report_sites.h"
#include "report/report_threads.h"
#include "report/report_value.h"

#define WITHIN_MS  1000 /* the defaults of tether/eventually.h */
#define FOR_MS     200

#define FIRST_LINE 36 /* more is too long for a sentence that goes on */

/* '(63 polls in 501 ms)' */
static void polls_add(struct tt_text *text, const struct tether_wait *wait)
{
    tt_text_add(text, " (");
    tt_text_count(text, wait->polls, "poll");
    tt_text_add(text, " in %u ms)", wait->elapsed_ms);
}

/* Goes on with a sentence: in a line of its own where the first is long. What
 * the first holds decides, not the numbers that come. */
static void sentence_go_on(struct tt_text *text)
{
    tt_text_add(text, "%s", text->len > FIRST_LINE ? "\n  " : " ");
}

static void refused_text(struct tt_text *text, const char *expression,
                         const struct tether_wait *wait)
{
    tt_text_add(text, "`%.*s` was not waited for:", TT_CHECK_NAME_MAX,
                expression);
    sentence_go_on(text);
    tt_text_add(text, "%s", wait->stopped);
    if (wait->text)
        tt_text_add(text, "\n  written as `%.*s`", TT_CHECK_NAME_MAX,
                    wait->text);
    tt_text_add(text, "\n");
}

static void eventually_text(struct tt_text *text, const char *expression,
                            const struct tether_wait *wait)
{
    tt_text_add(text, "`%.*s` did not become true", TT_CHECK_NAME_MAX,
                expression);
    sentence_go_on(text);
    tt_text_add(text, "within %u ms",
                wait->within_ms ? wait->within_ms : WITHIN_MS);
    polls_add(text, wait);
    tt_text_add(text, "\n");
}

static void consistently_text(struct tt_text *text, const char *expression,
                              const struct tether_wait *wait)
{
    tt_text_add(text, "`%.*s` did not stay true for %u ms:", TT_CHECK_NAME_MAX,
                expression, wait->for_ms ? wait->for_ms : FOR_MS);
    sentence_go_on(text);
    tt_text_add(text, "it broke after %u ms, at poll %u\n", wait->elapsed_ms,
                wait->polls);
}

static void early_text(struct tt_text *text, const char *expression,
                       const struct tether_wait *wait)
{
    tt_text_add(text, "`%.*s` became true too early:", TT_CHECK_NAME_MAX,
                expression);
    sentence_go_on(text);
    tt_text_add(text, "after %u ms, wanted not before %u ms\n",
                wait->elapsed_ms, wait->at_least_ms);
}

static void stopped_text(struct tt_text *text, const char *expression,
                         const struct tether_wait *wait)
{
    tt_text_add(text, "the wait for `%.*s` was stopped:", TT_CHECK_NAME_MAX,
                expression);
    sentence_go_on(text);
    tt_text_add(text, "%.*s", TT_CHECK_NAME_MAX, wait->stopped);
    polls_add(text, wait);
    tt_text_add(text, "\n");
}

static void wait_text(struct tt_text *text, tether_status status, int kind,
                      const char *expression, const struct tether_wait *wait)
{
    if (status == TETHER_REFUSED)
        refused_text(text, expression, wait);
    else if (status == TETHER_STOPPED)
        stopped_text(text, expression, wait);
    else if (status == TETHER_TOO_EARLY)
        early_text(text, expression, wait);
    else if (kind == TETHER_POLL_EVENTUALLY)
        eventually_text(text, expression, wait);
    else
        consistently_text(text, expression, wait);
}

/* ---- what a value was ---- */

/* '0, 1 (at poll 3, 2 ms later), 2 (at poll 7, 60 ms later)' */
static void changes_text(struct tt_text *text,
                         const struct tether_comparing *comparing)
{
    const unsigned left_out = comparing->changes < TETHER_SEEN_MAX
                                  ? 0
                                  : comparing->changes - (TETHER_SEEN_MAX - 1);
    tt_text_add(text, "  changes:     ");
    tt_seen_text(text, &comparing->seen[0]);
    if (left_out)
        tt_text_add(text, ", %u more", left_out);
    for (unsigned i = 1; i <= comparing->changes && i < TETHER_SEEN_MAX; i++) {
        const struct tether_seen *const seen = &comparing->seen[i];
        tt_text_add(text, i > 1 && i % 2 ? ",\n               " : ", ");
        tt_seen_text(text, seen);
        tt_text_add(text, " (at poll %u, after %u ms)", seen->poll,
                    seen->at_ms);
    }
    tt_text_add(text, "\n");
}

/* Adds what was wanted, in the words of what came: 'y' of a char, although
 * C's 'y' is an int. */
static void wanted_text(struct tt_text *text,
                        const struct tether_comparing *comparing)
{
    struct tether_value wanted = comparing->wanted;
    const enum tether_value_kind came = comparing->seen[0].value.kind;
    if (wanted.kind == TETHER_VALUE_SIGNED &&
        (came == TETHER_VALUE_CHAR ||
         (came == TETHER_VALUE_BOOL && wanted.as.count <= 1)))
        wanted.kind = came;
    tt_text_add(text, "\n  wanted:      %s ", comparing->comparison);
    tt_value_text(text, &wanted);
}

static void values_text(struct tt_text *text,
                        const struct tether_comparing *comparing)
{
    const unsigned last = TT_MIN(comparing->changes, TETHER_SEEN_MAX - 1);
    if (comparing->seen[0].poll == 0)
        return;
    tt_text_add(text, "  last value:  ");
    tt_seen_text(text, &comparing->seen[last]);
    wanted_text(text, comparing);
    if (comparing->good.poll) {
        tt_text_add(text, "\n  last good:   ");
        tt_seen_text(text, &comparing->good);
        tt_text_add(text, " (at poll %u, after %u ms)", comparing->good.poll,
                    comparing->good.at_ms);
    }
    tt_text_add(text, "\n");
    if (comparing->changes)
        changes_text(text, comparing);
    else if (comparing->polling.wait.polls > 1)
        tt_text_add(text, "  changes:     none\n");
}

/* 'a, ==, b, .within_ms = 5' is the question 'a == b'. */
static void question_text(struct tt_text *text, const char *written)
{
    for (unsigned item = 0; item < 3; item++) {
        const size_t len = tt_option_first(written);
        tt_text_add(text, item ? " %.*s" : "%.*s",
                    (int)TT_MIN(len, TT_CHECK_NAME_MAX), written);
        written += len;
        written += strspn(written, " \n\t");
        if (*written == ',')
            written++;
        written += strspn(written, " \n\t");
    }
}

/* ---- the checks ---- */

static enum tether_outcome wait_judge(tether_status status, int kind,
                                      const char *expression,
                                      const struct tether_wait *wait,
                                      const struct tether_comparing *comparing,
                                      struct tether_message *why)
{
    struct tt_text text;
    if (status == TETHER_OK)
        return TETHER_PASSED;
    tt_enter();
    tt_check_begin(&text, why);
    wait_text(&text, status, kind, expression, wait);
    if (comparing)
        values_text(&text, comparing);
    if (status == TETHER_TIMEOUT && kind == TETHER_POLL_EVENTUALLY)
        tt_threads_text(&text);
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}

enum tether_outcome tether_check_eventually(tether_predicate is_true, void *ctx,
                                            const char *expression,
                                            struct tether_wait *wait,
                                            struct tether_message *why)
{
    return wait_judge(tether_eventually(is_true, ctx, wait),
                      TETHER_POLL_EVENTUALLY, expression, wait, NULL, why);
}

enum tether_outcome tether_check_consistently(tether_predicate is_true,
                                              void *ctx, const char *expression,
                                              struct tether_wait *wait,
                                              struct tether_message *why)
{
    return wait_judge(tether_consistently(is_true, ctx, wait),
                      TETHER_POLL_CONSISTENTLY, expression, wait, NULL, why);
}

enum tether_outcome tether_check_polling(const struct tether_polling *polling,
                                         const char *expression,
                                         struct tether_message *why)
{
    char question[TT_CHECK_NAME_MAX + 1];
    const size_t len = TT_MIN(tt_option_first(expression), sizeof question - 1);
    memcpy(question, expression, len);
    question[len] = '\0';
    return wait_judge(polling->status, polling->kind, question, &polling->wait,
                      NULL, why);
}

enum tether_outcome
tether_check_comparing(const struct tether_comparing *comparing,
                       const char *expression, struct tether_message *why)
{
    const struct tether_polling *const polling = &comparing->polling;
    char question[TT_CHECK_NAME_MAX + 1];
    struct tt_text text;
    tt_text_fixed(&text, question, sizeof question);
    question_text(&text, expression);
    return wait_judge(polling->status, polling->kind, question, &polling->wait,
                      comparing, why);
}

enum tether_outcome
tether_check_eventually_collected(tether_weak ref, struct tether_wait *wait,
                                  struct tether_message *why)
{
    TETHER_KEEP_REGISTERS();
    struct tt_ref_about about;
    struct tt_text text;
    const tether_status status = tether_eventually_collected(ref, wait);
    if (status == TETHER_OK)
        return TETHER_PASSED;
    if (status == TETHER_BLIND)
        return tt_check_unchecked(why, tt_check_blind(ref.bits));
    tt_enter();
    tt_ref_about("tether_check_eventually_collected", ref.bits, &about);
    tt_check_begin(&text, why);
    if (status != TETHER_TIMEOUT) {
        wait_text(&text, status, TETHER_POLL_EVENTUALLY, about.name, wait);
    } else {
        tt_check_alive_words(&text, &about);
        tt_text_add(&text, "\n");
        tt_check_caller_lines(&text, &about);
        if (!about.domain && about.alive)
            tt_holder_tell(&text, __builtin_frame_address(0), &about);
        tt_text_add(
            &text, "nothing freed it within %u ms; the test waited %u ms\n",
            wait->within_ms ? wait->within_ms : WITHIN_MS, wait->elapsed_ms);
        tt_threads_text(&text);
    }
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}
