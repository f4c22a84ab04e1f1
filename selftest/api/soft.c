/* SPDX-License-Identifier: MIT */
/*
 * Soft references: order of clearing, levels, pins and records.
 */
#include <criterion/criterion.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>

static unsigned released;
static void *newest;

static void release(void *object, void *ctx)
{
    released++;
    newest = object;
    if (ctx)
        ++*(unsigned *)ctx;
    free(object);
}

static void *object_make(size_t size)
{
    return memset(malloc(size), 'x', size);
}

#define LAST 5

struct five {
    tether_soft ref[LAST];
    tether_queue *queue;
};

/* Five of 100 B, in the order of their making. */
static struct five five_make(void)
{
    struct five five = { .queue = tether_queue_make() };
    for (int i = 0; i < LAST; i++)
        five.ref[i] = tether_soft_hold(object_make(100), release, NULL,
                                       .queue = five.queue);
    return five;
}

static void five_drop(struct five *five)
{
    for (int i = 0; i < LAST; i++)
        tether_soft_drop(five->ref[i]);
    tether_queue_drop(five->queue);
}

static int is_there(tether_soft ref)
{
    return tether_soft_reason(ref) == TETHER_NOT_CLEARED;
}

Test(soft, it_holds_until_it_is_dropped, HEAP_BUDGET(NO_LEAKS))
{
    char *object = object_make(100);
    tether_soft ref = tether_soft_hold(object, release, NULL);

    cr_assert_eq(tether_soft_pin(ref), object);
    cr_assert_eq(object[99], 'x');
    tether_soft_unpin(ref);
    cr_assert_eq(released, 0);
    tether_soft_drop(ref);
    cr_assert_eq(released, 1);
    cr_assert_eq(newest, object);
}

Test(soft, its_name_is_a_function_too, HEAP_BUDGET(NO_LEAKS))
{
    tether_soft (*hold)(const void *, tether_release_fn, void *) =
        tether_soft_hold;
    unsigned mine = 0;

    tether_soft_drop(hold(object_make(8), release, &mine));
    cr_assert_eq(mine, 1);
}

Test(soft, the_least_recently_used_is_given_up_first, HEAP_BUDGET(NO_LEAKS))
{
    struct five five = five_make();
    struct tether_relief relief;

    cr_assert_not_null(tether_soft_pin(five.ref[0]));
    tether_soft_unpin(five.ref[0]); /* now used after all others */
    relief = tether_pressure(TETHER_MODERATE, .bytes = 250);
    cr_assert_eq(relief.status, TETHER_OK);
    cr_assert_eq(relief.cleared, 3);
    cr_assert_eq(relief.freed_bytes, 300);
    cr_assert_eq(relief.left, 2);
    cr_assert_eq(relief.pinned, 0);
    for (int i = 0; i < LAST; i++)
        cr_assert_eq(is_there(five.ref[i]), i == 0 || i == 4, "%d", i);
    cr_assert_null(tether_soft_pin(five.ref[1]));
    ASSERT_ENQUEUED_IN_ORDER(five.queue, five.ref[1], five.ref[2], five.ref[3]);
    tether_pressure(TETHER_MODERATE);
    ASSERT_ENQUEUED_IN_ORDER(five.queue, five.ref[3], five.ref[4], five.ref[0]);
    cr_assert_eq(released, 5);
    five_drop(&five);
    cr_assert_eq(released, 5);
}

Test(soft, a_record_says_why_who_and_when)
{
    struct five five = five_make();
    struct tether_record record;

    tether_pressure(TETHER_CRITICAL, .bytes = 1);
    cr_assert_eq(tether_queue_poll(five.queue, &record), TETHER_OK);
    cr_assert_eq(record.kind, TETHER_REF_SOFT);
    cr_assert_eq(record.soft.bits, five.ref[0].bits);
    cr_assert_eq(record.weak.bits, 0);
    cr_assert_eq(record.phantom.bits, 0);
    cr_assert_eq(record.reason, TETHER_CLEARED_CRITICAL);
    cr_assert_eq(record.words.size, 100);
    cr_assert_str_eq(record.words.name, "object_make(100)");
    cr_assert_neq(record.words.alloc_stack, 0);
    cr_assert_neq(record.words.free_stack, 0);
    cr_assert_eq(tether_soft_reason(five.ref[0]), TETHER_CLEARED_CRITICAL);
    five_drop(&five);
}

Test(soft, what_is_pinned_stays, HEAP_BUDGET(NO_LEAKS))
{
    struct five five = five_make();
    char *object = tether_soft_pin(five.ref[2]);

    cr_assert_eq(tether_soft_pin(five.ref[2]), object);
    struct tether_relief relief = tether_pressure(TETHER_EXHAUSTED);
    cr_assert_eq(relief.cleared, 4);
    cr_assert_eq(relief.pinned, 1);
    cr_assert_eq(relief.left, 0);
    cr_assert_eq(object[99], 'x');
    tether_soft_unpin(five.ref[2]);
    cr_assert_eq(tether_pressure(TETHER_EXHAUSTED).cleared, 0);
    tether_soft_unpin(five.ref[2]);
    cr_assert_eq(tether_pressure(TETHER_EXHAUSTED).cleared, 1);
    five_drop(&five);
}

Test(soft, it_may_be_pinned_from_the_start, HEAP_BUDGET(NO_LEAKS))
{
    WITH_PRESSURE(TETHER_CRITICAL)
    {
        char *object = object_make(100);
        tether_soft ref =
            tether_soft_hold(object, release, NULL, .pinned = true);
        tether_safepoint();
        cr_assert_eq(object[99], 'x');
        tether_soft_unpin(ref);
        tether_safepoint();
        cr_assert_eq(released, 1);
        tether_soft_drop(ref);
    }
}

Test(soft, levels_are_given_up_one_after_the_other, HEAP_BUDGET(NO_LEAKS))
{
    tether_queue *queue = tether_queue_make();
    tether_soft last =
        tether_soft_hold(object_make(10), release, NULL,
                         .level = TETHER_EXHAUSTED, .queue = queue);
    tether_soft second =
        tether_soft_hold(object_make(10), release, NULL,
                         .level = TETHER_CRITICAL, .queue = queue);
    tether_soft first =
        tether_soft_hold(object_make(10), release, NULL, .queue = queue);

    cr_assert_eq(tether_pressure(TETHER_MODERATE).cleared, 1);
    cr_assert_not(is_there(first));
    cr_assert(is_there(second));
    tether_soft again =
        tether_soft_hold(object_make(10), release, NULL, .queue = queue);
    cr_assert_eq(tether_pressure(TETHER_EXHAUSTED, .bytes = 20).cleared, 2);
    cr_assert(is_there(last));
    cr_assert_eq(tether_soft_reason(again), TETHER_CLEARED_EXHAUSTED);
    tether_pressure(TETHER_EXHAUSTED);
    ASSERT_ENQUEUED_IN_ORDER(
        queue, tether_for_reason(first, TETHER_CLEARED_MODERATE),
        tether_for_reason(again, TETHER_CLEARED_EXHAUSTED), second, last);
    tether_soft_drop(first);
    tether_soft_drop(second);
    tether_soft_drop(last);
    tether_soft_drop(again);
    tether_queue_drop(queue);
}

Test(soft, the_cost_is_what_was_said_or_the_size)
{
    tether_soft dear =
        tether_soft_hold(object_make(10), release, NULL, .cost = 5000);
    tether_soft free_ =
        tether_soft_hold(object_make(10), release, NULL, .cost = 0);
    tether_soft plain = tether_soft_hold(object_make(77), release, NULL);

    cr_assert_eq(tether_pressure(TETHER_MODERATE, .bytes = 1).freed_bytes,
                 5000);
    cr_assert_eq(tether_pressure(TETHER_MODERATE).freed_bytes, 77);
    tether_soft_drop(dear);
    tether_soft_drop(free_);
    tether_soft_drop(plain);
}

Test(soft, realloc_keeps_the_reference_on_the_object, HEAP_BUDGET(NO_LEAKS))
{
    char *object = object_make(100);
    tether_soft ref = tether_soft_hold(object, release, NULL);

    object = realloc(object, 100000);
    cr_assert_eq(tether_soft_pin(ref), object);
    tether_soft_unpin(ref);
    cr_assert_eq(tether_pressure(TETHER_MODERATE).freed_bytes, 100000);
    cr_assert_eq(newest, object);
    tether_soft_drop(ref);
}

Test(soft, an_object_that_others_freed_is_released_by_nobody)
{
    struct five five = five_make();
    void *object = tether_soft_pin(five.ref[0]);

    tether_soft_unpin(five.ref[0]);
    free(object);
    cr_assert_null(tether_soft_pin(five.ref[0]));
    cr_assert_eq(tether_soft_reason(five.ref[0]), TETHER_DIED);
    cr_assert_eq(tether_pressure(TETHER_MODERATE).cleared, 4);
    cr_assert_eq(released, 4);
    ASSERT_ENQUEUED_IN_ORDER(
        five.queue, tether_for_reason(five.ref[0], TETHER_DIED), five.ref[1]);
    five_drop(&five);
    cr_assert_eq(released, 4);
}

Test(soft, weak_references_of_the_object_outlive_the_clearing)
{
    void *object = object_make(10);
    unsigned mine = 0;
    tether_weak weak = tether_weak_to(object);
    tether_soft ref = tether_soft_hold(object, release, &mine);

    ASSERT_ALIVE(weak);
    tether_pressure(TETHER_MODERATE);
    ASSERT_COLLECTED(weak);
    cr_assert_eq(mine, 1);
    tether_soft_drop(ref);
    tether_weak_drop(weak);
}

static void keep(void *object, void *ctx)
{
    (void)object;
    ++*(unsigned *)ctx;
}

Test(soft, who_holds_it_elsewhere_keeps_it, HEAP_BUDGET(NO_LEAKS))
{
    void *object = object_make(10);
    unsigned mine = 0;
    tether_weak weak = tether_weak_to(object);
    tether_soft first = tether_soft_hold(object, keep, &mine);
    tether_soft second = tether_soft_hold(object, keep, &mine);

    tether_pressure(TETHER_MODERATE);
    cr_assert_eq(mine, 2);
    ASSERT_ALIVE(weak);
    free(object);
    cr_assert_eq(tether_soft_reason(first), TETHER_CLEARED_MODERATE);
    tether_soft_drop(first);
    tether_soft_drop(second);
    tether_weak_drop(weak);
}

/* ---- what a release may do ---- */

static tether_soft self;

static void release_and_drop(void *object, void *ctx)
{
    release(object, ctx);
    tether_soft_drop(self);
}

Test(soft, a_release_may_drop_its_own_reference, HEAP_BUDGET(NO_LEAKS))
{
    self = tether_soft_hold(object_make(10), release_and_drop, NULL);
    cr_assert_eq(tether_pressure(TETHER_MODERATE).cleared, 1);
    cr_assert_eq(released, 1);
}

static void release_and_hold(void *object, void *ctx)
{
    release(object, ctx);
    if (released < 5)
        tether_soft_drop(tether_soft_hold(object_make(10), release, NULL));
    cr_assert_null(tether_soft_pin(self));
    cr_assert_eq(tether_pressure(TETHER_MODERATE).status, TETHER_BUSY);
}

Test(soft, a_release_may_hold_pin_and_drop, HEAP_BUDGET(NO_LEAKS))
{
    self = tether_soft_hold(object_make(10), release_and_hold, NULL);
    cr_assert_eq(tether_pressure(TETHER_MODERATE).cleared, 1);
    cr_assert_eq(released, 2);
    tether_soft_drop(self);
}

static jmp_buf out;

static void release_and_leave(void *object, void *ctx)
{
    release(object, ctx);
    longjmp(out, 1);
}

Test(soft, a_release_that_leaves_is_over, HEAP_BUDGET(NO_LEAKS))
{
    static struct five five;

    self = tether_soft_hold(object_make(10), release_and_leave, NULL);
    five = five_make();
    if (!setjmp(out))
        tether_pressure(TETHER_MODERATE);
    cr_assert_eq(released, 1);
    cr_assert_null(tether_soft_pin(self));
    cr_assert_eq(tether_pressure(TETHER_MODERATE).cleared, 5);
    tether_soft_drop(self);
    five_drop(&five);
}

static unsigned records;

static void record_see(const struct tether_record *record, void *ctx)
{
    cr_assert_eq(record->reason, TETHER_CLEARED_MODERATE);
    ++*(unsigned *)ctx;
}

Test(soft, callbacks_of_queues_see_the_records, HEAP_BUDGET(NO_LEAKS))
{
    struct five five = five_make();

    tether_queue_on(five.queue, record_see, &records);
    tether_pressure(TETHER_MODERATE);
    cr_assert_eq(records, 5);
    five_drop(&five);
}

/* ---- mistakes ---- */

Test(soft, unpinned_too_often_stops, .signal = SIGABRT)
{
    tether_soft ref = tether_soft_hold(object_make(10), release, NULL);

    tether_soft_pin(ref);
    tether_soft_unpin(ref);
    tether_soft_unpin(ref);
}

Test(soft, dropped_while_pinned_stops, .signal = SIGABRT)
{
    tether_soft ref = tether_soft_hold(object_make(10), release, NULL);

    tether_soft_pin(ref);
    tether_soft_drop(ref);
}

Test(soft, used_after_drop_stops, .signal = SIGABRT)
{
    tether_soft ref = tether_soft_hold(object_make(10), release, NULL);

    tether_soft_drop(ref);
    tether_soft_pin(ref);
}

Test(soft, without_release_stops, .signal = SIGABRT)
{
    (void)tether_soft_hold(object_make(10), NULL, NULL);
}

Test(soft, a_wrong_reason_fails_and_one_that_is_none_stops, .signal = SIGABRT)
{
    static struct tether_message why;
    struct five five = five_make();
    uint64_t bits[2];

    tether_pressure(TETHER_MODERATE);
    bits[0] = tether_for_reason(five.ref[0], TETHER_CLEARED_MODERATE).bits;
    bits[1] = tether_for_reason(five.ref[1], TETHER_DIED).bits;
    cr_assert_eq(tether_check_enqueued_in_order(five.queue, bits, 1, &why),
                 TETHER_PASSED);
    cr_assert_eq(tether_check_enqueued_in_order(five.queue, bits, 2, &why),
                 TETHER_FAILED);
    cr_assert_not_null(strstr(why.text, "was to be freed,\n  but was cleared "
                                        "under moderate pressure"));
    (void)tether_for_reason(five.ref[0], TETHER_NOT_CLEARED);
}

Test(soft, a_wrong_level_stops, .signal = SIGABRT)
{
    (void)tether_soft_hold(object_make(10), release, NULL, .level = 4);
}

Test(soft, what_is_no_object_stops, .signal = SIGABRT)
{
    int local = 0;
    (void)tether_soft_hold(&local, release, NULL);
}

Test(soft, a_weak_reference_is_none, .signal = SIGABRT)
{
    tether_weak weak = tether_weak_to(object_make(10));
    tether_soft_pin((tether_soft){ weak.bits });
}

Test(soft, a_zeroed_one_may_be_dropped)
{
    tether_soft_drop((tether_soft){ 0 });
}
