/* SPDX-License-Identifier: MIT */
/*
 * Collectors and rounds, as users see them.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>
#include <time.h>
#include <unistd.h>

/* A collector that says 'left' objects one after the other. */
struct store {
    unsigned left;
    unsigned calls;
    unsigned asked;
    const char *name;
    const char *running;
    char *log; /* names in the order of calls */
};

static void store_collect(struct tether_reclaimed *reclaimed, void *ctx)
{
    struct store *store = ctx;
    store->calls++;
    store->running = tether_collect_running();
    reclaimed->objects = store->left > 0;
    reclaimed->bytes = store->left > 0 ? 10 : 0;
    if (store->left)
        store->left--;
    if (store->log)
        strcat(store->log, store->name);
}

static int store_pending(void *ctx)
{
    struct store *store = ctx;
    store->asked++;
    return store->left > 0;
}

static tether_collector *store_add(struct store *store, const char *name,
                                   int order)
{
    store->name = name;
    return tether_collector_add(&(struct tether_collector_table){
        .name = name, .order = order, .collect = store_collect, .ctx = store });
}

Test(collect, nothing_to_do)
{
    struct tether_collection all = tether_collect();

    cr_assert_eq(all.status, TETHER_OK);
    cr_assert_eq(all.rounds, 0);
    cr_assert_eq(all.objects, 0);
    cr_assert_null(tether_collect_running());
}

Test(collect, rounds_go_on_until_one_reclaims_nothing)
{
    struct store store = { .left = 3 };
    tether_collector *collector = store_add(&store, "store", 0);
    struct tether_collection all = tether_collect();

    cr_assert_eq(all.status, TETHER_OK);
    cr_assert_eq(all.rounds, 4, "%u", all.rounds);
    cr_assert_eq(all.collectors, 1);
    cr_assert_eq(all.objects, 3);
    cr_assert_eq(all.bytes, 30);
    cr_assert_not(all.unsettled);
    cr_assert_gt(all.time_ns, 0);
    cr_assert_eq(store.calls, 4);
    cr_assert_str_eq(store.running, "store");
    cr_assert_null(tether_collect_running());
    tether_collector_remove(collector);
    cr_assert_eq(tether_collect().rounds, 0);
    cr_assert_eq(store.calls, 4);
}

Test(collect, always_more_stops_at_the_bound)
{
    struct store store = { .left = 100 };
    tether_collector *collector = store_add(&store, "endless", 0);
    struct tether_collection all = tether_collect();

    cr_assert_eq(all.rounds, TETHER_COLLECT_ROUNDS_MAX);
    cr_assert_eq(all.objects, 8);
    cr_assert(all.unsettled);
    tether_collector_remove(collector);
}

Test(collect, eighth_round_may_settle)
{
    struct store store = { .left = 7 };
    tether_collector *collector = store_add(&store, "seven", 0);
    struct tether_collection all = tether_collect();

    cr_assert_eq(all.rounds, 8);
    cr_assert_not(all.unsettled);
    tether_collector_remove(collector);
}

Test(collect, order_then_age)
{
    char log[64] = "";
    struct store stores[4] = {
        { .log = log }, { .log = log }, { .log = log }, { .log = log }
    };
    tether_collector *b = store_add(&stores[0], "b", 1);
    tether_collector *c = store_add(&stores[1], "c", 1);
    tether_collector *a = store_add(&stores[2], "a", -5);
    tether_collector *d = store_add(&stores[3], "d", 2);

    cr_assert_eq(tether_collect().rounds, 1);
    cr_assert_str_eq(log, "abcd");
    tether_collector_remove(b);
    tether_collector_remove(d);
    log[0] = '\0';
    tether_collect();
    cr_assert_str_eq(log, "ac");
    tether_collector_remove(a);
    tether_collector_remove(c);
}

static void row_see(const struct tether_collector_row *row, void *ctx)
{
    char line[100];
    snprintf(line, sizeof line, "%s %u %zu %zu\n", row->name, row->rounds,
             row->objects, row->bytes);
    strcat(ctx, line);
}

Test(collect, rows_say_what_each_did)
{
    char rows[400] = "";
    struct store one = { .left = 2 }, two = { .left = 1 }, idle = { 0 };
    tether_collector *second = store_add(&two, "two", 2);
    tether_collector *first = store_add(&one, "one", 1);
    tether_collector *never = tether_collector_add(
        &(struct tether_collector_table){ .name = "idle",
                                          .collect = store_collect,
                                          .pending = store_pending,
                                          .ctx = &idle });
    struct tether_collection all = tether_collect();

    cr_assert_eq(all.rounds, 3);
    cr_assert_eq(all.collectors, 2);
    cr_assert_eq(tether_collect_visit(row_see, rows), 2);
    cr_assert_str_eq(rows, "one 3 2 20\ntwo 3 1 10\n");
    cr_assert_eq(idle.calls, 0);
    cr_assert_eq(idle.asked, 3);
    tether_collector_remove(first);
    rows[0] = '\0';
    cr_assert_eq(tether_collect_visit(row_see, rows), 1);
    cr_assert_str_eq(rows, "two 3 1 10\n");
    tether_collector_remove(second);
    tether_collector_remove(never);
}

Test(collect, pending_is_asked_each_round)
{
    struct store store = { .left = 1 };
    tether_collector *collector = tether_collector_add(
        &(struct tether_collector_table){ .name = "pending",
                                          .collect = store_collect,
                                          .pending = store_pending,
                                          .ctx = &store });

    cr_assert_eq(tether_collect().rounds, 2);
    cr_assert_eq(store.calls, 1);
    cr_assert_eq(store.asked, 2);
    tether_collector_remove(collector);
}

/* ---- measured ---- */

static char *garbage[3];

static void garbage_free(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)reclaimed;
    (void)ctx;
    for (size_t i = 0; i < 3; i++) {
        free(garbage[i]);
        garbage[i] = NULL;
    }
}

static const struct tether_collector_table garbage_table = { .name = "garbage",
                                                             .collect =
                                                                 garbage_free };

Test(collect, what_is_not_said_is_measured)
{
    tether_collector *collector = tether_collector_add(&garbage_table);
    struct tether_collection all;

    for (size_t i = 0; i < 3; i++)
        garbage[i] = malloc(100 + i);
    all = tether_collect();
    cr_assert_eq(all.rounds, 2);
    cr_assert_eq(all.objects, 3, "%zu", all.objects);
    cr_assert_eq(all.bytes, 303, "%zu", all.bytes);
    tether_collector_remove(collector);
}

static void hoard(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)reclaimed;
    *(void **)ctx = malloc(50);
}

Test(collect, what_grew_reclaimed_nothing)
{
    void *kept[8] = { NULL };
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "hoard", .collect = hoard, .ctx = kept });
    struct tether_collection all = tether_collect();

    cr_assert_eq(all.rounds, 1);
    cr_assert_eq(all.bytes, 0);
    cr_assert_eq(all.objects, 0);
    tether_collector_remove(collector);
    free(kept[0]);
}

static void *garbage_free_thread(void *ctx)
{
    garbage_free(NULL, ctx);
    return NULL;
}

static void garbage_free_elsewhere(struct tether_reclaimed *reclaimed,
                                   void *ctx)
{
    pthread_t thread;
    (void)reclaimed;
    cr_assert_eq(pthread_create(&thread, NULL, garbage_free_thread, ctx), 0);
    pthread_join(thread, NULL);
}

Test(collect, what_a_thread_of_the_collector_frees_is_measured)
{
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "elsewhere", .collect = garbage_free_elsewhere });

    for (size_t i = 0; i < 3; i++)
        garbage[i] = malloc(100000);
    cr_assert_geq(tether_collect().bytes, 290000);
    tether_collector_remove(collector);
}

/* ---- registering from inside ---- */

static struct store late = { .left = 1 };
static tether_collector *late_collector;

static void late_adder(struct tether_reclaimed *reclaimed, void *ctx)
{
    unsigned *calls = ctx;
    reclaimed->objects = reclaimed->bytes = 0;
    if (++*calls == 1)
        late_collector = store_add(&late, "late", 5);
}

Test(collect, added_in_a_round_runs_from_the_next_one_on)
{
    unsigned calls = 0;
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "adder", .collect = late_adder, .ctx = &calls });
    struct tether_collection all = tether_collect();

    cr_assert_eq(calls, 3);
    cr_assert_eq(late.calls, 2);
    cr_assert_eq(all.rounds, 3);
    cr_assert_eq(all.objects, 1);
    cr_assert_eq(all.collectors, 2);
    tether_collector_remove(collector);
    tether_collector_remove(late_collector);
}

static void multiply(struct tether_reclaimed *reclaimed, void *ctx)
{
    unsigned *calls = ctx;
    reclaimed->objects = reclaimed->bytes = 0;
    ++*calls;
    tether_collector_add(&(struct tether_collector_table){
        .name = "multiply", .collect = multiply, .ctx = ctx });
}

Test(collect, adding_for_ever_ends_at_the_bound)
{
    unsigned calls = 0;
    struct tether_collection all;

    tether_collector_add(&(struct tether_collector_table){
        .name = "multiply", .collect = multiply, .ctx = &calls });
    all = tether_collect();
    cr_assert_eq(all.rounds, 8);
    cr_assert_eq(calls, 255); /* 1 + 2 + 4 ... + 128 */
    cr_assert_not(all.unsettled);
}

struct remover {
    tether_collector *self, *other;
    unsigned calls;
};

static void remove_both(struct tether_reclaimed *reclaimed, void *ctx)
{
    struct remover *remover = ctx;
    remover->calls++;
    tether_collector_remove(remover->self);
    tether_collector_remove(remover->other);
    reclaimed->objects = 1;
    reclaimed->bytes = 1;
}

Test(collect, removed_in_a_round_does_not_run_any_more)
{
    struct store other = { .left = 5 };
    struct remover remover = { .calls = 0 };
    struct tether_collection all;

    remover.other = store_add(&other, "other", 1);
    remover.self = tether_collector_add(&(struct tether_collector_table){
        .name = "remover", .collect = remove_both, .ctx = &remover });
    all = tether_collect();
    cr_assert_eq(remover.calls, 1);
    cr_assert_eq(other.calls, 0);
    cr_assert_eq(all.objects, 1);
    cr_assert_eq(all.collectors, 1);
    cr_assert_eq(tether_collect().rounds, 0);
}

/* ---- mistakes ---- */

Test(collect, a_table_without_name_stops, .signal = SIGABRT)
{
    tether_collector_add(
        &(struct tether_collector_table){ .collect = store_collect });
}

Test(collect, a_table_without_function_stops, .signal = SIGABRT)
{
    tether_collector_add(&(struct tether_collector_table){ .name = "empty" });
}

Test(collect, removing_twice_stops, .signal = SIGABRT)
{
    tether_collector *collector = tether_collector_add(&garbage_table);

    tether_collector_remove(collector);
    tether_collector_remove(collector);
}

Test(collect, removing_what_is_none_stops, .signal = SIGABRT)
{
    int local;
    tether_collector_remove((tether_collector *)(void *)&local);
}

Test(collect, removing_null_does_nothing)
{
    tether_collector_remove(NULL);
}

Test(collect, the_registry_has_a_bound)
{
    static tether_collector *all[4095];

    for (size_t i = 0; i < 4095; i++)
        cr_assert_not_null(all[i] = tether_collector_add(&garbage_table));
    cr_assert_null(tether_collector_add(&garbage_table));
    for (size_t i = 0; i < 4095; i++)
        tether_collector_remove(all[i]);
    cr_assert_not_null(tether_collector_add(&garbage_table));
}
