/* SPDX-License-Identifier: MIT */
#ifndef CMOCKA_TETHER_H
#define CMOCKA_TETHER_H
/*
 * Tether for suites of cmocka (https://cmocka.org): a small plug-in, made of
 * nothing but Tether's public interface.
 *
 *     const struct CMUnitTest tests[] = {
 *         tether_unit_test(evicts),
 *         tether_unit_test(parses, .max_heap = 4096),
 *     };
 *     return cmocka_run_group_tests(tests, NULL, NULL);
 *
 * Each of these tests is a window: what it has not freed at its end fails it,
 * and its limits hold for its body. A limit that breaks is told when the body
 * has ended, because cmocka leaves a test by longjmp, which must not leave
 * malloc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <tether/tether.h>

struct cmocka_tether {
    CMUnitTestFunction test;
    struct tether_budget budget;
};

#define tether_unit_test(...) CMOCKA_TETHER_(__VA_ARGS__, .max_leaked = 0)
#define CMOCKA_TETHER_(function, ...)                                       \
    {                                                                       \
#        function, cmocka_tether_run, NULL, cmocka_tether_teardown,         \
            &(struct cmocka_tether)                                         \
        {                                                                   \
            function,                                                       \
            {                                                               \
                .magic = TETHER_BUDGET_MAGIC,                               \
                .size = sizeof(struct tether_budget), .text = #__VA_ARGS__, \
                .file = __FILE__, .line = __LINE__, __VA_ARGS__             \
            }                                                               \
        }                                                                   \
    }

/* The object of a tether_weak is dead, is alive, dies in time. */
#define assert_collected(ref) \
    CMOCKA_JUDGE_(tether_check_collected((ref), &cmocka_why_))
#define assert_object_alive(ref) \
    CMOCKA_JUDGE_(tether_check_alive((ref), &cmocka_why_))
#define assert_eventually_collected(ref, ms)         \
    CMOCKA_JUDGE_(tether_check_eventually_collected( \
        (ref), &(struct tether_wait){ .within_ms = (ms) }, &cmocka_why_))

/* The condition becomes true in time; it is evaluated once a poll. */
#define assert_eventually(condition, ms)                                 \
    do {                                                                 \
        struct tether_polling polling_;                                  \
        tether_polling_begin(&polling_, TETHER_POLL_EVENTUALLY,          \
                             (struct tether_wait){ .within_ms = (ms) }); \
        while (tether_polling_next(&polling_, (condition) ? 1 : 0)) {    \
        }                                                                \
        CMOCKA_JUDGE_(                                                   \
            tether_check_polling(&polling_, #condition, &cmocka_why_));  \
    } while (0)

/* What the macros are made of. */
#define CMOCKA_JUDGE_(outcome)                                        \
    do {                                                              \
        struct tether_message cmocka_why_;                            \
        if ((outcome) != TETHER_PASSED)                               \
            cmocka_tether_fail(cmocka_why_.text, __FILE__, __LINE__); \
    } while (0)

void cmocka_tether_fail(const char *text, const char *file, int line);
void cmocka_tether_run(void **state);
int cmocka_tether_teardown(void **state);

#endif
