/* SPDX-License-Identifier: MIT */
/* A suite with budgets of its own, which are stronger than tether.ini's. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <tether/criterion.h>

static void *volatile kept;

static void take(size_t bytes)
{
    kept = malloc(bytes);
    free(kept);
}

TestSuite(suite, HEAP_BUDGET(.max_total = KiB(64)));

Test(suite, has_the_suites)
{
    take(KiB(32));
}

Test(suite, has_its_own, HEAP_BUDGET(.max_heap = KiB(16)))
{
    take(KiB(8));
}

Test(other, has_none)
{
    take(KiB(8));
}
