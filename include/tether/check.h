/* SPDX-License-Identifier: MIT */
#ifndef TETHER_CHECK_H
#define TETHER_CHECK_H
/**
 * The checks behind the assertions, for plug-ins of test frameworks: each
 * answers, and words its failure.
 *
 *     struct tether_message why;
 *     if (tether_check_collected(ref, &why) == TETHER_FAILED)
 *         my_framework_fail(__FILE__, __LINE__, why.text);
 *
 * A check that passes formats nothing. Any thread.
 */
#include <stddef.h>
#include <tether/api.h>
#include <tether/eventually.h>
#include <tether/ref.h>

TETHER_BEGIN_DECLS

/**
 * For a plug-in's function that a test calls and that calls a check, first of
 * all in it: what the test has in its registers is then found by a check that
 * asks who holds an object, as what it has in variables is.
 */
#if defined(__x86_64__)
#    define TETHER_KEEP_REGISTERS() \
        __asm__ volatile("" : : : "rbx", "r12", "r13", "r14", "r15")
#else
#    define TETHER_KEEP_REGISTERS() ((void)0)
#endif

enum tether_outcome {
    TETHER_PASSED,
    TETHER_FAILED,
    TETHER_UNCHECKED /**< the instrument is blind; the text says why */
};

/** Several lines; the first one stands alone. Each is under 900 bytes. */
struct tether_message {
    char text[8192];
};

TETHER_API enum tether_outcome
tether_check_collected(tether_weak ref, struct tether_message *why);

TETHER_API enum tether_outcome tether_check_alive(tether_weak ref,
                                                  struct tether_message *why);

/** Nothing that 'function' allocated in the window is alive. 'name' is how
 *  the message calls it. */
TETHER_API enum tether_outcome
tether_check_none_alive(void (*function)(void), const char *name,
                        struct tether_message *why);

/** The phantom's record entered its queue, at any time. */
TETHER_API enum tether_outcome
tether_check_enqueued(tether_phantom ref, struct tether_message *why);

/** The records of all of 'refs' entered this queue, at any time and in this
 *  order; others may stand between. 'refs' are the 'bits' of references of any
 *  kind, or of a tether_expected. No record is taken. */
TETHER_API enum tether_outcome
tether_check_enqueued_in_order(tether_queue *queue, const uint64_t *refs,
                               size_t count, struct tether_message *why);

/** No record is in the queue now. */
TETHER_API enum tether_outcome
tether_check_queue_empty(tether_queue *queue, struct tether_message *why);

/** Waits; 'expression' is how the message calls the question. */
TETHER_API enum tether_outcome
tether_check_eventually(tether_predicate is_true, void *ctx,
                        const char *expression, struct tether_wait *wait,
                        struct tether_message *why);
TETHER_API enum tether_outcome
tether_check_consistently(tether_predicate is_true, void *ctx,
                          const char *expression, struct tether_wait *wait,
                          struct tether_message *why);
/** Judges a finished tether_polling; 'expression' is the question as written,
 *  with or without the options behind its first comma. */
TETHER_API enum tether_outcome
tether_check_polling(const struct tether_polling *polling,
                     const char *expression, struct tether_message *why);
/** The same of a finished tether_comparing; 'expression' has its value,
 *  comparison and wanted value as its first three items. */
TETHER_API enum tether_outcome
tether_check_comparing(const struct tether_comparing *comparing,
                       const char *expression, struct tether_message *why);
TETHER_API enum tether_outcome
tether_check_eventually_collected(tether_weak ref, struct tether_wait *wait,
                                  struct tether_message *why);

/** Nobody holds the object, freed or not: the verdict is collected or lost, or
 *  ambiguous where the open budget does not say .ambiguous = TETHER_FAIL. A
 *  variable of the asking function that
 *  points directly to it is no holder. */
TETHER_API enum tether_outcome
tether_check_unreachable(tether_weak ref, struct tether_message *why);

/** Memory that a check is about: a variable, or the block that its address is
 *  in. */
struct tether_holder {
    const void *start;
    size_t bytes;     /* of the variable */
    const char *name; /* as the message calls it: '&registry' */
};

/** No path leads from the holder to the object. */
TETHER_API enum tether_outcome
tether_check_not_held_by(tether_weak ref, const struct tether_holder *holder,
                         struct tether_message *why);

/** A path leads from the holder to the object, and no other path does. */
TETHER_API enum tether_outcome
tether_check_held_only_by(tether_weak ref, const struct tether_holder *holder,
                          struct tether_message *why);

/** At most so many bytes would be lost with the object, its own included. */
TETHER_API enum tether_outcome
tether_check_retained(tether_weak ref, size_t bytes,
                      struct tether_message *why);

/** The object, which is dead and in quarantine, left no pointer behind that
 *  can still be reached. Without tether_quarantine(ref) it is a programmer's
 *  mistake and stops. */
TETHER_API enum tether_outcome
tether_check_no_dangling(tether_weak ref, struct tether_message *why);

TETHER_END_DECLS
#endif
