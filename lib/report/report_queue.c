/* SPDX-License-Identifier: MIT */
/*
 * The checks of a queue, and their words. None of them takes a record.
 *
 *   `alice` was to enter the queue before `bob`, but came after it
 *     record 1  `bob`, freed by session_free (cache.c:52)
 *     record 2  `alice`, freed by session_free (cache.c:52)
 *     record 3  `dave`, freed by cache_free (cache.c:70), was not asked for
 *     missing   `carol` is still alive: 96 B, allocated by session_new (c.c:4)
 */
#include <tether/check.h>

#include <tether/window.h>

#include "base/base_mem.h"
#include "report/report_check.h"
#include "report/report_stack.h"

#define ROWS_MAX 16

/* What was asked of one reference. */
struct asked {
    struct tt_ref_about about;
    enum tether_reason reason; /* wanted; TETHER_NOT_CLEARED: any */
    bool came;                 /* into this queue */
    bool told;
};

static const char *const order_call = "tether_check_enqueued_in_order";

static bool asked_came(const struct tt_ref_about *about, tether_queue *queue)
{
    return about->enqueued && about->queue == queue;
}

static void asked_fill(struct asked *asked, uint64_t bits, tether_queue *queue)
{
    *asked = (struct asked){ .reason = tt_ref_expected(&bits) };
    tt_ref_about(order_call, bits, &asked->about);
    asked->came = asked_came(&asked->about, queue);
}

static bool reason_is_wrong(const struct asked *asked)
{
    return asked->reason && asked->reason != asked->about.reason;
}

static bool in_order(tether_queue *queue, const uint64_t *refs, size_t count)
{
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        struct asked asked;
        asked_fill(&asked, refs[i], queue);
        if (!asked.came || asked.about.order <= last || reason_is_wrong(&asked))
            return false;
        last = asked.about.order;
    }
    return true;
}

static const char *reason_words(enum tether_reason reason)
{
    static const char *const words[] = {
        [TETHER_DIED] = "freed",
        [TETHER_CLEARED_MODERATE] = "cleared under moderate pressure",
        [TETHER_CLEARED_CRITICAL] = "cleared under critical pressure",
        [TETHER_CLEARED_EXHAUSTED] = "cleared as memory was exhausted",
    };
    return reason < TT_COUNT(words) && words[reason] ? words[reason]
                                                     : words[TETHER_DIED];
}

static void freed_row(struct tt_text *text, uint64_t order,
                      enum tether_reason reason,
                      const struct tether_last_words *words)
{
    tt_text_add(text, "  record %llu  ", (unsigned long long)order);
    tt_check_name(text, words->name);
    tt_text_add(text, ", %s by ", reason_words(reason));
    tt_stack_who(text, words->free_stack);
}

/* Why a record did not enter this queue. */
static void missing_words(struct tt_text *text,
                          const struct tt_ref_about *about,
                          const tether_queue *queue)
{
    if (about->queue != queue) {
        tt_check_name(text, about->name);
        tt_text_add(text, about->queue
                              ? " has another queue"
                              : " has no queue: make it with "
                                "tether_weak_in_queue or tether_phantom_to");
    } else if (about->alive) {
        tt_check_alive_words(text, about);
    } else {
        tt_check_name(text, about->name);
        tt_text_add(text, " died after the queue was dropped");
    }
}

/* The first thing that is wrong. */
static void order_verdict(struct tt_text *text, const struct asked *asked,
                          size_t count, const tether_queue *queue)
{
    for (size_t i = 0; i < count; i++)
        if (!asked[i].came) {
            tt_text_add(text, "the queue has no record of ");
            tt_check_name(text, asked[i].about.name);
            tt_text_add(text, ": ");
            missing_words(text, &asked[i].about, queue);
            tt_text_add(text, "\n");
            return;
        }
    for (size_t i = 1; i < count; i++)
        if (asked[i].about.order <= asked[i - 1].about.order) {
            tt_check_name(text, asked[i - 1].about.name);
            tt_text_add(text, " was to enter the queue before ");
            tt_check_name(text, asked[i].about.name);
            tt_text_add(text, ", but came after it\n");
            return;
        }
    for (size_t i = 0; i < count; i++)
        if (reason_is_wrong(&asked[i])) {
            tt_check_name(text, asked[i].about.name);
            tt_text_add(text, " was to be %s,\n  but was %s\n",
                        reason_words(asked[i].reason),
                        reason_words(asked[i].about.reason));
            return;
        }
}

/* The one of those asked for that came next; NULL: none is left. */
static struct asked *asked_next(struct asked *asked, size_t count)
{
    struct asked *next = NULL;
    for (size_t i = 0; i < count; i++)
        if (asked[i].came && !asked[i].told &&
            (!next || asked[i].about.order < next->about.order))
            next = &asked[i];
    return next;
}

static bool is_asked(const struct asked *asked, size_t count, uint64_t order)
{
    for (size_t i = 0; i < count; i++)
        if (asked[i].came && asked[i].about.order == order)
            return true;
    return false;
}

/* What came, by number: those asked for and what else is in the queue. */
static void came_rows(struct tt_text *text, struct asked *asked, size_t count,
                      const struct tt_queue_row *rows, size_t row_count)
{
    size_t row = 0;
    size_t told = 0;
    for (;;) {
        while (row < row_count && is_asked(asked, count, rows[row].order))
            row++;
        struct asked *const next = asked_next(asked, count);
        const bool other =
            row < row_count && (!next || rows[row].order < next->about.order);
        if ((!other && !next) || told++ == ROWS_MAX)
            return;
        if (other) {
            freed_row(text, rows[row].order, rows[row].reason,
                      &rows[row].words);
            tt_text_add(text, ", was not asked for\n");
            row++;
        } else {
            freed_row(text, next->about.order, next->about.reason,
                      &next->about.words);
            tt_text_add(text, "\n");
            next->told = true;
        }
    }
}

static void missing_rows(struct tt_text *text, const struct asked *asked,
                         size_t count, const tether_queue *queue)
{
    for (size_t i = 0; i < count; i++)
        if (!asked[i].came) {
            tt_text_add(text, "  missing   ");
            missing_words(text, &asked[i].about, queue);
            tt_text_add(text, "\n");
        }
}

static void order_tell(struct tt_text *text, tether_queue *queue,
                       const uint64_t *refs, size_t count)
{
    struct tt_queue_row rows[ROWS_MAX];
    const size_t bytes = count * sizeof(struct asked);
    struct asked *const asked = tt_mem_take(bytes);
    if (!asked) {
        tt_text_add(text, "the records are not in this order\n");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        asked_fill(&asked[i], refs[i], queue);
    }
    const size_t held = tt_queue_look(order_call, queue, rows, ROWS_MAX);
    order_verdict(text, asked, count, queue);
    came_rows(text, asked, count, rows, TT_MIN(held, ROWS_MAX));
    missing_rows(text, asked, count, queue);
    tt_mem_give(asked, bytes);
}

enum tether_outcome tether_check_enqueued_in_order(tether_queue *queue,
                                                   const uint64_t *refs,
                                                   size_t count,
                                                   struct tether_message *why)
{
    struct tt_text text;
    if (tether_window_blind())
        return tt_check_unchecked(why, tether_window_blind());
    for (size_t i = 0; i < count; i++)
        if (tt_ref_blind(refs[i]))
            return tt_check_unchecked(why, tt_check_blind(refs[i]));
    (void)tt_queue_look(order_call, queue, NULL, 0); /* is it one? */
    if (in_order(queue, refs, count))
        return TETHER_PASSED;
    tt_enter();
    tt_check_begin(&text, why);
    order_tell(&text, queue, refs, count);
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}

enum tether_outcome tether_check_queue_empty(tether_queue *queue,
                                             struct tether_message *why)
{
    struct tt_text text;
    struct tt_queue_row rows[ROWS_MAX];
    const size_t held =
        tt_queue_look("tether_check_queue_empty", queue, rows, ROWS_MAX);
    if (tether_window_blind())
        return tt_check_unchecked(why, tether_window_blind());
    if (!held)
        return TETHER_PASSED;
    tt_enter();
    tt_check_begin(&text, why);
    tt_text_add(&text, "the queue is not empty: %zu record%s in it\n", held,
                held == 1 ? " is" : "s are");
    for (size_t i = 0; i < TT_MIN(held, ROWS_MAX); i++) {
        freed_row(&text, rows[i].order, rows[i].reason, &rows[i].words);
        tt_text_add(&text, "\n");
    }
    if (held > ROWS_MAX)
        tt_text_add(&text, "  and %zu more\n", held - ROWS_MAX);
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}
