/* SPDX-License-Identifier: MIT */
/*
 * The checks of spies, and words for calls that should not have been:
 *
 *   `node_free` was called twice to destroy one object
 *     argument 1, ptr:dies
 *     made by        list_add (list.c:20)
 *     destroyed by   list_clear (list.c:31)
 *     now called by  list_free (list.c:44)
 *
 * A check that passes reads the log and formats nothing.
 */
#include "report/report_spy.h"

#include <tether/window.h>

#include <stdlib.h>
#include <string.h>

#include "base/base_mem.h"
#include "report/report_check.h"
#include "report/report_stack.h"

#define STACK_LINES_MAX 8
#define ROWS_MAX        5

static void spy_name(struct tt_text *text, const char *name)
{
    tt_check_name(text, name);
}

/* ---- a call with a dead object ---- */

static void dropped_words(const struct tt_spy_facts *facts,
                          struct tt_text *text)
{
    spy_name(text, facts->name);
    tt_text_add(text, " was called through a spy that was dropped\n");
    tt_stack_lines(text, "  dropped by  ", facts->dead_stack, STACK_LINES_MAX);
    tt_stack_lines(text, "  called by   ", facts->now_stack, STACK_LINES_MAX);
    tt_text_add(text, "the call went through; drop a spy after whatever may "
                      "still call it\n");
}

static void dead_verdict(const struct tt_spy_facts *facts, struct tt_text *text)
{
    spy_name(text, facts->name);
    if (facts->again && facts->dies) {
        tt_text_add(text, " was called twice to destroy one object\n");
        return;
    }
    tt_text_add(text, " was called with an object that ");
    if (facts->fault == TT_SPY_FREED) {
        tt_text_add(text, "was freed already\n");
        return;
    }
    spy_name(text, facts->dead_name);
    tt_text_add(text, " had destroyed\n");
}

void tt_report_spy(const struct tt_spy_facts *facts, struct tt_text *text)
{
    if (facts->fault == TT_SPY_DROPPED) {
        dropped_words(facts, text);
        tt_names_tell_trouble(text);
        return;
    }
    dead_verdict(facts, text);
    tt_text_add(text, "  argument %u, ptr:%s\n", facts->arg, facts->role);
    if (facts->born_stack)
        tt_stack_lines(text, "  made by        ", facts->born_stack,
                       STACK_LINES_MAX);
    tt_stack_lines(text,
                   facts->fault == TT_SPY_FREED ? "  freed by       "
                                                : "  destroyed by   ",
                   facts->dead_stack, STACK_LINES_MAX);
    tt_stack_lines(text, "  now called by  ", facts->now_stack,
                   STACK_LINES_MAX);
    if (facts->fault == TT_SPY_DEAD)
        tt_text_add(text, "if it was made anew in between, spy on what makes "
                          "it, with `born`\n");
    tt_names_tell_trouble(text);
}

/* ---- checks ---- */

/* The kept calls of a spy, in private memory. */
struct calls {
    struct tt_spy_about about;
    struct tt_spy_row *rows;
    size_t count;
    size_t bytes;
};

/* Takes them. False: nothing can be said; 'why' says so. */
static bool calls_take(const char *call, tether_function spy,
                       struct calls *calls, struct tether_message *why)
{
    tt_spy_about(call, spy, &calls->about);
    calls->rows = NULL;
    if (calls->about.blind || calls->about.kept < calls->about.calls) {
        tt_check_unchecked(why, calls->about.blind
                                    ? "there was no memory for the spy"
                                    : "the spy was called more often than "
                                      "there is room to keep calls");
        return false;
    }
    calls->bytes = calls->about.kept * sizeof *calls->rows;
    calls->count = 0;
    if (!calls->bytes)
        return true;
    calls->rows = tt_mem_take(calls->bytes);
    if (!calls->rows) {
        tt_check_unchecked(why, "there was no memory to look at the calls");
        return false;
    }
    calls->count = tt_spy_rows(call, spy, calls->rows, calls->about.kept);
    return true;
}

static void calls_drop(struct calls *calls)
{
    if (calls->rows)
        tt_mem_give(calls->rows, calls->bytes);
}

static void call_lines(struct tt_text *text, uint64_t nth,
                       const struct tt_spy_row *row)
{
    char first[48];
    struct tt_text head;
    tt_text_fixed(&head, first, sizeof first);
    tt_text_add(&head, "  call %llu by  ", (unsigned long long)nth);
    tt_stack_lines(text, first, row->stack, STACK_LINES_MAX);
}

enum tether_outcome tether_check_called(tether_function spy, size_t count,
                                        struct tether_message *why)
{
    static const char call[] = "tether_check_called";
    struct tt_spy_row rows[ROWS_MAX];
    struct tt_spy_about about;
    struct tt_text text;
    tt_spy_about(call, spy, &about);
    if (about.blind)
        return tt_check_unchecked(why, "there was no memory for the spy");
    if (about.calls == count)
        return TETHER_PASSED;
    const size_t kept = tt_spy_rows(call, spy, rows, ROWS_MAX);
    tt_enter();
    tt_check_begin(&text, why);
    spy_name(&text, about.name);
    if (about.calls)
        tt_text_add(&text, " was called %llu time%s, not %zu\n",
                    (unsigned long long)about.calls,
                    about.calls == 1 ? "" : "s", count);
    else
        tt_text_add(&text, " was never called; expected %zu call%s\n", count,
                    count == 1 ? "" : "s");
    for (size_t i = 0; i < kept; i++)
        call_lines(&text, i + 1, &rows[i]);
    if (about.calls > kept)
        tt_text_add(&text, "  and %llu more\n",
                    (unsigned long long)(about.calls - kept));
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}

/* A call by its object. */
struct by_object {
    uint64_t object;
    size_t nth;
};

static int by_object_order(const void *left, const void *right)
{
    const struct by_object *const a = left, *const b = right;
    if (a->object != b->object)
        return a->object < b->object ? -1 : 1;
    return a->nth < b->nth ? -1 : 1;
}

/* Finds the first call that is the second one of its object, and that
 * object's first. False: there is none. */
static bool twice_find(const struct calls *calls, struct by_object *sorted,
                       size_t *first, size_t *second)
{
    bool found = false;
    for (size_t i = 0; i < calls->count; i++)
        sorted[i] = (struct by_object){ calls->rows[i].object, i };
    qsort(sorted, calls->count, sizeof *sorted, by_object_order);
    for (size_t i = 1; i < calls->count; i++)
        if (sorted[i].object && sorted[i].object == sorted[i - 1].object &&
            (!found || sorted[i].nth < *second)) {
            found = true;
            *first = sorted[i - 1].nth;
            *second = sorted[i].nth;
        }
    return found;
}

static bool any_object(const struct calls *calls)
{
    for (size_t i = 0; i < calls->count; i++)
        if (calls->rows[i].object)
            return true;
    return false;
}

static enum tether_outcome once_judge(const struct calls *calls,
                                      struct by_object *sorted,
                                      struct tether_message *why)
{
    size_t first = 0, second = 0;
    struct tt_text text;
    const bool any = any_object(calls);
    const bool twice = twice_find(calls, sorted, &first, &second);
    if (any && !twice)
        return TETHER_PASSED;
    tt_check_begin(&text, why);
    spy_name(&text, calls->about.name);
    if (!calls->count) {
        tt_text_add(&text, " was never called\n");
    } else if (!any) {
        tt_text_add(&text, " was called, but with no object: give one of its "
                           "arguments\na role in the signature, "
                           "\"void (ptr:dies)\" for instance\n");
    } else {
        tt_text_add(&text, " was called more than once for one object\n");
        call_lines(&text, first + 1, &calls->rows[first]);
        call_lines(&text, second + 1, &calls->rows[second]);
    }
    tt_check_end(&text);
    return TETHER_FAILED;
}

enum tether_outcome
tether_check_called_once_per_object(tether_function spy,
                                    struct tether_message *why)
{
    struct calls calls;
    if (!calls_take("tether_check_called_once_per_object", spy, &calls, why))
        return TETHER_UNCHECKED;
    const size_t bytes = (calls.count + 1) * sizeof(struct by_object);
    struct by_object *const sorted = tt_mem_take(bytes);
    enum tether_outcome outcome;
    tt_enter(); /* qsort may allocate */
    if (sorted) {
        outcome = once_judge(&calls, sorted, why);
        tt_mem_give(sorted, bytes);
    } else {
        outcome =
            tt_check_unchecked(why, "there was no memory to look at the calls");
    }
    tt_leave();
    calls_drop(&calls);
    return outcome;
}

static enum tether_outcome after_judge(const struct calls *calls,
                                       const struct tt_ref_about *about,
                                       struct tether_message *why)
{
    struct tt_text text;
    size_t n = 0;
    while (!about->alive && n < calls->count &&
           calls->rows[n].time_ns <= about->words.freed_ns)
        n++;
    if (!about->alive && n == calls->count)
        return TETHER_PASSED;
    tt_check_begin(&text, why);
    if (about->alive) {
        tt_check_alive_words(&text, about);
        tt_text_add(&text, "\n");
        tt_check_caller_lines(&text, about);
        tt_text_add(&text, "so no call of ");
        spy_name(&text, calls->about.name);
        tt_text_add(&text, " could come after its death\n");
    } else {
        spy_name(&text, calls->about.name);
        tt_text_add(&text, " was called after ");
        tt_check_name(&text, about->name);
        tt_text_add(&text, " had died\n");
        tt_stack_lines(&text, "  freed by   ", about->words.free_stack,
                       STACK_LINES_MAX);
        tt_stack_lines(&text, "  called by  ", calls->rows[n].stack,
                       STACK_LINES_MAX);
    }
    tt_check_end(&text);
    return TETHER_FAILED;
}

enum tether_outcome tether_check_never_called_after(tether_function spy,
                                                    tether_weak ref,
                                                    struct tether_message *why)
{
    static const char call[] = "tether_check_never_called_after";
    struct tt_ref_about about;
    struct calls calls;
    if (tt_ref_blind(ref.bits))
        return tt_check_unchecked(why, tt_check_blind(ref.bits));
    tt_ref_about(call, ref.bits, &about);
    if (!calls_take(call, spy, &calls, why))
        return TETHER_UNCHECKED;
    tt_enter();
    const enum tether_outcome outcome = after_judge(&calls, &about, why);
    tt_leave();
    calls_drop(&calls);
    return outcome;
}
