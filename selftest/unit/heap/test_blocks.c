/* SPDX-License-Identifier: MIT */
/* Every live block is found by any pointer into it, and is enumerated exactly
 * once with its true facts. */
#include "heap_test.h"

#include <criterion/parameterized.h>
#include <pthread.h>
#include <sys/mman.h>

enum kind { PLAIN, ZEROED, ALIGNED, GROWN };

struct shape {
    enum kind kind;
    size_t size, alignment;
};

static void *make(const struct shape *shape)
{
    switch (shape->kind) {
    case PLAIN:
        return malloc(shape->size);
    case ZEROED:
        return calloc(1, shape->size);
    case ALIGNED:
        return memalign(shape->alignment, shape->size);
    case GROWN:
        return realloc(malloc(shape->size / 2), shape->size);
    }
    return NULL;
}

ParameterizedTestParameters(blocks, interior_pointers_find_their_block)
{
    static struct shape rows[] = {
        { PLAIN, 0, 0 },           { PLAIN, 1, 0 },
        { PLAIN, 16, 0 },          { PLAIN, 17, 0 },
        { PLAIN, 100, 0 },         { PLAIN, 2031, 0 },
        { PLAIN, 2032, 0 },        { PLAIN, 2033, 0 },
        { PLAIN, 2048, 0 },        { PLAIN, 4096, 0 },
        { PLAIN, 10000, 0 },       { PLAIN, 65536, 0 },
        { PLAIN, 65537, 0 },       { PLAIN, 200000, 0 },
        { PLAIN, 1 << 20, 0 },     { PLAIN, (5 << 20) + 3, 0 },
        { PLAIN, 40 << 20, 0 },    { ZEROED, 70 << 20, 0 },
        { ZEROED, 3000, 0 },       { ALIGNED, 1, 64 },
        { ALIGNED, 100, 1024 },    { ALIGNED, 100, 2048 },
        { ALIGNED, 1, 4096 },      { ALIGNED, 5000, 65536 },
        { ALIGNED, 100, 1 << 20 }, { ALIGNED, 200000, 1 << 21 },
        { ALIGNED, 0, 1 << 25 },   { ALIGNED, 50 << 20, 1 << 26 },
        { GROWN, 100, 0 },         { GROWN, 10000, 0 },
        { GROWN, 9 << 20, 0 },
    };
    return cr_make_param_array(struct shape, rows, sizeof rows / sizeof *rows);
}

static void expect_found(const char *block, size_t offset, size_t size)
{
    struct tt_block found = { 0 };
    cr_assert(tt_block_find(block + offset, &found), "offset %zu of %zu",
              offset, size);
    cr_assert_eq(found.address, block, "offset %zu of %zu", offset, size);
    cr_assert_eq(found.size, size);
}

static void expect_not_in(const char *block, const char *address)
{
    struct tt_block found = { 0 };
    if (tt_block_find(address, &found))
        cr_assert_neq(found.address, block, "offset %td", address - block);
}

ParameterizedTest(struct shape *row, blocks, interior_pointers_find_their_block)
{
    uint64_t seed = 88172645463325252u;
    for (int n = 0; n < 5; n++) {
        char *const block = make(row);
        const size_t size = row->size;
        cr_assert_not_null(block);
        expect_found(block, 0, size);
        for (size_t step = 1; step < size; step *= 2) {
            expect_found(block, step, size);
            expect_found(block, step - 1, size);
            expect_found(block, size - step, size);
        }
        for (int i = 0; size && i < 200; i++)
            expect_found(block, random_next(&seed) % size, size);
        expect_not_in(block, block - 1);
        expect_not_in(block, block + TT_MAX(size, 1));
        expect_not_in(block, block + size + 100000);
        free(seen(block));
        struct tt_block found;
        if (tt_block_find(seen(block), &found))
            cr_assert_neq(found.address, block);
    }
}

Test(blocks, small_sizes_at_every_offset)
{
    for (size_t size = 1; size <= 2100; size += 13) {
        char *const block = malloc(size);
        for (size_t offset = 0; offset < size; offset++)
            expect_found(block, offset, size);
        expect_not_in(block, block + size);
        free(block);
    }
}

Test(blocks, what_is_no_block_is_not_found)
{
    static char global[32];
    char local[32];
    struct tt_block found;
    char *const mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_expect_not(tt_block_find(global, &found));
    cr_expect_not(tt_block_find(seen(local), &found));
    cr_expect_not(tt_block_find(mapped, &found));
    cr_expect_not(tt_block_find("text", &found));
    cr_expect_not(tt_block_find(NULL, &found));
    cr_expect_not(tt_block_find((void *)1, &found));
    cr_expect_not(tt_block_find((void *)UINTPTR_MAX, &found));
    cr_expect_not(tt_block_find((void *)((uintptr_t)1 << 47), &found));
    cr_expect_not(tt_block_find((const void *)(uintptr_t)expect_found, &found));
    munmap(mapped, 4096);
}

Test(blocks, a_freed_block_is_not_found)
{
    static const size_t sizes[] = { 16, 2032, 2033, 100000, 40 << 20 };
    struct tt_block found;
    for (size_t i = 0; i < TT_COUNT(sizes); i++) {
        char *const block = malloc(sizes[i]);
        char *const middle = block + sizes[i] / 2;
        free(seen(block));
        cr_expect_not(tt_block_find(seen(block), &found));
        cr_expect_not(tt_block_find(middle, &found));
    }
}

/* --- enumeration -----------------------------------------------------------
 */

#define THREADS 8
#define EACH    500

struct known {
    void *address;
    size_t size;
    uint64_t serial;
    uint32_t thread;
    unsigned times; /* seen by the visit */
};

struct crowd {
    struct known known[THREADS][EACH];
    pthread_barrier_t made, looked;
};

struct one_thread {
    struct crowd *crowd;
    int number;
};

static size_t size_of_known(int i)
{
    return (size_t)i * 7919 % (i % 50 == 0 ? 300000 : 3000);
}

static void *thread_makes(void *arg)
{
    const struct one_thread *const self = arg;
    struct known *const known = self->crowd->known[self->number];
    for (int i = 0; i < EACH; i++) {
        struct tt_block found;
        struct known *const at = &known[i];
        at->size = size_of_known(i);
        at->address = i % 7 ? malloc(at->size) : memalign(256, at->size);
        at->thread = tt_thread_number();
        if (tt_block_find(at->address, &found))
            at->serial = found.serial;
    }
    pthread_barrier_wait(&self->crowd->made);
    pthread_barrier_wait(&self->crowd->looked);
    for (int i = 0; i < EACH; i++)
        free(known[i].address);
    return NULL;
}

static bool see_known(const struct tt_block *block, void *ctx)
{
    static const void *newest;
    struct crowd *const crowd = ctx;
    cr_assert(!newest || block->address > newest, "not in order");
    newest = block->address;
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < EACH; i++) {
            struct known *const known = &crowd->known[t][i];
            if (known->address != block->address)
                continue;
            known->times++;
            cr_assert_eq(block->size, known->size);
            cr_assert_eq(block->serial, known->serial);
            cr_assert_eq(block->thread, known->thread);
            cr_assert_neq(block->stack, 0u);
        }
    return true;
}

Test(blocks, every_block_of_every_thread_is_seen_once)
{
    static struct crowd crowd;
    struct one_thread arg[THREADS];
    pthread_t thread[THREADS];
    pthread_barrier_init(&crowd.made, NULL, THREADS + 1);
    pthread_barrier_init(&crowd.looked, NULL, THREADS + 1);
    for (int t = 0; t < THREADS; t++) {
        arg[t] = (struct one_thread){ &crowd, t };
        pthread_create(&thread[t], NULL, thread_makes, &arg[t]);
    }
    pthread_barrier_wait(&crowd.made);
    tt_blocks_visit(see_known, &crowd);
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < EACH; i++) {
            cr_assert_eq(crowd.known[t][i].times, 1u, "%d %d", t, i);
            cr_assert(i == 0 || crowd.known[t][i].serial ==
                                    crowd.known[t][i - 1].serial + 1);
        }
    pthread_barrier_wait(&crowd.looked);
    for (int t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
}

Test(blocks, threads_have_numbers_of_their_own)
{
    static struct crowd crowd;
    struct one_thread arg[2] = { { &crowd, 0 }, { &crowd, 1 } };
    pthread_t thread;
    pthread_barrier_init(&crowd.made, NULL, 1);
    pthread_barrier_init(&crowd.looked, NULL, 1);
    for (int t = 0; t < 2; t++) {
        pthread_create(&thread, NULL, thread_makes, &arg[t]);
        pthread_join(thread, NULL);
    }
    cr_assert_neq(crowd.known[0][0].thread, crowd.known[1][0].thread);
    cr_assert_neq(crowd.known[0][0].thread, tt_thread_number());
    /* A thread's first block is its first, whoever had its slot before. */
    cr_assert_lt(crowd.known[0][0].serial, 10u);
    cr_assert_eq(crowd.known[0][0].serial, crowd.known[1][0].serial);
}

static bool see_tool(const struct tt_block *block, void *ctx)
{
    cr_assert_neq(block->address, ctx);
    return true;
}

Test(blocks, what_tether_allocates_is_left_out)
{
    struct tt_numbers before, after;
    struct tt_block found;
    count_alone();
    tt_scope_numbers(NULL, &before);
    tt_enter();
    char *const small = malloc(100), *const big = malloc(100000);
    tt_leave();
    tt_scope_numbers(NULL, &after);
    cr_expect_eq(before.total_count, after.total_count);
    cr_expect_not(tt_block_find(small + 5, &found));
    cr_expect_not(tt_block_find(big + 5, &found));
    tt_blocks_visit(see_tool, small);
    tt_blocks_visit(see_tool, big);
    free(small);
    free(big);
    tt_scope_numbers(NULL, &after);
    cr_expect_eq(before.live_bytes, after.live_bytes);
}

static bool see_first(const struct tt_block *block, void *ctx)
{
    (void)block;
    ++*(int *)ctx;
    return false;
}

Test(blocks, a_visit_can_be_stopped)
{
    int seen_blocks = 0;
    tt_blocks_visit(see_first, &seen_blocks);
    cr_assert_eq(seen_blocks, 1);
}

Test(blocks, flags_are_set_and_cleared)
{
    static const size_t sizes[] = { 10, 5000 };
    for (size_t i = 0; i < TT_COUNT(sizes); i++) {
        struct tt_block found;
        char *const block = malloc(sizes[i]);
        cr_assert(tt_block_flags(block, TT_BLOCK_KEEP, 0));
        cr_assert(tt_block_find(block, &found));
        cr_assert(found.flags & TT_BLOCK_KEEP);
        cr_assert(tt_block_flags(block, 0, TT_BLOCK_KEEP));
        cr_assert(tt_block_find(block, &found));
        cr_assert_not(found.flags & TT_BLOCK_KEEP);
        cr_assert_not(tt_block_flags(block + 1, TT_BLOCK_KEEP, 0));
        cr_assert_not(tt_block_flags(block + 16 * 50, TT_BLOCK_KEEP, 0));
        free(seen(block));
        cr_assert_not(tt_block_flags(seen(block), TT_BLOCK_KEEP, 0));
    }
}

Test(blocks, realloc_keeps_identity_and_the_mark_to_stay)
{
    struct tt_block before, after;
    char *block = malloc(100);
    tt_block_flags(block, TT_BLOCK_KEEP, 0);
    tt_block_find(block, &before);
    for (size_t size = 150; size < 1 << 20; size *= 3) {
        block = realloc(block, size);
        cr_assert(tt_block_find(block + size / 2, &after));
        cr_assert_eq(after.serial, before.serial);
        cr_assert_eq(after.thread, before.thread);
        cr_assert(after.flags & TT_BLOCK_KEEP);
    }
    free(block);
}
