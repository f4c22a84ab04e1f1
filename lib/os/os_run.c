/* SPDX-License-Identifier: MIT */
/*
 * Runs a helper program so that the tested program cannot notice.
 *
 * A child whose exit signal is 0 raises no SIGCHLD and is invisible to
 * waitpid(-1), but execve sets the exit signal back to SIGCHLD. So there are
 * two processes: a keeper, cloned with exit signal 0, that never executes a
 * program; and the program, which is the keeper's child. The keeper waits for
 * it, kills it at the deadline, notes its status in the memory it shares with
 * the caller, and exits; the caller reaps the keeper with __WALL.
 *
 * The keeper shares the caller's memory and its thread-local storage while
 * the caller runs on. It therefore makes raw system calls only, which touch
 * no errno, and never takes a lock. The caller uses the same calls because
 * libc's are cancellation points.
 *
 * Consequence: it works inside malloc, in forked children, and while other
 * threads hold any lock of libc; it costs no copy of page tables.
 *
 * Hook: all of it may run inside malloc and free.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base_mem.h"
#include "os/os_call.h"

#define STACK_BYTES      ((size_t)64 * 1024)
#define OUTPUT_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define SLICE_MS         20  /* the most that a lost end of file can cost */
#define GRACE_MS         500 /* the keeper's own time after the deadline */
#define FD_PASSED        16  /* above where passed descriptors go */

/* A run. Lives in a mapping of its own, below the two stacks. */
struct run {
    const char *const *argv;
    char **envp;
    uint64_t deadline_ns;
    int theirs;     /* the program's end of the socket pair */
    int ours;       /* the caller's end */
    const int *fds; /* passed to the program */
    size_t fds_count;
    int exec_error;     /* the program could not be executed: errno */
    int status;         /* as wait(2) gives it */
    bool timed_out;     /* killed by the keeper */
    _Atomic bool ended; /* status is valid */
    size_t bytes;       /* of this mapping */
    char *keeper_stack; /* the highest addresses */
    char *program_stack;
};

static long left_ns(const struct run *run)
{
    const uint64_t now = tt_call_now_ns();
    return now >= run->deadline_ns ? 0 : (long)(run->deadline_ns - now);
}

/* ---- the program's process, up to its execve ---- */

/* Puts the passed descriptors where the program expects them; first out of
 * the way of each other. */
static TT_OTHER_STACK void fds_place(const struct run *run)
{
    long high[TT_RUN_FDS];
    for (size_t i = 0; i < run->fds_count; i++)
        high[i] =
            TT_CALL(SYS_fcntl, run->fds[i], F_DUPFD_CLOEXEC, FD_PASSED, 0);
    for (size_t i = 0; i < run->fds_count; i++)
        TT_CALL(SYS_dup3, high[i], STDERR_FILENO + 1 + (int)i, 0, 0);
}

static TT_OTHER_STACK int program_main(void *ctx)
{
    struct run *const run = ctx;
    static const sigset_t nothing;
    TT_CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    TT_CALL(SYS_dup3, run->theirs, STDIN_FILENO, 0, 0);
    TT_CALL(SYS_dup3, run->theirs, STDOUT_FILENO, 0, 0);
    TT_CALL(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY, 0); /* gets 2 */
    tt_call_close(run->theirs);
    fds_place(run);
    tt_call_mask(&nothing, NULL);
    run->exec_error =
        (int)-TT_CALL(SYS_execve, run->argv[0], run->argv, run->envp, 0);
    return 127;
}

/* ---- the keeper ---- */

static TT_OTHER_STACK long program_wait(struct run *run, pid_t program)
{
    sigset_t child_set;
    memset(&child_set, 0, sizeof child_set);
    *(uint64_t *)&child_set = (uint64_t)1 << (SIGCHLD - 1);
    for (;;) {
        const long got =
            TT_CALL(SYS_wait4, program, &run->status, WNOHANG, NULL);
        if (got != 0)
            return got;
        const long ns = left_ns(run);
        if (ns == 0)
            break;
        const struct timespec rest = { .tv_sec = ns / 1000000000,
                                       .tv_nsec = ns % 1000000000 };
        TT_CALL(SYS_rt_sigtimedwait, &child_set, NULL, &rest, TT_SIGNALS / 8);
    }
    run->timed_out = true;
    TT_CALL(SYS_kill, program, SIGKILL, 0, 0);
    return TT_CALL(SYS_wait4, program, &run->status, 0, NULL);
}

/* The keeper has copies of all the program's descriptors. It must not keep a
 * pipe open that the program closes meanwhile. */
static TT_OTHER_STACK void fds_close_but_ours(const struct run *run)
{
    int kept[TT_RUN_FDS + 1];
    size_t count = 0;
    for (; count < run->fds_count; count++)
        kept[count] = run->fds[count];
    kept[count++] = run->theirs;
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && kept[j - 1] > kept[j]; j--) {
            const int swap = kept[j];
            kept[j] = kept[j - 1];
            kept[j - 1] = swap;
        }
    tt_call_fds_close(kept, count);
}

static TT_OTHER_STACK int keeper_main(void *ctx)
{
    struct run *const run = ctx;
    TT_CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    tt_call_handlers_reset();
    fds_close_but_ours(run);
    const pid_t program = clone(program_main, run->program_stack,
                                CLONE_VM | CLONE_VFORK | SIGCHLD, run);
    /* From here on only the program holds its end: its death is an end of
     * file for the caller. */
    tt_call_close(run->theirs);
    if (program < 0)
        run->exec_error = EAGAIN;
    else if (program_wait(run, program) < 0)
        run->exec_error = ECHILD;
    atomic_store_explicit(&run->ended, true, memory_order_release);
    return 0;
}

/* ---- the caller ---- */

static bool sockets_open(struct run *run)
{
    int pair[2] = { -1, -1 };
    run->ours = run->theirs = -1;
    if (TT_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) <
        0)
        return false;
    run->ours = tt_call_fd_raise(pair[0]);
    run->theirs = tt_call_fd_raise(pair[1]);
    return run->ours >= 0 && run->theirs >= 0;
}

static bool env_is_ours(const char *entry)
{
    static const char *const ours[] = { "LD_PRELOAD=", "LD_AUDIT=", "TETHER_",
                                        "BXFI_MAP=" };
    for (size_t i = 0; i < TT_COUNT(ours); i++)
        if (strncmp(entry, ours[i], strlen(ours[i])) == 0)
            return true;
    return false;
}

/* The environment without what would make the helper a tracked program. */
static void env_copy(char **to, size_t max)
{
    size_t count = 0;
    for (char **from = environ; from && *from && count < max; from++)
        if (!env_is_ours(*from))
            to[count++] = *from;
    to[count] = NULL;
}

static size_t env_count(void)
{
    size_t count = 0;
    while (environ && environ[count])
        count++;
    return count;
}

static struct run *run_make(const char *const argv[], unsigned within_ms)
{
    const size_t env_max = env_count();
    const size_t head = sizeof(struct run) + (env_max + 1) * sizeof(char *);
    const size_t bytes = ((head + 4095) & ~(size_t)4095) + 2 * STACK_BYTES;
    struct run *const run = tt_map(bytes);
    if (!run)
        return NULL;
    run->argv = argv;
    run->bytes = bytes;
    run->deadline_ns = tt_call_now_ns() + (uint64_t)within_ms * 1000000u;
    run->keeper_stack = (char *)run + bytes;
    run->program_stack = run->keeper_stack - STACK_BYTES;
    run->envp = (char **)(run + 1);
    env_copy(run->envp, env_max);
    return run;
}

/* Sends what the socket takes. Returns what is left to send. */
static size_t input_send(const struct run *run, const char *input, size_t bytes)
{
    const long sent = tt_call6(SYS_sendto, run->ours, (long)input, (long)bytes,
                               MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
    if (sent >= 0)
        return bytes - (size_t)sent;
    return sent == -EAGAIN || sent == -EINTR ? bytes : 0;
}

/* Receives what is there. False: there will not be any more. */
static bool output_receive(const struct run *run, struct tt_text *output)
{
    char bytes[4096];
    const long got = tt_call6(SYS_recvfrom, run->ours, (long)bytes,
                              sizeof bytes, MSG_DONTWAIT, 0, 0);
    if (got == -EAGAIN || got == -EINTR)
        return true;
    if (got <= 0 || output->len + (size_t)got > OUTPUT_BYTES_MAX)
        return false;
    tt_text_bytes(output, bytes, (size_t)got);
    return !output->cut;
}

/* Waits until the socket can be used or the slice is over. Returns the poll
 * events. */
static short socket_wait(const struct run *run, bool to_send)
{
    struct pollfd poll_fd = { .fd = run->ours,
                              .events =
                                  (short)(POLLIN | (to_send ? POLLOUT : 0)) };
    const struct timespec slice = { .tv_nsec = SLICE_MS * 1000000 };
    struct timespec rest = slice;
    const long ready = tt_call6(SYS_ppoll, (long)&poll_fd, 1, (long)&rest, 0,
                                TT_SIGNALS / 8, 0);
    return ready > 0 ? poll_fd.revents : 0;
}

/* The caller's half of the talk. Ends with the program's end of file; with
 * the program's end when a process that another thread forked meanwhile still
 * holds a copy of the socket; and with the deadline. */
static void run_talk(struct run *run, const char *input, size_t bytes,
                     struct tt_text *output)
{
    bool open = true;
    size_t left = bytes;
    if (left == 0)
        TT_CALL(SYS_shutdown, run->ours, SHUT_WR, 0, 0);
    while (open && left_ns(run) > 0) {
        const bool ended =
            atomic_load_explicit(&run->ended, memory_order_acquire);
        const short events = socket_wait(run, left > 0);
        if (events & (POLLIN | POLLHUP | POLLERR))
            open = output_receive(run, output);
        else if (ended)
            break;
        if (left > 0 && (events & (POLLOUT | POLLHUP | POLLERR))) {
            left = input_send(run, input + (bytes - left), left);
            if (left == 0)
                TT_CALL(SYS_shutdown, run->ours, SHUT_WR, 0, 0);
        }
    }
}

/* Waits for the keeper, which ends by itself soon after the deadline; one
 * that was stopped from outside is killed. */
static void keeper_reap(struct run *run, pid_t keeper)
{
    int status;
    struct timespec nap = { .tv_nsec = 50000 };
    for (uint64_t end_ns = 0;;) {
        const long got =
            TT_CALL(SYS_wait4, keeper, &status, __WALL | WNOHANG, 0);
        if (got != 0 && got != -EINTR)
            return;
        const uint64_t now = tt_call_now_ns();
        if (end_ns == 0)
            end_ns = now + (uint64_t)left_ns(run) + GRACE_MS * 1000000u;
        if (now > end_ns)
            break;
        TT_CALL(SYS_nanosleep, &nap, NULL, 0, 0);
        nap.tv_nsec = TT_MIN(nap.tv_nsec * 2, 5000000);
    }
    TT_CALL(SYS_kill, keeper, SIGKILL, 0, 0);
    TT_CALL(SYS_wait4, keeper, &status, __WALL, 0);
    run->timed_out = true;
}

static int run_result(const struct run *run)
{
    if (run->exec_error != 0)
        return -1;
    if (run->timed_out)
        return -2;
    return WIFEXITED(run->status) ? WEXITSTATUS(run->status) : -3;
}

static int run_start(struct run *run, const char *input, size_t input_bytes,
                     struct tt_text *output)
{
    if (!sockets_open(run)) {
        tt_call_close(run->ours);
        tt_call_close(run->theirs);
        return -1;
    }
    const pid_t keeper = clone(keeper_main, run->keeper_stack, CLONE_VM, run);
    tt_call_close(run->theirs); /* the number stays: the keeper reads it */
    if (keeper >= 0)
        run_talk(run, input, input_bytes, output);
    tt_call_close(run->ours);
    if (keeper < 0)
        return -1;
    keeper_reap(run, keeper);
    return run_result(run);
}

int tt_os_run(const char *const argv[], const char *input, size_t input_bytes,
              struct tt_text *output, unsigned within_ms)
{
    return tt_os_run_with(argv, NULL, 0, input, input_bytes, output, within_ms);
}

int tt_os_run_with(const char *const argv[], const int *fds, size_t fds_count,
                   const char *input, size_t input_bytes,
                   struct tt_text *output, unsigned within_ms)
{
    const int errno_before = errno;
    sigset_t everything, mask_before;
    struct run *const run = run_make(argv, within_ms);
    if (!run)
        return -1;
    run->fds = fds;
    run->fds_count = TT_MIN(fds_count, (size_t)TT_RUN_FDS);
    memset(&everything, 0xff, sizeof everything);
    tt_call_mask(&everything, &mask_before);
    const int result = run_start(run, input, input_bytes, output);
    tt_call_mask(&mask_before, NULL);
    tt_unmap(run, run->bytes);
    errno = errno_before;
    return result;
}
