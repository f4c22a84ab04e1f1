/* SPDX-License-Identifier: MIT */
#ifndef TETHER_COLLECT_H
#define TETHER_COLLECT_H
/**
 * Collecting now: a collector is a function that makes some part of the
 * program reclaim what it can (a cache its expired entries, an interpreter
 * its garbage). tether_collect runs all of them until nothing more comes.
 *
 *     static void sweep(struct tether_reclaimed *reclaimed, void *cache)
 *     {
 *         reclaimed->objects = cache_sweep(cache);
 *     }
 *     tether_collector_add(&(struct tether_collector_table){
 *         .name = "cache", .collect = sweep, .ctx = cache });
 *     printf("%zu B\n", tether_collect().bytes);
 *
 * It never frees what the program has not freed: in the malloc heap death is
 * free. Collectors run on the thread that collects, with no lock held, never
 * inside malloc or free, one at a time in the whole process.
 */
#include <stddef.h>
#include <stdint.h>
#include <tether/api.h>
#include <tether/ref.h>
#include <tether/status.h>

TETHER_BEGIN_DECLS

#define TETHER_COLLECT_ROUNDS_MAX 8

/** For what a collector does not say: Tether measures it. */
#define TETHER_MEASURE ((size_t)-1)

/** What one run of a collector reclaimed. Both are TETHER_MEASURE at first;
 *  left so they are how much fewer live bytes and blocks the heap has than
 *  before the run, 0 if it has more. */
struct tether_reclaimed {
    size_t objects;
    size_t bytes;
};

/** Reclaims what it can, now. It may add and remove collectors, itself too,
 *  and make, drop, free and wait as it likes, but not for a thread that is
 *  in tether_collect. It may be left by longjmp, which ends the collection. */
typedef void (*tether_collect_fn)(struct tether_reclaimed *reclaimed,
                                  void *ctx);

/** Has it anything to do? 0: it is not called in this round. */
typedef int (*tether_pending_fn)(void *ctx);

struct tether_collector_table {
    const char *name; /**< copied; 63 bytes of it are shown */
    int order;        /**< the lower runs first; of equals, the older */
    tether_collect_fn collect;
    tether_pending_fn pending; /**< or NULL: it always runs */
    void *ctx;                 /**< for both */
};

typedef struct tether_collector tether_collector;

/**
 * Adds a collector; '*table' is copied. Added during a collection it runs
 * from the next round on. A table without name or function is a programmer's
 * mistake and stops.
 *
 * Returns it; give it back with tether_collector_remove. NULL when there are
 * 4095 already.
 */
TETHER_API tether_collector *
tether_collector_add(const struct tether_collector_table *table);

/** Removes a collector. When this returns it does not run on another thread
 *  and never will, so 'ctx' may go. NULL does nothing; removing it twice is a
 *  programmer's mistake and stops. */
TETHER_API void tether_collector_remove(tether_collector *collector);

/** What came of a collection. */
struct tether_collection {
    tether_status status; /**< TETHER_OK; TETHER_BUSY with the rest 0 */
    unsigned rounds;      /**< the last one that reclaimed nothing too */
    unsigned collectors;  /**< that ran at least once */
    int unsettled;        /**< not 0: even the last round that is allowed
                               (TETHER_COLLECT_ROUNDS_MAX) reclaimed some */
    size_t objects;
    size_t bytes;
    uint64_t time_ns;
};

/**
 * Runs the collectors in their order, in rounds, until a round reclaims
 * nothing, at most TETHER_COLLECT_ROUNDS_MAX. Between the rounds pending
 * callbacks of queues run (it is a safe point); a round in which one ran, or
 * a collector was added, is not the last.
 *
 * Returns what was reclaimed; the status is TETHER_BUSY when it is called by
 * a collector, or by a callback that a collection runs. While another thread
 * collects it waits for its turn.
 *
 * Cost: well under 1 us when there is no collector, or none is pending.
 */
TETHER_API struct tether_collection tether_collect(void);

/** What one collector did in the last collection that it ran in. */
struct tether_collector_row {
    const char *name; /**< lives for the call */
    unsigned rounds;  /**< that it ran in */
    size_t objects;
    size_t bytes;
    uint64_t time_ns;
};

/** Calls back for each collector that ran in the newest collection, in their
 *  order, those that were removed meanwhile left out. 'see' may not collect.
 *  Returns how many. */
TETHER_API size_t tether_collect_visit(
    void (*see)(const struct tether_collector_row *row, void *ctx), void *ctx);

/** Gets the name of the collector that runs now, NULL if none. It may be
 *  called in a signal handler: for what reports a crash or a timeout. */
TETHER_API const char *tether_collect_running(void);

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_COLLECT
#    include <tether/disable.h>
#endif
#endif
