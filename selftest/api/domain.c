/* SPDX-License-Identifier: MIT */
/*
 * Domains: a pool of shapes in one block of the heap. The heap never sees one
 * of them die; the domain tells it.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>

#define SHAPES 64

struct shape {
    _Atomic int alive;
    char payload[44];
};

static struct shape *shapes;
static tether_domain *domain;
static int watched, refuse_watch, garbage, collects;

static struct shape *shape_of(const void *object)
{
    uintptr_t at = (uintptr_t)object;
    uintptr_t start = (uintptr_t)shapes;
    return at >= start && at < start + SHAPES * sizeof *shapes
               ? &shapes[(at - start) / sizeof *shapes]
               : NULL;
}

static int shape_recognise(const void *object,
                           struct tether_domain_object *what, void *ctx)
{
    struct shape *shape = shape_of(object);
    (void)ctx;
    if (!shape || !shape->alive)
        return 0;
    what->address = shape;
    what->size = sizeof *shape;
    return 1;
}

static int shape_watch(const void *object, void *ctx)
{
    (void)ctx;
    cr_assert(shape_of(object)->alive);
    watched++;
    return !refuse_watch;
}

static size_t shape_count(void *ctx)
{
    size_t count = 0;
    (void)ctx;
    for (int i = 0; i < SHAPES; i++)
        count += shapes[i].alive != 0;
    return count;
}

static void shape_die(struct shape *shape)
{
    shape->alive = 0;
    tether_domain_died(domain, shape);
}

static void shape_collect(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)ctx;
    reclaimed->bytes = 0;
    collects++;
    for (; garbage > 0; garbage--)
        shape_die(&shapes[garbage - 1]);
}

static void shape_describe(const void *object, char *text, size_t size,
                           void *ctx)
{
    (void)ctx;
    snprintf(text, size, "the drawing\nthe clipboard, slot %d\n",
             (int)(shape_of(object) - shapes));
}

static const struct tether_domain_table table = {
    .name = "shapes",
    .recognise = shape_recognise,
    .watch = shape_watch,
    .collect = shape_collect,
    .count = shape_count,
    .describe = shape_describe,
};

static struct shape *shape_make(int i)
{
    shapes[i].alive = 1;
    return &shapes[i];
}

static void pool_make(void)
{
    shapes = calloc(SHAPES, sizeof *shapes);
    domain = tether_domain_add(&table);
}

static void pool_drop(void)
{
    tether_domain_remove(domain);
    free(shapes);
}

TestSuite(domain, .init = pool_make, .fini = pool_drop);

Test(domain, an_object_dies_when_its_domain_says_so)
{
    struct shape *shape = shape_make(3);
    tether_weak ref = tether_weak_in(domain, shape);
    struct tether_last_words words;

    ASSERT_ALIVE(ref);
    cr_assert_eq(tether_weak_get(ref), shape);
    cr_assert_eq(tether_weak_last_words(ref, &words), TETHER_STILL_ALIVE);
    cr_assert_eq(words.size, sizeof *shape);
    shape_die(shape);
    cr_assert_null(tether_weak_get(ref));
    ASSERT_COLLECTED(ref);
    cr_assert_eq(tether_weak_last_words(ref, &words), TETHER_OK);
    cr_assert_eq(words.size, sizeof *shape);
    cr_assert_str_eq(words.name, "shape");
    cr_assert_neq(words.free_stack, 0);
    tether_weak_drop(ref);
}

Test(domain, its_memory_is_another_object_to_the_heap)
{
    struct shape *shape = shape_make(0); /* begins where the block begins */
    tether_weak of_shape = tether_weak_in(domain, shape);
    tether_weak of_block = tether_weak_to(shapes);

    shape_die(shape);
    ASSERT_COLLECTED(of_shape);
    ASSERT_ALIVE(of_block);
    tether_weak_drop(of_shape);
    tether_weak_drop(of_block);
}

Test(domain, interior_pointers_are_of_the_object)
{
    struct shape *shape = shape_make(1);
    tether_weak ref = tether_weak_in(domain, &shape->payload[7]);

    cr_assert_eq(tether_weak_get(ref), &shape->payload[7]);
    shape_die(shape);
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}

Test(domain, a_new_life_at_the_same_place_is_another_object)
{
    struct shape *shape = shape_make(1);
    tether_weak first = tether_weak_in(domain, shape);

    shape_die(shape);
    shape_make(1);
    tether_weak second = tether_weak_in(domain, shape);
    ASSERT_COLLECTED(first);
    ASSERT_ALIVE(second);
    shape_die(shape);
    ASSERT_COLLECTED(second);
    tether_weak_drop(first);
    tether_weak_drop(second);
}

Test(domain, all_references_of_an_object_die_and_no_other)
{
    tether_weak refs[9];

    for (int i = 0; i < 9; i++)
        refs[i] = tether_weak_in(domain, shape_make(i / 3));
    cr_assert_eq(watched, 9);
    shape_die(&shapes[1]);
    for (int i = 0; i < 9; i++)
        cr_assert_eq(!tether_weak_get(refs[i]), i / 3 == 1, "%d", i);
    for (int i = 0; i < 9; i++)
        tether_weak_drop(refs[i]);
}

Test(domain, two_domains_may_know_the_same_address)
{
    tether_domain *other = tether_domain_add(&table);
    struct shape *shape = shape_make(2);
    tether_weak mine = tether_weak_in(domain, shape);
    tether_weak others = tether_weak_in(other, shape);

    tether_domain_died(other, shape);
    ASSERT_ALIVE(mine);
    ASSERT_COLLECTED(others);
    shape_die(shape);
    ASSERT_COLLECTED(mine);
    tether_weak_drop(mine);
    tether_weak_drop(others);
    tether_domain_remove(other);
}

Test(domain, its_collector_takes_part)
{
    tether_weak ref = tether_weak_in(domain, shape_make(0));

    shape_make(1);
    shape_make(2);
    garbage = 2;
    struct tether_collection all = tether_collect();
    cr_assert_eq(all.objects, 2);
    cr_assert_eq(all.rounds, 2);
    cr_assert_null(tether_weak_get(ref));
    tether_weak_drop(ref);
}

Test(domain, assert_collected_collects_only_while_it_lives)
{
    tether_weak first = tether_weak_in(domain, shape_make(0));
    tether_weak second = tether_weak_in(domain, shape_make(1));

    shape_die(&shapes[1]);
    ASSERT_COLLECTED(second);
    cr_assert_eq(collects, 0);
    garbage = 1;
    ASSERT_COLLECTED(first);
    cr_assert_eq(collects, 2);
    tether_weak_drop(first);
    tether_weak_drop(second);
}

Test(domain, without_collector_there_is_nothing_to_collect)
{
    tether_domain_remove(domain);
    struct tether_domain_table still = table;
    still.collect = NULL;
    domain = tether_domain_add(&still);
    cr_assert_eq(tether_collect().rounds, 0);
}

static int polls;

static void third_time(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)reclaimed;
    if (++polls == 3)
        shape_die(ctx);
}

Test(domain, waits_collect_if_asked)
{
    tether_weak ref = tether_weak_in(domain, shape_make(0));
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "third", .collect = third_time, .ctx = &shapes[0] });

    EXPECT_CONSISTENTLY(tether_weak_get(ref) != NULL, .for_ms = 20);
    cr_assert_eq(polls, 0);
    ASSERT_EVENTUALLY(!tether_weak_get(ref), .collect = true);
    cr_assert_geq(polls, 3);
    tether_weak_drop(ref);
    tether_collector_remove(collector);
}

Test(domain, waits_for_a_death_collect_if_asked)
{
    tether_weak ref = tether_weak_in(domain, shape_make(0));
    tether_collector *collector =
        tether_collector_add(&(struct tether_collector_table){
            .name = "third", .collect = third_time, .ctx = &shapes[0] });

    ASSERT_EVENTUALLY_COLLECTED(ref, .collect = true, .within_ms = 5000);
    cr_assert_geq(polls, 3);
    tether_weak_drop(ref);
    tether_collector_remove(collector);
}

/* ---- messages ---- */

static struct tether_message why;

static void said(const char *text)
{
    cr_assert_not_null(strstr(why.text, text), "no '%s' in: %s", text,
                       why.text);
}

Test(domain, a_failure_names_domain_holders_and_collection)
{
    tether_weak ref = tether_weak_in(domain, shape_make(5));

    cr_assert_eq(tether_check_collected(ref, &why), TETHER_FAILED);
    said("is still alive: 48 B, allocated by");
    said("  of the domain `shapes`, which says that it is held by\n"
         "    the drawing\n    the clipboard, slot 5\n");
    said("a collection reclaimed nothing:\n"
         "  `shapes`      nothing in 1 round");
    cr_assert_null(strstr(why.text, "nothing has freed it yet"));
    shape_die(&shapes[5]);
    tether_weak_drop(ref);
}

static int check_pending(void *ctx)
{
    tether_check_collected(*(tether_weak *)ctx, &why);
    return 0;
}

static void nothing(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)reclaimed;
    (void)ctx;
}

Test(domain, inside_a_collector_the_failure_says_that_none_was_run)
{
    tether_weak ref = tether_weak_in(domain, shape_make(5));
    tether_collector *collector = tether_collector_add(
        &(struct tether_collector_table){ .name = "checks",
                                          .collect = nothing,
                                          .pending = check_pending,
                                          .ctx = &ref });

    tether_collect();
    said("no collection was run for it: one is under way");
    tether_collector_remove(collector);
    shape_die(&shapes[5]);
    tether_weak_drop(ref);
}

/* ---- mistakes ---- */

Test(domain, a_dead_object_is_refused, .signal = SIGABRT)
{
    tether_weak_in(domain, &shapes[9]);
}

Test(domain, null_is_refused, .signal = SIGABRT)
{
    tether_weak_in(domain, NULL);
}

Test(domain, what_cannot_be_watched_is_refused, .signal = SIGABRT)
{
    refuse_watch = 1;
    tether_weak_in(domain, shape_make(0));
}

Test(domain, removing_it_before_its_references_stops, .signal = SIGABRT)
{
    (void)tether_weak_in(domain, shape_make(0));
    tether_domain_remove(domain);
}

Test(domain, removing_it_twice_stops, .signal = SIGABRT)
{
    tether_domain_remove(domain);
    tether_domain_remove(domain);
}

Test(domain, a_collector_is_no_domain, .signal = SIGABRT)
{
    tether_collector *collector = tether_collector_add(
        &(struct tether_collector_table){ .name = "none", .collect = nothing });
    tether_domain_died((tether_domain *)collector, &shapes[0]);
}

Test(domain, a_table_without_recognise_stops, .signal = SIGABRT)
{
    tether_domain_add(&(struct tether_domain_table){ .name = "empty" });
}

Test(domain, null_has_no_deaths, .signal = SIGABRT)
{
    tether_domain_died(NULL, &shapes[0]);
}

Test(domain, once_its_references_are_dropped_it_may_go)
{
    tether_weak ref = tether_weak_in(domain, shape_make(0));
    tether_weak same = tether_weak_in(domain, &shapes[0]);

    tether_weak_drop(ref);
    tether_weak_drop(same);
    tether_domain_remove(domain);
    domain = tether_domain_add(&table);
}

Test(domain, quarantine_is_for_blocks)
{
    tether_weak ref = tether_weak_in(domain, shape_make(0));
    tether_status status = tether_quarantine(ref);

    cr_assert(status == TETHER_REFUSED || status == TETHER_BLIND);
    shape_die(&shapes[0]);
    tether_weak_drop(ref);
}

/* ---- threads ---- */

/* Each thread has shapes of its own; all chains share the shards. */
static void *live_and_die(void *ctx)
{
    struct shape *mine = ctx;
    for (int round = 0; round < 2000; round++) {
        tether_weak refs[4];
        for (int i = 0; i < 4; i++) {
            mine[i % 2].alive = 1;
            refs[i] = tether_weak_in(domain, &mine[i % 2]);
        }
        shape_die(&mine[0]);
        for (int i = 0; i < 4; i++) {
            if (!tether_weak_get(refs[i]) != (i % 2 == 0))
                return "a wrong answer";
            tether_weak_drop(refs[i]);
        }
        shape_die(&mine[1]);
    }
    return NULL;
}

static void nothing_reclaimed(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)ctx;
    reclaimed->objects = reclaimed->bytes = 0;
}

Test(domain, threads)
{
    pthread_t threads[4];
    void *said_it[4];

    watched = 0;
    tether_domain_remove(domain);
    struct tether_domain_table plain = table;
    plain.watch = NULL;
    plain.collect = nothing_reclaimed;
    domain = tether_domain_add(&plain);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, live_and_die, &shapes[i * 16]);
    for (int i = 0; i < 200; i++)
        tether_collect();
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &said_it[i]);
        cr_assert_null(said_it[i]);
    }
}

/* ---- memory ---- */

Test(memory, free_memory_goes_back_to_the_system)
{
    enum { BLOCKS = 6000, BYTES = 20000 };
    static char *blocks[BLOCKS];

    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BYTES);
        memset(blocks[i], 1, BYTES);
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    struct tether_release release = tether_release_memory();
    cr_assert_gt(release.rss_before_bytes, 1 << 20);
    cr_assert_leq(release.rss_after_bytes, release.rss_before_bytes);
#ifndef __SANITIZE_ADDRESS__
    cr_assert_gt(release.rss_before_bytes, (size_t)BLOCKS * BYTES / 2);
    cr_assert_lt(release.rss_after_bytes, (size_t)BLOCKS * BYTES / 2);
#endif
}
