/* SPDX-License-Identifier: MIT */
/*
 * Stops threads by a signal, where no tracer can be had: each notes its
 * registers in the handler and sleeps there. Their blocking calls may return
 * EINTR afterwards; a thread that blocks the signal cannot be had.
 *
 * The signal is SIGURG: nobody is hurt by one too many, because its default
 * is to be ignored, and debuggers pass it on without stopping.
 */
#include "os/os_stop_inside.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "os/os.h"

#define STOP_SIGNAL SIGURG
#define ROUND_MS    200
#define ROUNDS      5
#define SLICE_NS    ((int64_t)1000000)

enum { STATE_ASKED = 100, STATE_LEAVE };

static struct tt_stop *_Atomic current; /* the stop under way */
static _Atomic uint32_t inside;         /* threads in the handler */

#if defined(__x86_64__)
static void registers_note(struct tt_stopped *thread, const ucontext_t *at)
{
    static const int order[] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
        REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
        REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
    };
    for (size_t i = 0; i < TT_COUNT(order); i++)
        thread->registers[i] = (uintptr_t)at->uc_mcontext.gregs[order[i]];
    thread->registers_count = TT_COUNT(order);
}
#else
#    error "lib/os/os_stop_signal.c needs this processor's registers"
#endif

static void handle(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    /* First: whoever is counted finds 'current' whole or gone. */
    atomic_fetch_add(&inside, 1);
    struct tt_stop *const stop = atomic_load(&current);
    const pid_t self = (pid_t)TT_CALL(SYS_gettid, 0, 0, 0, 0);
    for (size_t i = 0; stop && i < stop->count; i++) {
        struct tt_stopped *const thread = &stop->threads[i];
        if (thread->id != self || atomic_load(&stop->state) != STATE_ASKED)
            continue;
        registers_note(thread, context);
        thread->thread_pointer = (uintptr_t)pthread_self();
        __atomic_store_n(&thread->stopped, true, __ATOMIC_RELEASE);
        while (atomic_load(&stop->state) == STATE_ASKED)
            tt_stop_sleep(&stop->state, STATE_ASKED, 1000000000);
    }
    atomic_fetch_sub(&inside, 1);
}

static void thread_ask(struct tt_stop *stop, struct tt_stopped *thread)
{
    if (TT_CALL(SYS_tgkill, stop->process, thread->id, STOP_SIGNAL, 0) ==
            -ESRCH ||
        tt_stop_is_dead(stop, thread->id))
        thread->gone = true;
}

/* Asks all threads that are not known yet. Returns how many. */
static size_t round_ask(struct tt_stop *stop)
{
    const size_t known = stop->count;
    const size_t listed = TT_MIN(
        tt_os_threads_in(stop->path, stop->ids, TT_STOP_MAX), TT_STOP_MAX);
    for (size_t i = 0; i < listed; i++)
        tt_stop_add(stop, stop->ids[i]);
    for (size_t i = known; i < stop->count; i++)
        thread_ask(stop, &stop->threads[i]);
    return stop->count - known;
}

static size_t running_count(const struct tt_stop *stop)
{
    size_t count = 0;
    for (size_t i = 0; i < stop->count; i++)
        count += !stop->threads[i].gone &&
                 !__atomic_load_n(&stop->threads[i].stopped, __ATOMIC_ACQUIRE);
    return count;
}

size_t tt_stop_by_signal(struct tt_stop *stop)
{
    struct sigaction action = { .sa_sigaction = handle,
                                .sa_flags = SA_SIGINFO | SA_RESTART };
    sigfillset(&action.sa_mask);
    stop->count = 0;
    memset(stop->threads, 0, sizeof stop->threads);
    atomic_store(&stop->state, STATE_ASKED);
    atomic_store(&current, stop);
    sigaction(STOP_SIGNAL, &action, &stop->action_before);
    for (int round = 0; round < ROUNDS && round_ask(stop) > 0; round++) {
        const uint64_t end_ns = tt_call_now_ns() + ROUND_MS * 1000000ull;
        const struct timespec nap = { .tv_nsec = 50000 };
        while (running_count(stop) > 0 && tt_call_now_ns() < end_ns)
            TT_CALL(SYS_nanosleep, &nap, NULL, 0, 0);
    }
    return running_count(stop);
}

/* Nobody may be in the handler when the program's comes back, for 'stop' is
 * unmapped then. */
void tt_stop_signal_end(struct tt_stop *stop)
{
    const struct timespec nap = { .tv_nsec = 50000 };
    atomic_store(&current, NULL);
    atomic_store(&stop->state, STATE_LEAVE);
    tt_stop_wake(&stop->state);
    while (atomic_load(&inside) > 0)
        TT_CALL(SYS_nanosleep, &nap, NULL, 0, 0);
    sigaction(STOP_SIGNAL, &stop->action_before, NULL);
}
