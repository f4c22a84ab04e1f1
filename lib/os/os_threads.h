/* SPDX-License-Identifier: MIT */
#ifndef TT_OS_THREADS_H
#define TT_OS_THREADS_H
/*
 * Where the process's other threads are. They are looked at from outside, in
 * what the system tells of them: none is stopped, signalled or woken. So what
 * is told was true a moment ago; a caller that reads more of a thread (its
 * stack) looks again afterwards and compares.
 *
 * Hook: all of it may run inside malloc and free.
 */
#include "base/base.h"

#include <sys/types.h>

enum tt_os_where {
    TT_OS_RUNS,   /* on a processor, or about to */
    TT_OS_WAITS,  /* in the kernel: the fields below are known */
    TT_OS_SLEEPS, /* not running; more than that the system does not tell */
};

struct tt_os_thread {
    pid_t thread;
    enum tt_os_where where;
    char name[16]; /* "": the system does not tell */
    long call;     /* the system call that it is in, -1: in none */
    uintptr_t arguments[6];
    uintptr_t sp, pc; /* at the call */
};

/* Looks at a thread. False: it has ended. */
bool tt_os_thread_look(pid_t thread, struct tt_os_thread *at);

/* Is it still where it was? */
bool tt_os_thread_same(const struct tt_os_thread *at);

/* The name of the system call that it waits in, NULL for a rare one. */
const char *tt_os_call_name(const struct tt_os_thread *at);

/* Of a thread that waits inside pthread_mutex_lock and its like: the thread
 * that has the mutex; 0: not known. */
pid_t tt_os_mutex_owner(const struct tt_os_thread *at);

/* Of a thread that waits inside pthread_join and its like: for whom; 0: not
 * known. */
pid_t tt_os_joined(const struct tt_os_thread *at);

#endif
