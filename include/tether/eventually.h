/* SPDX-License-Identifier: MIT */
#ifndef TETHER_EVENTUALLY_H
#define TETHER_EVENTUALLY_H
/**
 * Waiting for something to become true, or making sure that it stays true.
 *
 *     struct tether_wait wait = { .within_ms = 500 };
 *     if (tether_eventually(cache_is_empty, cache, &wait) != TETHER_OK)
 *         printf("not within %u ms, %u polls\n", wait.elapsed_ms, wait.polls);
 *
 * Times are of the monotonic clock, in milliseconds, and are multiplied by
 * TETHER_TIME_SCALE. There always is one poll at the start and one at the
 * deadline. Between polls pending callbacks run (tether_safepoint).
 */
#include <stdint.h>
#include <tether/api.h>
#include <tether/ref.h>
#include <tether/status.h>
#include <tether/value.h>

TETHER_BEGIN_DECLS

/**
 * Options of a wait, and what came of it. Zero means the default, unless
 * 'text' shows that it was written. Refused are a written zero, an interval
 * longer than the whole wait, .at_least_ms that is not below .within_ms,
 * .for_ms where .within_ms and .at_least_ms belong, and the other way round.
 */
struct tether_wait {
    unsigned within_ms;   /**< eventually: at most; default 1000 */
    unsigned at_least_ms; /**< eventually: not true before; default 0 */
    unsigned for_ms;      /**< consistently: so long; default 200 */
    unsigned every_ms;    /**< between polls; default 1, doubling to 100 */
    int collect;          /**< not 0: tether_collect before each poll but the
                               first */
    const char *text;     /* the options as written, or NULL */
    /* results: */
    unsigned polls;      /**< questions asked; 0 when refused */
    unsigned elapsed_ms; /**< of the clock, not scaled */
    const char *stopped; /**< the reason given to STOP_WAITING, or what is
                            wrong with the options, or NULL */
};

/** The question of a wait: not 0 means true. */
typedef int (*tether_predicate)(void *ctx);

/**
 * Ends the innermost wait of the calling thread once the question that calls
 * it is answered, whatever the answer: it cannot come to anything any more.
 * Waits of other threads go on. Does nothing outside of a wait.
 *
 *     static int is_done(void *job)
 *     {
 *         if (job_has_crashed(job))
 *             return tether_stop_waiting("the job has crashed");
 *         return job_is_done(job);
 *     }
 *
 * 'reason' is not copied and must live until the wait has been judged.
 * Returns 0, a no.
 */
TETHER_API int tether_stop_waiting(const char *reason);

/**
 * Polls until 'is_true' answers yes.
 *
 * Returns TETHER_OK; TETHER_TIMEOUT; TETHER_TOO_EARLY for a yes before
 * .at_least_ms; TETHER_STOPPED with the reason in wait->stopped; or
 * TETHER_REFUSED for options that contradict each other.
 */
TETHER_API tether_status tether_eventually(tether_predicate is_true, void *ctx,
                                           struct tether_wait *wait);

/**
 * Polls for 'for_ms' and wants yes each time.
 *
 * Returns TETHER_OK; TETHER_TIMEOUT when it broke (elapsed_ms says when);
 * TETHER_STOPPED; TETHER_REFUSED.
 */
TETHER_API tether_status tether_consistently(tether_predicate is_true,
                                             void *ctx,
                                             struct tether_wait *wait);

/**
 * A wait whose question the caller asks itself, between the calls: what the
 * macros are made of, because C has no nested functions.
 *
 *     struct tether_polling polling;
 *     tether_polling_begin(&polling, TETHER_POLL_EVENTUALLY, wait);
 *     while (tether_polling_next(&polling, cache_len(cache) == 0))
 *         ;
 *     if (polling.status != TETHER_OK) ...
 */
struct tether_polling {
    struct tether_wait wait; /**< as given, with the results */
    tether_status status;    /**< when next has answered 0: as
                                  tether_eventually answers */
    int kind;                /* enum tether_poll_kind */
    uint64_t begin_ns;       /* monotonic */
    uint64_t deadline_ns;
    uint64_t pause_ns;
    uint64_t asked_ns;         /* when the answer to come was asked for */
    uint64_t too_early_ns;     /* no yes before */
    const char *outer_stopped; /* of the wait that this one is inside of */
};

enum tether_poll_kind {
    TETHER_POLL_EVENTUALLY,  /**< one yes within .within_ms */
    TETHER_POLL_CONSISTENTLY /**< only yes for .for_ms */
};

/** Begins a wait. 'wait' is copied; its text must live until the end. */
TETHER_API void tether_polling_begin(struct tether_polling *polling,
                                     enum tether_poll_kind kind,
                                     struct tether_wait wait);

/**
 * Takes one answer; not 0 is yes. Sleeps when another one is wanted.
 *
 * Returns 1: ask again; 0: it is decided, polling->status says how.
 */
TETHER_API int tether_polling_next(struct tether_polling *polling, int answer);

/* Changes of a value that are remembered: the first value, and the latest. */
#define TETHER_SEEN_MAX 6

/** A value at a poll. */
struct tether_seen {
    struct tether_value value;
    char text[48];  /* of a string: how it began then */
    size_t length;  /* of a string */
    unsigned poll;  /* the first one that saw it; 0: never */
    unsigned at_ms; /* when that was */
};

/**
 * A wait that compares a value at each poll, and remembers how it changed.
 *
 *     struct tether_comparing comparing;
 *     tether_comparing_begin(&comparing, TETHER_POLL_EVENTUALLY, wait, "==",
 *                            TETHER_VALUE_OF(3));
 *     while (tether_comparing_next(&comparing, TETHER_VALUE_OF(len(queue))))
 *         ;
 *     if (comparing.polling.status != TETHER_OK) ...
 *
 * Numbers compare by value, so that -1 is below every unsigned number; a
 * double wanted of a float is taken as a float; strings compare by content,
 * and NULL is below every string.
 */
struct tether_comparing {
    struct tether_polling polling;
    const char *comparison; /* "==", "!=", "<", "<=", ">" or ">=" */
    struct tether_value wanted;
    struct tether_seen seen[TETHER_SEEN_MAX]; /* in their order */
    unsigned changes;                         /* values seen, less one */
    struct tether_seen good; /* the latest one that compared true */
};

/** Begins such a wait. What 'wanted' points to must live until its end. */
TETHER_API void tether_comparing_begin(struct tether_comparing *comparing,
                                       enum tether_poll_kind kind,
                                       struct tether_wait wait,
                                       const char *comparison,
                                       struct tether_value wanted);

/** Takes one value; as tether_polling_next. */
TETHER_API int tether_comparing_next(struct tether_comparing *comparing,
                                     struct tether_value value);

/**
 * Waits until the object of 'ref' is dead; the free itself wakes the caller.
 * Only with .every_ms or .collect, or while a queue has a callback, does it
 * look between.
 *
 * Returns TETHER_OK, TETHER_TIMEOUT, TETHER_TOO_EARLY, TETHER_STOPPED (by a
 * callback that ran meanwhile), TETHER_REFUSED, or TETHER_BLIND for a reference
 * whose object Tether does not see.
 */
TETHER_API tether_status tether_eventually_collected(tether_weak ref,
                                                     struct tether_wait *wait);

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_EVENTUALLY
#    include <tether/disable.h>
#endif
#endif
