/* SPDX-License-Identifier: MIT */
/*
 * Phantoms and queues: order, waiting, callbacks, drops in any order.
 */
#include "ref_test.h"

#include <pthread.h>
#include <setjmp.h>
#include <time.h>
#include <unistd.h>

static tether_queue *queue;
static struct tether_record record;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

REF_TEST(queue, a_record_enters_at_the_death)
{
    int tag;
    char *const alice = block_make(24);
    queue = tether_queue_make();
    const tether_phantom ref = tether_phantom_to(alice, queue, &tag);
    cr_assert_eq(tether_queue_poll(queue, &record), TETHER_EMPTY);
    cr_assert_null(record.tag);
    cr_assert_not(tether_phantom_enqueued(ref));
    free(alice);
    cr_assert(tether_phantom_enqueued(ref));
    cr_assert_eq(tether_queue_poll(queue, &record), TETHER_OK);
    cr_assert_eq(record.phantom.bits, ref.bits);
    cr_assert_eq(record.tag, (void *)&tag);
    cr_assert_str_eq(record.words.name, "alice");
    cr_assert_eq(record.words.size, 24);
    cr_assert_eq(record.words.free_thread, tt_thread_number());
    cr_assert_gt(record.words.freed_ns, 0);
    cr_assert_eq(tether_queue_poll(queue, &record), TETHER_EMPTY);
    cr_assert(tether_phantom_enqueued(ref));
    tether_phantom_drop(ref);
    tether_queue_drop(queue);
}

REF_TEST(queue, records_come_in_the_order_of_the_frees)
{
    enum { MANY = 500 };
    void *blocks[MANY];
    tether_phantom refs[MANY];
    uint64_t seed = 42;
    int order[MANY];
    queue = tether_queue_make();
    for (int i = 0; i < MANY; i++) {
        blocks[i] = block_make(16 + (size_t)i);
        refs[i] = tether_phantom_to(blocks[i], queue, &blocks[i]);
        order[i] = i;
    }
    for (int i = MANY - 1; i > 0; i--) {
        const int j = (int)(random_next(&seed) % (unsigned)(i + 1));
        const int swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (int i = 0; i < MANY; i++)
        free(blocks[order[i]]);
    cr_assert_null(tt_ref_check());
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(tether_queue_poll(queue, &record), TETHER_OK);
        cr_assert_eq(record.tag, (void *)&blocks[order[i]]);
        tether_phantom_drop(record.phantom);
    }
    (void)refs;
    tether_queue_drop(queue);
}

REF_TEST(queue, phantoms_of_one_object_come_in_the_order_of_their_making)
{
    int tags[5];
    void *const block = block_make(8);
    queue = tether_queue_make();
    for (int i = 0; i < 5; i++)
        (void)tether_phantom_to(block, queue, &tags[i]);
    free(block);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(tether_queue_poll(queue, &record), TETHER_OK);
        cr_assert_eq(record.tag, (void *)&tags[i]);
        tether_phantom_drop(record.phantom);
    }
    tether_queue_drop(queue);
}

REF_TEST(queue, a_phantom_dropped_before_the_death_enters_nothing)
{
    void *const block = block_make(8);
    queue = tether_queue_make();
    tether_phantom_drop(tether_phantom_to(block, queue, NULL));
    free(block);
    cr_assert_eq(tether_queue_poll(queue, &record), TETHER_EMPTY);
    tether_queue_drop(queue);
}

REF_TEST(queue, a_phantom_dropped_in_the_queue_leaves_it)
{
    void *blocks[3];
    tether_phantom refs[3];
    queue = tether_queue_make();
    for (int i = 0; i < 3; i++) {
        blocks[i] = block_make(8);
        refs[i] = tether_phantom_to(blocks[i], queue, &blocks[i]);
    }
    for (int i = 0; i < 3; i++)
        free(blocks[i]);
    tether_phantom_drop(refs[1]);
    cr_assert_null(tt_ref_check());
    tether_queue_poll(queue, &record);
    cr_assert_eq(record.tag, (void *)&blocks[0]);
    tether_queue_poll(queue, &record);
    cr_assert_eq(record.tag, (void *)&blocks[2]);
    cr_assert_eq(tether_queue_poll(queue, &record), TETHER_EMPTY);
    tether_phantom_drop(refs[0]);
    tether_phantom_drop(refs[2]);
    tether_queue_drop(queue);
}

REF_TEST(queue, may_be_dropped_before_its_phantoms)
{
    void *const early = block_make(8);
    void *const late = block_make(8);
    queue = tether_queue_make();
    const tether_phantom in = tether_phantom_to(early, queue, NULL);
    const tether_phantom out = tether_phantom_to(late, queue, NULL);
    free(early);
    tether_queue_drop(queue);
    tether_queue *const next = tether_queue_make(); /* takes its place */
    cr_assert_neq(next, queue);
    free(late);
    cr_assert(tether_phantom_enqueued(in));
    cr_assert_not(tether_phantom_enqueued(out));
    cr_assert_eq(tether_queue_poll(next, &record), TETHER_EMPTY);
    tether_phantom_drop(in);
    tether_phantom_drop(out);
    tether_queue_drop(next);
}

REF_TEST(queue, wait_gives_up_at_its_time)
{
    queue = tether_queue_make();
    const uint64_t start = now_ms();
    cr_assert_eq(tether_queue_wait(queue, 30, &record), TETHER_TIMEOUT);
    cr_assert_geq(now_ms() - start, 29);
    cr_assert_eq(tether_queue_wait(queue, 0, &record), TETHER_TIMEOUT);
    tether_queue_drop(queue);
}

static void *free_later(void *block)
{
    usleep(20000);
    free(block);
    return NULL;
}

REF_TEST(queue, wait_is_woken_by_a_free)
{
    pthread_t thread;
    void *const block = block_make(8);
    queue = tether_queue_make();
    const tether_phantom ref = tether_phantom_to(block, queue, &queue);
    pthread_create(&thread, NULL, free_later, block);
    cr_assert_eq(tether_queue_wait(queue, 60000, &record), TETHER_OK);
    cr_assert_eq(record.tag, (void *)&queue);
    cr_assert_neq(record.words.free_thread, tt_thread_number());
    pthread_join(thread, NULL);
    tether_phantom_drop(ref);
    tether_queue_drop(queue);
}

static void *drop_later(void *unused)
{
    usleep(20000);
    tether_queue_drop(queue);
    return unused;
}

REF_TEST(queue, wait_is_woken_by_a_drop)
{
    pthread_t thread;
    queue = tether_queue_make();
    pthread_create(&thread, NULL, drop_later, NULL);
    cr_assert_eq(tether_queue_wait(queue, 60000, &record), TETHER_EMPTY);
    pthread_join(thread, NULL);
}

/* Callbacks: what they saw. */
static void *seen[16];
static size_t seen_count;

static void see(const struct tether_record *one, void *ctx)
{
    cr_assert_eq(ctx, (void *)&queue);
    seen[seen_count++] = one->tag;
    tether_phantom_drop(one->phantom);
}

REF_TEST(queue, drain_hands_over_all)
{
    void *blocks[4];
    queue = tether_queue_make();
    for (int i = 0; i < 4; i++) {
        blocks[i] = block_make(8);
        (void)tether_phantom_to(blocks[i], queue, &blocks[i]);
    }
    for (int i = 0; i < 4; i++)
        free(blocks[i]);
    cr_assert_eq(tether_queue_drain(queue, see, &queue), 4);
    cr_assert_eq(tether_queue_drain(queue, see, &queue), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(seen[i], (void *)&blocks[i]);
    tether_queue_drop(queue);
}

REF_TEST(queue, a_callback_runs_at_a_safe_point_never_in_free)
{
    void *const block = block_make(8);
    queue = tether_queue_make();
    tether_queue_on(queue, see, &queue);
    (void)tether_phantom_to(block, queue, &seen);
    tether_safepoint();
    cr_assert_eq(seen_count, 0);
    free(block);
    cr_assert_eq(seen_count, 0);
    tether_safepoint();
    cr_assert_eq(seen_count, 1);
    cr_assert_eq(seen[0], (void *)&seen);
    tether_safepoint();
    cr_assert_eq(seen_count, 1);
    tether_queue_drop(queue);
}

REF_TEST(queue, a_callback_set_late_sees_what_waits)
{
    void *const block = block_make(8);
    queue = tether_queue_make();
    (void)tether_phantom_to(block, queue, NULL);
    free(block);
    tether_safepoint();
    cr_assert_eq(seen_count, 0);
    tether_queue_on(queue, see, &queue);
    tether_safepoint();
    cr_assert_eq(seen_count, 1);
    tether_queue_on(queue, NULL, NULL);
    tether_queue_drop(queue);
}

REF_TEST(queue, draining_another_queue_is_a_safe_point)
{
    void *const block = block_make(8);
    tether_queue *const other = tether_queue_make();
    queue = tether_queue_make();
    tether_queue_on(queue, see, &queue);
    (void)tether_phantom_to(block, queue, NULL);
    free(block);
    tether_queue_drain(other, see, &queue);
    cr_assert_eq(seen_count, 1);
    tether_queue_drop(other);
    tether_queue_drop(queue);
}

/* A callback that does everything it may. */
static void busy_see(const struct tether_record *one, void *ctx)
{
    (void)ctx;
    seen_count++;
    tether_phantom_drop(one->phantom);
    tether_safepoint(); /* does nothing in here */
    if (seen_count == 1) {
        void *const block = block_make(8);
        (void)tether_phantom_to(block, queue, NULL);
        free(block); /* the same callback sees it, after this return */
        cr_assert_eq(seen_count, 1);
    } else if (seen_count == 2) {
        void *const block = block_make(8);
        (void)tether_phantom_to(block, queue, NULL);
        free(block);
        cr_assert_eq(tether_queue_poll(queue, &record), TETHER_OK);
        tether_phantom_drop(record.phantom);
        void *const last = block_make(8);
        (void)tether_phantom_to(last, queue, NULL);
        free(last);
    } else {
        tether_queue_drop(queue);
    }
}

REF_TEST(queue, a_callback_may_free_make_poll_and_drop_its_queue)
{
    void *const block = block_make(8);
    queue = tether_queue_make();
    tether_queue_on(queue, busy_see, NULL);
    (void)tether_phantom_to(block, queue, NULL);
    free(block);
    tether_safepoint();
    cr_assert_eq(seen_count, 3);
    cr_assert_not(tt_ref_callbacks());
    cr_assert_eq(tt_ref_count(), 0);
}

static jmp_buf out;

static void leave(const struct tether_record *one, void *ctx)
{
    (void)ctx;
    tether_phantom_drop(one->phantom);
    seen_count++;
    if (seen_count == 1)
        longjmp(out, 1);
}

static void safepoint_left(void)
{
    if (!setjmp(out))
        tether_safepoint();
}

REF_TEST(queue, a_callback_that_leaves_by_longjmp_does_not_block_the_next)
{
    queue = tether_queue_make();
    tether_queue_on(queue, leave, NULL);
    for (int i = 0; i < 2; i++) {
        void *const block = block_make(8);
        (void)tether_phantom_to(block, queue, NULL);
        free(block);
    }
    safepoint_left();
    cr_assert_eq(seen_count, 1);
    void *const block = block_make(8);
    (void)tether_phantom_to(block, queue, NULL);
    free(block);
    tether_safepoint();
    cr_assert_eq(seen_count, 3);
    tether_queue_drop(queue);
}
