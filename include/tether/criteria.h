/* SPDX-License-Identifier: MIT */
#ifndef TETHER_CRITERIA_H
#define TETHER_CRITERIA_H
/**
 * Tether's questions inside Criterion's new-style assertions, to be combined
 * with all, any, none, not and Criterion's own criteria. One that fails
 * explains itself as the assertion of its name does:
 *
 *     #include <tether/criterion.h>
 *     #include <criterion/new/assert.h>
 *
 *     cr_assert(all(collected(session), not(alive(cache)), eq(int, n, 0)));
 *
 * collected(weak) and alive(weak), each of which is the other's not; where
 * there are collectors, collected and not(alive) run a collection first.
 * enqueued(phantom), queue_empty(queue), none_alive(function). They always
 * exist as tether_collected and so on, and with TETHER_PREFIXED_ONLY only so:
 * then functions of the suite's own may be called alive.
 *
 * Inside any(...) one that answers no takes the time of its explanation, even
 * if another one answers yes. What cannot be checked skips the test. Included
 * by <tether/criterion.h>.
 */
#include <tether/api.h>
#include <tether/ref.h>

#define TETHER_IS_COLLECTED_(ref)                                            \
    TETHER_CRITERION_(                                                       \
        tether_criterion_is_collected((ref), cri_cond_expect, &tether_why_), \
        "collected(" #ref ")")
#define CRI_ASSERT_TEST_SPECIFIER_tether_collected(...) ,
#define CRI_ASSERT_SPECIFIER_tether_collected           TETHER_IS_COLLECTED_

#define TETHER_IS_ALIVE_(ref)                                            \
    TETHER_CRITERION_(                                                   \
        tether_criterion_is_alive((ref), cri_cond_expect, &tether_why_), \
        "alive(" #ref ")")
#define CRI_ASSERT_TEST_SPECIFIER_tether_alive(...) ,
#define CRI_ASSERT_SPECIFIER_tether_alive           TETHER_IS_ALIVE_

#define TETHER_IS_ENQUEUED_(phantom)                                           \
    TETHER_CRITERION_(tether_criterion_is_enqueued((phantom), cri_cond_expect, \
                                                   &tether_why_),              \
                      "enqueued(" #phantom ")")
#define CRI_ASSERT_TEST_SPECIFIER_tether_enqueued(...) ,
#define CRI_ASSERT_SPECIFIER_tether_enqueued           TETHER_IS_ENQUEUED_

#define TETHER_IS_QUEUE_EMPTY_(queue)                              \
    TETHER_CRITERION_(tether_criterion_is_queue_empty(             \
                          (queue), cri_cond_expect, &tether_why_), \
                      "queue_empty(" #queue ")")
#define CRI_ASSERT_TEST_SPECIFIER_tether_queue_empty(...) ,
#define CRI_ASSERT_SPECIFIER_tether_queue_empty           TETHER_IS_QUEUE_EMPTY_

#define TETHER_IS_NONE_ALIVE_(function)                                       \
    TETHER_CRITERION_(                                                        \
        tether_criterion_is_none_alive((void (*)(void))(function), #function, \
                                       cri_cond_expect, &tether_why_),        \
        "none_alive(" #function ")")
#define CRI_ASSERT_TEST_SPECIFIER_tether_none_alive(...) ,
#define CRI_ASSERT_SPECIFIER_tether_none_alive           TETHER_IS_NONE_ALIVE_

#ifndef TETHER_PREFIXED_ONLY
#    define CRI_ASSERT_TEST_SPECIFIER_collected(...)   ,
#    define CRI_ASSERT_SPECIFIER_collected             TETHER_IS_COLLECTED_
#    define CRI_ASSERT_TEST_SPECIFIER_alive(...)       ,
#    define CRI_ASSERT_SPECIFIER_alive                 TETHER_IS_ALIVE_
#    define CRI_ASSERT_TEST_SPECIFIER_enqueued(...)    ,
#    define CRI_ASSERT_SPECIFIER_enqueued              TETHER_IS_ENQUEUED_
#    define CRI_ASSERT_TEST_SPECIFIER_queue_empty(...) ,
#    define CRI_ASSERT_SPECIFIER_queue_empty           TETHER_IS_QUEUE_EMPTY_
#    define CRI_ASSERT_TEST_SPECIFIER_none_alive(...)  ,
#    define CRI_ASSERT_SPECIFIER_none_alive            TETHER_IS_NONE_ALIVE_
#endif

/* One criterion, in the way of Criterion's own: it begins as the right side of
 * an assignment, and sets what the block has that Criterion puts it in. */
#define TETHER_CRITERION_(question, written)                         \
    tether_criterion_yes_();                                         \
    do {                                                             \
        char *tether_why_ = NULL;                                    \
        cri_cond_un = (question);                                    \
        if (cri_cond_un != cri_cond_expect) {                        \
            cri_assert_node_init(&cri_tmpn);                         \
            cri_tmpn.repr = written;                                 \
            cri_tmpn.params[0].name = "tether_why";                  \
            cri_tmpn.params[0].type = CRI_ASSERT_RT_STR;             \
            cri_tmpn.params[0].data = tether_why_;                   \
            cri_tmpn.pass = cri_cond_un ? 1 : 0;                     \
            cri_prevnode = cri_assert_node_add(cri_node, &cri_tmpn); \
        }                                                            \
    } while (0)

TETHER_BEGIN_DECLS

/* Where Criterion drops the value, a plain 1 would be a statement without
 * effect. */
static inline int tether_criterion_yes_(void)
{
    return 1;
}

/* The questions. Each answers 'expected', or else sets *why to a text that is
 * to be freed. */
TETHER_API int tether_criterion_is_collected(tether_weak ref, int expected,
                                             char **why);
TETHER_API int tether_criterion_is_alive(tether_weak ref, int expected,
                                         char **why);
TETHER_API int tether_criterion_is_enqueued(tether_phantom ref, int expected,
                                            char **why);
TETHER_API int tether_criterion_is_queue_empty(tether_queue *queue,
                                               int expected, char **why);
TETHER_API int tether_criterion_is_none_alive(void (*function)(void),
                                              const char *name, int expected,
                                              char **why);

TETHER_END_DECLS
#endif
