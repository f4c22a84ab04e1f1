/* SPDX-License-Identifier: MIT */
/* Bad frees are told by kind, with stacks, and the heap is sound afterwards. */
#include "heap_test.h"

#include <criterion/parameterized.h>
#include <pthread.h>
#include <sys/mman.h>

static void heap_still_works(void)
{
    char *blocks[50];
    for (size_t i = 0; i < TT_COUNT(blocks); i++) {
        blocks[i] = malloc(i * i * 10);
        pattern_write(blocks[i], i * i * 10, i);
    }
    for (size_t i = 0; i < TT_COUNT(blocks); i++) {
        cr_assert(pattern_holds(blocks[i], i * i * 10, i));
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(blocks[i], blocks[j]);
    }
    for (size_t i = 0; i < TT_COUNT(blocks); i++)
        free(blocks[i]);
}

static void expect_misuse(enum tt_misuse kind, const void *address,
                          const char *call)
{
    cr_expect_eq(misuse_count, 1u);
    cr_expect_eq(misuse_newest.kind, kind);
    cr_expect_eq(misuse_newest.address, address);
    cr_expect_str_eq(misuse_newest.call, call);
    cr_expect_neq(misuse_newest.now_stack, 0u);
    misuse_count = 0;
}

struct size {
    size_t bytes;
};

ParameterizedTestParameters(misuse, double_free)
{
    static struct size rows[] = { { 0 },    { 1 },    { 16 },   { 100 },
                                  { 2032 }, { 2033 }, { 50000 } };
    return cr_make_param_array(struct size, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct size *row, misuse, double_free)
{
    struct tt_numbers before, after;
    misuse_collect();
    count_alone();
    char *const block = malloc(row->bytes);
    free(seen(block));
    tt_scope_numbers(NULL, &before);
    errno = 42;
    free(seen(block));
    cr_expect_eq(errno, 42);
    tt_scope_numbers(NULL, &after);
    cr_expect_eq(before.live_bytes, after.live_bytes);
    cr_expect_eq(before.live_blocks, after.live_blocks);
    if (row->bytes <= 2032) {
        cr_expect_neq(misuse_newest.block.stack, 0u, "no stack of allocation");
        cr_expect_neq(misuse_newest.freed_stack, 0u, "no stack of first free");
    }
    expect_misuse(TT_MISUSE_DOUBLE_FREE, block, "free");
    heap_still_works();
}

Test(misuse, double_free_by_realloc)
{
    misuse_collect();
    char *const block = malloc(100);
    free(seen(block));
    errno = 0;
    cr_expect_null(realloc(seen(block), 200));
    cr_expect_eq(errno, ENOMEM);
    expect_misuse(TT_MISUSE_DOUBLE_FREE, block, "realloc");
    cr_expect_null(reallocarray(seen(block), 2, 100));
    expect_misuse(TT_MISUSE_DOUBLE_FREE, block, "reallocarray");
    heap_still_works();
}

Test(misuse, a_moved_block_is_freed_again)
{
    misuse_collect();
    char *const block = malloc(100);
    char *const moved = realloc(seen(block), 100000);
    cr_assert_neq(moved, block);
    free(seen(block));
    expect_misuse(TT_MISUSE_DOUBLE_FREE, block, "free");
    free(moved);
    cr_expect_eq(misuse_count, 0u);
    heap_still_works();
}

ParameterizedTestParameters(misuse, free_of_an_interior_pointer)
{
    static struct size rows[] = { { 32 },   { 100 },   { 2032 },
                                  { 2033 }, { 50000 }, { 9 << 20 } };
    return cr_make_param_array(struct size, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct size *row, misuse, free_of_an_interior_pointer)
{
    const size_t offsets[] = { 1, 8, 16, row->bytes / 2, row->bytes - 1 };
    misuse_collect();
    char *const block = malloc(row->bytes);
    pattern_write(block, row->bytes, 3);
    for (size_t i = 0; i < TT_COUNT(offsets); i++) {
        free(seen(block + offsets[i]));
        cr_expect_eq(misuse_newest.block.address, block);
        cr_expect_eq(misuse_newest.block.size, row->bytes);
        expect_misuse(TT_MISUSE_INSIDE, block + offsets[i], "free");
        cr_expect_null(realloc(seen(block + offsets[i]), 10));
        expect_misuse(TT_MISUSE_INSIDE, block + offsets[i], "realloc");
    }
    cr_expect(pattern_holds(block, row->bytes, 3));
    free(block);
    cr_expect_eq(misuse_count, 0u);
    heap_still_works();
}

Test(misuse, free_of_a_foreign_pointer)
{
    static char global[64] __attribute__((aligned(16)));
    char local[64] __attribute__((aligned(16)));
    char *const mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *const foreign[] = { global,
                              global + 3,
                              local,
                              local + 8,
                              mapped,
                              mapped + 16,
                              (char *)16,
                              (char *)1,
                              (char *)(uintptr_t)heap_still_works,
                              (char *)(UINTPTR_MAX - 15),
                              (char *)UINTPTR_MAX,
                              (char *)((uintptr_t)1 << 47) };
    misuse_collect();
    for (size_t i = 0; i < TT_COUNT(foreign); i++) {
        free(seen(foreign[i]));
        expect_misuse(TT_MISUSE_FOREIGN, foreign[i], "free");
        cr_expect_null(realloc(seen(foreign[i]), 10));
        expect_misuse(TT_MISUSE_FOREIGN, foreign[i], "realloc");
        cr_expect_null(realloc(seen(foreign[i]), unknown(0)));
        expect_misuse(TT_MISUSE_FOREIGN, foreign[i], "realloc");
        cr_expect_eq(malloc_usable_size(foreign[i]), 0u);
    }
    munmap(mapped, 4096);
    heap_still_works();
}

Test(misuse, double_free_of_an_aligned_block)
{
    misuse_collect();
    for (size_t alignment = 32; alignment <= 1 << 22; alignment <<= 1) {
        char *const block = memalign(alignment, 100);
        free(seen(block));
        free(seen(block));
        cr_expect_eq(misuse_count, 1u, "%zx", alignment);
        cr_expect_neq(misuse_newest.kind, TT_MISUSE_INSIDE);
        misuse_count = 0;
    }
    heap_still_works();
}

static void *frees(void *block)
{
    free(block);
    return NULL;
}

Test(misuse, double_free_by_another_thread)
{
    pthread_t thread;
    misuse_collect();
    char *const block = malloc(100);
    free(seen(block));
    pthread_create(&thread, NULL, frees, seen(block));
    pthread_join(thread, NULL);
    cr_expect_eq(misuse_count, 1u);
    cr_expect_eq(misuse_newest.kind, TT_MISUSE_DOUBLE_FREE);
    heap_still_works();
}
