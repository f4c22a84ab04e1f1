/* SPDX-License-Identifier: MIT */
#ifndef TETHER_WINDOW_H
#define TETHER_WINDOW_H
/**
 * A window is the stretch of a program that a test measures: from before its
 * fixtures to after them. Only blocks allocated in the window count; freeing
 * an older one never lowers a count.
 *
 *     tether_on_failure(print_it, NULL);
 *     tether_window_begin("cache/evicts");
 *     run_the_test();
 *     tether_window_end(TETHER_CHECK_LEAKS);
 *
 * This header is what a plug-in for a test framework needs; users of
 * <tether/criterion.h> do not call it. One window is open at a time in a
 * process. In a forked child the window is closed and nothing is counted.
 */
#include <stddef.h>
#include <tether/api.h>
#include <tether/status.h>

TETHER_BEGIN_DECLS

/** What went wrong. */
enum tether_failure_kind {
    TETHER_FAILURE_BREACH, /**< an allocation broke a limit */
    TETHER_FAILURE_LEAK,   /**< blocks of the window are alive at its end */
    TETHER_FAILURE_LIMIT,  /**< a limit that is judged at the end: min_count */
    TETHER_FAILURE_MISUSE, /**< double free, free of a foreign pointer ... */
};

/** A failure as it is handed to the framework. Lives for the call only. */
struct tether_failure {
    enum tether_failure_kind kind;
    const char *message; /**< several lines, the first stands alone */
    const char *file;    /**< where it happened, NULL when not known */
    unsigned line;       /**< 0 when not known */
    int stop; /**< not 0: the test should end now, by leaving the process if
                   that cannot be done from this thread */
    int in_malloc; /**< not 0: the call comes from inside malloc or free, on
                        whatever thread; longjmp is not allowed */
};

typedef void (*tether_failure_fn)(const struct tether_failure *failure,
                                  void *ctx);

/**
 * Sets who is told of failures. Called on the thread where the failure
 * happens, possibly inside malloc or free; what the callback allocates is not
 * counted. NULL: failures are written to stderr.
 */
TETHER_API void tether_on_failure(tether_failure_fn tell, void *ctx);

/**
 * Begins a window. 'name' is copied. Threads that exist already, other than
 * the calling one, are left out of all counts (they are the framework's).
 *
 * Returns TETHER_OK; TETHER_BLIND when Tether does not see this program's
 * allocations (the window is open all the same, and all its numbers are 0);
 * TETHER_BUSY when a window is open.
 */
TETHER_API tether_status tether_window_begin(const char *name);

enum tether_window_checks {
    TETHER_CHECK_NOTHING = 0,
    TETHER_CHECK_LEAKS = 1 /**< judge .max_leaked of the window's budget */
};

/**
 * Ends the window: judges what can be judged only now, tells each failure,
 * and stops counting. A test that failed for another reason passes
 * TETHER_CHECK_NOTHING, so that it is not reported as leaking too.
 *
 * Returns TETHER_OK, or TETHER_NOT_FOUND when no window is open.
 */
TETHER_API tether_status tether_window_end(unsigned checks);

/**
 * Why the numbers of this process cannot be trusted, in one line; NULL when
 * they can. The string is constant.
 */
TETHER_API const char *tether_window_blind(void);

/**
 * Begins and ends a stretch on the calling thread in which what it allocates
 * is the framework's: it is not counted and breaks no limit. Nests. A failure
 * must not be told while the framework itself is sending something, so a
 * plug-in puts its framework's own calls into such stretches.
 */
TETHER_API void tether_uncounted_begin(void);
TETHER_API void tether_uncounted_end(void);

/** Empty functions: places for a breakpoint. tether_breach() is called when a
 *  limit breaks, tether_failed() before each failure is told. */
TETHER_API void tether_breach(void);
TETHER_API void tether_failed(void);

TETHER_END_DECLS
#endif
