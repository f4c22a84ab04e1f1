/* SPDX-License-Identifier: MIT */
/* Scopes measure exactly, and the allocation that breaks a limit is the one
 * that is told, with one thread and with many. */
#include "heap_test.h"

#include <criterion/parameterized.h>
#include <pthread.h>

static pthread_barrier_t go, done;

static void *make(size_t size)
{
    void *const block = malloc(size);
    return seen(block);
}

Test(scopes, one_thread_is_counted_exactly)
{
    struct tt_scope scope = SCOPE_OPEN;
    struct tt_numbers numbers;
    count_alone();
    tt_scope_begin(&scope);
    void *const one = make(100), *const two = make(5000);
    free(make(20000));
    void *const three = realloc(one, 300);
    tt_scope_numbers(&scope, &numbers);
    cr_expect_eq(numbers.live_bytes, 5300);
    cr_expect_eq(numbers.live_blocks, 2);
    cr_expect_eq(numbers.peak_bytes, 25100);
    cr_expect_eq(numbers.total_bytes, 25400);
    cr_expect_eq(numbers.total_count, 4);
    cr_expect_eq(numbers.largest_bytes, 20000u);
    cr_expect_eq(numbers.threads, 1u);
    free(two);
    free(three);
    tt_scope_numbers(&scope, &numbers);
    cr_expect_eq(numbers.live_bytes, 0);
    cr_expect_eq(numbers.live_blocks, 0);
    cr_expect_eq(numbers.peak_bytes, 25100);
    tt_scope_end(&scope);
}

Test(scopes, nested_scopes_measure_from_their_own_begin)
{
    struct tt_scope outer = SCOPE_OPEN, inner = SCOPE_OPEN;
    struct tt_numbers numbers;
    count_alone();
    void *const oldest = make(1000);
    tt_scope_begin(&outer);
    void *const old = make(10000);
    tt_scope_begin(&inner);
    void *const new = make(500);
    free(oldest);
    free(old);
    tt_scope_numbers(&inner, &numbers);
    cr_expect_eq(numbers.live_bytes, 500, "older blocks never count");
    cr_expect_eq(numbers.live_blocks, 1);
    cr_expect_eq(numbers.peak_bytes, 500);
    tt_scope_numbers(&outer, &numbers);
    cr_expect_eq(numbers.live_bytes, 500);
    cr_expect_eq(numbers.live_blocks, 1);
    cr_expect_eq(numbers.peak_bytes, 10500);
    free(make(300));
    tt_scope_numbers(&inner, &numbers);
    cr_expect_eq(numbers.peak_bytes, 800);
    cr_expect_eq(numbers.largest_bytes, 500u);
    tt_scope_end(&inner);
    void *const late = make(20000);
    tt_scope_numbers(&outer, &numbers);
    cr_expect_eq(numbers.live_bytes, 20500);
    cr_expect_eq(numbers.peak_bytes, 20500);
    cr_expect_eq(numbers.largest_bytes, 20000u);
    cr_expect_eq(numbers.total_count, 4);
    tt_scope_end(&outer);
    free(new);
    free(late);
}

Test(scopes, ending_the_outer_ends_the_inner)
{
    struct tt_scope outer = SCOPE_OPEN, inner = SCOPE_OPEN;
    tt_scope_begin(&outer);
    tt_scope_begin(&inner);
    cr_expect(tt_scope_is_open(&inner));
    tt_scope_end(&outer);
    cr_expect_not(tt_scope_is_open(&inner));
    cr_expect_not(tt_scope_is_open(&outer));
    cr_expect_null(tt_scope_inner());
    tt_scope_end(&inner);
}

Test(scopes, a_block_older_than_the_window_stays_older_through_reallocs)
{
    struct tt_scope scope = SCOPE_OPEN;
    struct tt_block found;
    char *block = malloc(10);
    tt_scope_begin(&scope);
    for (size_t size = 100; size < 100000; size *= 5) {
        block = realloc(block, size);
        tt_block_find(block, &found);
        cr_expect(found.flags & TT_BLOCK_OLD, "%zu bytes", size);
    }
    tt_scope_end(&scope);
    free(block);
}

static void *allocates_some(void *arg)
{
    struct tt_numbers *const numbers = arg;
    void *const big = make(7000);
    free(make(100));
    tt_thread_numbers(numbers);
    free(big);
    return NULL;
}

Test(scopes, a_thread_starts_at_nothing_whoever_had_its_slot)
{
    struct tt_numbers before, after;
    struct tt_scope scope = SCOPE_OPEN;
    count_alone();
    tt_scope_begin(&scope);
    tt_scope_numbers(&scope, &before);
    for (int i = 0; i < 20; i++) {
        struct tt_numbers numbers;
        pthread_t thread;
        pthread_create(&thread, NULL, allocates_some, &numbers);
        pthread_join(thread, NULL);
        cr_assert_eq(numbers.total_count, 2, "thread %d", i);
        cr_assert_eq(numbers.total_bytes, 7100);
        cr_assert_eq(numbers.peak_bytes, 7100);
        cr_assert_eq(numbers.largest_bytes, 7000u);
        cr_assert_eq(numbers.live_bytes, 7000);
    }
    tt_scope_numbers(&scope, &after);
    /* The loader's memory for the threads' TLS comes on top. */
    cr_expect_geq(after.total_bytes, before.total_bytes + 20 * 7100);
    tt_scope_end(&scope);
}

/* --- limits ----------------------------------------------------------------
 */

static struct {
    _Atomic int told, false_ones;
    enum tt_answer answer;
    int64_t value;
    size_t bytes;
    enum tt_limit limit;
} breach;

static enum tt_answer breach_seen(struct tt_scope *scope, enum tt_limit limit,
                                  int64_t value, size_t bytes, uint32_t stack)
{
    if (value <= scope->limit[limit] ||
        (limit != TT_LIMIT_ALLOC && limit != TT_LIMIT_COUNT &&
         value - (int64_t)bytes > scope->limit[limit]))
        breach.false_ones++;
    if (stack == 0)
        breach.false_ones++;
    breach.value = value;
    breach.bytes = bytes;
    breach.limit = limit;
    breach.told++;
    return breach.answer;
}

Test(limits, each_is_caught_at_its_allocation)
{
    static const struct {
        enum tt_limit limit;
        int64_t bound, value;
        int fits; /* blocks of 100 bytes before the one that breaks it */
    } rows[] = {
        { TT_LIMIT_HEAP, 1000, 1100, 10 },  { TT_LIMIT_HEAP, 1099, 1100, 10 },
        { TT_LIMIT_TOTAL, 1000, 1100, 10 }, { TT_LIMIT_COUNT, 7, 8, 7 },
        { TT_LIMIT_COUNT, 0, 1, 0 },        { TT_LIMIT_ALLOC, 99, 100, 0 },
        { TT_LIMIT_HEAP, 0, 100, 0 },
    };
    count_alone();
    tt_heap_news.breach = breach_seen;
    breach.answer = TT_REFUSE;
    for (size_t i = 0; i < TT_COUNT(rows); i++) {
        struct tt_scope scope = SCOPE_OPEN;
        void *blocks[20] = { 0 };
        int made = 0;
        scope.limit[rows[i].limit] = rows[i].bound;
        breach.told = 0;
        tt_scope_begin(&scope);
        while (made < 20 && (blocks[made] = make(100)) != NULL)
            made++;
        tt_scope_end(&scope);
        cr_expect_eq(made, rows[i].fits, "row %zu: %d", i, made);
        cr_expect_eq(breach.told, 1, "row %zu", i);
        cr_expect_eq(breach.value, rows[i].value, "row %zu", i);
        cr_expect_eq(breach.limit, rows[i].limit);
        cr_expect_eq(breach.bytes, 100u);
        while (made > 0)
            free(blocks[--made]);
    }
    cr_expect_eq(breach.false_ones, 0);
}

Test(limits, a_limit_of_one_allocation_lets_smaller_ones_through)
{
    struct tt_scope scope = SCOPE_OPEN;
    count_alone();
    tt_heap_news.breach = breach_seen;
    breach.answer = TT_REFUSE;
    scope.limit[TT_LIMIT_ALLOC] = 3000;
    tt_scope_begin(&scope);
    for (size_t size = 0; size <= 3000; size += 100)
        free(make(size));
    cr_expect_eq(breach.told, 0);
    cr_expect_null(make(3001));
    cr_expect_null(realloc(NULL, 5000));
    cr_expect_eq(breach.told, 2);
    tt_scope_end(&scope);
}

Test(limits, freed_memory_can_be_used_again)
{
    struct tt_scope scope = SCOPE_OPEN;
    count_alone();
    tt_heap_news.breach = breach_seen;
    scope.limit[TT_LIMIT_HEAP] = 1000;
    tt_scope_begin(&scope);
    for (int i = 0; i < 10000; i++)
        free(make(1000));
    tt_scope_end(&scope);
    cr_expect_eq(breach.told, 0);
}

/* Each thread keeps blocks until it is refused, then frees some. */
static void *presses(void *arg)
{
    void *blocks[64] = { 0 };
    uint64_t random = (uintptr_t)arg * 0x9e3779b97f4a7c15u + 1;
    pthread_barrier_wait(&go);
    for (int i = 0; i < 20000; i++) {
        const size_t at = random_next(&random) % TT_COUNT(blocks);
        free(blocks[at]);
        blocks[at] = make(random_next(&random) % 200 + 1);
    }
    for (size_t i = 0; i < TT_COUNT(blocks); i++)
        free(blocks[i]);
    return NULL;
}

struct crowd {
    int threads;
};

ParameterizedTestParameters(limits, threads_never_pass_a_limit_that_denies)
{
    static struct crowd rows[] = { { 2 }, { 4 }, { 8 } };
    return cr_make_param_array(struct crowd, rows, sizeof rows / sizeof *rows);
}

/* Runs threads in a scope that begins when all of them are there, so that no
 * limit meets the memory of a thread itself. */
static void run_threads(int count, void *(*body)(void *),
                        struct tt_scope *scope)
{
    pthread_t threads[50];
    pthread_barrier_init(&go, NULL, (unsigned)count + 1);
    for (int i = 0; i < count; i++)
        cr_assert_eq(
            pthread_create(&threads[i], NULL, body, (void *)(uintptr_t)(i + 1)),
            0);
    tt_scope_begin(scope);
    pthread_barrier_wait(&go);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

ParameterizedTest(struct crowd *row, limits,
                  threads_never_pass_a_limit_that_denies)
{
    struct tt_scope scope = SCOPE_OPEN;
    struct tt_numbers numbers;
    count_alone();
    tt_heap_news.breach = breach_seen;
    breach.answer = TT_REFUSE;
    /* Each thread alone would keep more. */
    scope.limit[TT_LIMIT_HEAP] = 5000;
    run_threads(row->threads, presses, &scope);
    tt_scope_numbers(&scope, &numbers);
    tt_scope_end(&scope);
    cr_expect_gt(breach.told, 0);
    cr_expect_eq(breach.false_ones, 0, "%d of %d", breach.false_ones,
                 breach.told);
    cr_expect_leq(numbers.peak_bytes, scope.limit[TT_LIMIT_HEAP]);
}

#define COUNTED 5000
static _Atomic int made_blocks;

static void *counts(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&go);
    for (int i = 0; i < COUNTED; i++) {
        void *const block = make(16);
        made_blocks += block != NULL;
        free(block);
    }
    return NULL;
}

ParameterizedTestParameters(limits, threads_share_a_count_to_the_last)
{
    static struct crowd rows[] = { { 2 }, { 4 }, { 8 } };
    return cr_make_param_array(struct crowd, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct crowd *row, limits, threads_share_a_count_to_the_last)
{
    struct tt_scope scope = SCOPE_OPEN;
    struct tt_numbers numbers;
    count_alone();
    tt_heap_news.breach = breach_seen;
    breach.answer = TT_REFUSE;
    scope.limit[TT_LIMIT_COUNT] = row->threads * COUNTED / 2;
    run_threads(row->threads, counts, &scope);
    tt_scope_numbers(&scope, &numbers);
    tt_scope_end(&scope);
    cr_expect_eq(numbers.total_count, scope.limit[TT_LIMIT_COUNT]);
    cr_expect_eq(breach.false_ones, 0);
}

Test(limits, fifty_threads_that_fit_are_never_told)
{
    struct tt_scope scope = SCOPE_OPEN;
    count_alone();
    tt_heap_news.breach = breach_seen;
    breach.answer = TT_REFUSE;
    scope.limit[TT_LIMIT_COUNT] = 50 * COUNTED + 200;
    run_threads(50, counts, &scope);
    tt_scope_end(&scope);
    cr_expect_eq(breach.told, 0);
    cr_expect_eq(made_blocks, 50 * COUNTED);
}

/* --- threads that are not the test's ---------------------------------------
 */

static void *ignored(void *arg)
{
    (void)arg;
    free(make(10));
    pthread_barrier_wait(&go);
    pthread_barrier_wait(&go);
    for (int i = 0; i < 100; i++)
        free(make(1000));
    pthread_barrier_wait(&done);
    return NULL;
}

Test(scopes, threads_from_before_are_left_out)
{
    struct tt_scope scope = SCOPE_OPEN;
    struct tt_numbers numbers;
    pthread_t thread;
    pthread_barrier_init(&go, NULL, 2);
    pthread_barrier_init(&done, NULL, 2);
    pthread_create(&thread, NULL, ignored, NULL);
    pthread_barrier_wait(&go);
    tt_threads_ignore_others();
    tt_scope_begin(&scope);
    pthread_barrier_wait(&go);
    pthread_barrier_wait(&done);
    tt_scope_numbers(&scope, &numbers);
    cr_expect_eq(numbers.total_count, 0);
    free(make(50));
    tt_scope_numbers(&scope, &numbers);
    cr_expect_eq(numbers.total_count, 1);
    tt_scope_end(&scope);
    pthread_join(thread, NULL);
}
