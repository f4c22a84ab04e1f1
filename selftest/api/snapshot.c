/* SPDX-License-Identifier: MIT */
/* Snapshots by allocation site, and the difference of two: exact numbers. */
#include <criterion/criterion.h>
#include <tether/criterion.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A loop that is unrolled allocates at several sites. */
#ifdef __clang__
#    pragma clang optimize off
#else
#    pragma GCC optimize("O0")
#endif

#define MAX 16

/* The number keeps the compiler from making one function of two alike. */
#define MAKER(name, number)                                     \
    static __attribute__((noinline)) void *name(size_t bytes)   \
    {                                                           \
        void *block = malloc(bytes);                            \
        __asm__ volatile("# " #number : "+r"(block)::"memory"); \
        return block;                                           \
    }

MAKER(node_new, 1)
MAKER(edge_new, 2)

static struct tether_site sites[MAX];

static uint32_t stack_of(const void *block)
{
    struct tether_block found;
    cr_assert_eq(tether_block_of(block, &found), TETHER_OK);
    return found.stack;
}

static void expect_site(size_t at, const void *like, int64_t bytes,
                        int64_t blocks)
{
    char text[400];
    tether_stack_text(sites[at].stack, text, sizeof text);
    cr_expect_eq(sites[at].stack, stack_of(like), "%s", text);
    cr_expect_eq(sites[at].bytes, bytes, "%lld", (long long)sites[at].bytes);
    cr_expect_eq(sites[at].blocks, blocks, "%lld", (long long)sites[at].blocks);
}

Test(snapshot, nothing_happened)
{
    void *const block = node_new(10);
    struct tether_snapshot *const before = tether_snapshot();
    free(edge_new(10));
    struct tether_snapshot *const after = tether_snapshot();
    cr_assert_eq(tether_snapshot_diff(before, after, sites, MAX), 0u);
    tether_snapshot_drop(before);
    tether_snapshot_drop(after);
    free(block);
}

Test(snapshot, growth_is_largest_first)
{
    void *nodes[3], *edges[5];
    struct tether_snapshot *const before = tether_snapshot();
    for (int i = 0; i < 3; i++)
        nodes[i] = node_new(10);
    for (int i = 0; i < 5; i++)
        edges[i] = edge_new(100);
    struct tether_snapshot *const after = tether_snapshot();
    cr_assert_eq(tether_snapshot_diff(before, after, sites, MAX), 2u);
    expect_site(0, edges[0], 500, 5);
    expect_site(1, nodes[0], 30, 3);
    for (int i = 0; i < 3; i++)
        free(nodes[i]);
    for (int i = 0; i < 5; i++)
        free(edges[i]);
    tether_snapshot_drop(before);
    tether_snapshot_drop(after);
}

Test(snapshot, what_was_freed_is_less_than_nothing)
{
    void *nodes[4], *edge;
    for (int i = 0; i < 4; i++)
        nodes[i] = node_new(25);
    struct tether_snapshot *const before = tether_snapshot();
    for (int i = 1; i < 4; i++)
        free(nodes[i]);
    edge = edge_new(7);
    struct tether_snapshot *const after = tether_snapshot();
    cr_assert_eq(tether_snapshot_diff(before, after, sites, MAX), 2u);
    expect_site(0, edge, 7, 1);
    expect_site(1, nodes[0], -75, -3);
    /* The other way round. */
    cr_assert_eq(tether_snapshot_diff(after, before, sites, MAX), 2u);
    expect_site(0, nodes[0], 75, 3);
    expect_site(1, edge, -7, -1);
    free(nodes[0]);
    free(edge);
    tether_snapshot_drop(before);
    tether_snapshot_drop(after);
}

/* As many bytes in more blocks differ too. */
Test(snapshot, blocks_alone_differ)
{
    void *blocks[3];
    struct tether_snapshot *snapshots[2];
    for (int i = 0; i < 2; i++) {
        blocks[0] = blocks[1] = blocks[2] = NULL;
        for (int n = 0; n < 1 + i; n++)
            blocks[n] = node_new(i ? 20 : 40);
        snapshots[i] = tether_snapshot();
        if (i == 0)
            free(blocks[0]);
    }
    cr_assert_eq(tether_snapshot_diff(snapshots[0], snapshots[1], sites, MAX),
                 1u);
    expect_site(0, blocks[0], 0, 1);
    for (int i = 0; i < 2; i++) {
        free(blocks[i]);
        tether_snapshot_drop(snapshots[i]);
    }
}

Test(snapshot, a_realloc_belongs_to_whoever_did_it)
{
    void *block = node_new(100);
    const uint32_t made = stack_of(block);
    struct tether_snapshot *const before = tether_snapshot();
    block = realloc(block, 300);
    struct tether_snapshot *const after = tether_snapshot();
    cr_assert_eq(tether_snapshot_diff(before, after, sites, MAX), 2u);
    expect_site(0, block, 300, 1);
    cr_expect_eq(sites[1].stack, made);
    cr_expect_eq(sites[1].bytes, -100);
    cr_expect_eq(sites[1].blocks, -1);
    free(block);
    tether_snapshot_drop(before);
    tether_snapshot_drop(after);
}

Test(snapshot, from_nothing_is_all_there_is)
{
    void *const block = node_new(12345678);
    struct tether_snapshot *const all = tether_snapshot();
    const size_t count = tether_snapshot_diff(NULL, all, sites, 1);
    cr_assert_gt(count, 1u);
    expect_site(0, block, 12345678, 1);
    cr_expect_eq(tether_snapshot_diff(NULL, all, NULL, 0), count);
    free(block);
    tether_snapshot_drop(all);
    tether_snapshot_drop(NULL);
}

Test(snapshot, the_first_of_many_are_kept)
{
    void *blocks[3];
    struct tether_snapshot *const before = tether_snapshot();
    blocks[0] = node_new(10);
    blocks[1] = edge_new(20);
    blocks[2] = malloc(30);
    struct tether_snapshot *const after = tether_snapshot();
    memset(sites, 0, sizeof sites);
    cr_assert_eq(tether_snapshot_diff(before, after, sites, 2), 3u);
    expect_site(0, blocks[2], 30, 1);
    expect_site(1, blocks[1], 20, 1);
    cr_expect_eq(sites[2].bytes, 0);
    for (int i = 0; i < 3; i++)
        free(blocks[i]);
    tether_snapshot_drop(before);
    tether_snapshot_drop(after);
}

/* ---- threads ---- */

#define THREADS 4
#define BLOCKS  1000
#define ROUNDS  10

static void *blocks[THREADS][BLOCKS];
static pthread_barrier_t ready, go;

static void *works(void *arg)
{
    void **const own = arg;
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&go);
    for (int i = 0; i < BLOCKS; i++)
        own[i] = node_new(10);
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&go);
    for (int i = 0; i < BLOCKS / 2; i++)
        free(own[i]);
    return NULL;
}

Test(snapshot, sums_over_threads)
{
    pthread_t threads[THREADS];
    struct tether_snapshot *snapshots[3];
    pthread_barrier_init(&ready, NULL, THREADS + 1);
    pthread_barrier_init(&go, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, works, blocks[i]);
    pthread_barrier_wait(&ready);
    snapshots[0] = tether_snapshot();
    pthread_barrier_wait(&go);
    pthread_barrier_wait(&ready);
    snapshots[1] = tether_snapshot();
    cr_expect_eq(tether_snapshot_diff(snapshots[0], snapshots[1], sites, MAX),
                 1u);
    expect_site(0, blocks[3][999], THREADS * BLOCKS * 10, THREADS * BLOCKS);
    pthread_barrier_wait(&go);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    snapshots[2] = tether_snapshot();
    cr_expect_eq(tether_snapshot_diff(snapshots[0], snapshots[2], sites, MAX),
                 1u);
    expect_site(0, blocks[3][999], THREADS * BLOCKS * 5, THREADS * BLOCKS / 2);
    for (int i = 0; i < 3; i++)
        tether_snapshot_drop(snapshots[i]);
    for (int i = 0; i < THREADS; i++)
        for (int n = BLOCKS / 2; n < BLOCKS; n++)
            free(blocks[i][n]);
}

static _Atomic int stop;

static void *disturbs(void *arg)
{
    (void)arg;
    while (!stop)
        free(edge_new(50));
    return NULL;
}

/* What other threads do meanwhile may be seen or not; what stands is right. */
Test(snapshot, while_others_allocate)
{
    pthread_t threads[THREADS];
    void *nodes[ROUNDS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, disturbs, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        struct tether_snapshot *const before = tether_snapshot();
        nodes[round] = node_new(100);
        struct tether_snapshot *const after = tether_snapshot();
        const size_t count = tether_snapshot_diff(before, after, sites, MAX);
        cr_assert_leq(count, 2u);
        cr_assert_geq(count, 1u);
        size_t at = 0;
        while (at < count && sites[at].stack != stack_of(nodes[round]))
            at++;
        cr_assert_lt(at, count);
        expect_site(at, nodes[round], 100, 1);
        tether_snapshot_drop(before);
        tether_snapshot_drop(after);
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < ROUNDS; i++)
        free(nodes[i]);
}

Test(snapshot, diff_without_a_second_dies, .signal = SIGABRT)
{
    tether_snapshot_diff(NULL, NULL, sites, MAX);
}
