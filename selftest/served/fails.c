/* SPDX-License-Identifier: MIT */
/*
 * A suite of which every test fails, under AddressSanitizer too.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <tether/criterion.h>
#include <tether/ref.h>

static void *volatile kept;

Test(fails, max_heap, HEAP_BUDGET(.max_heap = KiB(1)))
{
    kept = malloc(KiB(2));
    free(kept);
}

Test(fails, stops, HEAP_BUDGET(.max_count = 1, .on_breach = TETHER_STOP))
{
    free(malloc(8));
    kept = malloc(8);
    kept = malloc(8);
    abort();
}

Test(fails, max_site, HEAP_BUDGET(.max_site = KiB(1)))
{
    for (int i = 0; i < 20; i++) {
        void **const block = malloc(100);
        block[0] = kept;
        kept = block;
    }
}

Test(fails, leaks_what_is_reachable, HEAP_BUDGET(NO_LEAKS))
{
    kept = malloc(100);
}

Test(fails, still_alive)
{
    kept = malloc(24);
    ASSERT_COLLECTED(tether_weak_to(kept));
}

static __attribute__((noinline)) void lose(void)
{
    for (int i = 0; i < 20; i++)
        ((volatile char *)malloc(100))[0] = 1;
}

/* No budget: LeakSanitizer's verdict. */
Test(fails, loses)
{
    lose();
}
