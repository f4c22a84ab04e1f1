/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* matrix-flags: -DTETHER_DISABLE */
/* matrix-run: */
/* With TETHER_DISABLE each criterion is answered as it is expected. */
#include <tether/criterion.h>

#include <criterion/new/assert.h>

static void make(void)
{
}

Test(disabled, criteria)
{
    char object[8] = "";
    tether_weak ref = tether_weak_to(object);
    tether_queue *queue = tether_queue_make();
    tether_phantom phantom = tether_phantom_to(object, queue, NULL);
    cr_assert(collected(ref));
    cr_assert(not(collected(ref)));
    cr_assert(all(alive(ref), not(alive(ref)), enqueued(phantom)));
    cr_assert(any(queue_empty(queue), alive(ref)));
    cr_assert(none(none_alive(make), alive(ref)));
    cr_assert(not(all(collected(ref), alive(ref))));
}
