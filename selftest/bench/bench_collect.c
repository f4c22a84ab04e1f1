/* SPDX-License-Identifier: MIT */
/*
 * What collections, soft references and pressure cost: tether_collect with
 * nothing to do; soft references made, pinned, and given up under pressure, by
 * the number of them (each should take as long however many there are), with
 * the longest time between two releases, which are at safe points.
 *
 * Times are of the thread's own processor time, so that a busy machine does
 * not count. Fails when a call with nothing to do takes a microsecond, when a
 * pause takes 10 ms, or when a reference costs far more among many.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tether/collect.h>
#include <tether/pressure.h>

enum { REFS_MAX = 1000000, CALLS = 1000000 };

static tether_soft refs[REFS_MAX];
static uint64_t last_ns, pause_ns;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void release(void *object, void *ctx)
{
    const uint64_t now = now_ns();
    (void)ctx;
    if (now - last_ns > pause_ns)
        pause_ns = now - last_ns;
    free(object);
    last_ns = now;
}

static double each_ns(uint64_t begin_ns, size_t n)
{
    return (double)(now_ns() - begin_ns) / (double)n;
}

static int never(void *ctx)
{
    (void)ctx;
    return 0;
}

static void nothing(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)ctx;
    reclaimed->objects = reclaimed->bytes = 0;
}

static double collect_ns(void)
{
    const uint64_t begin = now_ns();
    for (int i = 0; i < CALLS; i++)
        tether_collect();
    return each_ns(begin, CALLS);
}

static int collect_bench(void)
{
    const double none = collect_ns();
    tether_collector *const idle =
        tether_collector_add(&(struct tether_collector_table){
            .name = "idle", .collect = nothing, .pending = never });
    const double not_pending = collect_ns();
    tether_collector_remove(idle);
    tether_collector *const empty = tether_collector_add(&(
        struct tether_collector_table){ .name = "empty", .collect = nothing });
    const double ran = collect_ns();
    tether_collector_remove(empty);
    printf("tether_collect: %.0f ns without collectors, %.0f ns with one that "
           "is not pending,\n  %.0f ns with one that runs\n",
           none, not_pending, ran);
    return none >= 1000 || not_pending >= 1000;
}

/* Nanoseconds a reference. Returns those of clearing one. */
static double soft_bench(size_t n)
{
    uint64_t begin = now_ns();
    for (size_t i = 0; i < n; i++)
        refs[i] = tether_soft_hold(malloc(48), release, NULL);
    const double made = each_ns(begin, n);
    begin = now_ns();
    for (size_t i = 0; i < n; i++) {
        /* Far from each other, so that the list is shuffled. */
        const size_t at = i * 7919 % n;
        tether_soft_pin(refs[at]);
        tether_soft_unpin(refs[at]);
    }
    const double pinned = each_ns(begin, n);
    pause_ns = 0;
    begin = last_ns = now_ns();
    const struct tether_relief relief = tether_pressure(TETHER_EXHAUSTED);
    const double cleared = each_ns(begin, n);
    begin = now_ns();
    for (size_t i = 0; i < n; i++)
        tether_soft_drop(refs[i]);
    const double dropped = each_ns(begin, n);
    if (relief.cleared != n)
        abort();
    printf("%8zu  %6.0f  %10.0f  %6.0f  %6.0f  %12.3f\n", n, made, pinned,
           cleared, dropped, (double)pause_ns / 1e6);
    return cleared;
}

int main(void)
{
    int failed = collect_bench();
    double first = 0;
    printf("soft references, ns each\n"
           "       n    make  pin+unpin   clear    drop  pause max ms\n");
    for (size_t n = 1000; n <= REFS_MAX; n *= 10) {
        const double cleared = soft_bench(n);
        if (n == 1000)
            first = cleared;
        failed |= cleared > 20 * first || pause_ns > 10000000;
    }
    printf("%s\n", failed ? "too slow" : "as fast as promised");
    return failed;
}
