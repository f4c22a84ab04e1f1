/* SPDX-License-Identifier: MIT */
/*
 * What a function has allocated, for every kind of function and of address.
 * Built as PIE and not, at -O2.
 */
#include "live.h"

#include <criterion/criterion.h>
#include <tether/criterion.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME __attribute__((noinline))
#define FROM(function, bytes) \
    tether_live_from((void (*)(void))(function), bytes)

static FRAME void *make(size_t bytes)
{
    void *block = malloc(bytes);
    KEEP(block);
    return block;
}

static FRAME void *make_two(void **second)
{
    void *block = make(10);
    KEEP(block);
    *second = make(20);
    KEEP(*second);
    return block;
}

static FRAME void *grow(void *block, size_t bytes)
{
    void *grown = realloc(block, bytes);
    KEEP(grown);
    return grown;
}

Test(live, of_a_static_function)
{
    size_t bytes = 1;
    cr_assert_eq(FROM(make, &bytes), 0u);
    cr_assert_eq(bytes, 0u);
    void *const one = make(10), *const two = make(30);
    cr_assert_eq(FROM(make, &bytes), 2u);
    cr_assert_eq(bytes, 40u);
    free(one);
    cr_assert_eq(FROM(make, &bytes), 1u);
    cr_assert_eq(bytes, 30u);
    free(two);
    ASSERT_NONE_ALIVE(make);
}

Test(live, of_what_it_calls)
{
    void *second;
    void *const first = make_two(&second), *const other = make(5);
    size_t bytes;
    cr_assert_eq(FROM(make_two, &bytes), 2u);
    cr_assert_eq(bytes, 30u);
    cr_assert_eq(FROM(make, &bytes), 3u);
    cr_assert_eq(bytes, 35u);
    free(first);
    free(second);
    ASSERT_NONE_ALIVE(make_two);
    free(other);
    ASSERT_NONE_ALIVE(make);
}

/* Who called realloc last has the block. */
Test(live, of_a_block_that_was_reallocated)
{
    void *block = make(10);
    block = grow(block, 5000);
    size_t bytes;
    ASSERT_NONE_ALIVE(make);
    cr_assert_eq(FROM(grow, &bytes), 1u);
    cr_assert_eq(bytes, 5000u);
    free(block);
    ASSERT_NONE_ALIVE(grow);
}

static void *old;

static void old_make(void)
{
    old = make(100);
}

Test(live, nothing_that_is_older_than_the_window,
     HEAP_BUDGET(.warm_up = old_make))
{
    cr_assert_not_null(old);
    ASSERT_NONE_ALIVE(make);
    free(old);
}

Test(live, what_the_fixture_made_too, .init = old_make)
{
    cr_assert_eq(FROM(make, NULL), 1u);
    free(old);
    ASSERT_NONE_ALIVE(make);
}

static void *makes(void *bytes)
{
    return make((size_t)bytes);
}

Test(live, of_every_thread)
{
    pthread_t threads[4];
    void *blocks[4];
    size_t bytes;
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, makes, (void *)(i + 1));
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], &blocks[i]);
    cr_assert_eq(FROM(make, &bytes), 4u);
    cr_assert_eq(bytes, 10u);
    cr_assert_eq(FROM(makes, NULL), 0u, "makes ends in a jump to make");
    for (size_t i = 0; i < 4; i++)
        free(blocks[i]);
    ASSERT_NONE_ALIVE(make);
}

/* An inlined function has no frame: the blocks are its caller's. */
static inline __attribute__((always_inline)) void *make_inlined(size_t bytes)
{
    void *block = malloc(bytes);
    KEEP(block);
    return block;
}

static FRAME void *has_it_inlined(size_t bytes)
{
    void *block = make_inlined(bytes);
    KEEP(block);
    return block;
}

Test(live, of_an_inlined_function_its_callers)
{
    void *const block = has_it_inlined(10);
    cr_assert_eq(FROM(make_inlined, NULL), 0u);
    cr_assert_eq(FROM(has_it_inlined, NULL), 1u);
    free(block);
}

/* ---- of libraries ---- */

Test(live, of_a_librarys_function)
{
    void *const block = library_make(10);
    size_t bytes;
    cr_assert_eq(FROM(library_make, &bytes), 1u);
    cr_assert_eq(bytes, 10u);
    free(block);
    ASSERT_NONE_ALIVE(library_make);
}

Test(live, of_a_function_that_is_chosen_when_loaded)
{
    void *const block = library_chosen(10);
    cr_assert_eq(FROM(library_chosen, NULL), 1u);
    free(block);
    ASSERT_NONE_ALIVE(library_chosen);
}

/* This program never called it: the jump to it is not bound. */
Test(live, of_one_that_only_the_library_calls)
{
    void *const block = library_calls_chosen(10);
    cr_assert_eq(FROM(library_chosen, NULL), 1u);
    free(block);
    ASSERT_NONE_ALIVE(library_chosen);
}

static void *(*library_open(void))(size_t)
{
    void *const library = dlopen(LIVE_PLUG, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(library, "%s", dlerror());
    return (void *(*)(size_t))dlsym(library, "library_make");
}

Test(live, of_a_library_opened_by_the_test)
{
    void *(*const opened)(size_t) = library_open();
    cr_assert(opened != library_make);
    void *const block = opened(10), *const other = library_make(20);
    size_t bytes;
    cr_assert_eq(FROM(opened, &bytes), 1u);
    cr_assert_eq(bytes, 10u);
    cr_assert_eq(FROM(library_make, &bytes), 1u);
    cr_assert_eq(bytes, 20u);
    free(block);
    ASSERT_NONE_ALIVE(opened);
    free(other);
    ASSERT_NONE_ALIVE(library_make);
}

/* ---- depth ---- */

#define DEEPER(name, next)                \
    static FRAME void *name(size_t bytes) \
    {                                     \
        void *block = next(bytes);        \
        KEEP(block);                      \
        return block;                     \
    }

DEEPER(deep_2, make)
DEEPER(deep_3, deep_2)
DEEPER(deep_4, deep_3)
DEEPER(deep_5, deep_4)
DEEPER(deep_6, deep_5)
DEEPER(deep_7, deep_6)
DEEPER(deep_8, deep_7)
DEEPER(deep_9, deep_8)

Test(live, within_the_depth_of_stacks)
{
    void *const block = deep_9(10);
    cr_assert_eq(FROM(deep_8, NULL), 1u);
    cr_assert_eq(FROM(deep_9, NULL), 0u);
    free(block);
}
