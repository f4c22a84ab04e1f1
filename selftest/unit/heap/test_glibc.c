/* SPDX-License-Identifier: MIT */
/* The malloc family does what glibc's manual says, corners included. */
#include "heap_test.h"

#include <criterion/parameterized.h>
#include <stdio.h>
#include <unistd.h>

Test(glibc, malloc_of_nothing_is_unique)
{
    void *const one = seen(malloc(0)), *const two = seen(malloc(0));
    cr_assert_not_null(one);
    cr_assert_not_null(two);
    cr_assert_neq(one, two);
    cr_assert(is_aligned(one, 16) && is_aligned(two, 16));
    cr_assert_eq(malloc_usable_size(one), 0u);
    free(one);
    free(two);
}

Test(glibc, free_of_null_does_nothing)
{
    errno = 42;
    free(NULL);

    cr_assert_eq(errno, 42);
}

Test(glibc, every_size_to_4096_is_aligned_and_writable)
{
    static void *blocks[4097];
    for (size_t size = 0; size <= 4096; size++) {
        blocks[size] = malloc(size);
        cr_assert_not_null(blocks[size]);
        cr_assert(is_aligned(blocks[size], 16), "%zu", size);
        cr_assert_geq(malloc_usable_size(blocks[size]), size);
        pattern_write(blocks[size], size, size);
    }
    for (size_t size = 0; size <= 4096; size++) {
        cr_assert(pattern_holds(blocks[size], size, size), "%zu", size);
        free(blocks[size]);
    }
}

Test(glibc, sizes_to_64_mib)
{
    for (size_t size = 1; size <= (size_t)64 << 20; size *= 2)
        for (int step = -1; step <= 1; step++) {
            const size_t bytes = size + (size_t)(ssize_t)step;
            char *const block = seen(malloc(bytes));
            cr_assert_not_null(block);
            cr_assert(is_aligned(block, 16));
            if (bytes) {
                block[0] = 1;
                block[bytes - 1] = 2;
            }
            cr_assert_geq(malloc_usable_size(block), bytes);
            free(block);
        }
}

struct too_large {
    size_t size;
};

ParameterizedTestParameters(glibc, too_large_is_enomem)
{
    static struct too_large rows[] = {
        { SIZE_MAX },
        { SIZE_MAX - 15 },
        { SIZE_MAX - 16 },
        { SIZE_MAX - 4096 },
        { SIZE_MAX / 2 },
        { (size_t)PTRDIFF_MAX + 1 },
        { (size_t)PTRDIFF_MAX },
        { (size_t)1 << 60 },
        { (size_t)1 << 48 },
    };
    return cr_make_param_array(struct too_large, rows,
                               sizeof rows / sizeof *rows);
}

#define EXPECT_ENOMEM(call)                                         \
    do {                                                            \
        errno = 0;                                                  \
        cr_expect_null(call, "%s of %zx", #call, row->size);        \
        cr_expect_eq(errno, ENOMEM, "%s of %zx", #call, row->size); \
    } while (0)

ParameterizedTest(struct too_large *row, glibc, too_large_is_enomem)
{
    const size_t size = unknown(row->size);
    char *const block = malloc(100);
    pattern_write(block, 100, 7);
    EXPECT_ENOMEM(malloc(size));
    EXPECT_ENOMEM(calloc(size, 1));
    EXPECT_ENOMEM(calloc(1, size));
    EXPECT_ENOMEM(memalign(64, size));
    EXPECT_ENOMEM(memalign(4096, size));
    EXPECT_ENOMEM(memalign((size_t)1 << 21, size));
    EXPECT_ENOMEM(aligned_alloc(32, size));
    EXPECT_ENOMEM(valloc(size));
    EXPECT_ENOMEM(pvalloc(size));
    EXPECT_ENOMEM(realloc(NULL, size));
    EXPECT_ENOMEM(realloc(seen(block), size));
    EXPECT_ENOMEM(reallocarray(seen(block), 1, size));
    cr_expect(pattern_holds(block, 100, 7));
    free(block);
}

Test(glibc, a_failed_request_changes_no_count)
{
    struct tt_numbers before, after;
    count_alone();
    char *const block = malloc(5000);
    tt_scope_numbers(NULL, &before);
    cr_expect_null(malloc(unknown((size_t)1 << 50)));
    cr_expect_null(calloc(unknown((size_t)1 << 50), 1));
    cr_expect_null(realloc(seen(block), unknown((size_t)1 << 50)));
    cr_expect_null(memalign(1 << 20, unknown((size_t)1 << 50)));
    tt_scope_numbers(NULL, &after);
    cr_expect_eq(before.live_bytes, after.live_bytes);
    cr_expect_eq(before.live_blocks, after.live_blocks);
    cr_expect_eq(before.total_bytes, after.total_bytes);
    cr_expect_eq(before.total_count, after.total_count);
    free(block);
}

Test(glibc, products_that_overflow_are_enomem)
{
    const size_t half = unknown((size_t)1 << 32);
    char *const block = malloc(32);
    pattern_write(block, 32, 3);
    errno = 0;
    cr_expect_null(calloc(half, half));
    cr_expect_eq(errno, ENOMEM);
    errno = 0;
    cr_expect_null(calloc(unknown(SIZE_MAX), 2));
    cr_expect_eq(errno, ENOMEM);
    errno = 0;
    cr_expect_null(reallocarray(seen(block), half, half));
    cr_expect_eq(errno, ENOMEM);
    errno = 0;
    cr_expect_null(reallocarray(NULL, unknown(SIZE_MAX / 2), 3));
    cr_expect_eq(errno, ENOMEM);
    cr_expect(pattern_holds(block, 32, 3));
    free(block);
}

static bool is_zero(const char *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (block[i])
            return false;
    return true;
}

Test(glibc, calloc_zeroes_memory_that_was_used)
{
    static const size_t sizes[] = { 1,    8,       16,      24,     100,
                                    1000, 2032,    2033,    2048,   4096,
                                    9999, 1 << 16, 1 << 20, 5 << 20 };
    for (size_t i = 0; i < TT_COUNT(sizes); i++)
        for (int round = 0; round < 8; round++) {
            const size_t size = sizes[i];
            char *const dirty = malloc(size);
            memset(dirty, 0xa5, size);
            free(seen(dirty));
            char *const clean = calloc(1, size);
            cr_assert(is_zero(clean, size), "%zu bytes, round %d", size, round);
            memset(clean, 0x5a, size);
            free(seen(clean));
        }
}

Test(glibc, calloc_of_nothing)
{
    void *const block = seen(calloc(0, 16));
    cr_assert_not_null(block);
    free(block);
}

/* --- alignment ----------------------------------------------------------- */

Test(glibc, alignments_to_1_gib)
{
    static const size_t sizes[] = { 0, 1, 16, 100, 2031, 2032, 2033, 5000 };
    for (size_t alignment = 1; alignment <= (size_t)1 << 30; alignment <<= 1)
        for (size_t i = 0; i < TT_COUNT(sizes); i++) {
            void *blocks[4];
            for (size_t n = 0; n < TT_COUNT(blocks); n++) {
                blocks[n] = memalign(alignment, sizes[i]);
                cr_assert_not_null(blocks[n], "%zx, %zu", alignment, sizes[i]);
                cr_assert(is_aligned(blocks[n], TT_MAX(alignment, 16)),
                          "%zx, %zu", alignment, sizes[i]);
                pattern_write(blocks[n], sizes[i], n);
            }
            for (size_t n = 0; n < TT_COUNT(blocks); n++) {
                cr_assert(pattern_holds(blocks[n], sizes[i], n));
                free(blocks[n]);
            }
        }
}

Test(glibc, big_aligned_blocks)
{
    for (size_t alignment = 4096; alignment <= (size_t)64 << 20;
         alignment <<= 2) {
        const size_t size = ((size_t)3 << 20) + 17;
        char *const block = aligned_alloc(alignment, size);
        cr_assert_not_null(block, "%zx", alignment);
        cr_assert(is_aligned(block, alignment));
        block[0] = block[size - 1] = 1;
        free(block);
    }
}

Test(glibc, memalign_rounds_its_alignment_up)
{
    /* Not known to the compiler: clang 14 crashes over the constants. */
    volatile size_t odd = 48, none = 0;
    void *const block = memalign(odd, 10);
    cr_assert(is_aligned(block, 64));
    free(block);
    void *const least = memalign(none, 10);
    cr_assert(is_aligned(least, 16));
    free(least);
}

Test(glibc, memalign_of_an_alignment_that_cannot_be)
{
    errno = 0;
    cr_expect_null(memalign(unknown(SIZE_MAX / 2 + 2), 10));
    cr_expect_eq(errno, EINVAL);
    errno = 0;
    cr_expect_null(aligned_alloc(unknown(SIZE_MAX), 10));
    cr_expect_eq(errno, EINVAL);
    errno = 0;
    cr_expect_null(memalign(unknown(SIZE_MAX / 2 + 1), 10));
    cr_expect_eq(errno, ENOMEM);
}

Test(glibc, posix_memalign_refuses_bad_alignments)
{
    static const size_t bad[] = { 0, 1, 2, 4, 7, 12, 24, 48, 100, SIZE_MAX };
    for (size_t i = 0; i < TT_COUNT(bad); i++) {
        void *place = &place;
        errno = 42;
        cr_expect_eq(posix_memalign(&place, unknown(bad[i]), 16), EINVAL, "%zu",
                     bad[i]);
        cr_expect_eq(errno, 42);
        cr_expect_eq(place, &place);
    }
}

Test(glibc, posix_memalign_without_memory)
{
    void *place = &place;
    errno = 42;
    cr_expect_eq(posix_memalign(&place, 64, unknown((size_t)1 << 50)), ENOMEM);
    cr_expect_eq(posix_memalign(&place, 64, unknown(SIZE_MAX)), ENOMEM);
    cr_expect_eq(posix_memalign(&place, (size_t)1 << 62, 64), ENOMEM);
    cr_expect_eq(errno, 42);
    cr_expect_eq(place, &place);
}

Test(glibc, posix_memalign_keeps_errno)
{
    for (size_t alignment = 8; alignment <= (size_t)1 << 24; alignment <<= 1) {
        void *place = NULL;
        errno = 42;
        cr_assert_eq(posix_memalign(&place, alignment, 100), 0);
        cr_assert_eq(errno, 42);
        cr_assert(is_aligned(place, alignment));
        free(place);
        cr_assert_eq(errno, 42);
    }
}

Test(glibc, valloc_and_pvalloc)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *const block = valloc(10);
    cr_expect(is_aligned(block, page));
    cr_expect_geq(malloc_usable_size(block), 10u);
    void *const pages = pvalloc(10);
    cr_expect(is_aligned(pages, page));
    cr_expect_geq(malloc_usable_size(pages), page);
    memset(pages, 1, page);
    void *const two = pvalloc(page + 1);
    cr_expect_geq(malloc_usable_size(two), 2 * page);
    void *const none = pvalloc(0);
    cr_expect_not_null(none);
    cr_expect(is_aligned(none, page));
    errno = 0;
    cr_expect_null(pvalloc(unknown(SIZE_MAX - 1)));
    cr_expect_eq(errno, ENOMEM);
    free(block);
    free(pages);
    free(two);
    free(none);
}

/* --- realloc ------------------------------------------------------------- */

Test(glibc, realloc_of_null_is_malloc)
{
    char *const block = realloc(NULL, 10);
    cr_assert_not_null(block);
    free(block);
    void *const empty = seen(realloc(NULL, 0));
    cr_assert_not_null(empty);
    free(empty);
    void *const array = seen(reallocarray(NULL, 4, 4));
    cr_assert_geq(malloc_usable_size(array), 16u);
    free(array);
}

Test(glibc, realloc_to_nothing_frees)
{
    struct tt_numbers before, after;
    struct tt_block found;
    count_alone();
    tt_scope_numbers(NULL, &before);
    void *const block = malloc(10);
    const uintptr_t was = (uintptr_t)seen(block);
    cr_expect_null(realloc(seen(block), unknown(0)));
    cr_expect_not(tt_block_find((void *)was, &found));
    cr_expect_null(reallocarray(malloc(10), 0, 10));
    tt_scope_numbers(NULL, &after);
    cr_expect_eq(before.live_blocks, after.live_blocks);
    cr_expect_eq(before.live_bytes, after.live_bytes);
}

struct grow {
    size_t from, to;
};

ParameterizedTestParameters(glibc, realloc_keeps_content)
{
    static struct grow rows[] = {
        { 0, 1 },
        { 1, 0x10 },
        { 0x10, 1 },
        { 100, 104 },
        { 104, 100 },
        { 100, 2032 },
        { 2032, 2033 },
        { 2033, 2032 },
        { 2032, 2048 },
        { 2048, 4096 },
        { 4096, 2048 },
        { 4096, 10 },
        { 10, 1 << 20 },
        { 1 << 20, 10 },
        { 1 << 20, 3 << 20 },
        { 3 << 20, 1 << 20 },
        { 8000, 8001 },
        { 1 << 25, (1 << 25) + 1 },
        { 100, 99 },
        { 1 << 16, (1 << 16) - 1 },
    };
    return cr_make_param_array(struct grow, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct grow *row, glibc, realloc_keeps_content)
{
    struct tt_numbers before, after;
    struct tt_block found;
    count_alone();
    unsigned char *block = malloc(row->from);
    for (size_t i = 0; i < row->from; i++)
        block[i] = (unsigned char)(i * 31 + 7);
    tt_scope_numbers(NULL, &before);
    errno = 42;
    block = realloc(block, row->to);
    cr_assert_eq(errno, 42);
    tt_scope_numbers(NULL, &after);
    cr_assert(is_aligned(block, 16));
    for (size_t i = 0; i < TT_MIN(row->from, row->to); i++)
        cr_assert_eq(block[i], (unsigned char)(i * 31 + 7), "byte %zu", i);
    cr_assert(tt_block_find(block, &found));
    cr_assert_eq(found.size, row->to);
    cr_assert_eq(found.address, block);
    cr_assert_eq(after.live_bytes - before.live_bytes,
                 (int64_t)row->to - (int64_t)row->from);
    cr_assert_eq(after.live_blocks, before.live_blocks);
    cr_assert_eq(after.total_count, before.total_count + 1);
    cr_assert_eq(after.total_bytes, before.total_bytes + (int64_t)row->to);
    if (row->to)
        block[row->to - 1] = 1;
    free(block);
}

Test(glibc, realloc_of_aligned_blocks)
{
    for (size_t alignment = 16; alignment <= (size_t)32 << 20; alignment <<= 1)
        for (size_t size = 1; size <= 1 << 17; size *= 8) {
            unsigned char *block = memalign(alignment, size);
            pattern_write(block, size, 5);
            block = realloc(block, size * 3);
            cr_assert_not_null(block);
            unsigned char *copy = memcpy(malloc(size), block, size);
            cr_assert(pattern_holds(copy, size, 5), "%zx, %zu", alignment,
                      size);
            free(copy);
            memset(block, 1, size * 3);
            free(block);
        }
}

/* --- the rest ------------------------------------------------------------- */

Test(glibc, usable_size)
{
    void *const small = malloc(100), *const big = malloc(100000);
    cr_expect_eq(malloc_usable_size(NULL), 0u);
    cr_expect_geq(malloc_usable_size(small), 100u);
    cr_expect_geq(malloc_usable_size(big), 100000u);
    free(small);
    free(big);
}

/* Frees so much that pages go back to the system. */
Test(glibc, free_keeps_errno)
{
    static void *blocks[200];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < TT_COUNT(blocks); i++) {
            blocks[i] = i % 3 ? malloc(i * 4000) : memalign(1 << 21, i * 1000);
            memset(blocks[i], 1, i * (i % 3 ? 4000 : 1000));
        }
        errno = 42;
        for (size_t i = 0; i < TT_COUNT(blocks); i++) {
            free(blocks[i]);
            cr_assert_eq(errno, 42);
        }
    }
}

Test(glibc, libc_functions_return_blocks_of_this_heap)
{
    struct tt_block found;
    char *text = NULL;
    cr_assert_gt(asprintf(&text, "%d", 42), 0);
    cr_expect(tt_block_find(text, &found));
    cr_expect_eq(found.address, text);
    free(text);
    char *const copy = strdup("copy");
    cr_expect(tt_block_find(copy, &found));
    cr_expect_eq(found.size, 5u);
    free(copy);
    char *const place = realpath("/", NULL);
    cr_expect(tt_block_find(place, &found));
    free(place);
}
