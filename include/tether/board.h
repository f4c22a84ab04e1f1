/* SPDX-License-Identifier: MIT */
#ifndef TETHER_BOARD_H
#define TETHER_BOARD_H
/**
 * The board: memory that a runner shares with its workers, in which each
 * worker's counters live, so that they survive a crash, a kill or a timeout.
 *
 *     tether_board_make(1000);     in the runner, before the first worker
 *     ... run workers (fork and exec; they inherit the environment) ...
 *     tether_board_visit(print_row, NULL);
 *
 * A worker finds the board by the environment (TETHER_BOARD, which
 * tether_board_make sets) when libtether is loaded and takes a row of its
 * own; tether_window_begin writes the test's name there. A child of a worker
 * never writes into its parent's row, whichever way it was made.
 */
#include <stddef.h>
#include <stdint.h>
#include <tether/api.h>
#include <tether/heap.h>
#include <tether/status.h>

TETHER_BEGIN_DECLS

struct tether_board_row {
    const char *name;          /**< of the window; lives for the call */
    struct tether_stats stats; /**< of the body, up to the end or the death */
    size_t max_heap; /**< the window's limit; SIZE_MAX: there is none */
    size_t leaked_bytes;
    const char *unchecked;  /**< why nothing was checked, or NULL */
    const char *collecting; /**< what it ended in, "the collector `x`", "the
                                 trim callback `x`" ..., or NULL */
    const char *note;       /**< lines that its user should see, or NULL */
    uint64_t stressed;      /**< collections that tether_stress made due; 0 for
                                 a test that passed */
    uint64_t stress_due;    /**< ... at which allocation the last one was */
    uint64_t stress_ran;    /**< ... and how many there were when it ran */
    int ended;              /**< not 0: the window was ended in good order */
    int failed; /**< failures told: bits 1 << enum tether_failure_kind */
};

/** Makes the board with 'rows' rows and puts it into the environment.
 *  Returns TETHER_OK or TETHER_NO_MEMORY. Runner only. */
TETHER_API tether_status tether_board_make(size_t rows);

/** Calls back for each row that had a window, in the order of their begin.
 *  Returns how many. */
TETHER_API size_t tether_board_visit(
    void (*see)(const struct tether_board_row *row, void *ctx), void *ctx);

/** Returns how many windows are missing from the board because their workers
 *  found all rows taken. They were checked as any other. */
TETHER_API size_t tether_board_missing(void);

/** Marks this worker's row: its test could not be checked. 'why' is copied.
 *  Does nothing where there is no board. */
TETHER_API void tether_board_unchecked(const char *why);

/** Calls back for each rule of the file TETHER_SUPPRESS that no worker's leaks
 *  needed: 'site: FUNCTION' or 'module: NAME', which lives for the call.
 *  Returns how many. Runner only, after the last worker. */
TETHER_API size_t tether_board_unneeded(void (*see)(const char *rule,
                                                    void *ctx),
                                        void *ctx);

TETHER_END_DECLS
#endif
