/* SPDX-License-Identifier: MIT */
/*
 * TETHER_DENY: what is refused, and what never is: a program whose loader,
 * stdio or locale has no memory is no test of the user's code.
 */
#include "budget_help.h"

#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

TestSuite(deny, .init = budget_window);

static struct tether_budget budget;

/* Nothing is allowed from here. Criterion allocates in its assertions, so
 * they come after the end. */
static void begin(void)
{
    budget = budget_of(TETHER_MAX_COUNT, 0, TETHER_DENY);
    cr_assert_eq(tether_budget_begin(&budget), TETHER_OK);
}

static void end(void)
{
    const tether_status status = tether_budget_end(&budget);
    cr_expect_eq(status, TETHER_OK);
    cr_expect_eq(told.count, 0, "%s", told.message);
}

/* ---- refused ---- */

Test(deny, every_function_that_allocates)
{
    void *pointer = &pointer;
    begin();
    errno = 0;
    void *const of_malloc = budget_make(1);
    const int of_malloc_errno = errno;
    void *const of_calloc = calloc(1, 1), *const of_realloc = realloc(NULL, 1);
    errno = 7;
    const int of_posix = posix_memalign(&pointer, 64, 1);
    const int of_posix_errno = errno;
    void *const of_aligned = aligned_alloc(64, 64);
    void *const of_array = reallocarray(NULL, 1, 1);
    char *const of_strdup = strdup("text"), *of_asprintf;
    const int of_print = asprintf(&of_asprintf, "%d", 5);
    end();
    cr_expect_null(of_malloc);
    cr_expect_eq(of_malloc_errno, ENOMEM);
    cr_expect_null(of_calloc);
    cr_expect_null(of_realloc);
    cr_expect_eq(of_posix, ENOMEM);
    cr_expect_eq(of_posix_errno, 7);
    cr_expect(pointer == &pointer, "posix_memalign wrote a pointer");
    cr_expect_null(of_aligned);
    cr_expect_null(of_array);
    cr_expect_null(of_strdup);
    cr_expect_eq(of_print, -1);
}

Test(deny, what_getline_reads_into)
{
    FILE *const file = fmemopen((char[]){ "a line\n" }, 7, "r");
    char *line = NULL;
    size_t capacity = 0;
    begin();
    const ssize_t got = getline(&line, &capacity, file);
    const int error = errno;
    end();
    cr_expect_eq(got, -1);
    cr_expect_eq(error, ENOMEM);
    fclose(file);
}

Test(deny, only_what_is_above_the_limit)
{
    void *blocks[3];
    budget = budget_of(TETHER_MAX_ALLOC, 100, TETHER_DENY);
    tether_budget_begin(&budget);
    blocks[0] = budget_make(100);
    blocks[1] = budget_make(101);
    blocks[2] = budget_make(100);
    end();
    cr_expect_not_null(blocks[0]);
    cr_expect_null(blocks[1]);
    cr_expect_not_null(blocks[2]);
    free(blocks[0]);
    free(blocks[2]);
}

Test(deny, a_total_is_used_up_for_good)
{
    budget = budget_of(TETHER_MAX_TOTAL, 100, TETHER_DENY);
    tether_budget_begin(&budget);
    void *const first = budget_make(60);
    free(first);
    void *const second = budget_make(41), *const third = budget_make(40);
    end();
    cr_expect_not_null(first);
    cr_expect_null(second);
    cr_expect_not_null(third);
    free(third);
}

Test(deny, what_was_refused_is_not_counted)
{
    struct tether_budget_result result;
    budget = budget_of(TETHER_MAX_HEAP, 100, TETHER_DENY);
    tether_budget_begin(&budget);
    void *const block = budget_make(90);
    for (int i = 0; i < 5; i++)
        free(budget_make(11));
    end();
    cr_assert_eq(tether_budget_result(&budget, &result), TETHER_OK);
    cr_expect_eq(result.peak_bytes, 90u);
    cr_expect_eq(result.total_count, 1u);
    cr_expect_eq(result.total_bytes, 90u);
    free(block);
}

/* ---- never refused ---- */

Test(deny, spares_the_buffers_of_stdio)
{
    FILE *const narrow = fopen("/dev/null", "w");
    FILE *const wide = fopen("/dev/null", "w");
    FILE *const input = fopen("/proc/self/status", "r");
    char line[100] = "";
    begin();
    const int printed = fprintf(narrow, "text %d\n", 5);
    const int flushed = fflush(narrow);
    const int printed_wide = fwprintf(wide, L"text %d\n", 5);
    const int flushed_wide = fflush(wide);
    const char *const got = fgets(line, sizeof line, input);
    end();
    cr_expect_eq(printed, 7);
    cr_expect_eq(flushed, 0);
    cr_expect_eq(printed_wide, 7);
    cr_expect_eq(flushed_wide, 0);
    cr_expect_not_null(got);
    fclose(narrow);
    fclose(wide);
    fclose(input);
}

Test(deny, spares_the_opening_of_files)
{
    FILE *files[5] = { NULL };
    char bytes[10];
    begin();
    files[0] = fopen("/dev/null", "r");
    files[1] = fdopen(dup(STDERR_FILENO), "w");
    files[2] = popen(":", "r");
    files[3] = fopen64("/dev/null", "r");
    files[4] = fmemopen(bytes, sizeof bytes, "w");
    files[0] = freopen("/proc/self/maps", "r", files[0]);
    end();
    for (int i = 0; i < 5; i++)
        cr_expect_not_null(files[i], "file %d", i);
    cr_expect_eq(pclose(files[2]), 0);
    files[2] = NULL;
    for (int i = 0; i < 5; i++)
        if (files[i])
            fclose(files[i]);
}

Test(deny, spares_the_locale)
{
    begin();
    const char *const set = setlocale(LC_ALL, "C.UTF-8");
    const locale_t made = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    const locale_t copy = duplocale(made);
    wchar_t wide[10] = L"";
    const size_t converted = mbstowcs(wide, "\xc3\xa4", 10);
    end();
    cr_expect_str_eq(set, "C.UTF-8");
    cr_expect(made != (locale_t)0);
    cr_expect(copy != (locale_t)0);
    cr_expect_eq(converted, 1u);
    cr_expect_eq(wide[0], 0xe4);
    freelocale(made);
    freelocale(copy);
}

Test(deny, spares_the_loader)
{
    begin();
    void *const library = dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL);
    void *const symbol = library ? dlsym(library, "ns_get16") : NULL;
    void *const none = dlopen("libthere-is-none.so", RTLD_NOW);
    const char *const why = dlerror();
    end();
    cr_expect_not_null(library);
    cr_expect_not_null(symbol);
    cr_expect_null(none);
    cr_expect(why && strstr(why, "libthere-is-none.so"), "%s", why);
    dlclose(library);
}

static _Thread_local char storage[100000];

static void *uses_its_storage(void *arg)
{
    (void)arg;
    storage[5] = 1;
    return storage;
}

Test(deny, spares_the_start_of_threads)
{
    pthread_t thread;
    void *result = NULL;
    begin();
    const int made = pthread_create(&thread, NULL, uses_its_storage, NULL);
    if (made == 0)
        pthread_join(thread, &result);
    end();
    cr_expect_eq(made, 0);
    cr_expect_not_null(result);
}

Test(deny, spares_criterion)
{
    begin();
    cr_expect(1, "text %d", 5);
    cr_expect_eq(told.count, 0, "text %s", "which is formatted");
    cr_log_info("information %d", 5);
    end();
}

/* ---- budgets in budgets ---- */

static void two(uint64_t outer_limit, int outer_rule, uint64_t inner_limit,
                int inner_rule, size_t bytes, bool *denied)
{
    struct tether_budget outer =
        budget_of(TETHER_MAX_HEAP, outer_limit, outer_rule);
    struct tether_budget inner =
        budget_of(TETHER_MAX_HEAP, inner_limit, inner_rule);
    tether_budget_begin(&outer);
    tether_budget_begin(&inner);
    void *const block = budget_make(bytes);
    free(block);
    tether_budget_end(&inner);
    tether_budget_end(&outer);
    *denied = block == NULL;
}

Test(deny, inner_denies_and_the_outer_hears_nothing)
{
    bool denied;
    two(100, TETHER_GO_ON, 100, TETHER_DENY, 101, &denied);
    cr_expect(denied);
    cr_expect_eq(told.count, 0, "%s", told.message);
}

Test(deny, inner_allows_what_the_outer_breaks_at)
{
    bool denied;
    two(100, TETHER_GO_ON, 200, TETHER_DENY, 101, &denied);
    cr_expect_not(denied);
    cr_expect_eq(told.count, 1);
    cr_expect_eq(told.stops, 0);
}

Test(deny, outer_denies_what_the_inner_allows)
{
    bool denied;
    two(100, TETHER_DENY, 200, TETHER_GO_ON, 101, &denied);
    cr_expect(denied);
    cr_expect_eq(told.count, 0);
}

/* Both break: each by its own rule, the inner one first. */
Test(deny, inner_tells_and_the_outer_denies)
{
    bool denied;
    two(100, TETHER_DENY, 50, TETHER_GO_ON, 101, &denied);
    cr_expect(denied);
    cr_expect_eq(told.count, 1);
    cr_expect_eq(told.stops, 0);
}

Test(deny, inner_stops_and_the_outer_goes_on)
{
    bool denied;
    two(100, TETHER_GO_ON, 50, TETHER_STOP, 101, &denied);
    cr_expect_not(denied);
    cr_expect_eq(told.count, 2);
    cr_expect_eq(told.stops, 1);
}

Test(deny, ends_with_its_budget)
{
    begin();
    void *const before = budget_make(1);
    end();
    void *const after = budget_make(1);
    cr_expect_null(before);
    cr_expect_not_null(after);
    free(after);
}

/* ---- threads ---- */

#define THREADS 4

static _Atomic size_t got_bytes;

static void *takes_what_it_gets(void *arg)
{
    void **const blocks = arg;
    for (int i = 0; i < 100; i++) {
        blocks[i] = budget_make(10);
        got_bytes += blocks[i] ? 10 : 0;
    }
    return NULL;
}

/* A thread's start is the loader's: its bytes count and are not refused, so
 * the threads are there before the budget. */
static pthread_barrier_t ready, go;

static void *waits_and_takes(void *blocks)
{
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&go);
    return takes_what_it_gets(blocks);
}

Test(deny, lets_threads_have_all_of_the_limit_and_no_more)
{
    static void *blocks[THREADS][100];
    pthread_t threads[THREADS];
    pthread_barrier_init(&ready, NULL, THREADS + 1);
    pthread_barrier_init(&go, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, waits_and_takes, blocks[i]);
    pthread_barrier_wait(&ready);
    budget = budget_of(TETHER_MAX_HEAP, 2005, TETHER_DENY);
    tether_budget_begin(&budget);
    pthread_barrier_wait(&go);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    end();
    cr_expect_eq(got_bytes, 2000u, "%zu B", (size_t)got_bytes);
    for (int i = 0; i < THREADS * 100; i++)
        free(blocks[i / 100][i % 100]);
}
