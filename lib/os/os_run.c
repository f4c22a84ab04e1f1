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

#define STACK_BYTES      ((size_t)64 * 1024)
#define OUTPUT_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define SIGNALS          64
#define SLICE_MS         20  /* the most that a lost end of file can cost */
#define GRACE_MS         500 /* the keeper's own time after the deadline */
#define FD_HIGH          400 /* out of the way of the program's own numbers */

#if defined(__SANITIZE_ADDRESS__)
#    define OTHER_STACK __attribute__((no_sanitize_address, noinline))
#else
#    define OTHER_STACK __attribute__((noinline))
#endif

/* A run. Lives in a mapping of its own, below the two stacks. */
struct run {
    const char *const *argv;
    char **envp;
    uint64_t deadline_ns;
    int theirs;         /* the program's end of the socket pair */
    int ours;           /* the caller's end */
    int exec_error;     /* the program could not be executed: errno */
    int status;         /* as wait(2) gives it */
    bool timed_out;     /* killed by the keeper */
    _Atomic bool ended; /* status is valid */
    size_t bytes;       /* of this mapping */
    char *keeper_stack; /* the highest addresses */
    char *program_stack;
};

/* ---- system calls without errno: a negative result is -errno ---- */

#if defined(__x86_64__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#    error "lib/os/os_run.c needs this processor's system call instruction"
#endif

#define CALL(number, a, b, c, d) \
    call6((number), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static void mask_set(const sigset_t *set, sigset_t *old)
{
    CALL(SYS_rt_sigprocmask, SIG_SETMASK, set, old, SIGNALS / 8);
}

static void fd_close(int fd)
{
    if (fd >= 0)
        CALL(SYS_close, fd, 0, 0, 0);
}

static uint64_t now_ns(void)
{
    struct timespec now = { 0, 0 };
    CALL(SYS_clock_gettime, CLOCK_MONOTONIC, &now, 0, 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static long left_ns(const struct run *run)
{
    const uint64_t now = now_ns();
    return now >= run->deadline_ns ? 0 : (long)(run->deadline_ns - now);
}

/* ---- the program's process, up to its execve ---- */

static OTHER_STACK int program_main(void *ctx)
{
    struct run *const run = ctx;
    static const sigset_t nothing;
    CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    CALL(SYS_dup3, run->theirs, STDIN_FILENO, 0, 0);
    CALL(SYS_dup3, run->theirs, STDOUT_FILENO, 0, 0);
    CALL(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY, 0); /* gets 2 */
    fd_close(run->theirs);
    mask_set(&nothing, NULL);
    run->exec_error =
        (int)-CALL(SYS_execve, run->argv[0], run->argv, run->envp, 0);
    return 127;
}

/* ---- the keeper ---- */

struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

/* The table of handlers is the keeper's own copy. With the program's SIGCHLD
 * ignored the keeper could not wait; what is ignored would stay ignored
 * across execve. */
static OTHER_STACK void handlers_reset(void)
{
    const struct kernel_sigaction as_born = { 0 };
    for (int signal = 1; signal <= SIGNALS; signal++)
        CALL(SYS_rt_sigaction, signal, &as_born, NULL, SIGNALS / 8);
}

static OTHER_STACK void fds_close(unsigned first, unsigned last)
{
    if (first > last || CALL(SYS_close_range, first, last, 0, 0) == 0)
        return;
    for (unsigned fd = first; fd <= TT_MIN(last, 4095); fd++)
        CALL(SYS_close, fd, 0, 0, 0);
}

/* The keeper has copies of all the program's descriptors. It must not keep a
 * pipe open that the program closes meanwhile. */
static OTHER_STACK void fds_close_but(unsigned mine)
{
    fds_close(0, mine - 1);
    fds_close(mine + 1, UINT_MAX);
}

static OTHER_STACK long program_wait(struct run *run, pid_t program)
{
    sigset_t child_set;
    memset(&child_set, 0, sizeof child_set);
    *(uint64_t *)&child_set = (uint64_t)1 << (SIGCHLD - 1);
    for (;;) {
        const long got = CALL(SYS_wait4, program, &run->status, WNOHANG, NULL);
        if (got != 0)
            return got;
        const long ns = left_ns(run);
        if (ns == 0)
            break;
        const struct timespec rest = { .tv_sec = ns / 1000000000,
                                       .tv_nsec = ns % 1000000000 };
        CALL(SYS_rt_sigtimedwait, &child_set, NULL, &rest, SIGNALS / 8);
    }
    run->timed_out = true;
    CALL(SYS_kill, program, SIGKILL, 0, 0);
    return CALL(SYS_wait4, program, &run->status, 0, NULL);
}

static OTHER_STACK int keeper_main(void *ctx)
{
    struct run *const run = ctx;
    CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    handlers_reset();
    fds_close_but((unsigned)run->theirs);
    const pid_t program = clone(program_main, run->program_stack,
                                CLONE_VM | CLONE_VFORK | SIGCHLD, run);
    /* From here on only the program holds its end: its death is an end of
     * file for the caller. */
    fd_close(run->theirs);
    if (program < 0)
        run->exec_error = EAGAIN;
    else if (program_wait(run, program) < 0)
        run->exec_error = ECHILD;
    atomic_store_explicit(&run->ended, true, memory_order_release);
    return 0;
}

/* ---- the caller ---- */

/* Moves a descriptor out of the low numbers, which the program under test may
 * rely on and which may be closed. Returns the new one, negative on failure. */
static int fd_raise(int fd)
{
    static const int floors[] = { FD_HIGH, 3 };
    long high = -1;
    for (size_t i = 0; i < TT_COUNT(floors) && high < 0; i++)
        high = CALL(SYS_fcntl, fd, F_DUPFD_CLOEXEC, floors[i], 0);
    fd_close(fd);
    return (int)high;
}

static bool sockets_open(struct run *run)
{
    int pair[2] = { -1, -1 };
    run->ours = run->theirs = -1;
    if (CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    run->ours = fd_raise(pair[0]);
    run->theirs = fd_raise(pair[1]);
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
    run->deadline_ns = now_ns() + (uint64_t)within_ms * 1000000u;
    run->keeper_stack = (char *)run + bytes;
    run->program_stack = run->keeper_stack - STACK_BYTES;
    run->envp = (char **)(run + 1);
    env_copy(run->envp, env_max);
    return run;
}

/* Sends what the socket takes. Returns what is left to send. */
static size_t input_send(const struct run *run, const char *input, size_t bytes)
{
    const long sent = call6(SYS_sendto, run->ours, (long)input, (long)bytes,
                            MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
    if (sent >= 0)
        return bytes - (size_t)sent;
    return sent == -EAGAIN || sent == -EINTR ? bytes : 0;
}

/* Receives what is there. False: there will not be any more. */
static bool output_receive(const struct run *run, struct tt_text *output)
{
    char bytes[4096];
    const long got = call6(SYS_recvfrom, run->ours, (long)bytes, sizeof bytes,
                           MSG_DONTWAIT, 0, 0);
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
    const long ready =
        call6(SYS_ppoll, (long)&poll_fd, 1, (long)&rest, 0, SIGNALS / 8, 0);
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
        CALL(SYS_shutdown, run->ours, SHUT_WR, 0, 0);
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
                CALL(SYS_shutdown, run->ours, SHUT_WR, 0, 0);
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
        const long got = CALL(SYS_wait4, keeper, &status, __WALL | WNOHANG, 0);
        if (got != 0 && got != -EINTR)
            return;
        const uint64_t now = now_ns();
        if (end_ns == 0)
            end_ns = now + (uint64_t)left_ns(run) + GRACE_MS * 1000000u;
        if (now > end_ns)
            break;
        CALL(SYS_nanosleep, &nap, NULL, 0, 0);
        nap.tv_nsec = TT_MIN(nap.tv_nsec * 2, 5000000);
    }
    CALL(SYS_kill, keeper, SIGKILL, 0, 0);
    CALL(SYS_wait4, keeper, &status, __WALL, 0);
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
        fd_close(run->ours);
        fd_close(run->theirs);
        return -1;
    }
    const pid_t keeper = clone(keeper_main, run->keeper_stack, CLONE_VM, run);
    fd_close(run->theirs); /* the number stays: the keeper reads it */
    if (keeper >= 0)
        run_talk(run, input, input_bytes, output);
    fd_close(run->ours);
    if (keeper < 0)
        return -1;
    keeper_reap(run, keeper);
    return run_result(run);
}

int tt_os_run(const char *const argv[], const char *input, size_t input_bytes,
              struct tt_text *output, unsigned within_ms)
{
    const int errno_before = errno;
    sigset_t everything, mask_before;
    struct run *const run = run_make(argv, within_ms);
    if (!run)
        return -1;
    memset(&everything, 0xff, sizeof everything);
    mask_set(&everything, &mask_before);
    const int result = run_start(run, input, input_bytes, output);
    mask_set(&mask_before, NULL);
    tt_unmap(run, run->bytes);
    errno = errno_before;
    return result;
}
