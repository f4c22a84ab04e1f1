/* SPDX-License-Identifier: MIT */
/* Spies called by threads, forked children, signals' handlers and by libc. */
#define _GNU_SOURCE
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <tether/criterion.h>
#include <unistd.h>

static int told;
static char said[2000];

static void hear(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    __atomic_add_fetch(&told, 1, __ATOMIC_RELAXED);
    snprintf(said, sizeof said, "%s", failure->message);
}

static void listen_to_failures(void)
{
    tether_on_failure(hear, NULL);
}

TestSuite(spy, .init = listen_to_failures);

static char slab[64];

static void keep(void *object)
{
    (void)object;
}

/* ---- threads, forks, signals ---- */

#define THREADS 4
#define ROUNDS  2000

static void (*shared)(void *);

static void *frees(void *ctx)
{
    for (int i = 0; i < ROUNDS; i++)
        shared(malloc(16 + (size_t)i % 100));
    return ctx;
}

static void see_order(const struct tether_spy_call *call, void *ctx)
{
    uint64_t *const last = ctx;
    cr_assert(call->order > *last);
    *last = call->order;
}

Test(spy, threads)
{
    pthread_t thread[THREADS];
    uint64_t last = 0;
    shared = tether_spy_make(free, "void (ptr:dies)");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, frees, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    cr_assert_eq(told, 0, "%s", said);
    ASSERT_CALLED(shared, THREADS * ROUNDS);
    ASSERT_CALLED_ONCE_PER_OBJECT(shared);
    cr_assert_eq(tether_spy_visit(shared, see_order, &last),
                 (size_t)THREADS * ROUNDS);
    tether_spy_drop(shared);
}

Test(spy, forks_amid_threads)
{
    pthread_t thread[THREADS];
    shared = tether_spy_make(free, "void (ptr:dies)");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, frees, NULL);
    for (int i = 0; i < 20; i++) {
        int status = -1;
        const pid_t child = fork();
        if (child == 0) {
            alarm(30);
            shared(malloc(9));
            _exit(tether_spy_calls(shared) ? 0 : 1);
        }
        waitpid(child, &status, 0);
        cr_assert_eq(status, 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    cr_assert_eq(told, 0, "%s", said);
    tether_spy_drop(shared);
}

static int handled;

static void handle(int signal)
{
    (void)signal;
    shared(NULL);
    handled++;
}

Test(spy, called_by_a_signals_handler)
{
    shared = tether_spy_make(keep, "void (ptr:borrowed)");
    const struct sigaction action = { .sa_handler = handle };
    const struct itimerval often = { { 0, 200 }, { 0, 200 } };
    const struct itimerval never = { { 0, 0 }, { 0, 0 } };
    size_t calls = 0;
    sigaction(SIGPROF, &action, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
    for (; calls < 100000 || handled < 3; calls++)
        shared(slab);
    setitimer(ITIMER_PROF, &never, NULL);
    cr_assert_eq(tether_spy_calls(shared), calls + (size_t)handled);
    tether_spy_drop(shared);
}

/* ---- hooks of libc ---- */

static int text_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

Test(spy, tdestroy)
{
    void *root = NULL;
    void (*spy)(void *) = tether_spy_make(free, "void (ptr:dies)");
    tsearch(strdup("one"), &root, text_order);
    tsearch(strdup("two"), &root, text_order);
    tsearch(strdup("three"), &root, text_order);
    tdestroy(root, spy);
    ASSERT_CALLED(spy, 3);
    ASSERT_CALLED_ONCE_PER_OBJECT(spy);
    cr_assert_eq(told, 0);
    tether_spy_drop(spy);
}

static void *sets_key(void *key)
{
    pthread_setspecific(*(pthread_key_t *)key, malloc(20));
    return NULL;
}

Test(spy, pthread_key_destructor)
{
    pthread_key_t key;
    pthread_t thread;
    void (*spy)(void *) = tether_spy_make(free, "void (ptr:dies)");
    pthread_key_create(&key, spy);
    for (int i = 0; i < 3; i++) {
        pthread_create(&thread, NULL, sets_key, &key);
        pthread_join(thread, NULL);
    }
    ASSERT_CALLED(spy, 3);
    ASSERT_CALLED_ONCE_PER_OBJECT(spy);
    pthread_key_delete(key);
    cr_assert_eq(told, 0, "%s", said);
    tether_spy_drop(spy);
}

static int ends;

static void at_end(void)
{
    _exit(ends == 7 ? 7 : 1);
}

Test(spy, at_exit)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        ends = 7;
        atexit(tether_spy_make(at_end, "void ()"));
        exit(0);
    }
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 7);
}
