/* SPDX-License-Identifier: MIT */
#ifndef TETHER_PRESSURE_H
#define TETHER_PRESSURE_H
/**
 * Memory pressure: what caches do when memory is short. Soft references
 * (<tether/ref.h>) are cleared, least recently used first, and trim callbacks
 * are called, level by level, until so much was given up as is wanted.
 *
 *     static size_t cache_trim(size_t wanted, void *cache)
 *     {
 *         return cache_shrink(cache, wanted);
 *     }
 *     tether_trim *trim = tether_trim_add(cache_trim, cache);
 *     tether_pressure(TETHER_CRITICAL);
 *
 * Pressure is raised by this call, by WITH_PRESSURE, and by a budget: moderate
 * at 80 % of a .max_heap, critical at 95 %, exhausted by an allocation that
 * would break it.
 *
 * What may run where. Inside malloc the caller may hold locks, and be half
 * through a change. So there pressure only becomes due, and callbacks run at
 * the next safe point (see tether_safepoint) of the test's own thread, with no
 * lock of Tether's held. Only what was registered with .in_malloc = true runs
 * inside malloc too, on whatever thread allocates, just before .max_heap would
 * break. Its author promises what a signal handler promises (it calls nothing
 * but what may be called there, and free), that it takes no lock that an
 * allocating caller may hold, and that several threads may run it at once. What
 * it changes has to be volatile or atomic, as what a signal handler changes:
 * compilers know that malloc calls nobody. All of that is given up before a
 * budget fails, and the failure tells what was still waiting for a safe point.
 */
#include <stddef.h>
#include <tether/api.h>
#include <tether/options.h>
#include <tether/ref.h>
#include <tether/status.h>

TETHER_BEGIN_DECLS

/** All that can be given up. */
#define TETHER_EVERYTHING ((size_t)-1)

/** Options of tether_pressure. */
struct tether_pressure_how {
    const char *text; /* the options as written */
    size_t bytes;     /**< wanted; default TETHER_EVERYTHING */
};

/** What came of it. */
struct tether_relief {
    tether_status status; /**< TETHER_OK; TETHER_BUSY with the rest 0 */
    size_t freed_bytes;   /**< by the costs, and as trim callbacks say */
    size_t cleared;       /**< soft references */
    size_t trimmed;       /**< calls of trim callbacks */
    size_t left;          /**< soft references that this level may clear and
                               that were not needed */
    size_t pinned;        /**< soft references that are pinned */
};

/**
 * Raises pressure: from moderate up to 'level', clears what is eligible at each
 * and then calls the trim callbacks of that level, until .bytes are freed.
 * Runs on this thread, and is a safe point.
 *
 *     tether_pressure(TETHER_MODERATE);
 *     tether_pressure(TETHER_CRITICAL, .bytes = KiB(64));
 *
 * Returns what was given up; the status is TETHER_BUSY when it is called by a
 * release, a trim callback or a collector. While another thread relieves or
 * collects it waits for its turn.
 *
 * Cost: O(1) for each reference that is cleared.
 */
TETHER_API struct tether_relief tether_pressure(enum tether_level level);
TETHER_API struct tether_relief
tether_pressure_with(enum tether_level level, struct tether_pressure_how how);
#define tether_pressure(...)                                        \
    tether_pressure_with(TETHER_HEAD_(__VA_ARGS__, ~),              \
                         TETHER_OPTIONS(struct tether_pressure_how, \
                                        .text = #__VA_ARGS__,       \
                                        TETHER_TAIL_(__VA_ARGS__, )))

/** Begins and ends a stretch of pressure: what is eligible at 'level' is given
 *  up at its begin and again at each safe point up to its end, as if memory
 *  stayed short. Stretches nest, and the highest level counts. In Criterion
 *  suites WITH_PRESSURE(level) { ... } does this. */
TETHER_API void tether_pressure_begin(enum tether_level level);
TETHER_API void tether_pressure_end(enum tether_level level);

/** Gets the level of the stretches that are open, or that is due. A cache may
 *  ask before it keeps more. */
TETHER_API enum tether_level tether_pressure_level(void);

/**
 * Sets the shares of .max_heap, in per cent, at which budgets raise moderate
 * and critical pressure: 80 and 95 at first, for the whole process. 0: that
 * level is not raised. Over 100, or moderate above critical, is a programmer's
 * mistake and stops.
 */
TETHER_API void tether_pressure_shares(unsigned moderate, unsigned critical);

/** Frees memory if it can: 'wanted' bytes or more, or TETHER_EVERYTHING.
 *  Returns how many it freed. It may do what a collector may do. */
typedef size_t (*tether_trim_fn)(size_t wanted, void *ctx);

/** Options of tether_trim_add. */
struct tether_trim_how {
    const char *text; /* the options as written */
    const char *name; /**< for reports; default: the callback as written */
    int order;        /**< the lower is called first; of equals, the older */
    int level;        /**< enum tether_level, from which on it is called;
                           default TETHER_MODERATE */
    int in_malloc;    /**< not 0: it may run inside malloc too, see above */
};

typedef struct tether_trim tether_trim;

/**
 * Adds a trim callback.
 *
 *     tether_trim_add(cache_trim, cache);
 *     tether_trim_add(pool_trim, NULL, .level = TETHER_CRITICAL,
 *                     .in_malloc = true);
 *
 * Returns it; give it back with tether_trim_remove. NULL when there are 4095
 * callbacks, collectors and domains already.
 */
TETHER_API tether_trim *tether_trim_add(tether_trim_fn trim, void *ctx);
TETHER_API tether_trim *tether_trim_add_at(tether_trim_fn trim, void *ctx,
                                           struct tether_trim_how how,
                                           const char *name);
#define tether_trim_add(trim, ...)                                  \
    tether_trim_add_at((trim), TETHER_HEAD_(__VA_ARGS__, ~),        \
                       TETHER_OPTIONS(struct tether_trim_how,       \
                                      .text = #__VA_ARGS__,         \
                                      TETHER_TAIL_(__VA_ARGS__, )), \
                       #trim)

/** Removes it. When this returns it does not run on another thread and never
 *  will. NULL does nothing; removing it twice stops the program. */
TETHER_API void tether_trim_remove(tether_trim *trim);

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_PRESSURE
#    include <tether/disable.h>
#endif
#endif
