/* SPDX-License-Identifier: MIT */
/*
 * Stops all other threads, unseen by them: a tracer, which is a process of
 * its own that shares this one's memory (a thread may not trace its own
 * group), seizes and interrupts them, reads their registers, and lets them go
 * when it is told. A seized thread gets no signal; a system call that was
 * interrupted is restarted by the kernel or, where it would not be, by us; and
 * when the tracer dies the kernel lets them go.
 *
 * Where a debugger is the tracer already, or the system forbids it, threads
 * are asked by a signal instead (os_stop_signal.c).
 *
 * The caller's thread is the one that waits; it blocks all signals until the
 * world goes on.
 */
#include "os/os_stop_inside.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_mem.h"
#include "base/base_text.h"
#include "os/os.h"

#define STACK_BYTES   ((size_t)64 * 1024)
#define WITHIN_MS     1000
#define SLICE_NS      ((int64_t)20000000)
#define YIELDS        30    /* before the first nap */
#define NAP_NS        20000 /* grows to: */
#define SYSCALL_BYTES 2     /* of the instruction */
#define NAP_NS_MAX    1000000

enum {
    STATE_MADE,    /* the tracer waits for its permission */
    STATE_START,   /* it may begin */
    STATE_STOPPED, /* all stand still, or as many as could be had */
    STATE_REFUSED, /* no right to trace */
    STATE_GO_ON,
};

void tt_stop_sleep(_Atomic uint32_t *word, uint32_t seen, int64_t ns)
{
    const struct timespec within = { .tv_sec = ns / 1000000000,
                                     .tv_nsec = ns % 1000000000 };
    TT_CALL(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &within);
}

void tt_stop_wake(_Atomic uint32_t *word)
{
    TT_CALL(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, 0);
}

TT_OTHER_STACK struct tt_stopped *tt_stop_add(struct tt_stop *stop, pid_t id)
{
    for (size_t i = 0; i < stop->count; i++)
        if (stop->threads[i].id == id)
            return NULL;
    if (id == stop->asker || stop->count == TT_STOP_MAX)
        return NULL;
    struct tt_stopped *const thread = &stop->threads[stop->count++];
    thread->id = id;
    return thread;
}

/* ---- the tracer ---- */

TT_OTHER_STACK bool tt_stop_is_dead(const struct tt_stop *stop, pid_t id)
{
    char path_bytes[64];
    char stat[256];
    struct tt_text path;
    tt_text_fixed(&path, path_bytes, sizeof path_bytes);
    tt_text_add(&path, "%s/%d/stat", stop->path, (int)id);
    const int fd = (int)TT_CALL(SYS_openat, AT_FDCWD, path.data, O_RDONLY, 0);
    const long got = TT_CALL(SYS_read, fd, stat, sizeof stat - 1, 0);
    tt_call_close(fd);
    stat[TT_MAX(got, 0)] = '\0';
    const char *const end = strrchr(stat, ')');
    return !end || strchr("ZXx", end[1] ? end[2] : 'X');
}

/* Seizes a thread and asks it to stop. One that is gone is no trouble. */
static TT_OTHER_STACK void thread_seize(struct tt_stop *stop, pid_t id)
{
    struct tt_stopped *const thread = tt_stop_add(stop, id);
    if (!thread)
        return;
    const long got = TT_CALL(SYS_ptrace, PTRACE_SEIZE, id, 0, 0);
    if (got == 0) {
        thread->held = true;
        TT_CALL(SYS_ptrace, PTRACE_INTERRUPT, id, 0, 0);
    } else if (got != -ESRCH && !tt_stop_is_dead(stop, id)) {
        stop->refused++;
    } else {
        thread->gone = true;
    }
}

/* Calls that the kernel ends with EINTR when their thread is stopped, and does
 * not begin again as it does with all others. They have done nothing then. */
static TT_OTHER_STACK bool call_ends_early(unsigned long number)
{
    static const unsigned short calls[] = {
        SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2,    SYS_io_getevents,
        SYS_msgrcv,     SYS_msgsnd,      SYS_semop,           SYS_semtimedop,
        SYS_read,       SYS_readv,       SYS_rt_sigtimedwait, SYS_recvfrom,
        SYS_recvmsg,    SYS_recvmmsg,    SYS_write,           SYS_writev,
        SYS_sendto,     SYS_sendmsg,     SYS_accept,          SYS_accept4,
    };
    for (size_t i = 0; i < TT_COUNT(calls); i++)
        if (calls[i] == number)
            return true;
    return false;
}

#if defined(__x86_64__)
/* Such a call begins anew: the thread goes back to the instruction. */
static TT_OTHER_STACK void call_again(const struct tt_stopped *thread,
                                      struct user_regs_struct *regs)
{
    if (thread->signal || (long)regs->rax != -EINTR ||
        !call_ends_early(regs->orig_rax))
        return;
    regs->rax = regs->orig_rax;
    regs->rip -= SYSCALL_BYTES;
    TT_CALL(SYS_ptrace, PTRACE_SETREGS, thread->id, 0, regs);
}

static TT_OTHER_STACK void registers_keep(struct tt_stopped *thread)
{
    struct user_regs_struct regs = { 0 };
    if (TT_CALL(SYS_ptrace, PTRACE_GETREGS, thread->id, 0, &regs) != 0)
        return;
    const uintptr_t values[] = {
        regs.rax, regs.rdx, regs.rcx, regs.rbx, regs.rsi, regs.rdi,
        regs.rbp, regs.rsp, regs.r8,  regs.r9,  regs.r10, regs.r11,
        regs.r12, regs.r13, regs.r14, regs.r15, regs.rip,
    };
    thread->registers_count = TT_COUNT(values);
    memcpy(thread->registers, values, sizeof values);
    thread->thread_pointer = regs.fs_base;
    thread->stopped = true;
    call_again(thread, &regs);
}
#else
#    error "lib/os/os_stop.c needs this processor's registers"
#endif

/* Takes note of what a wait said. */
static TT_OTHER_STACK void stop_note(struct tt_stopped *thread, int status)
{
    if (!WIFSTOPPED(status)) {
        thread->held = false;
        thread->gone = true;
        return;
    }
    /* A signal was on its way: it is passed on when the thread goes on. */
    if (status >> 16 != PTRACE_EVENT_STOP)
        thread->signal = WSTOPSIG(status);
    registers_keep(thread);
}

/* Waits for one thread, which stops as soon as it is in the kernel or gets a
 * processor; not for ever, for it may sleep where nothing wakes it. */
static TT_OTHER_STACK void stop_wait(const struct tt_stop *stop,
                                     struct tt_stopped *thread)
{
    int status = 0;
    struct timespec nap = { .tv_nsec = NAP_NS };
    for (unsigned tries = 0; tt_call_now_ns() < stop->deadline_ns; tries++) {
        const long got =
            TT_CALL(SYS_wait4, thread->id, &status, __WALL | WNOHANG, 0);
        if (got == thread->id) {
            stop_note(thread, status);
            return;
        }
        if (got < 0 && got != -EINTR) {
            thread->held = false;
            thread->gone = true;
            return;
        }
        if (tries < YIELDS) {
            TT_CALL(SYS_sched_yield, 0, 0, 0, 0);
            continue;
        }
        TT_CALL(SYS_nanosleep, &nap, NULL, 0, 0);
        nap.tv_nsec = TT_MIN(nap.tv_nsec * 2, NAP_NS_MAX);
    }
}

static TT_OTHER_STACK void threads_seize(struct tt_stop *stop)
{
    const size_t count = TT_MIN(
        tt_os_threads_in(stop->path, stop->ids, TT_STOP_MAX), TT_STOP_MAX);
    for (size_t i = 0; i < count; i++)
        thread_seize(stop, stop->ids[i]);
}

/* Threads may start others until they stand still: so once more, until there
 * is none that was not seen. */
static TT_OTHER_STACK void threads_stop(struct tt_stop *stop)
{
    size_t waited = 0;
    threads_seize(stop);
    while (waited < stop->count && stop->refused == 0) {
        for (; waited < stop->count; waited++)
            if (stop->threads[waited].held)
                stop_wait(stop, &stop->threads[waited]);
        threads_seize(stop);
    }
}

/* One that never stopped cannot be told to go; the tracer's end frees it. */
static TT_OTHER_STACK void threads_let_go(struct tt_stop *stop)
{
    for (size_t i = 0; i < stop->count; i++)
        if (stop->threads[i].held)
            TT_CALL(SYS_ptrace, PTRACE_DETACH, stop->threads[i].id, 0,
                    stop->threads[i].signal);
}

static TT_OTHER_STACK void state_set(struct tt_stop *stop, uint32_t state)
{
    atomic_store(&stop->state, state);
    tt_stop_wake(&stop->state);
}

static TT_OTHER_STACK int tracer_main(void *ctx)
{
    struct tt_stop *const stop = ctx;
    TT_CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    while (atomic_load(&stop->state) == STATE_MADE)
        tt_stop_sleep(&stop->state, STATE_MADE, SLICE_NS);
    threads_stop(stop);
    const bool good = stop->refused == 0;
    if (!good)
        threads_let_go(stop);
    state_set(stop, good ? STATE_STOPPED : STATE_REFUSED);
    while (good && atomic_load(&stop->state) == STATE_STOPPED)
        tt_stop_sleep(&stop->state, STATE_STOPPED, SLICE_NS);
    if (good)
        threads_let_go(stop);
    return 0;
}

/* ---- the caller ---- */

static void tracer_reap(struct tt_stop *stop)
{
    int status;
    while (TT_CALL(SYS_wait4, stop->tracer, &status, __WALL, 0) == -EINTR)
        continue;
    stop->tracer = 0;
    /* No tracer is announced any more (Yama); elsewhere it says EINVAL. */
    TT_CALL(SYS_prctl, PR_SET_PTRACER, 0, 0, 0);
}

/* Has the tracer died? It is a zombie then and stays one. */
static bool tracer_is_dead(const struct tt_stop *stop)
{
    siginfo_t info = { .si_pid = 0 };
    const long got = tt_call6(SYS_waitid, P_PID, stop->tracer, (long)&info,
                              WEXITED | WNOHANG | WNOWAIT | __WALL, 0, 0);
    return got != 0 || info.si_pid != 0;
}

static bool stop_by_tracer(struct tt_stop *stop)
{
    const pid_t tracer = clone(tracer_main, stop->stack,
                               CLONE_VM | CLONE_FS | CLONE_FILES, stop);
    if (tracer < 0)
        return false;
    stop->tracer = tracer;
    TT_CALL(SYS_prctl, PR_SET_PTRACER, tracer, 0, 0);
    state_set(stop, STATE_START);
    while (atomic_load(&stop->state) == STATE_START && !tracer_is_dead(stop))
        tt_stop_sleep(&stop->state, STATE_START, SLICE_NS);
    if (atomic_load(&stop->state) == STATE_STOPPED)
        return true;
    tracer_reap(stop);
    return false;
}

static struct tt_stop *stop_make(void)
{
    const size_t bytes =
        ((sizeof(struct tt_stop) + 4095) & ~(size_t)4095) + STACK_BYTES;
    struct tt_stop *const stop = tt_map_sparse(bytes);
    struct tt_text path;
    if (!stop)
        return NULL;
    stop->bytes = bytes;
    stop->stack = (char *)stop + bytes;
    stop->process = getpid();
    stop->asker = tt_os_thread_id();
    stop->deadline_ns = tt_call_now_ns() + WITHIN_MS * 1000000ull;
    tt_text_fixed(&path, stop->path, sizeof stop->path);
    tt_text_add(&path, "/proc/%d/task", (int)stop->process);
    return stop;
}

static size_t stop_missed(const struct tt_stop *stop)
{
    size_t missed = 0;
    for (size_t i = 0; i < stop->count; i++)
        missed += !stop->threads[i].stopped && !stop->threads[i].gone;
    return missed;
}

bool tt_os_stop(struct tt_os_world *world)
{
    const int before = errno;
    sigset_t everything;
    struct tt_stop *const stop = stop_make();
    *world = (struct tt_os_world){ .stop = stop };
    if (!stop)
        return false;
    memset(&everything, 0xff, sizeof everything);
    tt_call_mask(&everything, &stop->mask_before);
    if (tt_os_threads_in(stop->path, stop->ids, TT_STOP_MAX) != 1 &&
        !stop_by_tracer(stop)) {
        tt_stop_by_signal(stop);
        world->by_signals = true;
    }
    world->threads = stop->threads;
    world->count = stop->count;
    world->missed = stop_missed(stop);
    errno = before;
    return true;
}

void tt_os_go_on(struct tt_os_world *world)
{
    struct tt_stop *const stop = world->stop;
    const int before = errno;
    if (stop->tracer > 0) {
        state_set(stop, STATE_GO_ON);
        tracer_reap(stop);
    }
    if (world->by_signals)
        tt_stop_signal_end(stop);
    tt_call_mask(&stop->mask_before, NULL);
    tt_unmap(stop, stop->bytes);
    *world = (struct tt_os_world){ 0 };
    errno = before;
}
