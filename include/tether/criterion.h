/* SPDX-License-Identifier: MIT */
#ifndef TETHER_CRITERION_H
#define TETHER_CRITERION_H
/**
 * Tether for Criterion suites. Include it where tests are; link
 * tether-criterion; nothing of Criterion's syntax changes.
 *
 *     Test(cache, forgets_evicted, HEAP_BUDGET(.max_heap = MiB(8), NO_LEAKS))
 *     {
 *         struct session *alice = cache_login(cache, "alice");
 *         tether_weak ref = tether_weak_to(alice);
 *         cache_evict(cache, "alice");
 *         ASSERT_COLLECTED(ref);
 *     }
 *
 * ASSERT_x ends the test when it fails, EXPECT_x goes on. Both may be used on
 * any thread: only the test's own thread can leave the test alone, so on
 * another one a failing ASSERT_x ends the test's process, and fixtures' .fini
 * do not run. In a forked child of a test a failure is written to stderr and
 * the child exits with 1.
 *
 * Every name has a twin that begins with TETHER_; with TETHER_PREFIXED_ONLY
 * defined only those exist. With TETHER_DISABLE defined nothing is checked
 * and no library is needed.
 *
 * May be included before or after any header of Criterion's, and of GLib.
 * <gtest/gtest.h> must come before it, because Criterion's own macros Test
 * and TestSuite break it otherwise.
 */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdint.h>
#include <tether/api.h>
#include <tether/criteria.h>
#include <tether/criterion_spy.h>
#include <tether/options.h>
#include <tether/tether.h>

/* --- sizes --------------------------------------------------------------- */

#define TETHER_KiB(n) (1024ull * (n))
#define TETHER_MiB(n) (1048576ull * (n))
#define TETHER_GiB(n) (1073741824ull * (n))

/* --- budgets ------------------------------------------------------------- */

/**
 * A test's, or as a TestSuite's field every of its tests' heap budget:
 *
 *     Test(suite, name, HEAP_BUDGET(.max_heap = MiB(8)), .timeout = 5) { ... }
 *
 * The fields are those of struct tether_budget, in any order. It takes the
 * place of Criterion's unused field .data.
 */
#ifdef __cplusplus
#    define TETHER_HEAP_BUDGET(...)                        \
        .data = ([]() -> void * {                          \
            static struct tether_budget tether_budget_ =   \
                TETHER_BUDGET_(#__VA_ARGS__, __VA_ARGS__); \
            return &tether_budget_;                        \
        }())
#else
#    define TETHER_HEAP_BUDGET(...) \
        .data = (&TETHER_BUDGET_(#__VA_ARGS__, __VA_ARGS__))
#endif

/** A budget's field: nothing that the window allocated may be left. */
#define TETHER_NO_LEAKS .max_leaked = 0

/** A budget's field: of what the window allocated, nothing may be left to
 *  which nothing points. */
#define TETHER_NO_LOST .max_lost = 0

#define TETHER_BUDGET_(written, ...)                                   \
    TETHER_OPTIONS(struct tether_budget, .magic = TETHER_BUDGET_MAGIC, \
                   .size = (uint32_t)sizeof(struct tether_budget),     \
                   .text = written, .full = TETHER_TEXT_(__VA_ARGS__), \
                   .file = __FILE__, .line = __LINE__, __VA_ARGS__)

/* --- scopes -------------------------------------------------------------- */

/**
 * A budget for a part of a test:
 *
 *     WITHIN_BUDGET(.max_count = 0) {
 *         lookup(table, key);
 *     }
 *
 * Nests. However the block is left, the budget is judged then; break and
 * continue leave this block only. A longjmp past its end closes it unchecked,
 * at the latest at the test's end.
 */
#define TETHER_WITHIN_BUDGET(...)                                     \
    TETHER_SCOPE_(                                                    \
        TETHER_JOIN_(tether_scope_, __LINE__),                        \
        tether_scope_begin(TETHER_BUDGET_(#__VA_ARGS__, __VA_ARGS__), \
                           __builtin_frame_address(0)))

/**
 * A block of which everything that it allocates is meant to stay, and is no
 * leak: caches that are filled once, for instance.
 *
 *     ONE_TIME { setlocale(LC_ALL, ""); }
 */
#define TETHER_ONE_TIME                                  \
    TETHER_SCOPE_(TETHER_JOIN_(tether_scope_, __LINE__), \
                  tether_scope_one_time())

/**
 * A block in which memory is short: what is eligible at the level is given up
 * at its begin, and again at each safe point up to its end.
 *
 *     WITH_PRESSURE(TETHER_CRITICAL) {
 *         serve_requests(server);
 *     }
 *
 * Nests, and is left as WITHIN_BUDGET is.
 */
#define TETHER_WITH_PRESSURE(level)                      \
    TETHER_SCOPE_(TETHER_JOIN_(tether_scope_, __LINE__), \
                  tether_scope_pressure((level), __builtin_frame_address(0)))

/* --- assertions ---------------------------------------------------------- */

/** The object of the tether_weak reference is dead. If it is not and there are
 *  collectors, a collection is run first. */
#define TETHER_ASSERT_COLLECTED(ref) \
    tether_criterion_collected((ref), TETHER_HERE_, 1)
#define TETHER_EXPECT_COLLECTED(ref) \
    tether_criterion_collected((ref), TETHER_HERE_, 0)

/** The object of the tether_weak reference is alive. */
#define TETHER_ASSERT_ALIVE(ref) tether_criterion_alive((ref), TETHER_HERE_, 1)
#define TETHER_EXPECT_ALIVE(ref) tether_criterion_alive((ref), TETHER_HERE_, 0)

/** Nobody holds the object of the tether_weak reference any more, freed or
 *  not. A variable of this function that points directly to it is no holder.
 *  Words of stacks and registers, which may be dead themselves, fail it only
 *  where the budget says .ambiguous = TETHER_FAIL. */
#define TETHER_ASSERT_UNREACHABLE(ref) \
    tether_criterion_unreachable((ref), TETHER_HERE_, 1)
#define TETHER_EXPECT_UNREACHABLE(ref) \
    tether_criterion_unreachable((ref), TETHER_HERE_, 0)

/** No path leads to the object from the variable that the second argument
 *  points to, or from the block that it points into:
 *
 *      ASSERT_NOT_HELD_BY(ref, &registry);
 */
#define TETHER_ASSERT_NOT_HELD_BY(ref, holder) \
    tether_criterion_not_held_by((ref), TETHER_HOLDER_(holder), TETHER_HERE_, 1)
#define TETHER_EXPECT_NOT_HELD_BY(ref, holder) \
    tether_criterion_not_held_by((ref), TETHER_HOLDER_(holder), TETHER_HERE_, 0)

/** The object is held by that variable, or block, and by nobody else: every
 *  path passes through it. */
#define TETHER_ASSERT_HELD_ONLY_BY(ref, holder)                                \
    tether_criterion_held_only_by((ref), TETHER_HOLDER_(holder), TETHER_HERE_, \
                                  1)
#define TETHER_EXPECT_HELD_ONLY_BY(ref, holder)                                \
    tether_criterion_held_only_by((ref), TETHER_HOLDER_(holder), TETHER_HERE_, \
                                  0)
#define TETHER_HOLDER_(holder) (holder), sizeof(*(holder)), #holder

/** At most so many bytes would be lost with the object: its own, and those of
 *  all that only it leads to. */
#define TETHER_ASSERT_RETAINED_AT_MOST(ref, bytes) \
    tether_criterion_retained((ref), (bytes), TETHER_HERE_, 1)
#define TETHER_EXPECT_RETAINED_AT_MOST(ref, bytes) \
    tether_criterion_retained((ref), (bytes), TETHER_HERE_, 0)

/** The object, which is dead and in quarantine (tether_quarantine), left no
 *  pointer behind in globals, thread-locals, closures, or blocks that these
 *  lead to. */
#define TETHER_ASSERT_NO_DANGLING(ref) \
    tether_criterion_no_dangling((ref), TETHER_HERE_, 1)
#define TETHER_EXPECT_NO_DANGLING(ref) \
    tether_criterion_no_dangling((ref), TETHER_HERE_, 0)

/** Nothing that the function allocated in this test is alive. */
#define TETHER_ASSERT_NONE_ALIVE(function)                             \
    tether_criterion_none_alive((void (*)(void))(function), #function, \
                                TETHER_HERE_, 1)
#define TETHER_EXPECT_NONE_ALIVE(function)                             \
    tether_criterion_none_alive((void (*)(void))(function), #function, \
                                TETHER_HERE_, 0)

/** The record of the tether_phantom reference entered its queue, ever. */
#define TETHER_ASSERT_ENQUEUED(phantom) \
    tether_criterion_enqueued((phantom), TETHER_HERE_, 1)
#define TETHER_EXPECT_ENQUEUED(phantom) \
    tether_criterion_enqueued((phantom), TETHER_HERE_, 0)

/**
 * The records of these references, weak or phantom, entered the queue, ever
 * and in this order. Records of others may stand between. At most 24.
 *
 *     ASSERT_ENQUEUED_IN_ORDER(queue, child, parent);
 *
 * No assertion takes a record out of a queue.
 */
#define TETHER_ASSERT_ENQUEUED_IN_ORDER(queue, ...) \
    TETHER_IN_ORDER_(queue, 1, __VA_ARGS__)
#define TETHER_EXPECT_ENQUEUED_IN_ORDER(queue, ...) \
    TETHER_IN_ORDER_(queue, 0, __VA_ARGS__)

/** No record is in the queue now. */
#define TETHER_ASSERT_QUEUE_EMPTY(queue) \
    tether_criterion_queue_empty((queue), TETHER_HERE_, 1)
#define TETHER_EXPECT_QUEUE_EMPTY(queue) \
    tether_criterion_queue_empty((queue), TETHER_HERE_, 0)

/**
 * The condition, which is evaluated once a poll, becomes true in time:
 *
 *     ASSERT_EVENTUALLY(cache_len(cache) == 0, .within_ms = 500);
 *
 * Options: .within_ms (default 1000), .every_ms (1, doubling to 100),
 * .at_least_ms: it must not be true before, and .collect = true: a collection
 * before each poll but the first.
 */
#define TETHER_ASSERT_EVENTUALLY(...) \
    TETHER_POLL_(TETHER_POLL_EVENTUALLY, 1, #__VA_ARGS__, __VA_ARGS__)
#define TETHER_EXPECT_EVENTUALLY(...) \
    TETHER_POLL_(TETHER_POLL_EVENTUALLY, 0, #__VA_ARGS__, __VA_ARGS__)

/** The condition is true at every poll. Options: .for_ms (200), .every_ms,
 *  .collect. */
#define TETHER_ASSERT_CONSISTENTLY(...) \
    TETHER_POLL_(TETHER_POLL_CONSISTENTLY, 1, #__VA_ARGS__, __VA_ARGS__)
#define TETHER_EXPECT_CONSISTENTLY(...) \
    TETHER_POLL_(TETHER_POLL_CONSISTENTLY, 0, #__VA_ARGS__, __VA_ARGS__)

/**
 * The value of an expression, evaluated once a poll, comes to be what is
 * wanted, which is evaluated once before. Any of == != < <= > >=, any scalar
 * type; strings compare by content. The failure tells how the value changed.
 *
 *     ASSERT_EVENTUALLY_IS(cache_len(cache), ==, 0, .within_ms = 500);
 */
#define TETHER_ASSERT_EVENTUALLY_IS(...) \
    TETHER_COMPARE_(TETHER_POLL_EVENTUALLY, 1, #__VA_ARGS__, __VA_ARGS__, )
#define TETHER_EXPECT_EVENTUALLY_IS(...) \
    TETHER_COMPARE_(TETHER_POLL_EVENTUALLY, 0, #__VA_ARGS__, __VA_ARGS__, )

/** The value is so at every poll; options as of CONSISTENTLY. */
#define TETHER_ASSERT_CONSISTENTLY_IS(...) \
    TETHER_COMPARE_(TETHER_POLL_CONSISTENTLY, 1, #__VA_ARGS__, __VA_ARGS__, )
#define TETHER_EXPECT_CONSISTENTLY_IS(...) \
    TETHER_COMPARE_(TETHER_POLL_CONSISTENTLY, 0, #__VA_ARGS__, __VA_ARGS__, )

/**
 * Inside what a wait asks, also in a function that it calls: ends the wait as
 * failed, with this reason, when the answer comes. An expression, a no.
 *
 *     ASSERT_EVENTUALLY(is_up(server) || (has_died(server) &&
 *                                         STOP_WAITING("the server died")));
 */
#define TETHER_STOP_WAITING(reason) tether_stop_waiting(reason)

/** The object dies in time; its free wakes the caller. Options:
 *  .within_ms (1000), .at_least_ms, .collect. */
#define TETHER_ASSERT_EVENTUALLY_COLLECTED(...) \
    TETHER_AWAIT_(1, #__VA_ARGS__, __VA_ARGS__)
#define TETHER_EXPECT_EVENTUALLY_COLLECTED(...) \
    TETHER_AWAIT_(0, #__VA_ARGS__, __VA_ARGS__)

/* --- the same without the prefix ----------------------------------------- */

#ifndef TETHER_PREFIXED_ONLY
#    define HEAP_BUDGET                 TETHER_HEAP_BUDGET
#    define NO_LEAKS                    TETHER_NO_LEAKS
#    define NO_LOST                     TETHER_NO_LOST
#    define WITHIN_BUDGET               TETHER_WITHIN_BUDGET
#    define ONE_TIME                    TETHER_ONE_TIME
#    define WITH_PRESSURE               TETHER_WITH_PRESSURE
#    define ASSERT_COLLECTED            TETHER_ASSERT_COLLECTED
#    define EXPECT_COLLECTED            TETHER_EXPECT_COLLECTED
#    define ASSERT_ALIVE                TETHER_ASSERT_ALIVE
#    define EXPECT_ALIVE                TETHER_EXPECT_ALIVE
#    define ASSERT_UNREACHABLE          TETHER_ASSERT_UNREACHABLE
#    define EXPECT_UNREACHABLE          TETHER_EXPECT_UNREACHABLE
#    define ASSERT_NOT_HELD_BY          TETHER_ASSERT_NOT_HELD_BY
#    define EXPECT_NOT_HELD_BY          TETHER_EXPECT_NOT_HELD_BY
#    define ASSERT_HELD_ONLY_BY         TETHER_ASSERT_HELD_ONLY_BY
#    define EXPECT_HELD_ONLY_BY         TETHER_EXPECT_HELD_ONLY_BY
#    define ASSERT_RETAINED_AT_MOST     TETHER_ASSERT_RETAINED_AT_MOST
#    define EXPECT_RETAINED_AT_MOST     TETHER_EXPECT_RETAINED_AT_MOST
#    define ASSERT_NO_DANGLING          TETHER_ASSERT_NO_DANGLING
#    define EXPECT_NO_DANGLING          TETHER_EXPECT_NO_DANGLING
#    define ASSERT_NONE_ALIVE           TETHER_ASSERT_NONE_ALIVE
#    define EXPECT_NONE_ALIVE           TETHER_EXPECT_NONE_ALIVE
#    define ASSERT_ENQUEUED             TETHER_ASSERT_ENQUEUED
#    define EXPECT_ENQUEUED             TETHER_EXPECT_ENQUEUED
#    define ASSERT_ENQUEUED_IN_ORDER    TETHER_ASSERT_ENQUEUED_IN_ORDER
#    define EXPECT_ENQUEUED_IN_ORDER    TETHER_EXPECT_ENQUEUED_IN_ORDER
#    define ASSERT_QUEUE_EMPTY          TETHER_ASSERT_QUEUE_EMPTY
#    define EXPECT_QUEUE_EMPTY          TETHER_EXPECT_QUEUE_EMPTY
#    define ASSERT_EVENTUALLY           TETHER_ASSERT_EVENTUALLY
#    define EXPECT_EVENTUALLY           TETHER_EXPECT_EVENTUALLY
#    define ASSERT_CONSISTENTLY         TETHER_ASSERT_CONSISTENTLY
#    define EXPECT_CONSISTENTLY         TETHER_EXPECT_CONSISTENTLY
#    define ASSERT_EVENTUALLY_COLLECTED TETHER_ASSERT_EVENTUALLY_COLLECTED
#    define EXPECT_EVENTUALLY_COLLECTED TETHER_EXPECT_EVENTUALLY_COLLECTED
#    define ASSERT_EVENTUALLY_IS        TETHER_ASSERT_EVENTUALLY_IS
#    define EXPECT_EVENTUALLY_IS        TETHER_EXPECT_EVENTUALLY_IS
#    define ASSERT_CONSISTENTLY_IS      TETHER_ASSERT_CONSISTENTLY_IS
#    define EXPECT_CONSISTENTLY_IS      TETHER_EXPECT_CONSISTENTLY_IS
#    define STOP_WAITING                TETHER_STOP_WAITING

#    ifndef KiB
#        define KiB TETHER_KiB
#    endif
#    ifndef MiB
#        define MiB TETHER_MiB
#    endif
#    ifndef GiB
#        define GiB TETHER_GiB
#    endif
#endif

/* --- what the macros are made of ----------------------------------------- */

#define TETHER_HERE_        __FILE__, __LINE__
#define TETHER_JOIN_(a, b)  TETHER_JOIN2_(a, b)
#define TETHER_JOIN2_(a, b) a##b

#define TETHER_POLL_(kind, stop, written, ...)                                \
    do {                                                                      \
        struct tether_polling tether_polling_;                                \
        tether_polling_begin(&tether_polling_, kind,                          \
                             TETHER_OPTIONS(struct tether_wait,               \
                                            .text = written,                  \
                                            TETHER_TAIL_(__VA_ARGS__, )));    \
        while (tether_polling_next(&tether_polling_,                          \
                                   (TETHER_HEAD_(__VA_ARGS__, ~)) ? 1 : 0)) { \
        }                                                                     \
        tether_criterion_polled(&tether_polling_, written, TETHER_HERE_,      \
                                stop);                                        \
    } while (0)

/* Called with an empty argument more, which is an empty field at the end. */
#define TETHER_COMPARE_(kind, stop, written, expression, comparison, ...)    \
    do {                                                                     \
        struct tether_comparing tether_comparing_;                           \
        tether_comparing_begin(                                              \
            &tether_comparing_, kind,                                        \
            TETHER_OPTIONS(struct tether_wait, .text = written,              \
                           TETHER_TAIL_(__VA_ARGS__)),                       \
            #comparison, TETHER_VALUE_OF(TETHER_HEAD_(__VA_ARGS__, ~)));     \
        while (tether_comparing_next(&tether_comparing_,                     \
                                     TETHER_VALUE_OF(expression))) {         \
        }                                                                    \
        tether_criterion_compared(&tether_comparing_, written, TETHER_HERE_, \
                                  stop);                                     \
    } while (0)

#define TETHER_AWAIT_(stop, written, ...)                                      \
    tether_criterion_await((TETHER_HEAD_(__VA_ARGS__, ~)),                     \
                           TETHER_OPTIONS(struct tether_wait, .text = written, \
                                          TETHER_TAIL_(__VA_ARGS__, )),        \
                           TETHER_HERE_, stop)

/* References of several kinds in one list: what they share is their 'bits'. */
#define TETHER_IN_ORDER_(queue, stop, ...)                                \
    do {                                                                  \
        const uint64_t tether_refs_[] = { TETHER_BITS_(__VA_ARGS__) };    \
        tether_criterion_in_order((queue), tether_refs_,                  \
                                  sizeof tether_refs_ / sizeof(uint64_t), \
                                  TETHER_HERE_, stop);                    \
    } while (0)

/* A scope runs its block once and is closed however the block is left. That
 * it runs at all must be plain to the compiler, or it would warn that what is
 * assigned in the block may not be. */
#ifdef __cplusplus
#    define TETHER_SCOPE_(name, number) \
        for (tether_scope_guard name(number); name.scope.entered++ == 0;)
#else
#    define TETHER_SCOPE_(name, number)                                  \
        for (struct tether_scope name                                    \
             __attribute__((cleanup(tether_scope_end))) = { number, 0 }; \
             name.entered++ == 0;)
#endif

TETHER_BEGIN_DECLS

struct cri_assert_node;
struct criterion_datapoints;

/* A number, because the budget itself must outlive a frame that a longjmp
 * skipped. */
struct tether_scope {
    uint64_t number;  /* of the open budget; 0: there is none */
    unsigned entered; /* the block has been run */
};

/* Answers the scope's number. 'frame' is the caller's own. */
TETHER_API uint64_t tether_scope_begin(struct tether_budget given,
                                       const void *frame);
TETHER_API uint64_t tether_scope_one_time(void);
TETHER_API uint64_t tether_scope_pressure(enum tether_level level,
                                          const void *frame);
TETHER_API void tether_scope_end(struct tether_scope *scope);

TETHER_API void tether_criterion_collected(tether_weak ref, const char *file,
                                           unsigned line, int stop);
TETHER_API void tether_criterion_alive(tether_weak ref, const char *file,
                                       unsigned line, int stop);
TETHER_API void tether_criterion_unreachable(tether_weak ref, const char *file,
                                             unsigned line, int stop);
TETHER_API void tether_criterion_not_held_by(tether_weak ref, const void *start,
                                             size_t bytes, const char *name,
                                             const char *file, unsigned line,
                                             int stop) TETHER_ADDRESS_ONLY(2);
TETHER_API void tether_criterion_held_only_by(tether_weak ref,
                                              const void *start, size_t bytes,
                                              const char *name,
                                              const char *file, unsigned line,
                                              int stop) TETHER_ADDRESS_ONLY(2);
TETHER_API void tether_criterion_retained(tether_weak ref, size_t bytes,
                                          const char *file, unsigned line,
                                          int stop);
TETHER_API void tether_criterion_no_dangling(tether_weak ref, const char *file,
                                             unsigned line, int stop);
TETHER_API void tether_criterion_none_alive(void (*function)(void),
                                            const char *name, const char *file,
                                            unsigned line, int stop);
TETHER_API void tether_criterion_enqueued(tether_phantom ref, const char *file,
                                          unsigned line, int stop);
TETHER_API void tether_criterion_in_order(tether_queue *queue,
                                          const uint64_t *refs, size_t count,
                                          const char *file, unsigned line,
                                          int stop);
TETHER_API void tether_criterion_queue_empty(tether_queue *queue,
                                             const char *file, unsigned line,
                                             int stop);
TETHER_API void tether_criterion_polled(const struct tether_polling *polling,
                                        const char *written, const char *file,
                                        unsigned line, int stop);
TETHER_API void
tether_criterion_compared(const struct tether_comparing *comparing,
                          const char *written, const char *file, unsigned line,
                          int stop);
TETHER_API void tether_criterion_await(tether_weak ref, struct tether_wait wait,
                                       const char *file, unsigned line,
                                       int stop);

/* What Test() and cr_assert() call in place of Criterion's functions. */
TETHER_API void tether_criterion_setup(void);
TETHER_API void tether_criterion_main(void (*body)(void));
TETHER_API void tether_criterion_teardown(void);
TETHER_API void tether_criterion_send(struct criterion_assert_stats *stats);
TETHER_API void tether_criterion_node_send(const char *file, size_t line,
                                           struct cri_assert_node *tree);
TETHER_API void tether_criterion_abort(void) __attribute__((noreturn));
TETHER_API void tether_criterion_skip(const char *format, ...)
    __attribute__((noreturn));
TETHER_API void tether_criterion_die(const char *format, ...);
TETHER_API void tether_criterion_theory(struct criterion_datapoints *points,
                                        size_t count, void (*theory)(void));

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    include <tether/disable_criterion.h>
#else
#    define criterion_internal_test_setup    tether_criterion_setup
#    define criterion_internal_test_main     tether_criterion_main
#    define criterion_internal_test_teardown tether_criterion_teardown
#    define criterion_send_assert            tether_criterion_send
#    define cri_assert_node_send             tether_criterion_node_send
#    define criterion_abort_test             tether_criterion_abort
#    define criterion_skip_test              tether_criterion_skip
#    define criterion_test_die               tether_criterion_die
#    define cr_theory_main                   tether_criterion_theory
#endif

#ifdef __cplusplus
struct tether_scope_guard {
    struct tether_scope scope;
    explicit tether_scope_guard(uint64_t number)
    {
        scope.number = number;
        scope.entered = 0;
    }
    ~tether_scope_guard()
    {
        tether_scope_end(&scope);
    }
    tether_scope_guard(const tether_scope_guard &) = delete;
    tether_scope_guard &operator=(const tether_scope_guard &) = delete;
};
#endif
#endif
