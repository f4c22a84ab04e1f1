/* SPDX-License-Identifier: MIT */
/* Tether's criteria in Criterion's new-style assertions, where they hold. What
 * they say when they do not is in the golden files. */
#include <tether/criterion.h>

#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((noinline)) void *thing_new(void)
{
    void *const thing = malloc(24);
    return memset(thing, 0, 24); /* no jump to malloc */
}

Test(plug_criteria, answer_by_themselves)
{
    void *const thing = thing_new();
    const tether_weak ref = tether_weak_to(thing);
    cr_assert(alive(ref));
    cr_assert(not(collected(ref)));
    cr_assert(not(none_alive(thing_new)));
    free(thing);
    cr_assert(collected(ref));
    cr_assert(not(alive(ref)));
    cr_assert(none_alive(thing_new));
    cr_assert(not(not(collected(ref))));
}

Test(plug_criteria, combine_with_each_other_and_with_criterions)
{
    void *const one = thing_new(), *const two = thing_new();
    tether_queue *const queue = tether_queue_make();
    const tether_weak first = tether_weak_to(one);
    const tether_weak second = tether_weak_to(two);
    const tether_phantom phantom = tether_phantom_to(one, queue, NULL);
    cr_assert(all(alive(first), alive(second), queue_empty(queue)));
    cr_assert(not(enqueued(phantom)));
    free(one);
    cr_assert(all(collected(first), not(alive(first)), eq(int, 1, 1)));
    cr_assert(all(enqueued(phantom), not(queue_empty(queue))));
    cr_assert(any(alive(first), alive(second)));
    cr_assert(none(alive(first), collected(second)));
    cr_assert(not(all(collected(first), collected(second))));
    cr_expect(all(alive(second), any(alive(first), eq(int, 1, 1))));
    free(two);
}

Test(plug_criteria, evaluate_once)
{
    void *const thing = thing_new();
    const tether_weak refs[] = { tether_weak_to(thing), { 0 } };
    int next = 0;
    cr_assert(alive(refs[next++]));
    cr_assert(eq(int, next, 1));
    free(thing);
    next = 0;
    cr_assert(all(collected(refs[next++])));
    cr_assert(eq(int, next, 1));
}

/* What they leave is Criterion's and not the test's. */
Test(plug_criteria, cost_the_budget_nothing, HEAP_BUDGET(NO_LEAKS))
{
    void *const thing = thing_new();
    const tether_weak ref = tether_weak_to(thing);
    WITHIN_BUDGET(.max_count = 0) {
        cr_assert(alive(ref));
        cr_assert(any(collected(ref), alive(ref)));
    }
    free(thing);
    cr_assert(collected(ref));
}

static struct {
    void *object;
    int runs;
} cache;

static void cache_trim(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)ctx;
    cache.runs++;
    if (cache.object)
        reclaimed->objects = 1;
    free(cache.object);
    cache.object = NULL;
}

Test(plug_criteria, run_a_collection_as_the_assertions_do)
{
    const struct tether_collector_table table = { .name = "cache",
                                                  .collect = cache_trim };
    tether_collector *const collector = tether_collector_add(&table);
    cache.object = thing_new();
    const tether_weak ref = tether_weak_to(cache.object);
    cr_assert(alive(ref));
    cr_assert(eq(int, cache.runs, 0));
    cr_assert(not(alive(ref)));
    cr_assert(gt(int, cache.runs, 0));
    cache.object = thing_new();
    const tether_weak other = tether_weak_to(cache.object);
    cr_assert(collected(other));
    tether_collector_remove(collector);
}
