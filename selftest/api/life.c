/* SPDX-License-Identifier: MIT */
/*
 * The heap over the life of a program: in destructors of threads and at exit,
 * under a hail of signals, and across fork.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <tether/criterion.h>

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- a thread's destructors ----------------------------------------------- */

extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object,
                                    void *dso);
extern void *__dso_handle;

static pthread_key_t keys[3];
static _Atomic unsigned destroyed;

/* Comes back until the system gives up. */
static void key_destructor(void *block)
{
    free(block);
    free(malloc(700));
    destroyed++;
    for (int i = 0; i < 3; i++)
        if (!pthread_getspecific(keys[i])) {
            pthread_setspecific(keys[i], destroyed < 100 ? malloc(30) : NULL);
            break;
        }
}

static void object_destructor(void *block)
{
    free(block);
    free(realloc(malloc(40), 4000));
    destroyed++;
}

static void keys_make(void)
{
    for (int i = 0; i < 3; i++)
        pthread_key_create(&keys[i], key_destructor);
}

static void *has_destructors(void *ctx)
{
    for (int i = 0; i < 3; i++)
        pthread_setspecific(keys[i], malloc(20));
    for (int i = 0; i < 5; i++)
        __cxa_thread_atexit_impl(object_destructor, malloc(10), &__dso_handle);
    return ctx;
}

Test(life, destructors_of_threads_allocate)
{
    struct tether_stats stats;
    pthread_t thread;
    keys_make();
    for (int i = 0; i < 30; i++) {
        destroyed = 0;
        cr_assert_eq(pthread_create(&thread, NULL, has_destructors, NULL), 0);
        pthread_join(thread, NULL);
        cr_expect_geq(destroyed, 8u);
    }
    cr_expect_eq(tether_stats(&stats), TETHER_OK);
    cr_expect_geq(stats.total_count, 30u * (3 + 5 + 3 + 10));
}

/* --- the end of the program ----------------------------------------------- */

static void *volatile at_the_end;

static void at_exit(void)
{
    free(at_the_end);
    at_the_end = strdup("at exit");
    free(realloc(malloc(9), 90000));
}

__attribute__((destructor)) static void destructor(void)
{
    struct tether_block block;
    if (!at_the_end)
        return;
    if (tether_block_of(at_the_end, &block) != TETHER_OK || block.size != 8)
        _exit(9);
    free(at_the_end);
    at_the_end = NULL;
}

static void ends(void (*end)(int))
{
    int status;
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        atexit(at_exit);
        at_quick_exit(at_exit);
        at_the_end = malloc(100);
        end(7);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status), "status %x", status);
    cr_expect_eq(WEXITSTATUS(status), 7);
}

static void *exits(void *ctx)
{
    ((void (*)(int))(uintptr_t)ctx)(7);
    return NULL;
}

static void exit_on_a_thread(int status)
{
    pthread_t thread;
    (void)status;
    pthread_create(&thread, NULL, exits, (void *)(uintptr_t)exit);
    pthread_join(thread, NULL);
}

Test(life, exit_handlers_and_destructors_allocate)
{
    ends(exit);
    ends(quick_exit);
    ends(exit_on_a_thread);
}

/* --- signals -------------------------------------------------------------- */

static _Atomic unsigned rings;

static void on_ring(int signal)
{
    (void)signal;
    rings++;
}

#define WORKERS 8
#define BLOCKS  200
#define ROUNDS  300

struct worker {
    pthread_barrier_t *barrier;
    uint64_t random;
    uint64_t bytes, count; /* allocated */
    struct worker *next;   /* frees what this one leaves */
    void *volatile left[BLOCKS];
    bool exact;
};

static size_t random_size(struct worker *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return 1 + self->random % 3000;
}

static void *allocated(struct worker *self, size_t size)
{
    self->bytes += size;
    self->count++;
    return malloc(size);
}

static void work(struct worker *self)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < BLOCKS; i++) {
            const size_t size = random_size(self);
            free(self->left[i]);
            self->left[i] = allocated(self, size);
            if (i % 7 == 0) {
                self->left[i] = realloc(self->left[i], size * 2);
                self->bytes += size * 2;
                self->count++;
            }
        }
}

static void *works(void *ctx)
{
    struct worker *const self = ctx;
    struct tether_stats before, after;
    pthread_barrier_wait(self->barrier);
    tether_stats_thread(&before);
    pthread_barrier_wait(self->barrier);
    work(self);
    pthread_barrier_wait(self->barrier);
    tether_stats_thread(&after);
    self->exact = after.total_bytes - before.total_bytes == self->bytes &&
                  after.total_count - before.total_count == self->count;
    pthread_barrier_wait(self->barrier);
    /* Each frees what another thread made, which may have ended. */
    for (int i = 0; i < BLOCKS; i++)
        free(self->next->left[i]);
    return NULL;
}

static void timer_start(void)
{
    const struct itimerval often = { { 0, 100 }, { 0, 100 } };
    struct sigaction action = { .sa_handler = on_ring, .sa_flags = SA_RESTART };
    sigaction(SIGPROF, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

static void timer_stop(void)
{
    const struct itimerval never = { 0 };
    setitimer(ITIMER_PROF, &never, NULL);
    setitimer(ITIMER_REAL, &never, NULL);
}

Test(life, eight_threads_in_a_hail_of_signals_count_exactly, .timeout = 120)
{
    static struct worker workers[WORKERS];
    struct tether_stats begin, before, after, end;
    pthread_barrier_t barrier;
    pthread_t threads[WORKERS];
    uint64_t bytes = 0, count = 0;
    pthread_barrier_init(&barrier, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].barrier = &barrier;
        workers[i].random = (uint64_t)i * 7919 + 1;
        workers[i].next = &workers[(i + 1) % WORKERS];
        pthread_create(&threads[i], NULL, works, &workers[i]);
    }
    tether_stats(&begin);
    timer_start();
    pthread_barrier_wait(&barrier);
    tether_stats(&before);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    tether_stats(&after);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        bytes += workers[i].bytes;
        count += workers[i].count;
        cr_expect(workers[i].exact, "thread %d counts otherwise", i);
    }
    timer_stop();
    tether_stats(&end);
    cr_expect_eq(after.total_bytes - before.total_bytes, bytes);
    cr_expect_eq(after.total_count - before.total_count, count);
    cr_expect_eq(after.live_blocks - before.live_blocks,
                 (size_t)WORKERS * BLOCKS);
    cr_expect_leq(end.live_bytes, begin.live_bytes);
    cr_expect_leq(end.live_blocks, begin.live_blocks);
    cr_expect_gt(rings, 10u);
}

/* --- fork ----------------------------------------------------------------- */

static _Atomic bool over;

static void *allocates(void *ctx)
{
    void *blocks[50] = { 0 };
    for (size_t i = 0; !over; i++) {
        free(blocks[i % 50]);
        blocks[i % 50] = malloc(i * 37 % 5000);
    }
    for (size_t i = 0; i < 50; i++)
        free(blocks[i]);
    return ctx;
}

static void *makes_threads(void *ctx)
{
    pthread_t thread;
    while (!over) {
        pthread_create(&thread, NULL, has_destructors, NULL);
        pthread_join(thread, NULL);
    }
    return ctx;
}

static void *breaks_limits(void *ctx)
{
    struct tether_message why;
    while (!over) {
        void *const block = malloc(100);
        tether_weak ref = tether_weak_to(block);
        tether_check_collected(ref, &why);
        tether_weak_drop(ref);
        free(block);
        usleep(1000);
    }
    return ctx;
}

static void child_works(void)
{
    void *blocks[100];
    for (size_t i = 0; i < 100; i++)
        blocks[i] = malloc(i * i);
    for (size_t i = 0; i < 100; i++)
        free(realloc(blocks[i], i + 1));
}

/* Status 5: all is well. A hang is found by the deadline. */
static int wait_within(pid_t child, int seconds)
{
    int status = -1;
    for (int ms = 0; ms < seconds * 1000; ms++) {
        if (waitpid(child, &status, WNOHANG) == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
        usleep(1000);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

static void *child_thread(void *ctx)
{
    child_works();
    return ctx;
}

static void child_main(int i)
{
    pthread_t thread;
    child_works();
    if (i % 5 == 0) {
        const pid_t again = fork();
        if (again == 0) {
            child_works();
            _exit(5);
        }
        if (wait_within(again, 30) != 5)
            _exit(6);
    }
    if (i % 7 == 0 && (pthread_create(&thread, NULL, child_thread, NULL) != 0 ||
                       pthread_join(thread, NULL) != 0))
        _exit(7);
    if (i % 11 == 0)
        exit(5);
    _exit(5);
}

Test(life, five_hundred_children_of_busy_threads_end, .timeout = 240)
{
    void *(*const busy[])(void *) = { allocates, allocates, allocates,
                                      makes_threads, breaks_limits };
    enum { BUSY = sizeof busy / sizeof *busy };
    pthread_t threads[BUSY];
    keys_make();
    for (int i = 0; i < BUSY; i++)
        pthread_create(&threads[i], NULL, busy[i], NULL);
    for (int i = 0; i < 500; i++) {
        const pid_t child = fork();
        if (child == 0)
            child_main(i);
        cr_assert_eq(wait_within(child, 60), 5, "child %d", i);
    }
    over = true;
    for (int i = 0; i < BUSY; i++)
        pthread_join(threads[i], NULL);
}
