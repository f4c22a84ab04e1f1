/* SPDX-License-Identifier: MIT */
#ifndef TETHER_HEAP_H
#define TETHER_HEAP_H
/**
 * What the heap holds now.
 *
 *     struct tether_stats stats;
 *     tether_stats(&stats);
 *     printf("%zu B in %zu blocks\n", stats.live_bytes, stats.live_blocks);
 *
 * Sizes are bytes as requested. A realloc counts as one more allocation of
 * its new size; the object stays the same. In a window numbers count from its
 * begin, elsewhere from the start of the process. Any thread.
 */
#include <stddef.h>
#include <stdint.h>
#include <tether/api.h>
#include <tether/status.h>

TETHER_BEGIN_DECLS

struct tether_stats {
    size_t live_bytes;    /**< allocated and not freed */
    size_t live_blocks;   /**< their number */
    size_t peak_bytes;    /**< the most that live_bytes was; with several
                               allocating threads a lower bound */
    uint64_t total_bytes; /**< allocated, freed or not */
    uint64_t total_count; /**< allocations */
    size_t largest_bytes; /**< the largest single allocation */
    unsigned threads;     /**< that have allocated */
};

/**
 * Gets the numbers of the process.
 *
 * Returns TETHER_OK; TETHER_BLIND, with everything 0, when Tether does not
 * see this program's allocations.
 */
TETHER_API tether_status tether_stats(struct tether_stats *stats);

/** Gets the numbers of the calling thread; returns as tether_stats does.
 *  Live numbers can be below zero where a thread frees what others allocated;
 *  they are then 0. */
TETHER_API tether_status tether_stats_thread(struct tether_stats *stats);

/** A live block. */
struct tether_block {
    void *address;   /**< what malloc returned */
    size_t size;     /**< bytes as requested */
    uint64_t serial; /**< its thread's nth allocation, from 1 */
    uint32_t stack;  /**< of the allocation; see tether_stack_text */
    uint32_t thread; /**< number of the allocating thread, the first is 1 */
};

/**
 * Finds the block that 'address' is in, by base or interior pointer.
 *
 * Returns TETHER_OK, or TETHER_NOT_AN_OBJECT with *block zeroed.
 */
TETHER_API tether_status tether_block_of(const void *address,
                                         struct tether_block *block)
    TETHER_ADDRESS_ONLY(1);

/**
 * Writes a stack as text, innermost first, one frame a line:
 * "session_new (cache.c:41)". At most 'size' bytes with the NUL. Names come
 * from tether-analyse, which takes milliseconds.
 *
 * Returns the number of frames.
 */
TETHER_API unsigned tether_stack_text(uint32_t stack, char *text, size_t size);

/** What lives, by allocation site. Made by tether_snapshot. */
struct tether_snapshot;

/** One allocation site: all blocks with the same stack. */
struct tether_site {
    uint32_t stack;
    int64_t bytes; /**< live there; in a difference: more, or less */
    int64_t blocks;
};

/**
 * Takes a snapshot of all live blocks by site. It is Tether's own memory and
 * is given back with tether_snapshot_drop.
 *
 * Returns NULL when there is no memory or Tether is blind.
 */
TETHER_API struct tether_snapshot *tether_snapshot(void);

/** Gives a snapshot back. NULL is allowed. */
TETHER_API void tether_snapshot_drop(struct tether_snapshot *snapshot);

/**
 * Writes the sites whose live bytes or blocks differ between two snapshots,
 * largest growth of bytes first, at most 'max'. 'before' may be NULL: nothing.
 *
 * Returns how many sites differ, which may be more than 'max'.
 */
TETHER_API size_t tether_snapshot_diff(const struct tether_snapshot *before,
                                       const struct tether_snapshot *after,
                                       struct tether_site *sites, size_t max);

/**
 * Counts the live blocks of the window that 'function' allocated, itself or
 * through functions it called, within TETHER_STACK_DEPTH frames. An inlined
 * function has no frame of its own.
 *
 * Returns the number of blocks; *bytes (may be NULL) holds their sizes' sum.
 */
TETHER_API size_t tether_live_from(void (*function)(void), size_t *bytes);

/**
 * Marks the block that 'address' is in as meant to stay: it is no leak.
 *
 * Returns TETHER_OK or TETHER_NOT_AN_OBJECT.
 */
TETHER_API tether_status tether_keep(const void *address)
    TETHER_ADDRESS_ONLY(1);

/** Begins and ends a stretch on the calling thread in which all that it
 *  allocates is meant to stay; nests. Users write ONE_TIME { ... }. */
TETHER_API void tether_one_time_begin(void);
TETHER_API void tether_one_time_end(void);

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_HEAP
#    include <tether/disable.h>
#endif
#endif
