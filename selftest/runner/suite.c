/* SPDX-License-Identifier: MIT */
/*
 * A suite that has never heard of Tether. GROW makes its tests take more, and
 * NOISE makes the count of one of them another in each process.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile kept;

static size_t grow(void)
{
    const char *const set = getenv("GROW");
    return set ? strtoul(set, NULL, 10) : 0;
}

static void take(size_t bytes)
{
    kept = malloc(bytes);
    free(kept);
}

Test(cache, takes_a_lot)
{
    take((1 << 20) + grow());
}

Test(cache, takes_three)
{
    for (size_t i = 0; i < 3 + (grow() ? 1 : 0); i++)
        take(10);
}

Test(pool, leaks)
{
    kept = malloc(1234 + grow());
}

Test(pool, is_noisy)
{
    size_t times = getenv("NOISE") ? (size_t)getpid() % 50 : 1;
    while (times--)
        take(10);
}

Test(end, is_killed, .signal = SIGKILL)
{
    kept = malloc(777);
    raise(SIGKILL);
}

Test(end, fails)
{
    cr_assert(!getenv("FAIL"), "told to fail");
}
