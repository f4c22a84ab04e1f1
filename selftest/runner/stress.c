/* SPDX-License-Identifier: MIT */
/*
 * A test that fails when collections come in two of its steps, and not when
 * they come in one of them or in any other.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <tether/criterion.h>

static int step, seen;

static void sweep(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)ctx;
    reclaimed->objects = reclaimed->bytes = 0;
    seen |= (step == 20) | (step == 31) << 1;
}

static void steps_run(void)
{
    tether_collector *collector = tether_collector_add(
        &(struct tether_collector_table){ .name = "sweep", .collect = sweep });

    for (step = 1; step <= 50; step++) {
        free(malloc(10));
        tether_safepoint();
    }
    tether_collector_remove(collector);
}

Test(stress, fails_when_two_meet)
{
    steps_run();
    cr_assert_neq(seen, 3, "both");
}

Test(stress, passes)
{
    steps_run();
}
