/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* Each assertion is one statement, wherever a statement may stand. */
#include <tether/criterion.h>

extern int work(int);
static void make(void)
{
    work(0);
}

Test(statements, branches)
{
    tether_weak ref = tether_weak_to(&ref);
    tether_phantom phantom = tether_phantom_to(&ref, NULL, NULL);
    tether_weak queued = tether_weak_in_queue(&ref, NULL, NULL);
    int n = work(1);

    if (tether_quarantine(ref) == tether_quarantine(ref, .trap = 1))
        n = work(2);

    if (n)
        ASSERT_COLLECTED(ref);
    else
        ASSERT_ALIVE(ref);
    if (n)
        EXPECT_NONE_ALIVE(make);
    else if (n == 2)
        EXPECT_ENQUEUED(phantom);
    else
        ASSERT_EVENTUALLY(n);
    if (n)
        ASSERT_ENQUEUED_IN_ORDER(NULL, ref, phantom, queued);
    else
        EXPECT_QUEUE_EMPTY(NULL);
    for (; n; n--)
        ASSERT_CONSISTENTLY(n, .for_ms = 1);
    do
        EXPECT_EVENTUALLY_COLLECTED(ref, .within_ms = 1);
    while (n);
    switch (n) {
    case 1:
        EXPECT_COLLECTED(ref);
        break;
    default:
        EXPECT_EVENTUALLY(n);
    }
    if (n)
        WITHIN_BUDGET(.max_count = 0)
            work(1);
    else
        ONE_TIME
            work(2);
}
