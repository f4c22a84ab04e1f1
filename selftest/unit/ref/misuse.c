/* SPDX-License-Identifier: MIT */
/*
 * A programmer's mistake stops the program and says which call, which object
 * and what to do.
 */
#include "ref_test.h"

static int global;
static tether_weak kept;
static tether_queue *queue;
static struct tether_record record;

static void get_dropped(void)
{
    void *const alice = block_make(8);
    kept = tether_weak_to(alice);
    tether_weak_drop(kept);
    tether_weak_get(kept);
}

REF_TEST(misuse, get_after_drop)
{
    MUST_STOP(get_dropped, "tether: tether_weak_get: ", "`alice`",
              "misuse.c:", "was dropped before", "was still alive then");
}

static void drop_twice(void)
{
    void *const alice = block_make(8);
    kept = tether_weak_to(alice);
    free(alice);
    tether_weak_drop(kept);
    tether_weak_drop(kept);
}

REF_TEST(misuse, drop_twice)
{
    MUST_STOP(drop_twice, "tether: tether_weak_drop: ", "`alice`",
              "was dead by then");
}

static void get_forgotten(void)
{
    void *const alice = block_make(8);
    kept = tether_weak_to(alice);
    tether_weak_drop(kept);
    for (int i = 0; i < 70000; i++) {
        const tether_weak other = tether_weak_to(alice);
        tether_weak_drop(other);
    }
    tether_weak_get(kept);
}

REF_TEST(misuse, get_long_after_drop)
{
    MUST_STOP(get_forgotten, "tether_weak_get", "dropped");
}

static void get_zero(void)
{
    tether_weak_get((tether_weak){ 0 });
}

REF_TEST(misuse, get_of_a_zeroed_one)
{
    MUST_STOP(get_zero, "tether_weak_get", "zero");
}

static void get_garbage(void)
{
    tether_weak_get((tether_weak){ UINT64_C(0x8000000112345678) });
}

static void get_an_address(void)
{
    tether_weak_get((tether_weak){ (uint64_t)(uintptr_t)&global });
}

static void get_a_later_generation(void)
{
    kept = tether_weak_to(block_make(8));
    kept.bits += UINT64_C(7) << 32;
    tether_weak_get(kept);
}

static void get_an_unused_slot(void)
{
    kept = tether_weak_to(block_make(8));
    kept.bits += 1;
    tether_weak_get(kept);
}

REF_TEST(misuse, bits_that_never_were_a_reference)
{
    MUST_STOP(get_garbage, "tether_weak_get", "0x8000000112345678",
              "never was one");
    MUST_STOP(get_an_address, "never was one");
    MUST_STOP(get_a_later_generation, "never was one");
    MUST_STOP(get_an_unused_slot, "never was one");
}

static void make_of_null(void)
{
    void *const nobody = NULL;
    kept = tether_weak_to(nobody);
}

static void make_of_a_global(void)
{
    kept = tether_weak_to(&global);
}

static void make_of_a_local(void)
{
    int local = 0;
    kept = tether_weak_to(&local);
}

REF_TEST(misuse, what_is_no_object)
{
    MUST_STOP(make_of_null, "tether_weak_to", "`nobody`", "NULL");
    MUST_STOP(make_of_a_global, "tether_weak_to", "`&global`", "global");
    MUST_STOP(make_of_a_local, "tether_weak_to", "`&local`", "stack");
}

static void phantom_without_queue(void)
{
    (void)tether_phantom_to(block_make(8), NULL, NULL);
}

static void poll_dropped(void)
{
    queue = tether_queue_make();
    tether_queue_drop(queue);
    tether_queue_poll(queue, &record);
}

static void poll_reused(void)
{
    queue = tether_queue_make();
    tether_queue_drop(queue);
    (void)tether_queue_make();
    tether_queue_poll(queue, &record);
}

static void poll_garbage(void)
{
    tether_queue_poll((tether_queue *)&global, &record);
}

static void poll_into_null(void)
{
    queue = tether_queue_make();
    tether_queue_poll(queue, NULL);
}

static void drop_queue_twice(void)
{
    queue = tether_queue_make();
    tether_queue_drop(queue);
    tether_queue_drop(queue);
}

REF_TEST(misuse, queues)
{
    MUST_STOP(phantom_without_queue, "tether_phantom_to", "queue is NULL");
    MUST_STOP(poll_dropped, "tether_queue_poll", "was dropped before");
    MUST_STOP(poll_reused, "tether_queue_poll", "was dropped before");
    MUST_STOP(poll_garbage, "tether_queue_poll", "never was one");
    MUST_STOP(poll_into_null, "tether_queue_poll", "'record' is NULL");
    MUST_STOP(drop_queue_twice, "tether_queue_drop", "was dropped before");
}
