/* SPDX-License-Identifier: MIT */
#ifndef TETHER_REACH_H
#define TETHER_REACH_H
/**
 * Who holds an object.
 *
 *     tether_weak ref = tether_weak_to(alice);
 *     cache_evict(cache, "alice");
 *     if (tether_verdict(ref) == TETHER_HELD)
 *         puts("somebody still points to it");
 *
 * The question is answered from a copy of the process, made while all other
 * threads stand still for a moment; the answer costs 1 to 10 ms, more in large
 * heaps. Any thread; not inside malloc, and not in a child that a process with
 * several threads has forked.
 *
 * What counts as a pointer is any word, at a multiple of 8, that holds an
 * address inside of a live block: in writable data of any module, in
 * thread-local variables, in what pthread_setspecific keeps, in libffi
 * closures, in regions that were added, in stacks and registers, and in blocks
 * that such words lead to.
 */
#include <stddef.h>
#include <stdint.h>
#include <tether/api.h>
#include <tether/ref.h>
#include <tether/status.h>

TETHER_BEGIN_DECLS

/** How an object stands. */
enum tether_verdict {
    TETHER_VERDICT_UNKNOWN,   /**< it could not be found out */
    TETHER_VERDICT_COLLECTED, /**< it is dead */
    TETHER_VERDICT_HELD,      /**< a path leads to it from a named root */
    TETHER_VERDICT_AMBIGUOUS, /**< only words of stacks or registers lead to
                                   it, which may be dead themselves */
    TETHER_VERDICT_LOST       /**< not freed, and nothing points to it */
};

/**
 * Says how the object stands. A variable of the calling function that points
 * directly to it is no holder; one that a path to it begins with is.
 */
TETHER_API enum tether_verdict tether_verdict(tether_weak ref);

/** The verdict as a word: "held". */
TETHER_API const char *tether_verdict_name(enum tether_verdict verdict);

/**
 * Counts the bytes that would be lost with the object: its own, and those of
 * all blocks that only it leads to.
 *
 * Returns TETHER_OK; TETHER_NOT_AN_OBJECT when it is dead; TETHER_BLIND when
 * it cannot be found out.
 */
TETHER_API tether_status tether_retained_size(tether_weak ref, size_t *bytes);

/**
 * Adds memory whose words are pointers though nothing that Tether knows leads
 * there: a mapping of the program's own, for example. The memory must stay
 * readable until it is removed; what is not readable when a question is asked
 * is left out.
 *
 * Returns TETHER_OK, or TETHER_NO_MEMORY.
 */
TETHER_API tether_status tether_root_add(const void *start, size_t bytes)
    TETHER_ADDRESS_ONLY(1);
TETHER_API tether_status tether_root_add_at(const void *start, size_t bytes,
                                            const char *name)
    TETHER_ADDRESS_ONLY(1);
#define tether_root_add(start, bytes) \
    tether_root_add_at((start), (bytes), #start)

/** Removes it: the same start and bytes. Returns TETHER_OK, or
 *  TETHER_NOT_FOUND. */
TETHER_API tether_status tether_root_remove(const void *start, size_t bytes)
    TETHER_ADDRESS_ONLY(1);

/**
 * Looks for what is lost now: all live blocks, since the start of the process,
 * that nothing points to. What there is is told on standard error, by the
 * places that allocated it. A program that is run with TETHER_LOST=exit in its
 * environment is asked at its exit, before and after exit handlers, and then
 * exits with TETHER_EXIT_CODE (23) instead of 0.
 *
 * Returns how many blocks are lost.
 */
TETHER_API size_t tether_check_lost(void);

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_REACH
#    include <tether/disable_reach.h>
#endif
#endif
