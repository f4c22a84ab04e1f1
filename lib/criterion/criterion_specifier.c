/* SPDX-License-Identifier: MIT */
/*
 * The questions inside Criterion's new-style assertions: each answers, and
 * where the answer is not the expected one explains it as the assertion of the
 * same name does. The text is malloc'ed, uncounted, and belongs to the node of
 * Criterion's tree, which frees it once it was sent. Only Criterion's plain
 * output shows what a node says; so before a tree is sent the explanations go
 * to its message, which stands in every format.
 *
 * What is expected decides which check is asked: 'not(collected(ref))' fails
 * with the words of ALIVE, because that is what a reader wants to know then.
 */
#include "criterion_plug.h"

#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the macros of tether/criteria.h call it. */
#define TT_WHY        "tether_why"

#define ASKED_BEGIN() tt_scopes_sweep(__builtin_frame_address(0))

/* A text for the node. NULL, which Criterion does not print, without memory. */
static char *why_make(const char *text)
{
    struct tether_message escaped;
    tt_escape(text, escaped.text, sizeof escaped.text);
    tether_uncounted_begin();
    char *const copy = strdup(escaped.text);
    tether_uncounted_end();
    return copy;
}

/* Answers as expected, or not and with the reason. What cannot be checked
 * skips the test, or fails it where TETHER_STRICT is set. */
static int answer(enum tether_outcome outcome, const char *text, int expected,
                  char **why)
{
    if (outcome == TETHER_PASSED)
        return expected;
    if (outcome == TETHER_UNCHECKED && !tt_plug.strict && !tt_is_forked())
        tt_skip(text);
    *why = why_make(text);
    return !expected;
}

int tether_criterion_is_collected(tether_weak ref, int expected, char **why)
{
    struct tether_message message;
    ASKED_BEGIN();
    if (tt_plug.off)
        return expected;
    if (expected)
        return answer(tether_check_collected(ref, &message), message.text, 1,
                      why);
    enum tether_outcome outcome = tether_check_alive(ref, &message);
    if (outcome == TETHER_PASSED) {
        (void)tether_collect();
        outcome = tether_check_alive(ref, &message);
    }
    return answer(outcome, message.text, 0, why);
}

int tether_criterion_is_alive(tether_weak ref, int expected, char **why)
{
    struct tether_message message;
    ASKED_BEGIN();
    if (tt_plug.off)
        return expected;
    return answer(expected ? tether_check_alive(ref, &message)
                           : tether_check_collected(ref, &message),
                  message.text, expected, why);
}

/* Of a question that fails, where no was expected, for one reason only. */
static int answer_no(enum tether_outcome outcome, const char *unchecked,
                     const char *text, char **why)
{
    if (outcome == TETHER_UNCHECKED)
        return answer(outcome, unchecked, 0, why);
    return answer(outcome == TETHER_PASSED ? TETHER_FAILED : TETHER_PASSED,
                  text, 0, why);
}

int tether_criterion_is_enqueued(tether_phantom ref, int expected, char **why)
{
    struct tether_message message;
    ASKED_BEGIN();
    if (tt_plug.off)
        return expected;
    const enum tether_outcome outcome = tether_check_enqueued(ref, &message);
    return expected ? answer(outcome, message.text, 1, why)
                    : answer_no(outcome, message.text,
                                "its record entered its queue: the object is "
                                "dead",
                                why);
}

int tether_criterion_is_queue_empty(tether_queue *queue, int expected,
                                    char **why)
{
    struct tether_message message;
    ASKED_BEGIN();
    if (tt_plug.off)
        return expected;
    const enum tether_outcome outcome =
        tether_check_queue_empty(queue, &message);
    return expected ? answer(outcome, message.text, 1, why)
                    : answer_no(outcome, message.text,
                                "no record is in the queue", why);
}

int tether_criterion_is_none_alive(void (*function)(void), const char *name,
                                   int expected, char **why)
{
    struct tether_message message;
    ASKED_BEGIN();
    if (tt_plug.off)
        return expected;
    const enum tether_outcome outcome =
        tether_check_none_alive(function, name, &message);
    return expected ? answer(outcome, message.text, 1, why)
                    : answer_no(outcome, message.text,
                                "no block of the function is alive", why);
}

/* Adds the explanations in a tree to its message. */
static void whys_take(struct cri_assert_node *node, struct tether_message *all)
{
    size_t len = strlen(all->text);
    if (node->params[0].name && strcmp(node->params[0].name, TT_WHY) == 0 &&
        node->params[0].data) {
        snprintf(all->text + len, sizeof all->text - len, "%s%s",
                 len ? "\n" : "", (const char *)node->params[0].data);
        free(node->params[0].data);
        memset(&node->params[0], 0, sizeof node->params[0]);
    }
    for (uint32_t i = 0; i < node->nchild; i++)
        whys_take(&node->children[i], all);
}

void tt_criteria_explain(struct cri_assert_node *tree)
{
    struct tether_message all = { .text = "" };
    if (tree->message)
        snprintf(all.text, sizeof all.text, "%s", tree->message);
    whys_take(tree, &all);
    tether_uncounted_begin();
    char *const message = strdup(all.text);
    tether_uncounted_end();
    if (message) {
        free((char *)tree->message);
        tree->message = message;
    }
}
