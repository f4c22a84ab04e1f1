/* SPDX-License-Identifier: MIT */
/* .max_site: what is counted at which function, to the byte. */
#include "budget_help.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(sites, .init = budget_window);

static struct tether_budget budget;

static void begin(uint64_t limit, int on_breach)
{
    budget = budget_of(TETHER_MAX_SITE, limit, on_breach);
    cr_assert_eq(tether_budget_begin(&budget), TETHER_OK);
}

/* Criterion allocates in its assertions: nothing is asserted before this. */
static tether_status end(void)
{
    return tether_budget_end(&budget);
}

Test(sites, the_limit_itself_holds_and_one_byte_more_breaks)
{
    begin(100, TETHER_GO_ON);
    free(site_one(100));
    void *const block = site_one(99);
    free(site_one(1));
    const int before = told.count;
    void *const more = site_one(2);
    cr_expect_eq(end(), TETHER_REFUSED);
    cr_expect_eq(before, 0);
    cr_expect_eq(told.count, 1);
    cr_expect_eq(told.kind, TETHER_FAILURE_BREACH);
    cr_expect_eq(strncmp(told.message,
                         "max_site broken: 101 B live from site_one, limit "
                         "100 B\n  1 B too much, by a request of 2 B\n",
                         80),
                 0, "%s", told.message);
    free(block);
    free(more);
}

Test(sites, each_function_has_the_limit_for_itself)
{
    begin(100, TETHER_GO_ON);
    void *const one = site_one(100), *const two = site_two(100);
    const int before = told.count;
    void *const more = site_two(1);
    end();
    cr_expect_eq(before, 0);
    cr_expect(strstr(told.message, "101 B live from site_two,"), "%s",
              told.message);
    cr_expect(strstr(told.message, "live from there before it: 100 B in "
                                   "1 block"),
              "%s", told.message);
    free(one);
    free(two);
    free(more);
}

Test(sites, it_is_told_once_and_stops_at_four_times)
{
    void *blocks[9];
    begin(100, TETHER_GO_ON);
    for (int i = 0; i < 8; i++)
        blocks[i] = site_one(50);
    const int at_400 = told.count, stops_at_400 = told.stops;
    blocks[8] = site_one(1);
    end();
    cr_expect_eq(at_400, 1);
    cr_expect_eq(stops_at_400, 0);
    cr_expect_eq(told.count, 2);
    cr_expect_eq(told.stops, 1);
    for (int i = 0; i < 9; i++)
        free(blocks[i]);
}

Test(sites, what_libc_allocates_is_its_callers)
{
    char text[61], *formatted = NULL;
    void *aligned = NULL;
    memset(text, 'x', 60);
    text[60] = '\0';
    begin(200, TETHER_GO_ON);
    char *const copy = strdup(text);
    const int printed = asprintf(&formatted, "%s", text);
    const int got = posix_memalign(&aligned, 64, 60);
    const int before = told.count;
    char *const zeroed = calloc(3, 20);
    end();
    cr_expect_eq(printed, 60);
    cr_expect_eq(got, 0);
    cr_expect_eq(before, 0);
    cr_expect_eq(told.count, 1);
    cr_expect(strstr(told.message, "what_libc_allocates"), "%s", told.message);
    free(copy);
    free(formatted);
    free(aligned);
    free(zeroed);
}

Test(sites, large_blocks_too)
{
    begin(1 << 20, TETHER_GO_ON);
    void *const half = site_one(1 << 19);
    free(site_one(1 << 19));
    void *const other = site_one(1 << 19);
    const int before = told.count;
    void *const more = site_one(1);
    end();
    cr_expect_eq(before, 0);
    cr_expect_eq(told.count, 1);
    free(half);
    free(other);
    free(more);
}

/* ---- realloc ---- */

Test(sites, a_realloc_is_the_end_of_the_old_block)
{
    begin(100, TETHER_GO_ON);
    void *block = site_grow_one(NULL, 60);
    block = site_grow_one(block, 100);
    block = site_grow_one(block, 10);
    block = site_grow_one(block, 100);
    const int before = told.count;
    block = site_grow_one(block, 101);
    end();
    cr_expect_eq(before, 0);
    cr_expect_eq(told.count, 1);
    cr_expect(strstr(told.message, "101 B live from site_grow_one"), "%s",
              told.message);
    free(block);
}

Test(sites, a_realloc_takes_the_block_to_its_own_function)
{
    begin(100, TETHER_GO_ON);
    void *first = site_grow_one(NULL, 90);
    first = site_grow_two(first, 95);
    void *second = site_grow_one(NULL, 100);
    const int before = told.count;
    void *const third = site_grow_two(NULL, 6);
    end();
    cr_expect_eq(before, 0);
    cr_expect(strstr(told.message, "101 B live from site_grow_two"), "%s",
              told.message);
    free(first);
    free(second);
    free(third);
}

Test(sites, large_reallocs_that_move)
{
    begin(3 << 20, TETHER_GO_ON);
    void *block = site_grow_one(NULL, 1 << 20);
    for (size_t size = 1 << 20; size <= 3 << 20; size += 1 << 18)
        block = site_grow_one(block, size);
    const int before = told.count;
    block = site_grow_one(block, (3 << 20) + 1);
    end();
    cr_expect_eq(before, 0);
    cr_expect_eq(told.count, 1);
    free(block);
}

Test(sites, older_blocks_lower_nothing)
{
    void *const old = site_one(500), *grown = site_one(500);
    begin(100, TETHER_GO_ON);
    void *const block = site_one(100);
    free(old);
    grown = site_grow_one(grown, 100);
    const int before = told.count;
    void *const more = site_one(1);
    end();
    cr_expect_eq(before, 0);
    cr_expect_eq(told.count, 1);
    cr_expect(strstr(told.message, "101 B live from site_one"), "%s",
              told.message);
    free(block);
    free(grown);
    free(more);
}

Test(sites, inside_another_budget)
{
    struct tether_budget outer = budget_of(TETHER_MAX_SITE, 200, TETHER_GO_ON);
    tether_budget_begin(&outer);
    void *const first = site_one(100);
    begin(100, TETHER_GO_ON);
    free(first); /* the outer one's */
    void *const second = site_one(100);
    const tether_status inner = end();
    void *const third = site_one(100);
    const int before = told.count;
    void *const fourth = site_one(1);
    cr_expect_eq(tether_budget_end(&outer), TETHER_REFUSED);
    cr_expect_eq(inner, TETHER_OK);
    cr_expect_eq(before, 0);
    cr_expect(strstr(told.message, "201 B live from site_one, limit 200 B"),
              "%s", told.message);
    free(second);
    free(third);
    free(fourth);
}

/* ---- denied ---- */

Test(sites, deny_refuses_one_function_only)
{
    begin(100, TETHER_DENY);
    void *const one = site_one(100), *const refused = site_one(1),
                *const two = site_two(1);
    free(one);
    void *const again = site_one(100);
    cr_expect_eq(end(), TETHER_OK);
    cr_expect_not_null(one);
    cr_expect_null(refused);
    cr_expect_not_null(two);
    cr_expect_not_null(again, "what was refused counts");
    cr_expect_eq(told.count, 0);
    free(two);
    free(again);
}

Test(sites, deny_leaves_a_block_that_cannot_grow)
{
    begin(100, TETHER_DENY);
    void *const block = site_grow_one(NULL, 60);
    void *const grown = site_grow_one(block, 101);
    void *const more = site_grow_one(NULL, 41);
    void *const rest = site_grow_one(NULL, 40);
    free(block);
    void *const after = site_grow_one(NULL, 61), *const after_all =
                                                     site_grow_one(NULL, 60);
    end();
    cr_expect_null(grown);
    cr_expect_null(more, "a block that did not grow was forgotten");
    cr_expect_not_null(rest);
    cr_expect_null(after);
    cr_expect_not_null(after_all);
    free(rest);
    free(after_all);
}

/* ---- threads ---- */

#define THREADS 4

static pthread_barrier_t together;
static void *taken[THREADS];

static void *takes_a_share(void *place)
{
    pthread_barrier_wait(&together);
    *(void **)place = site_one(25);
    return NULL;
}

static void *gives(void *place)
{
    free(*(void **)place);
    return NULL;
}

static void threads_run(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&together, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, body, &taken[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

Test(sites, are_sums_over_all_threads)
{
    begin(100, TETHER_GO_ON);
    threads_run(takes_a_share);
    const int before = told.count;
    void *const more = site_one(1);
    end();
    cr_expect_eq(before, 0);
    cr_expect(strstr(told.message, "101 B live from site_one"), "%s",
              told.message);
    threads_run(gives);
    free(more);
}

Test(sites, may_be_freed_by_any_thread)
{
    begin(100, TETHER_GO_ON);
    threads_run(takes_a_share);
    threads_run(gives);
    void *const block = site_one(100);
    const int before = told.count;
    void *const more = site_one(1);
    end();
    cr_expect_eq(before, 0);
    cr_expect_eq(told.count, 1);
    free(block);
    free(more);
}

#define ROUNDS 5000

static void *takes_and_gives(void *place)
{
    void *blocks[8] = { NULL };
    (void)place;
    pthread_barrier_wait(&together);
    for (unsigned i = 0; i < ROUNDS; i++) {
        void **const block = &blocks[i % 8];
        if (i % 3 == 0)
            *block = site_grow_two(*block, 16 + i % 200);
        free(*block);
        *block = i % 2 ? site_one(1 + i % 300) : site_two(1 + i % 300);
    }
    for (unsigned i = 0; i < 8; i++)
        free(blocks[i]);
    return NULL;
}

/* Whatever happened before: to the byte. */
Test(sites, come_back_to_nothing)
{
    begin(1 << 20, TETHER_GO_ON);
    threads_run(takes_and_gives);
    void *blocks[2] = { site_one(1 << 20), site_two(1 << 20) };
    const int before = told.count;
    void *const more = site_two(1);
    end();
    cr_expect_eq(before, 0, "%s", told.message);
    cr_expect_eq(told.count, 1);
    free(blocks[0]);
    free(blocks[1]);
    free(more);
}

Test(sites, deny_lets_threads_have_no_byte_too_much)
{
    size_t got = 0;
    begin(60, TETHER_DENY);
    threads_run(takes_a_share);
    end();
    for (int i = 0; i < THREADS; i++)
        got += taken[i] != NULL;
    cr_expect_eq(got, 2u, "%zu of 25 B below 60 B", got);
    threads_run(gives);
}
