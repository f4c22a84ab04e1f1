/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* matrix-flags: -DTETHER_DISABLE */
/* matrix-run: */
/* With TETHER_DISABLE no library is needed and nothing is checked, but what
 * stands in the test is compiled, and blocks run. */
#include <tether/criterion.h>

static void warm(void)
{
}
static int runs;

static int none(const void *object, struct tether_domain_object *what,
                void *ctx)
{
    (void)object;
    (void)what;
    return ctx != NULL;
}

static void nothing(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)reclaimed;
    (void)ctx;
}

static void give_up(void *object, void *ctx)
{
    runs += object == ctx;
}

static size_t trim(size_t wanted, void *ctx)
{
    return ctx ? wanted : 0;
}

static void pressure_vanishes(char *object, tether_queue *queue)
{
    tether_soft ref =
        tether_soft_hold(object, give_up, NULL, .cost = 1, .queue = queue);
    tether_trim *added = tether_trim_add(trim, NULL, .in_malloc = 1);

    cr_assert_null(tether_soft_pin(ref));
    cr_assert_eq(tether_pressure(TETHER_CRITICAL, .bytes = 1).cleared, 0u);
    cr_assert_eq(tether_pressure_level(), TETHER_NO_PRESSURE);
    tether_pressure_shares(80, 95);
    ASSERT_ENQUEUED_IN_ORDER(queue, tether_for_reason(ref, TETHER_DIED));
    cr_assert_eq(tether_stress(1), TETHER_NOT_FOUND);
    WITH_PRESSURE(TETHER_CRITICAL)
    tether_safepoint();
    tether_trim_remove(added);
    tether_soft_drop(ref);
}

static void collections_vanish(char *object)
{
    struct tether_domain_table table = { "none", 0,    none, NULL, NULL,
                                         NULL,   NULL, NULL, NULL };
    struct tether_collector_table collector = { "nothing", 0,    nothing,
                                                NULL,      NULL, 0 };
    tether_domain *domain = tether_domain_add(&table);
    tether_collector *added = tether_collector_add(&collector);

    tether_weak_drop(tether_weak_in(domain, object));
    tether_domain_died(domain, object);
    cr_assert_eq(tether_collect().rounds, 0u);
    cr_assert_eq(tether_release_memory().rss_after_bytes, 0u);
    tether_collector_remove(added);
    tether_domain_remove(domain);
}

static void spies_vanish(char *object)
{
    tether_weak ref = tether_weak_to(object);
    void (*spy)(void) = tether_spy_make(warm, "void ()");

    cr_assert(spy == warm);
    spy();
    cr_assert_eq(tether_spy_calls(spy), 0u);
    cr_assert_eq(tether_spy_visit(spy, NULL, NULL), 0u);
    ASSERT_CALLED(spy, 17);
    ASSERT_CALLED_ONCE_PER_OBJECT(spy);
    ASSERT_NEVER_CALLED_AFTER(spy, ref);
    tether_spy_drop(spy);
}

static void checks_vanish(char *object)
{
    tether_weak ref = tether_weak_to(object);
    tether_queue *queue = tether_queue_make();
    tether_phantom phantom = tether_phantom_to(object, queue, NULL);

    ASSERT_COLLECTED(ref);
    EXPECT_COLLECTED(ref);
    ASSERT_ENQUEUED(phantom);
    ASSERT_ENQUEUED_IN_ORDER(queue, phantom, ref);
    ASSERT_QUEUE_EMPTY(queue);
    cr_assert_eq(tether_quarantine(ref), TETHER_BLIND);
    cr_assert_eq(tether_quarantine(ref, .trap = 1), TETHER_BLIND);
    cr_assert_eq(tether_quarantine_check(), 0);
    ASSERT_NONE_ALIVE(warm);
    ASSERT_EVENTUALLY(runs == -1, .within_ms = 10000);
    ASSERT_CONSISTENTLY(runs == -1);
    ASSERT_EVENTUALLY_IS(runs, ==, -1, .within_ms = 10000);
    ASSERT_CONSISTENTLY_IS(object, ==, "x");
    ASSERT_EVENTUALLY(runs || STOP_WAITING("no"), .at_least_ms = 1);
    if (runs)
        ASSERT_EVENTUALLY_COLLECTED(ref);
    else
        EXPECT_ALIVE(ref);
    tether_weak_drop(tether_weak_in_queue(object, queue, NULL));
    ASSERT_EVENTUALLY(runs == -1, .collect = 1);
    collections_vanish(object);
    pressure_vanishes(object, queue);
    spies_vanish(object);
    tether_phantom_drop(phantom);
    tether_queue_drop(queue);
    tether_weak_drop(ref);
}

Test(disabled, all, HEAP_BUDGET(.max_count = 0, NO_LEAKS, .warm_up = warm))
{
    struct tether_stats stats;
    struct tether_snapshot *snapshot = tether_snapshot();
    char *object = (char *)malloc(16);

    WITHIN_BUDGET(.max_heap = 1) {
        runs++;
    }
    ONE_TIME {
        runs++;
    }
    cr_assert_eq(runs, 2);
    cr_assert_eq(tether_stats(&stats), TETHER_BLIND);
    cr_assert_eq(tether_keep(object), TETHER_OK);
    tether_snapshot_drop(snapshot);
    checks_vanish(object);
    free(object);
}
