/* SPDX-License-Identifier: MIT */
#ifndef TETHER_REF_H
#define TETHER_REF_H
/**
 * References that do not hold.
 *
 *     struct session *alice = session_new("alice");
 *     tether_weak ref = tether_weak_to(alice);
 *     session_free(alice);
 *     assert(tether_weak_get(ref) == NULL);
 *     tether_weak_drop(ref);
 *
 * A reference is a number (slot and generation, never an address): it keeps
 * nothing alive, may be copied and stored anywhere, and no later object at
 * the same address can be taken for the first. realloc keeps the reference
 * on the object. All calls may be made on any thread, and inside destructors;
 * making a reference while another thread frees the object is a race of the
 * program's, as any other use of the object is.
 *
 * Order: when an object is freed its weak references read dead, then its
 * records enter their queues, then free returns.
 */
#include <stddef.h>
#include <stdint.h>
#include <tether/api.h>
#include <tether/heap.h>
#include <tether/options.h>
#include <tether/status.h>

TETHER_BEGIN_DECLS

typedef struct tether_weak {
    uint64_t bits; /* 0: no reference */
} tether_weak;

typedef struct tether_phantom {
    uint64_t bits; /* 0: no reference */
} tether_phantom;

typedef struct tether_soft {
    uint64_t bits; /* 0: no reference */
} tether_soft;

/** Who made a reference; filled by the macros. */
struct tether_place {
    const char *name; /* the object's expression */
    const char *file;
    unsigned line;
};

/**
 * Makes a weak reference to the object that 'object' is in (interior pointers
 * are accepted). NULL, or a pointer that is in no live block, is a
 * programmer's mistake and stops with a line that says what it is.
 *
 * Returns the reference; give it back with tether_weak_drop. Where Tether
 * does not see the heap, or has no memory, it is one that always reads NULL
 * and that every check calls unchecked.
 */
TETHER_API tether_weak tether_weak_to(const void *object)
    TETHER_ADDRESS_ONLY(1);
TETHER_API tether_weak tether_weak_to_at(const void *object, const char *name,
                                         const char *file, unsigned line)
    TETHER_ADDRESS_ONLY(1);
#define tether_weak_to(object) \
    tether_weak_to_at((object), #object, __FILE__, __LINE__)

/**
 * Gets the object: the pointer that the reference was made from, moved along
 * with realloc.
 *
 * Returns NULL when it is dead. A reference that was dropped, or never made (a
 * zeroed one too: it would let a test pass that forgot to make it), is a
 * programmer's mistake and stops.
 *
 * Cost: no lock; two loads from the reference's slot.
 */
TETHER_API void *tether_weak_get(tether_weak ref);

/** Gives the reference back. A later use of it stops the program. Dropping a
 *  zeroed reference does nothing. */
TETHER_API void tether_weak_drop(tether_weak ref);

/** The last words of a dead object. The strings live as long as the process
 *  does. */
struct tether_last_words {
    const char *name;        /**< as in the call that made the reference */
    const char *type;        /**< 'struct session'; NULL: not known. Nothing
                                  tells it yet, so it is always NULL */
    size_t size;             /**< bytes it had */
    uint32_t alloc_stack;    /**< see tether_stack_text */
    uint32_t free_stack;     /**< who freed it */
    uint32_t free_thread;    /**< number of the thread that freed it */
    uint64_t freed_ns;       /**< CLOCK_MONOTONIC, exact to the kernel's tick
                                  (1 to 10 ms); order is told by queues */
    struct tether_block now; /**< who lives at its address at this moment;
                                  .address is NULL: nobody. The record of a
                                  queue leaves it empty */
};

/**
 * Gets who the object was, who freed it, where and when, and who lives at its
 * address now.
 *
 * Returns TETHER_OK; TETHER_STILL_ALIVE, with *words zeroed but for name,
 * type, size and alloc_stack; TETHER_BLIND for a reference whose object Tether
 * does not see.
 */
TETHER_API tether_status
tether_weak_last_words(tether_weak ref, struct tether_last_words *words);

/** How an object is kept in quarantine. */
struct tether_quarantine_how {
    const char *text; /* the options as written */
    int trap;         /* not 0: a use of its memory faults at once */
};

/**
 * Lets the object go into quarantine when it dies: its memory is filled with a
 * pattern and used for nothing else until this reference is dropped (of
 * several that ask for one object, the first one made). It is dead all the
 * same, and not counted as live. At most TETHER_QUARANTINE bytes are kept (an
 * environment variable, 16MiB), the oldest leave first.
 *
 *     tether_quarantine(ref);
 *     tether_quarantine(ref, .trap = true);
 *
 * A write into the memory is found when the reference is dropped, by
 * tether_quarantine_check, or at the end of the window, and is told as a
 * failure with the stacks of the allocation and of the free. With .trap the
 * pages that only this object has are protected, so that any use, a read too,
 * is told where it happens, and ends the test; the rest of it is watched by
 * the pattern. The signal goes on to the handler that was there before. At
 * most 64 objects trap at a time, others are watched by the pattern.
 *
 * realloc is no death: the object moves on, and its old place is not kept.
 *
 * Returns TETHER_OK; TETHER_NOT_AN_OBJECT when it is dead already;
 * TETHER_REFUSED for .trap when no whole page (4 KiB) is the object's own, and
 * for blocks that were allocated with an alignment of 1 MiB or more;
 * TETHER_BLIND for a blind reference, and under AddressSanitizer, which has a
 * quarantine of its own and reports each use itself.
 */
#define tether_quarantine(...)                                          \
    tether_quarantine_with(TETHER_HEAD_(__VA_ARGS__, ~),                \
                           TETHER_OPTIONS(struct tether_quarantine_how, \
                                          .text = #__VA_ARGS__,         \
                                          TETHER_TAIL_(__VA_ARGS__, )))
TETHER_API tether_status
tether_quarantine_with(tether_weak ref, struct tether_quarantine_how how);

/** Looks at all memory in quarantine and tells of each object that was written
 *  to, once. Returns how many they were. */
TETHER_API size_t tether_quarantine_check(void);

/** A queue of the records of dead objects, oldest death first. */
typedef struct tether_queue tether_queue;

/** The kinds of references that have queues. */
enum tether_ref_kind { TETHER_REF_WEAK, TETHER_REF_PHANTOM, TETHER_REF_SOFT };

/** How short memory is; see <tether/pressure.h>. */
enum tether_level {
    TETHER_NO_PRESSURE,
    TETHER_MODERATE,
    TETHER_CRITICAL,
    TETHER_EXHAUSTED
};

/** Why a record entered its queue, or a soft reference reads NULL. */
enum tether_reason {
    TETHER_NOT_CLEARED,       /**< it holds its object still */
    TETHER_DIED,              /**< the object was freed */
    TETHER_CLEARED_MODERATE,  /**< given up under moderate pressure */
    TETHER_CLEARED_CRITICAL,  /**< ... under critical pressure */
    TETHER_CLEARED_EXHAUSTED, /**< ... when memory was exhausted */
};

/** One record: an object that died, or that a soft reference gave up. The
 *  reference is good until it is dropped. */
struct tether_record {
    enum tether_ref_kind kind;      /**< says which of the next three it is */
    tether_weak weak;               /**< zero, unless kind says so */
    tether_phantom phantom;         /**< zero, unless kind says so */
    tether_soft soft;               /**< zero, unless kind says so */
    void *tag;                      /**< as given with the queue */
    enum tether_reason reason;      /**< not TETHER_NOT_CLEARED */
    struct tether_last_words words; /**< of an object that was given up:
                                         who gave it up, and when */
};

/** Makes a queue. Returns NULL when there is no memory. */
TETHER_API tether_queue *tether_queue_make(void);

/** Drops a queue and the records in it; phantoms that were to enter it stay
 *  valid and enter nothing. Waiters are woken with TETHER_EMPTY. */
TETHER_API void tether_queue_drop(tether_queue *queue);

/**
 * Makes a phantom reference: its record enters 'queue' when the object dies.
 * It never gives the object back. 'tag' is the caller's and is not touched.
 * Several phantoms of one object enter in the order of their making.
 *
 * Returns the reference; give it back with tether_phantom_drop.
 */
TETHER_API tether_phantom tether_phantom_to(const void *object,
                                            tether_queue *queue, void *tag)
    TETHER_ADDRESS_ONLY(1);
TETHER_API tether_phantom tether_phantom_to_at(const void *object,
                                               tether_queue *queue, void *tag,
                                               const char *name,
                                               const char *file, unsigned line)
    TETHER_ADDRESS_ONLY(1);
#define tether_phantom_to(object, queue, tag) \
    tether_phantom_to_at((object), (queue), (tag), #object, __FILE__, __LINE__)

/** Did its record ever enter the queue? Not 0: yes, even if it was taken. */
TETHER_API int tether_phantom_enqueued(tether_phantom ref);

/**
 * Makes a weak reference with a queue: when the object dies the reference
 * reads dead first, then its record enters 'queue'. In all else it is what
 * tether_weak_to makes, and tether_weak_drop takes its record out of the queue
 * if it is in there. References of one object enter in the order of their
 * making, of whatever kind they are.
 */
TETHER_API tether_weak tether_weak_in_queue(const void *object,
                                            tether_queue *queue, void *tag)
    TETHER_ADDRESS_ONLY(1);
TETHER_API tether_weak tether_weak_in_queue_at(const void *object,
                                               tether_queue *queue, void *tag,
                                               const char *name,
                                               const char *file, unsigned line)
    TETHER_ADDRESS_ONLY(1);
#define tether_weak_in_queue(object, queue, tag)                         \
    tether_weak_in_queue_at((object), (queue), (tag), #object, __FILE__, \
                            __LINE__)

/** The same question for a weak reference; 0 for one without a queue. */
TETHER_API int tether_weak_enqueued(tether_weak ref);

/** Gives the reference back, and takes its record out of the queue if it is
 *  in there. Dropping a zeroed reference does nothing. */
TETHER_API void tether_phantom_drop(tether_phantom ref);

/** Takes the oldest record. Returns TETHER_OK or TETHER_EMPTY. */
TETHER_API tether_status tether_queue_poll(tether_queue *queue,
                                           struct tether_record *record);

/**
 * Takes the oldest record, waiting for one for at most 'within_ms'
 * milliseconds (scaled by TETHER_TIME_SCALE).
 *
 * Returns TETHER_OK, TETHER_TIMEOUT, or TETHER_EMPTY when the queue was
 * dropped meanwhile.
 */
TETHER_API tether_status tether_queue_wait(tether_queue *queue,
                                           unsigned within_ms,
                                           struct tether_record *record);

/** Gets the oldest record and leaves it in the queue. Returns TETHER_OK or
 *  TETHER_EMPTY. */
TETHER_API tether_status tether_queue_peek(tether_queue *queue,
                                           struct tether_record *record);

typedef void (*tether_record_fn)(const struct tether_record *record, void *ctx);

/** Calls back, on this thread, for each record that is in the queue at the
 *  time of the call, oldest first, and leaves all of them there. 'see' may do
 *  what it likes. Returns how many; 0, too, where there is no memory for
 *  copies of them. */
TETHER_API size_t tether_queue_visit(tether_queue *queue, tether_record_fn see,
                                     void *ctx);

/** Takes records until there are none, and hands each to 'see', oldest first,
 *  on this thread. 'see' may make, drop, free and poll as it likes, and may
 *  drop this queue, which ends the drain. Then it is a safe point.
 *  Returns how many. */
TETHER_API size_t tether_queue_drain(tether_queue *queue, tether_record_fn see,
                                     void *ctx);

/**
 * Sets a callback for the queue's records: it is called, and takes them, at
 * the next safe point (tether_safepoint, each poll of a wait, a drain, the end
 * of a test's body), never inside free. NULL: none. Called on whatever thread
 * comes to a safe point first, once for each record, never for two records of
 * a queue at once. It may do what the function of tether_queue_drain may.
 */
TETHER_API void tether_queue_on(tether_queue *queue, tether_record_fn see,
                                void *ctx);

/** Gives up the strong reference that a soft one held to 'object', which is
 *  where realloc has moved it. It may make, drop, pin and free as it likes. */
typedef void (*tether_release_fn)(void *object, void *ctx);

/** The options of tether_soft_hold. */
struct tether_soft_how {
    const char *text;    /* the options as written */
    size_t cost;         /**< bytes that giving it up frees; default: the size
                              of the object's block, when it is given up */
    int level;           /**< enum tether_level, from which on it may be given
                              up; default TETHER_MODERATE */
    int in_malloc;       /**< not 0: 'release' may run inside malloc, on any
                              thread; see <tether/pressure.h> */
    int pinned;          /**< not 0: it is pinned once from the start, so that
                              its maker can use the object in any case */
    tether_queue *queue; /**< its record enters this queue, or NULL */
    void *tag;           /**< of the record */
};

/**
 * Takes over one strong reference to 'object', for as long as there is memory
 * enough. Under pressure soft references are cleared, least recently used
 * first: it reads NULL, its record enters its queue, 'release' is called, in
 * this order. 'object' has to be in a live block of the heap.
 *
 *     tether_soft ref = tether_soft_hold(document, document_release, NULL);
 *     tether_soft ref = tether_soft_hold(document, document_release, NULL,
 *                                        .cost = MiB(2), .queue = evicted);
 *
 * 'release' runs at safe points (see tether_safepoint) with no lock held; when
 * its object was freed by somebody else it is not called. Calling this is a
 * safe point.
 *
 * Returns the reference; give it back with tether_soft_drop. Where Tether does
 * not see the heap, or has no memory, it is one that is never cleared by
 * itself: pin reads the object until it is dropped.
 */
TETHER_API tether_soft tether_soft_hold(const void *object,
                                        tether_release_fn release, void *ctx)
    TETHER_ADDRESS_ONLY(1);
TETHER_API tether_soft tether_soft_hold_at(const void *object,
                                           tether_release_fn release, void *ctx,
                                           struct tether_soft_how how,
                                           const char *name, const char *file,
                                           unsigned line)
    TETHER_ADDRESS_ONLY(1);
#define tether_soft_hold(object, release, ...)                             \
    tether_soft_hold_at((object), (release), TETHER_HEAD_(__VA_ARGS__, ~), \
                        TETHER_OPTIONS(struct tether_soft_how,             \
                                       .text = #__VA_ARGS__,               \
                                       TETHER_TAIL_(__VA_ARGS__, )),       \
                        #object, __FILE__, __LINE__)

/**
 * Gets the object and keeps it: it is not given up until as many calls of
 * tether_soft_unpin, and is the most recently used one then. A safe point.
 *
 * Returns NULL when it was cleared.
 */
TETHER_API void *tether_soft_pin(tether_soft ref);

/** Ends one pin. One too many is a programmer's mistake and stops. */
TETHER_API void tether_soft_unpin(tether_soft ref);

/** Why it was cleared; TETHER_NOT_CLEARED while it holds. */
TETHER_API enum tether_reason tether_soft_reason(tether_soft ref);

/** A soft reference and why its record is to have entered its queue. */
struct tether_expected {
    uint64_t bits; /* both in one number */
};

/** Gets what ASSERT_ENQUEUED_IN_ORDER takes in place of the reference, to
 *  assert the reason too:
 *
 *     ASSERT_ENQUEUED_IN_ORDER(
 *         queue, tether_for_reason(first, TETHER_CLEARED_MODERATE), second);
 */
TETHER_API struct tether_expected tether_for_reason(tether_soft ref,
                                                    enum tether_reason reason);

/** Gives the reference back: calls its release if it holds the object still,
 *  and takes its record out of its queue. When this returns release does not
 *  run on another thread and never will. Dropping a zeroed reference does
 *  nothing; dropping it while it is pinned stops the program. */
TETHER_API void tether_soft_drop(tether_soft ref);

/** Lets pending callbacks run here; inside one of them it does nothing.
 *  Cost: one load when none is pending. */
TETHER_API void tether_safepoint(void);

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_REF
#    include <tether/disable.h>
#endif
#endif
