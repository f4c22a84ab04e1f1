/* SPDX-License-Identifier: MIT */
#ifndef TT_OS_CALL_H
#define TT_OS_CALL_H
/*
 * System calls without libc: no errno, no cancellation point, no lock. For
 * code that runs in a process that shares this one's memory and thread-local
 * storage, in a snapshot child, and while other threads stand still.
 */
#include "base/base.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#define TT_SIGNALS 64

/* What runs on a stack that no sanitizer knows. */
#if defined(__SANITIZE_ADDRESS__)
#    define TT_OTHER_STACK __attribute__((no_sanitize_address, noinline))
#else
#    define TT_OTHER_STACK __attribute__((noinline))
#endif

/* A negative result is -errno. */
#if defined(__x86_64__)
TT_INLINE long tt_call6(long number, long a, long b, long c, long d, long e,
                        long f)
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
TT_INLINE long tt_call6(long number, long a, long b, long c, long d, long e,
                        long f)
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
#    error "lib/os/os_call.h needs this processor's system call instruction"
#endif

#define TT_CALL(number, a, b, c, d) \
    tt_call6((number), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

TT_INLINE void tt_call_mask(const sigset_t *set, sigset_t *old)
{
    TT_CALL(SYS_rt_sigprocmask, SIG_SETMASK, set, old, TT_SIGNALS / 8);
}

TT_INLINE void tt_call_close(int fd)
{
    if (fd >= 0)
        TT_CALL(SYS_close, fd, 0, 0, 0);
}

TT_INLINE uint64_t tt_call_now_ns(void)
{
    struct timespec now = { 0, 0 };
    TT_CALL(SYS_clock_gettime, CLOCK_MONOTONIC, &now, 0, 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* In a process of our own: the table of handlers becomes as a new program's,
 * that none of the tested program's runs, and that SIGCHLD is not ignored. */
void tt_call_handlers_reset(void);

/* Closes all descriptors but those listed, smallest first. */
void tt_call_fds_close(const int *kept, size_t count);

/* Moves a descriptor out of the low numbers, which the program under test may
 * rely on and which may be closed. Returns the new one, negative on failure. */
int tt_call_fd_raise(int fd);

#endif
