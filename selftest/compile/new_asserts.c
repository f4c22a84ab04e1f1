/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* Criterion's new-style assertions, included before Tether's header, and
 * Tether's criteria in them. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <tether/criterion.h>

static void make(void)
{
}

Test(order, new_style, HEAP_BUDGET(NO_LEAKS))
{
    cr_assert(eq(int, 1, 1));
    cr_expect(all(eq(int, 1, 1), ne(int, 1, 2)));
}

Test(order, criteria)
{
    tether_weak ref = tether_weak_to(&ref);
    tether_queue *queue = tether_queue_make();
    tether_phantom phantom = tether_phantom_to(&ref, queue, NULL);
    cr_assert(collected(ref));
    cr_expect(not(alive(ref)), "with %s", "a message");
    cr_assert(all(collected(ref), not(alive(ref)), enqueued(phantom)));
    cr_assert(any(collected(ref), all(not(alive(ref)), eq(int, 1, 1))));
    cr_assert(none(alive(ref), not(queue_empty(queue)), none_alive(make)));
    cr_expect(all(tether_collected(ref), tether_alive(ref)));
}
