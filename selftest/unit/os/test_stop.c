/* SPDX-License-Identifier: MIT */
/*
 * The stopped world: nobody moves, nobody notices, wherever threads are; and
 * the same by signals, where somebody else is the tracer.
 */
#include "os/os_stop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPINNERS 3

static _Atomic uint64_t turns[SPINNERS];
static _Atomic bool leave;
static _Atomic pid_t ids[SPINNERS];
static _Atomic int poll_errno;
static int wake_pipe[2];

static void *spin(void *ctx)
{
    const size_t me = (size_t)ctx;
    ids[me] = (pid_t)syscall(SYS_gettid);
    while (!leave)
        turns[me]++;
    return NULL;
}

static void *sleep_in_poll(void *ctx)
{
    struct pollfd fd = { .fd = wake_pipe[0], .events = POLLIN };
    (void)ctx;
    if (poll(&fd, 1, -1) < 0)
        poll_errno = errno;
    return NULL;
}

static pthread_t spinners[SPINNERS], sleeper;

static void threads_start(void)
{
    cr_assert_eq(pipe(wake_pipe), 0);
    for (size_t i = 0; i < SPINNERS; i++)
        pthread_create(&spinners[i], NULL, spin, (void *)i);
    pthread_create(&sleeper, NULL, sleep_in_poll, NULL);
    for (size_t i = 0; i < SPINNERS; i++)
        while (!turns[i])
            sched_yield();
    usleep(1000);
}

static void threads_end(void)
{
    leave = true;
    for (size_t i = 0; i < SPINNERS; i++)
        pthread_join(spinners[i], NULL);
    cr_assert_eq(write(wake_pipe[1], "", 1), 1);
    pthread_join(sleeper, NULL);
}

/* Returns what is wrong, NULL: nothing. No assertion while the world stands:
 * it takes locks. */
static const char *world_look(struct tt_os_world *world)
{
    uint64_t before[SPINNERS];
    size_t seen = 0;
    for (size_t i = 0; i < SPINNERS; i++)
        before[i] = turns[i];
    for (volatile int i = 0; i < 3000000; i++)
        continue;
    for (size_t i = 0; i < SPINNERS; i++)
        if (turns[i] != before[i])
            return "a thread went on";
    for (size_t i = 0; i < world->count; i++) {
        const struct tt_stopped *const thread = &world->threads[i];
        if (!thread->stopped && !thread->gone)
            return "a thread was missed";
        for (size_t k = 0; k < SPINNERS; k++)
            if (thread->id == ids[k]) {
                seen++;
                if (thread->thread_pointer != (uintptr_t)spinners[k])
                    return "a thread pointer is wrong";
                if (thread->registers[7] > thread->thread_pointer ||
                    thread->thread_pointer - thread->registers[7] > 1u << 20)
                    return "a stack pointer is wrong";
            }
    }
    return seen == SPINNERS ? NULL : "a thread was not listed";
}

static void stop_many_times(bool by_signals, int times)
{
    for (int i = 0; i < times; i++) {
        struct tt_os_world world;
        errno = 77;
        cr_assert(tt_os_stop(&world));
        const char *const wrong = world_look(&world);
        const bool signals = world.by_signals;
        tt_os_go_on(&world);
        cr_assert_null(wrong, "%s", wrong);
        cr_assert_eq(signals, by_signals);
        cr_assert_eq(errno, 77);
        const uint64_t before = turns[0];
        while (turns[0] == before)
            sched_yield();
    }
}

Test(os_stop, everybody_stands_still_and_goes_on)
{
    threads_start();
    stop_many_times(false, 20);
    cr_assert_eq(poll_errno, 0);
    threads_end();
}

static _Atomic bool churn_leave;

static void *nothing(void *ctx)
{
    return ctx;
}

static void *churn(void *ctx)
{
    while (!churn_leave) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing, NULL) == 0)
            pthread_join(thread, NULL);
    }
    return ctx;
}

Test(os_stop, threads_that_come_and_go_are_stopped_too)
{
    pthread_t churners[2];
    for (size_t i = 0; i < 2; i++)
        pthread_create(&churners[i], NULL, churn, NULL);
    threads_start();
    stop_many_times(false, 50);
    threads_end();
    churn_leave = true;
    for (size_t i = 0; i < 2; i++)
        pthread_join(churners[i], NULL);
}

static volatile sig_atomic_t signals_got;

static void count_signal(int signal)
{
    (void)signal;
    signals_got++;
}

static void *signal_sender(void *ctx)
{
    for (int i = 0; i < 200; i++) {
        pthread_kill(spinners[0], SIGUSR1);
        usleep(200);
    }
    return ctx;
}

Test(os_stop, no_signal_on_its_way_is_lost)
{
    pthread_t sender;
    signal(SIGUSR1, count_signal);
    threads_start();
    pthread_create(&sender, NULL, signal_sender, NULL);
    stop_many_times(false, 20);
    pthread_join(sender, NULL);
    pthread_kill(spinners[0], SIGUSR1);
    while (!signals_got)
        sched_yield();
    cr_assert_gt(signals_got, 0);
    threads_end();
}

/* Somebody else traces all threads of this process: a debugger's place. */
static int under_tracer(void (*body)(void))
{
    int ready[2], go[2], status = -1;
    char byte;
    cr_assert_eq(pipe(ready) | pipe(go), 0);
    const pid_t child = fork();
    if (child == 0) {
        threads_start();
        if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(3);
        body();
        threads_end();
        _exit(0);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)child);
    cr_assert_eq(ptrace(PTRACE_SEIZE, child, 0, 0), 0);
    for (pid_t id = child + 1; id < child + 64; id++) {
        char task[80];
        snprintf(task, sizeof task, "%s/%d", path, (int)id);
        if (access(task, F_OK) == 0)
            ptrace(PTRACE_SEIZE, id, 0, 0);
    }
    cr_assert_eq(write(go[1], "g", 1), 1);
    for (;;) {
        const pid_t got = waitpid(-1, &status, __WALL);
        if (got < 0 || (got == child && !WIFSTOPPED(status)))
            break;
        if (WIFSTOPPED(status))
            ptrace(PTRACE_CONT, got, 0, WSTOPSIG(status));
    }
    return status;
}

static void stop_by_signals(void)
{
    for (int i = 0; i < 10; i++) {
        struct tt_os_world world;
        if (!tt_os_stop(&world))
            _exit(4);
        const char *const wrong = world_look(&world);
        const bool signals = world.by_signals;
        tt_os_go_on(&world);
        if (wrong || !signals)
            _exit(wrong ? 5 : 6);
    }
}

Test(os_stop, a_debugger_in_place_is_no_obstacle)
{
    cr_assert_eq(under_tracer(stop_by_signals), 0);
}

static _Atomic uint32_t *shared_word;

static int copy_writes(void *ctx)
{
    *(int *)ctx = 9; /* its own copy */
    *shared_word = 1;
    tt_os_wake_shared(shared_word);
    return 5;
}

static volatile sig_atomic_t children;

static void count_child(int signal)
{
    (void)signal;
    children++;
}

Test(os_stop, a_copy_is_seen_by_nobody)
{
    int mine = 3;
    struct tt_os_world world;
    shared_word = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    signal(SIGCHLD, count_child);
    threads_start();
    cr_assert(tt_os_stop(&world));
    const pid_t copy = tt_os_copy(NULL, 0, copy_writes, &mine);
    tt_os_go_on(&world);
    cr_assert_gt(copy, 0);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
    cr_assert_eq(errno, ECHILD);
    while (*shared_word == 0)
        tt_os_wait_shared(shared_word, 0, 10000000);
    while (!tt_os_copy_ended(copy))
        usleep(100);
    cr_assert_eq(mine, 3);
    cr_assert_eq(children, 0);
    threads_end();
}
