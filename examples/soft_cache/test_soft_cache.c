/* SPDX-License-Identifier: MIT */
/*
 * The suite of the cache: fast while there is memory, small while there is
 * not, and never wrong.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>

#include "soft_cache.h"

#define PLACES 100

static struct soft_cache *cache;
static tether_queue *evicted;

/* A document of some 4 KiB when it is parsed. */
static char *text_of(size_t number)
{
    char *text = malloc(4096);
    if (!text)
        return NULL;
    int used = snprintf(text, 4096, "number = %zu\n", number);
    for (int i = 0; i < 40; i++)
        used += snprintf(text + used, 4096 - (size_t)used,
                         "key %d = the value of key %d in document %zu\n", i, i,
                         number);
    return text;
}

static void cache_make(void)
{
    evicted = tether_queue_make();
    cache = soft_cache_make(PLACES, text_of, evicted);
}

static void cache_drop(void)
{
    soft_cache_drop(cache);
    tether_queue_drop(evicted);
}

TestSuite(soft_cache, .init = cache_make, .fini = cache_drop,
          HEAP_BUDGET(NO_LEAKS));

/* Uses a document as a program does. */
static void use(size_t number)
{
    char wanted[32];
    struct document *document = soft_cache_get(cache, number);

    cr_assert_not_null(document);
    snprintf(wanted, sizeof wanted, "%zu", number);
    cr_assert_str_eq(document_value(document, "number"), wanted);
    cr_assert_not_null(document_value(document, "key 39"));
    soft_cache_put(cache, number);
}

Test(soft_cache, without_pressure_each_document_is_parsed_once)
{
    for (int round = 0; round < 5; round++)
        for (size_t i = 0; i < PLACES; i++)
            use(i);
    cr_assert_eq(soft_cache_loads(cache), PLACES);
    ASSERT_QUEUE_EMPTY(evicted);
}

Test(soft_cache, a_hit_allocates_nothing)
{
    use(7);
    WITHIN_BUDGET(.max_count = 0) {
        soft_cache_get(cache, 7);
        soft_cache_put(cache, 7);
    }
}

Test(soft_cache, under_pressure_the_least_recently_used_leave_first)
{
    for (size_t i = 0; i < 4; i++)
        use(i);
    use(0); /* now used after all others */
    tether_pressure(TETHER_MODERATE);
    ASSERT_ENQUEUED_IN_ORDER(evicted, soft_cache_ref(cache, 1),
                             soft_cache_ref(cache, 2), soft_cache_ref(cache, 3),
                             soft_cache_ref(cache, 0));
}

Test(soft_cache, what_leaves_is_dead_at_once)
{
    struct document *document = soft_cache_get(cache, 3);
    tether_weak ref = tether_weak_to(document);

    soft_cache_put(cache, 3);
    ASSERT_ALIVE(ref);
    tether_pressure(TETHER_MODERATE);
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}

Test(soft_cache, what_is_in_use_stays)
{
    struct document *document = soft_cache_get(cache, 5);

    use(6);
    tether_pressure(TETHER_EXHAUSTED);
    cr_assert_str_eq(document_value(document, "number"), "5");
    cr_assert_eq(soft_cache_get(cache, 5), document);
    cr_assert_eq(soft_cache_loads(cache), 2);
    soft_cache_put(cache, 5);
    soft_cache_put(cache, 5);
    ASSERT_ENQUEUED_IN_ORDER(evicted, soft_cache_ref(cache, 6));
}

Test(soft_cache, what_left_is_parsed_anew)
{
    use(5);
    tether_pressure(TETHER_MODERATE);
    use(5);
    cr_assert_eq(soft_cache_loads(cache), 2);
}

/* All documents together are four times the budget. It holds: this test would
 * fail by its own if one byte too many were alive at any instant. */
Test(soft_cache, the_budget_is_never_exceeded,
     HEAP_BUDGET(.max_heap = KiB(128)))
{
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < PLACES; i++)
            use(i);
    cr_assert_gt(soft_cache_loads(cache), PLACES);
}

Test(soft_cache, while_memory_is_short_nothing_is_lost)
{
    WITH_PRESSURE(TETHER_CRITICAL)
    {
        for (size_t i = 0; i < PLACES; i++)
            use(i);
    }
    for (size_t i = 0; i < PLACES; i++)
        use(i);
}
