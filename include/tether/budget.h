/* SPDX-License-Identifier: MIT */
#ifndef TETHER_BUDGET_H
#define TETHER_BUDGET_H
/**
 * A heap budget: limits on what a stretch of a test may allocate.
 *
 *     struct tether_budget budget = { TETHER_BUDGET_INIT };
 *     tether_budget_set(&budget, TETHER_MAX_HEAP, 8 << 20);
 *     tether_budget_begin(&budget);
 *     parse(document);
 *     tether_budget_end(&budget);
 *
 * In Criterion suites HEAP_BUDGET and WITHIN_BUDGET do this. Budgets nest;
 * begin and end are called on one thread, and count all threads.
 */
#include <stddef.h>
#include <stdint.h>
#include <tether/api.h>
#include <tether/status.h>

TETHER_BEGIN_DECLS

/** What happens when an allocation breaks a limit. */
enum tether_on_breach {
    TETHER_GO_ON = 0, /**< tell it once, go on; at four times the limit stop */
    TETHER_STOP = 1,  /**< tell it and end the test at once */
    TETHER_DENY = 2   /**< the allocation returns NULL with ENOMEM */
};

/** What becomes of an object that only words of stacks and registers lead to,
 *  which may be dead themselves. */
enum tether_ambiguous {
    TETHER_PASS = 0, /**< it counts as held: not lost; as unreachable all the
                          same */
    TETHER_FAIL = 1  /**< it counts as lost, and as reachable */
};

/** What counts as a holder; TETHER_ROOTS in the environment says the same in
 *  words: globals, tls, keys, closures, regions, stacks, registers. */
enum tether_roots {
    TETHER_ROOT_GLOBALS = 1 << 0,  /**< writable data of modules */
    TETHER_ROOT_TLS = 1 << 1,      /**< thread-local variables */
    TETHER_ROOT_KEYS = 1 << 2,     /**< pthread_setspecific */
    TETHER_ROOT_CLOSURES = 1 << 3, /**< live libffi closures */
    TETHER_ROOT_REGIONS = 1 << 4,  /**< tether_root_add; blocks that are meant
                                        to stay */
    TETHER_ROOT_STACKS = 1 << 5,   /**< stacks, and the arguments of threads */
    TETHER_ROOT_REGISTERS = 1 << 6
};

/** The fields of a budget, for tether_budget_set. */
enum tether_limit {
    TETHER_MAX_HEAP,
    TETHER_MAX_ALLOC,
    TETHER_MAX_SITE,
    TETHER_MAX_TOTAL,
    TETHER_MAX_COUNT,
    TETHER_MIN_COUNT,
    TETHER_MAX_LEAKED,
    TETHER_MAX_LOST,
    TETHER_LIMITS
};

#define TETHER_BUDGET_MAGIC 0x7e74e26275646731ull

/**
 * The limits. A field is in force when it was written in an option list
 * (whatever its value: .max_count = 0 forbids every allocation), set by
 * tether_budget_set, or is not zero.
 */
struct tether_budget {
    uint64_t magic;   /* TETHER_BUDGET_MAGIC */
    uint32_t size;    /* sizeof(struct tether_budget) of the header in use */
    uint32_t set;     /* bits 1 << TETHER_MAX_..., by tether_budget_set */
    const char *text; /* the option list as written, or NULL */
    const char *full; /* the same with macros expanded, or NULL */
    const char *file; /* where it was written, or NULL */
    unsigned line;
    uint64_t max_heap;     /**< peak of live bytes */
    uint64_t max_alloc;    /**< bytes of one allocation */
    uint64_t max_site;     /**< live bytes allocated by one function */
    uint64_t max_total;    /**< bytes allocated, freed or not */
    uint64_t max_count;    /**< number of allocations */
    uint64_t min_count;    /**< at least so many allocations */
    uint64_t max_leaked;   /**< bytes alive at the end of the window */
    uint64_t max_lost;     /**< of them, bytes that nothing points to */
    int on_breach;         /**< enum tether_on_breach */
    int ambiguous;         /**< enum tether_ambiguous */
    unsigned roots;        /**< bits of enum tether_roots; 0: all */
    int fixtures;          /**< not 0: what fixtures allocate counts too */
    void (*warm_up)(void); /**< runs once before the window */
    void *reserved[8];     /* lib/budget's while the budget is open */
};

/* clang-format off */
#define TETHER_BUDGET_INIT                                                   \
    TETHER_BUDGET_MAGIC, (uint32_t)sizeof(struct tether_budget), 0, 0, 0, 0, \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }
/* clang-format on */

/** Sets one limit and marks it as in force. */
TETHER_API void tether_budget_set(struct tether_budget *budget,
                                  enum tether_limit limit, uint64_t value);

/** Is this limit in force? *value (may be NULL) gets it. */
TETHER_API int tether_budget_get(const struct tether_budget *budget,
                                 enum tether_limit limit, uint64_t *value);

/**
 * Begins a budget: from now on its limits hold. 'budget' stays the caller's
 * and must live until tether_budget_end.
 *
 * Returns TETHER_OK; TETHER_REFUSED when limits contradict each other
 * (min_count > max_count); a failure was told then.
 */
TETHER_API tether_status tether_budget_begin(struct tether_budget *budget);

/**
 * Ends the innermost budget, which must be 'budget', and judges what can be
 * judged only now.
 *
 * Returns TETHER_OK when all limits held, TETHER_REFUSED when one broke.
 */
TETHER_API tether_status tether_budget_end(struct tether_budget *budget);

/**
 * Why this budget cannot be checked in this process though others can, in one
 * line; NULL when it can. TETHER_DENY needs a heap that can refuse, which
 * AddressSanitizer's cannot. A plug-in skips the test with that reason.
 * The string is constant.
 */
TETHER_API const char *
tether_budget_unchecked(const struct tether_budget *budget);

/**
 * Merges budgets field by field, weakest first: 'suite' (may be NULL), 'test'
 * (may be NULL), then the environment (TETHER_MAX_HEAP ...).
 *
 * Returns TETHER_OK; TETHER_REFUSED when an environment variable is no size,
 * or the limits contradict each other: 'why' then says so in one line.
 */
TETHER_API tether_status tether_budget_merge(const struct tether_budget *suite,
                                             const struct tether_budget *test,
                                             struct tether_budget *merged,
                                             char *why, size_t why_size);

/**
 * Gives the open window the budget whose .max_leaked (and .warm_up, before
 * the window) hold for all of it. Called by plug-ins between
 * tether_window_begin and tether_budget_begin; lives until the window's end.
 */
TETHER_API tether_status
tether_window_budget(const struct tether_budget *budget);

/**
 * Reads a size as Tether's settings write it: a whole number, with B, KiB,
 * MiB or GiB if wanted ("64KiB").
 *
 * Returns TETHER_OK; TETHER_REFUSED, with *bytes untouched, when 'text' is no
 * size or one of more than 64 bits.
 */
TETHER_API tether_status tether_size_read(const char *text, uint64_t *bytes);

/** What a budget measured so far, or had measured when it ended. */
struct tether_budget_result {
    size_t peak_bytes;
    size_t largest_bytes;
    uint64_t total_bytes;
    uint64_t total_count;
};
TETHER_API tether_status tether_budget_result(
    const struct tether_budget *budget, struct tether_budget_result *result);

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_BUDGET
#    include <tether/disable.h>
#endif
#endif
