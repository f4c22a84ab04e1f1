/* SPDX-License-Identifier: MIT */
/*
 * A suite that passes under AddressSanitizer, but for the test that needs an
 * allocation to be refused, which is skipped.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tether/criterion.h>
#include <tether/ref.h>
#include <unistd.h>

Test(served, is_not_blind)
{
    struct tether_stats stats;
    cr_assert_null(tether_window_blind());
    cr_assert_eq(tether_stats(&stats), TETHER_OK);
}

Test(served, counts_bytes_as_requested)
{
    struct tether_stats before, after;
    tether_stats(&before);
    char *volatile block = malloc(1000);
    tether_stats(&after);
    cr_assert_eq(after.live_bytes - before.live_bytes, 1000);
    cr_assert_eq(after.live_blocks - before.live_blocks, 1);
    free(block);
    tether_stats(&after);
    cr_assert_eq(after.live_bytes, before.live_bytes);
    cr_assert_eq(after.total_count - before.total_count, 1);
}

Test(served, collected_and_alive, HEAP_BUDGET(NO_LEAKS))
{
    char *volatile block = malloc(24);
    tether_weak ref = tether_weak_to(block);
    ASSERT_ALIVE(ref);
    free(block);
    ASSERT_COLLECTED(ref);
}

Test(served, realloc_keeps_the_object, HEAP_BUDGET(NO_LEAKS))
{
    struct tether_stats before, after;
    tether_stats(&before);
    char *volatile block = realloc(NULL, 24);
    tether_weak ref = tether_weak_to(block);
    for (size_t size = 32; size <= 100000; size *= 3) {
        block = realloc(block, size);
        memset(block, 1, size);
        ASSERT_ALIVE(ref);
        cr_assert_eq(tether_weak_get(ref), block);
        struct tether_block found;
        cr_assert_eq(tether_block_of(block + size - 1, &found), TETHER_OK);
        cr_assert_eq(found.address, block);
        cr_assert_eq(found.size, size);
    }
    tether_stats(&after);
    cr_assert_eq(after.live_blocks - before.live_blocks, 1);
    free(block);
    ASSERT_COLLECTED(ref);
}

Test(served, realloc_of_nothing_and_to_nothing, HEAP_BUDGET(NO_LEAKS))
{
    char *volatile one = realloc(NULL, 8);
    char *volatile two = malloc(8);
    tether_weak first = tether_weak_to(one), second = tether_weak_to(two);
    two = realloc(two, 0);
    ASSERT_COLLECTED(second);
    ASSERT_ALIVE(first);
    one = reallocarray(one, 10, 10);
    ASSERT_ALIVE(first);
    free(one);
    ASSERT_COLLECTED(first);
    free(two);
}

/* realloc counts as the growth that it is. */
Test(served, realloc_within_a_budget, HEAP_BUDGET(.max_heap = KiB(100)))
{
    char *volatile block = malloc(KiB(60));
    block = realloc(block, KiB(90));
    free(block);
}

Test(served, finds_blocks_of_all_sizes, HEAP_BUDGET(NO_LEAKS))
{
    for (size_t size = 1; size <= MiB(1); size = size * 5 / 2 + 1) {
        char *volatile block = malloc(size);
        struct tether_block found;
        cr_assert_eq(tether_block_of(block + size / 2, &found), TETHER_OK);
        cr_assert_eq(found.address, block);
        cr_assert_eq(found.size, size);
        free(block);
        cr_assert_eq(tether_block_of(block, &found), TETHER_NOT_AN_OBJECT);
    }
}

/* The innermost frame is the caller, whichever function was called. */
static void *by_malloc(void)
{
    return malloc(24);
}
static void *by_calloc(void)
{
    return calloc(2, 12);
}
static void *by_realloc(void)
{
    return realloc(NULL, 24);
}
static void *by_moving(void)
{
    return realloc(malloc(8), 24);
}
static void *by_reallocarray(void)
{
    return reallocarray(NULL, 2, 12);
}
static void *by_strdup(void)
{
    return strdup("text");
}
static void *by_strndup(void)
{
    return strndup("text", 2);
}
static void *by_aligned_alloc(void)
{
    return aligned_alloc(64, 64);
}
static void *by_posix_memalign(void)
{
    void *block = NULL;
    return posix_memalign(&block, 64, 64) == 0 ? block : NULL;
}

Test(served, stacks_begin_with_the_caller)
{
    static const struct {
        const char *name;
        void *(*make)(void);
    } makers[] = {
        { "by_malloc", by_malloc },
        { "by_calloc", by_calloc },
        { "by_realloc", by_realloc },
        { "by_moving", by_moving },
        { "by_reallocarray", by_reallocarray },
        { "by_strdup", by_strdup },
        { "by_strndup", by_strndup },
        { "by_aligned_alloc", by_aligned_alloc },
        { "by_posix_memalign", by_posix_memalign },
    };
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        void *volatile block = makers[i].make();
        struct tether_block found;
        char text[2048] = "";
        cr_assert_eq(tether_block_of(block, &found), TETHER_OK);
        cr_assert(tether_stack_text(found.stack, text, sizeof text) > 1);
        cr_expect(strncmp(text, makers[i].name, strlen(makers[i].name)) == 0,
                  "%s:\n%s", makers[i].name, text);
        free(block);
    }
}

static void *churn(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        void *volatile block = malloc(16 + i % 100);
        block = realloc(block, 200 + i % 3000);
        free(block);
    }
    return arg;
}

Test(served, threads, HEAP_BUDGET(NO_LEAKS))
{
    pthread_t threads[4];
    struct tether_stats before, after;
    tether_stats(&before);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    tether_stats(&after);
    cr_assert_geq(after.total_count - before.total_count, 16000);
}

Test(served, forked_children)
{
    for (int i = 0; i < 20; i++) {
        const pid_t child = fork();
        if (child == 0) {
            churn(NULL);
            _exit(0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        cr_assert_eq(status, 0);
    }
}

Test(served, kept_blocks_are_no_leak, HEAP_BUDGET(NO_LEAKS))
{
    static void *volatile kept[2];
    kept[0] = malloc(24);
    tether_keep(kept[0]);
    ONE_TIME {
        kept[1] = malloc(24);
    }
}

Test(served, denial_is_skipped,
     HEAP_BUDGET(.max_count = 0, .on_breach = TETHER_DENY))
{
    cr_assert_null(malloc(24), "ran, though nothing can be refused");
}
