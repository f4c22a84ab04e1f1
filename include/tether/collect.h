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
#include <tether/options.h>
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
    int in_malloc; /**< not 0: tether_stress may run it inside malloc, on any
                        thread: .collect then does what a signal handler may
                        do, and takes no lock that an allocating caller holds */
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

/**
 * A domain is whoever decides when some objects die, where that is not free:
 * a pool, a reference-counted type, an interpreter. It says which pointers are
 * its objects, and tells each death; then weak references and all assertions
 * on them serve its objects as they serve blocks.
 *
 *     static tether_domain *shapes;
 *
 *     shapes = tether_domain_add(&(struct tether_domain_table){
 *         .name = "shapes", .recognise = shape_is_alive });
 *     ...
 *     void shape_unref(struct shape *shape)
 *     {
 *         if (--shape->count == 0) {
 *             tether_domain_died(shapes, shape);
 *             free(shape);
 *         }
 *     }
 *     ...
 *     tether_weak ref = tether_weak_in(shapes, shape);
 */
typedef struct tether_domain tether_domain;

/** An object as its domain knows it; zeroed before the domain is asked. */
struct tether_domain_object {
    const void *address; /**< where it begins; NULL: where it was asked for */
    size_t size;         /**< bytes; 0: not known */
};

/** The functions of a domain. They run on the thread that makes a reference,
 *  collects, or checks, with no lock held, never inside malloc or free. */
struct tether_domain_table {
    const char *name; /**< copied; 63 bytes of it are shown */
    int order;        /**< among collectors */
    /** Is this, or what it points into, a live object of the domain? Not 0:
     *  yes, and *what is filled. It may get any pointer. */
    int (*recognise)(const void *object, struct tether_domain_object *what,
                     void *ctx);
    /** Called when a reference to the object is made: from now on its death
     *  has to be told. Not 0: it will be. NULL: all deaths are told anyway. */
    int (*watch)(const void *object, void *ctx);
    tether_collect_fn collect;  /**< or NULL: there is nothing to collect */
    tether_pending_fn pending;  /**< or NULL: it always runs */
    size_t (*count)(void *ctx); /**< live objects, or NULL: not known. Its
                                     fall measures what .collect leaves open */
    /** Writes who holds the object, for messages: lines, each ended by a
     *  newline, at most 'size' bytes with the NUL. NULL: not known. */
    void (*describe)(const void *object, char *text, size_t size, void *ctx);
    void *ctx; /**< for all of them */
};

/**
 * Adds a domain; '*table' is copied. A table without name or .recognise is a
 * programmer's mistake and stops.
 *
 * Returns it; give it back with tether_domain_remove. NULL when there are 4095
 * domains and collectors already.
 */
TETHER_API tether_domain *
tether_domain_add(const struct tether_domain_table *table);

/** Removes a domain. When this returns it does not collect on another thread
 *  and never will. NULL does nothing; removing it twice, or while
 *  there are references to live objects of it, is a programmer's mistake and
 *  stops. */
TETHER_API void tether_domain_remove(tether_domain *domain);

/**
 * Tells the death of an object, by the address at which it begins: all its
 * references read dead, then this returns. Call it before the memory can
 * become another object's. An object without references is fine.
 *
 * Hook: may be called inside malloc and free. Cost: well under 1 us for an
 * object without references.
 */
TETHER_API void tether_domain_died(tether_domain *domain, const void *object)
    TETHER_ADDRESS_ONLY(2);

/**
 * Makes a weak reference to an object of a domain. In all else it is what
 * tether_weak_to makes. A pointer that the domain does not recognise is a
 * programmer's mistake and stops.
 */
TETHER_API tether_weak tether_weak_in(tether_domain *domain, const void *object)
    TETHER_ADDRESS_ONLY(2);
TETHER_API tether_weak tether_weak_in_at(tether_domain *domain,
                                         const void *object, const char *name,
                                         const char *file, unsigned line)
    TETHER_ADDRESS_ONLY(2);
#define tether_weak_in(domain, object) \
    tether_weak_in_at((domain), (object), #object, __FILE__, __LINE__)

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

/** Options of tether_stress. */
struct tether_stress_how {
    const char *text; /* the options as written */
    int pressure;     /**< enum tether_level: raised along; default none */
};

/**
 * Makes a collection due at every 'every'th allocation of the window, the
 * newest included, as if the collector ran there by itself. Collectors with
 * .in_malloc run inside that allocation, the others at the next safe point of
 * the test's thread; with .pressure what is soft goes in the same way. 0 ends
 * it.
 *
 *     tether_stress(100);
 *     tether_stress(1, .pressure = TETHER_MODERATE);
 *
 * TETHER_STRESS=100 in the environment does this from each window's begin
 * (TETHER_STRESS_PRESSURE=1, 2 or 3 for the level). When the test fails the
 * table after the run tells at which allocation the last one became due and at
 * which it ran; TETHER_STRESS_AT=1200,3400 makes collections due at just
 * these. `tether stress` finds the smallest set that still fails.
 *
 * Returns TETHER_OK; TETHER_NOT_FOUND when no window is open.
 */
TETHER_API tether_status tether_stress_with(uint64_t every,
                                            struct tether_stress_how how);
TETHER_API tether_status tether_stress(uint64_t every);
#define tether_stress(...)                                      \
    tether_stress_with(TETHER_HEAD_(__VA_ARGS__, ~),            \
                       TETHER_OPTIONS(struct tether_stress_how, \
                                      .text = #__VA_ARGS__,     \
                                      TETHER_TAIL_(__VA_ARGS__, )))

/** What became of the process's memory. */
struct tether_release {
    size_t rss_before_bytes; /**< resident; 0 when the system does not tell */
    size_t rss_after_bytes;
};

/**
 * Gives free memory back to the system: what the calling thread has freed, and
 * what threads have that are over. The allocator lets go of areas of 32 MiB in
 * which no block is left, and of large blocks. No object dies of it, and no
 * count changes. First clear and collect, then release.
 *
 * Returns the resident memory before and after; other threads change it too.
 */
TETHER_API struct tether_release tether_release_memory(void);

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_COLLECT
#    include <tether/disable.h>
#endif
#endif
