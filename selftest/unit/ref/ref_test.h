/* SPDX-License-Identifier: MIT */
#ifndef REF_TEST_H
#define REF_TEST_H
/*
 * What the tests of lib/ref share: the heap's news go to lib/ref, the
 * invariants are checked after each test, and a call that must stop the
 * program is made in a child whose last line is compared.
 */
#include "ref/ref.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Before and after the body of every test. */
void ref_test_begin(void);
void ref_test_end(void);

/* A test whose end checks the invariants: inside its main phase, because what
 * fails in .fini passes. */
#define REF_TEST(suite, name, ...)           \
    static void suite##_##name##_body(void); \
    Test(suite, name, ##__VA_ARGS__)         \
    {                                        \
        ref_test_begin();                    \
        suite##_##name##_body();             \
        ref_test_end();                      \
    }                                        \
    static void suite##_##name##_body(void)

/* Runs 'mistake' in a child, which must abort and say all of 'words' (up to a
 * NULL) on stderr. */
void must_stop(void (*mistake)(void), const char *const *words);

#define MUST_STOP(mistake, ...) \
    must_stop(mistake, (const char *const[]){ __VA_ARGS__, NULL })

/* A pseudo random sequence; seeds are printed by the tests that use one. */
uint64_t random_next(uint64_t *seed);

/* Kept out of line, so that no allocation is optimised away. */
void *block_make(size_t size);

#endif
