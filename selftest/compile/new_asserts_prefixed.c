/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* matrix-flags: -DTETHER_PREFIXED_ONLY */
/* With TETHER_PREFIXED_ONLY a suite's own functions may have the names of
 * Tether's criteria. */
#include <tether/criterion.h>

#include <criterion/new/assert.h>

static int alive(int person)
{
    return person;
}

static int collected(int stamp)
{
    return stamp;
}

static void make(void)
{
}

Test(order, prefixed_criteria)
{
    tether_weak ref = tether_weak_to(&ref);
    tether_queue *queue = tether_queue_make();
    tether_phantom phantom = tether_phantom_to(&ref, queue, NULL);
    cr_assert(all(alive(1), collected(2), tether_collected(ref)));
    cr_assert(not(tether_alive(ref)));
    cr_expect(any(tether_enqueued(phantom), tether_queue_empty(queue),
                  tether_none_alive(make)));
}
