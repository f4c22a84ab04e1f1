/* SPDX-License-Identifier: MIT */
#ifndef HEAP_TEST_H
#define HEAP_TEST_H
/* What the tests of lib/heap share. */
#include "heap/heap.h"
#include "stack/stack.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Makes a pointer escape, so that no compiler removes its block. */
static inline void *seen(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer)::"memory");
    return pointer;
}

/* A size that the compiler does not know, so that it cannot judge it. */
static inline size_t unknown(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

static inline bool is_aligned(const void *pointer, size_t alignment)
{
    return (uintptr_t)pointer % alignment == 0;
}

/* The test's own thread alone is counted from here on. */
static inline void count_alone(void)
{
    tt_threads_ignore_others();
}

/* A small generator of numbers: the same seed, the same numbers. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The seed of a random test: TETHER_SEED, or one that is new each time. */
uint64_t seed_of_test(void);

/* Fills and checks a block's content, a pattern of its own for each number. */
void pattern_write(void *block, size_t size, uint64_t number);
bool pattern_holds(const void *block, size_t size, uint64_t number);

/* Bad frees told since the start, and the newest. Also switches the telling
 * of misuse over to these. */
void misuse_collect(void);
extern struct tt_misuse_report misuse_newest;
extern _Atomic unsigned misuse_count;

/* A scope without limits. */
#define SCOPE_OPEN                                                      \
    {                                                                   \
        .limit = { TT_NO_LIMIT, TT_NO_LIMIT, TT_NO_LIMIT, TT_NO_LIMIT } \
    }

#endif
