/* SPDX-License-Identifier: MIT */
#ifndef CHECK_TETHER_H
#define CHECK_TETHER_H
/*
 * Tether for suites of Check (https://libcheck.github.io/check/): a small
 * plug-in, made of nothing but Tether's public interface.
 *
 *     TCase *tcase = tcase_create("cache");
 *     tcase_add_tether(tcase);        // before other fixtures
 *     tcase_add_test(tcase, evicts);
 *
 * Each test of the case is a window then: what it has not freed at its end,
 * fixtures included, fails it.
 */
#include <check.h>
#include <tether/tether.h>

void tcase_add_tether(TCase *tcase);

/* The object of a tether_weak is dead, is alive, dies in time. */
#define ck_assert_collected(ref) \
    CK_TETHER_(tether_check_collected((ref), &ck_tether_why_.message))
#define ck_assert_alive(ref) \
    CK_TETHER_(tether_check_alive((ref), &ck_tether_why_.message))
#define ck_assert_eventually_collected(ref, ms)            \
    CK_TETHER_(tether_check_eventually_collected(          \
        (ref), &(struct tether_wait){ .within_ms = (ms) }, \
        &ck_tether_why_.message))

/* The condition becomes true in time; it is evaluated once a poll. */
#define ck_assert_eventually(condition, ms)                              \
    do {                                                                 \
        struct tether_polling ck_polling_;                               \
        tether_polling_begin(&ck_polling_, TETHER_POLL_EVENTUALLY,       \
                             (struct tether_wait){ .within_ms = (ms) }); \
        while (tether_polling_next(&ck_polling_, (condition) ? 1 : 0)) { \
        }                                                                \
        CK_TETHER_(tether_check_polling(&ck_polling_, #condition,        \
                                        &ck_tether_why_.message));       \
    } while (0)

/*
 * A budget for a block of a test:
 *
 *     CK_WITHIN_BUDGET(.max_count = 0) {
 *         lookup(table, key);
 *     }
 *
 * Leave the block at its end only.
 */
#define CK_WITHIN_BUDGET(...)                                              \
    for (struct tether_budget ck_budget_ = { .magic = TETHER_BUDGET_MAGIC, \
                                             .size = sizeof ck_budget_,    \
                                             .text = #__VA_ARGS__,         \
                                             .file = __FILE__,             \
                                             .line = __LINE__,             \
                                             __VA_ARGS__ },                \
                              *ck_open_ = check_tether_begin(&ck_budget_); \
         ck_open_; ck_open_ = check_tether_end(ck_open_))

/* What the macros are made of. */
struct check_tether_why {
    struct tether_message message;
};
void check_tether_judge(enum tether_outcome outcome,
                        const struct check_tether_why *why, const char *file,
                        unsigned line);
struct tether_budget *check_tether_begin(struct tether_budget *budget);
struct tether_budget *check_tether_end(struct tether_budget *budget);

#define CK_TETHER_(outcome)                                                   \
    do {                                                                      \
        struct check_tether_why ck_tether_why_;                               \
        const enum tether_outcome ck_outcome_ = (outcome);                    \
        check_tether_judge(ck_outcome_, &ck_tether_why_, __FILE__, __LINE__); \
    } while (0)

#endif
