/* SPDX-License-Identifier: MIT */
/*
 * What a spied call costs over the direct one: without a role, with an object
 * that was seen before, with one that is new (and gets a weak reference). The
 * best of 20 runs; limit 150 ns for the first two.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tether/spy.h>

enum { RUNS = 20, CALLS = 2000 };

typedef void (*callee)(void *);

static volatile int sink;

__attribute__((noinline)) static void empty(void *object)
{
    sink += object != NULL;
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Nanoseconds of a call; each with an object of its own if 'fresh'. */
static double cost(callee volatile function, int fresh)
{
    static void *objects[CALLS];
    double best = 1e9;
    for (int run = 0; run < RUNS; run++) {
        for (int i = 0; i < CALLS; i++)
            objects[i] = fresh || !i ? malloc(48) : objects[0];
        const double start = now_ns();
        for (int i = 0; i < CALLS; i++)
            function(objects[i]);
        const double each = (now_ns() - start) / CALLS;
        best = each < best ? each : best;
        for (int i = 0; i < (fresh ? CALLS : 1); i++)
            free(objects[i]);
    }
    return best;
}

int main(void)
{
    const callee plain = tether_spy_make(empty, "void (ptr)");
    const callee borrows = tether_spy_make(empty, "void (ptr:borrowed)");
    const callee ends = tether_spy_make(empty, "void (ptr:dies)");
    const double direct = cost(empty, 0);
    printf("direct             %6.1f ns\n", direct);
    printf("no role           +%6.1f ns\n", cost(plain, 0) - direct);
    printf("seen before       +%6.1f ns\n", cost(borrows, 0) - direct);
    printf("new, and it dies  +%6.1f ns\n", cost(ends, 1) - direct);
    return 0;
}
