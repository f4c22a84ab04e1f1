/* SPDX-License-Identifier: MIT */
#ifndef TT_OS_STOP_H
#define TT_OS_STOP_H
/*
 * Stopping the world, and a copy of it.
 *
 *     if (tt_os_stop(&world)) {
 *         child = tt_os_copy(child_main, ctx);
 *         tt_os_go_on(&world);
 *     }
 *
 * Between the first and the last call every other thread stands still,
 * wherever it was: the caller must not take a lock of libc's, nor one of
 * Tether's that it did not hold before, and makes raw calls only.
 */
#include "base/base.h"

#include <sys/types.h>

/* In DWARF's order; x86-64: rax rdx rcx rbx rsi rdi rbp rsp r8 to r15, pc. */
#define TT_REGISTERS_MAX 34
#define TT_STOP_MAX      8192 /* threads */

struct tt_stopped {
    pid_t id;     /* the kernel's */
    bool stopped; /* the rest is known */
    bool held;    /* by the tracer */
    bool gone;    /* it has ended meanwhile */
    int signal;   /* that it was about to get */
    uint32_t registers_count;
    uintptr_t registers[TT_REGISTERS_MAX];
    uintptr_t thread_pointer; /* pthread_self() of a thread of libc's */
};

struct tt_os_world {
    struct tt_stopped *threads; /* all but the caller's */
    size_t count;
    size_t missed;   /* threads that could not be stopped */
    bool by_signals; /* no tracer could be had: blocking calls of theirs may
                        return EINTR */
    /* lib/os's: */
    struct tt_stop *stop;
};

/* Stops all other threads, within about a second. Returns false, with nothing
 * stopped, when the system refuses memory; threads that could not be stopped
 * are counted in 'missed' and run on. */
bool tt_os_stop(struct tt_os_world *world);

/* Lets them go on. What 'world' points to is gone then. */
void tt_os_go_on(struct tt_os_world *world);

/* Fills the caller's own registers as they are now. */
void tt_os_registers(struct tt_stopped *self);

/*
 * Clones the process: a child with a copy of this one's memory, one thread,
 * this one's stack. It raises no SIGCHLD, waitpid(-1) does not see it, it dies
 * with the calling thread, leaves no core, and keeps none of the descriptors
 * but 'kept' (smallest first). It calls main(ctx) and exits with its result.
 * Returns its id, negative: -errno.
 */
pid_t tt_os_copy(const int *kept, size_t kept_count, int (*main)(void *ctx),
                 void *ctx);

/* Has the copy ended? Then it is reaped. */
bool tt_os_copy_ended(pid_t copy);

/* Kills and reaps it. */
void tt_os_copy_end(pid_t copy);

/* Waits for a word that another process writes, in a shared mapping, until it
 * is not 'seen' or 'ns' have passed. */
void tt_os_wait_shared(_Atomic uint32_t *word, uint32_t seen, int64_t ns);
void tt_os_wake_shared(_Atomic uint32_t *word);

#endif
