/* SPDX-License-Identifier: MIT */
/*
 * How long a sleeper in tether_eventually_collected needs to wake, from just
 * before another thread's free to its return, by the clock. Beside it what the
 * machine needs for the same with a bare futex: the least that can be. They
 * take turns, so that other work disturbs both alike. Runs with Tether
 * preloaded: see bench_wake.sh.
 */
#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <tether/eventually.h>
#include <tether/ref.h>

#undef tether_weak_to

enum { TIMES = 1001, BLOCK_BYTES = 48 };

static tether_weak (*weak_to)(const void *);
static void (*weak_drop)(tether_weak);
static tether_status (*collected)(tether_weak, struct tether_wait *);

static _Atomic double began;
static _Atomic uint32_t word;

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void pause_shortly(void)
{
    const struct timespec pause = { 0, 300000 };
    nanosleep(&pause, NULL);
}

/* The thread has used the heap before, as threads have, and sleeps after it:
 * its end would take a busy machine's processor from who was woken. */
static void *free_soon(void *block)
{
    free(malloc(BLOCK_BYTES));
    pause_shortly();
    began = now_us();
    free(block);
    pause_shortly();
    return NULL;
}

static void *wake_soon(void *unused)
{
    pause_shortly();
    began = now_us();
    word = 1;
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    pause_shortly();
    return unused;
}

static double tether_once(void)
{
    pthread_t thread;
    void *const block = malloc(BLOCK_BYTES);
    const tether_weak ref = weak_to(block);
    struct tether_wait wait = { .within_ms = 10000 };
    pthread_create(&thread, NULL, free_soon, block);
    if (collected(ref, &wait) != TETHER_OK)
        abort();
    const double took = now_us() - began;
    pthread_join(thread, NULL);
    weak_drop(ref);
    return took;
}

static double futex_once(void)
{
    pthread_t thread;
    word = 0;
    pthread_create(&thread, NULL, wake_soon, NULL);
    while (word == 0)
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    const double took = now_us() - began;
    pthread_join(thread, NULL);
    return took;
}

static int double_order(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void row_print(const char *name, double *took)
{
    qsort(took, TIMES, sizeof *took, double_order);
    printf("%-22s %6.1f us (median), %6.1f us (of ten the slowest)\n", name,
           took[TIMES / 2], took[TIMES * 9 / 10]);
}

int main(void)
{
    static double ours[TIMES];
    static double bare[TIMES];
    weak_to =
        (tether_weak(*)(const void *))dlsym(RTLD_DEFAULT, "tether_weak_to");
    weak_drop = (void (*)(tether_weak))dlsym(RTLD_DEFAULT, "tether_weak_drop");
    collected = (tether_status(*)(tether_weak, struct tether_wait *))dlsym(
        RTLD_DEFAULT, "tether_eventually_collected");
    if (!weak_to || !weak_drop || !collected) {
        fprintf(stderr, "bench_wake: Tether is not preloaded\n");
        return 2;
    }
    for (int i = 0; i < TIMES; i++) {
        ours[i] = tether_once();
        bare[i] = futex_once();
    }
    row_print("EVENTUALLY_COLLECTED", ours);
    row_print("a bare futex", bare);
    return 0;
}
