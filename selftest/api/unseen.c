/* SPDX-License-Identifier: MIT */
/*
 * The tested program sees nothing of Tether's helpers while messages are
 * written: no SIGCHLD, no child for waitpid(-1), no interrupted call, no
 * descriptor, no changed mask, no late timer. The messages are real: each
 * names this file and a line, which only the helper can know.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>
#include <tether/window.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 6

/* --- messages, kept for the test ------------------------------------------ */

static struct {
    _Atomic unsigned breaches, leaks, collected, named;
} told;

/* The helper has told file and line. */
static void name_seen(const char *text)
{
    if (strstr(text, "unseen.c:"))
        told.named++;
}

static void keep(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    if (failure->kind == TETHER_FAILURE_BREACH)
        told.breaches++;
    if (failure->kind == TETHER_FAILURE_LEAK)
        told.leaks++;
    name_seen(failure->message);
}

static void *volatile kept;

static void breaks_a_limit(void)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    tether_budget_set(&budget, TETHER_MAX_HEAP, 1000);
    tether_budget_begin(&budget);
    free(kept = malloc(2000));
    tether_budget_end(&budget);
}

static void leaves_a_leak(void)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    tether_budget_set(&budget, TETHER_MAX_LEAKED, 0);
    tether_budget_begin(&budget);
    kept = malloc(2000);
    tether_budget_end(&budget);
    free(kept);
}

static void is_still_alive(void)
{
    struct tether_message why;
    kept = malloc(100);
    tether_weak ref = tether_weak_to(kept);
    if (tether_check_collected(ref, &why) == TETHER_FAILED)
        told.collected++;
    name_seen(why.text);
    tether_weak_drop(ref);
    free(kept);
}

static void messages_write(void)
{
    tether_on_failure(keep, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        breaks_a_limit();
        leaves_a_leak();
        is_still_alive();
    }
}

static void expect_messages(void)
{
    cr_expect_eq(told.breaches, ROUNDS);
    cr_expect_eq(told.leaks, ROUNDS);
    cr_expect_eq(told.collected, ROUNDS);
    cr_expect_eq(told.named, 3 * ROUNDS, "%u of %d messages name a line",
                 told.named, 3 * ROUNDS);
}

/* --- what a program could notice ------------------------------------------ */

static _Atomic unsigned sigchlds, others;
static _Atomic bool over;

static void on_sigchld(int signal)
{
    (void)signal;
    sigchlds++;
}

static void on_any(int signal)
{
    (void)signal;
    others++;
}

static void *waits_for_children(void *ctx)
{
    while (!over) {
        int status;
        siginfo_t info;
        if (waitpid(-1, &status, 0) > 0 || errno != ECHILD)
            ++*(unsigned *)ctx;
        if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG) == 0 ||
            errno != ECHILD)
            ++*(unsigned *)ctx;
        usleep(50);
    }
    return NULL;
}

static void interrupted(long result, unsigned *count)
{
    if (result < 0 && errno == EINTR)
        ++*count;
}

static void *polls(void *ctx)
{
    while (!over)
        interrupted(poll(NULL, 0, 3), ctx);
    return NULL;
}

static void *waits_for_events(void *ctx)
{
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    while (!over)
        interrupted(epoll_wait(epoll, &event, 1, 3), ctx);
    close(epoll);
    return NULL;
}

static void *sleeps(void *ctx)
{
    const struct timespec nap = { .tv_nsec = 3000000 };
    while (!over)
        interrupted(nanosleep(&nap, NULL), ctx);
    return NULL;
}

static void *selects(void *ctx)
{
    while (!over) {
        struct timeval nap = { .tv_usec = 3000 };
        interrupted(select(0, NULL, NULL, NULL, &nap), ctx);
    }
    return NULL;
}

Test(unseen, by_handlers_waits_and_polls)
{
    void *(*const watchers[])(void *) = { waits_for_children, polls,
                                          waits_for_events, sleeps, selects };
    enum { WATCHERS = sizeof watchers / sizeof *watchers };
    struct sigaction action = { .sa_handler = on_sigchld };
    unsigned disturbed[WATCHERS] = { 0 };
    pthread_t threads[WATCHERS];
    sigaction(SIGCHLD, &action, NULL);
    action.sa_handler = on_any;
    for (int signal = 1; signal < 32; signal++)
        if (signal != SIGCHLD && signal != SIGKILL && signal != SIGSTOP)
            sigaction(signal, &action, NULL);
    for (int i = 0; i < WATCHERS; i++)
        pthread_create(&threads[i], NULL, watchers[i], &disturbed[i]);
    messages_write();
    usleep(20000);
    over = true;
    for (int i = 0; i < WATCHERS; i++) {
        pthread_join(threads[i], NULL);
        cr_expect_eq(disturbed[i], 0u, "watcher %d: %u times", i, disturbed[i]);
    }
    cr_expect_eq(sigchlds, 0u);
    cr_expect_eq(others, 0u);
    expect_messages();
}

/* The program's own children are still its own. */
Test(unseen, own_children_are_reaped_by_number)
{
    unsigned reaped = 0;
    tether_on_failure(keep, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        const pid_t child = fork();
        if (child == 0)
            _exit(30 + i);
        int status = 0;
        is_still_alive();
        breaks_a_limit();
        leaves_a_leak();
        cr_expect_eq(waitpid(-1, &status, 0), child);
        cr_expect_eq(status >> 8, 30 + i);
        reaped++;
    }
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1);
    cr_expect_eq(reaped, ROUNDS);
    expect_messages();
}

/* Each descriptor's number and what it stands for, in order. */
static void descriptors(char *text, size_t size)
{
    size_t len = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char path[32], what[256];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const ssize_t got = readlink(path, what, sizeof what - 1);
        if (got <= 0)
            continue;
        what[got] = '\0';
        len += (size_t)snprintf(text + len, size - len, "%d %s\n", fd, what);
        cr_assert_lt(len, size);
    }
}

static size_t children_now(void)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *const file = fopen(path, "r");
    const size_t got = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    return got;
}

static size_t threads_now(void)
{
    DIR *const tasks = opendir("/proc/self/task");
    size_t count = 0;
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

Test(unseen, in_descriptors_threads_and_children)
{
    static char before[16384], after[16384];
    const int low = dup(2);
    close(low);
    descriptors(before, sizeof before);
    const size_t threads = threads_now();
    messages_write();
    descriptors(after, sizeof after);
    cr_expect_str_eq(before, after);
    cr_expect_eq(threads, threads_now());
    cr_expect_eq(children_now(), 0u);
    const int again = dup(2);
    cr_expect_eq(low, again, "the next free descriptor is another");
    close(again);
    expect_messages();
}

static void signals_state(sigset_t *mask, struct sigaction actions[32])
{
    pthread_sigmask(SIG_SETMASK, NULL, mask);
    for (int signal = 1; signal < 32; signal++)
        syscall(SYS_rt_sigaction, signal, NULL, &actions[signal], 8L);
}

Test(unseen, in_masks_and_dispositions)
{
    static struct sigaction before[32], after[32];
    sigset_t mask, mask_after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    signal(SIGCHLD, SIG_IGN);
    signals_state(&mask, before);
    messages_write();
    signals_state(&mask_after, after);
    for (int signal = 1; signal < 32; signal++)
        cr_expect_eq(sigismember(&mask, signal),
                     sigismember(&mask_after, signal), "signal %d", signal);
    cr_expect_arr_eq(before, after, sizeof before);
    cr_expect_eq(sigpending(&mask_after), 0);
    cr_expect_not(sigismember(&mask_after, SIGPIPE));
    expect_messages();
}

static struct timespec rung;
static _Atomic unsigned rings;

static void on_alarm(int signal)
{
    (void)signal;
    if (rings++ == 0)
        clock_gettime(CLOCK_MONOTONIC, &rung);
}

static double ms_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) * 1e3 +
           (double)(to->tv_nsec - from->tv_nsec) / 1e6;
}

/* A helper blocks signals for the length of one message: none is lost, none
 * comes early, and the timer that is due goes on to be due. */
Test(unseen, by_timers)
{
    const struct itimerval once = { { 0, 0 }, { 0, 40000 } };
    struct sigaction action = { .sa_handler = on_alarm,
                                .sa_flags = SA_RESTART };
    struct timespec start;
    struct itimerval left;
    sigaction(SIGALRM, &action, NULL);
    clock_gettime(CLOCK_MONOTONIC, &start);
    setitimer(ITIMER_REAL, &once, NULL);
    messages_write();
    while (rings == 0)
        usleep(1000);
    cr_expect_geq(ms_between(&start, &rung), 39.0);
    cr_expect_eq(rings, 1u);
    getitimer(ITIMER_REAL, &left);
    cr_expect_eq(left.it_value.tv_usec, 0);
    alarm(100);
    messages_write();
    cr_expect_geq(alarm(0), 60u);
    cr_expect_eq(told.leaks, 2 * ROUNDS);
    cr_expect_eq(told.named, 2 * 3 * ROUNDS);
}

static void *blocks_signals(void *ctx)
{
    (void)ctx;
    while (!over)
        usleep(1000);
    return NULL;
}

/* What the program's terminal would tell it, its directory, its variables. */
Test(unseen, in_place_and_variables)
{
    char before[512], after[512];
    extern char **environ;
    char **const variables = environ;
    pthread_t thread;
    const pid_t group = getpgrp(), session = getsid(0);
    setenv("TETHER_SELFTEST", "x", 1);
    char *const *const list = environ;
    pthread_create(&thread, NULL, blocks_signals, NULL);
    cr_assert_not_null(getcwd(before, sizeof before));
    errno = 4711;
    messages_write();
    cr_expect_eq(errno, 4711);
    cr_assert_not_null(getcwd(after, sizeof after));
    cr_expect_str_eq(before, after);
    cr_expect_eq(group, getpgrp());
    cr_expect_eq(session, getsid(0));
    cr_expect_eq(list, environ);
    cr_expect_not_null(variables);
    over = true;
    pthread_join(thread, NULL);
    expect_messages();
}
