/* SPDX-License-Identifier: MIT */
/*
 * Reads /proc/self/task/N: 'syscall' has the call, its arguments, and the two
 * registers that a walk of the stack begins with; it is one word, 'running',
 * for a thread that is not in the kernel. Where that file may not be read,
 * 'stat' still says whether the thread runs.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "os/os_threads.h"

#include "os/os.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#define FILE_MAX 512

/* Reads a small file of a thread. False: it is not there, or not for us. */
static bool file_read(pid_t thread, const char *name, char *bytes)
{
    char path[64];
    struct tt_text at, text;
    tt_text_fixed(&at, path, sizeof path);
    tt_text_add(&at, "/proc/self/task/%d/%s", (int)thread, name);
    tt_text_fixed(&text, bytes, FILE_MAX);
    return tt_os_read_file(path, &text) && text.len > 0;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : 99;
}

/* Takes '-1', '202' or '0x7f..' and the blanks after it. */
static bool number_take(const char **at, uintptr_t *value)
{
    const bool below = **at == '-';
    const char *digits = *at + below;
    const int base = digits[0] == '0' && digits[1] == 'x' ? 16 : 10;
    digits += base == 16 ? 2 : 0;
    const char *const first = digits;
    *value = 0;
    for (; digit_of(*digits) < base; digits++)
        *value = *value * (uintptr_t)base + (uintptr_t)digit_of(*digits);
    if (below)
        *value = -*value;
    const bool good = digits > first;
    *at = digits + strspn(digits, " \n");
    return good;
}

/* 'CALL [A B C D E F] SP PC', the arguments only if CALL is not -1. */
static bool place_read(const char *line, struct tt_os_thread *at)
{
    uintptr_t call;
    if (!number_take(&line, &call))
        return false;
    at->call = (long)call;
    for (size_t i = 0; at->call != -1 && i < TT_COUNT(at->arguments); i++)
        if (!number_take(&line, &at->arguments[i]))
            return false;
    return number_take(&line, &at->sp) && number_take(&line, &at->pc);
}

/* The letter behind the name, which may have blanks and brackets in it. */
static char state_of(const char *stat)
{
    const char *const name_end = strrchr(stat, ')');
    return name_end && name_end[1] == ' ' ? name_end[2] : '?';
}

bool tt_os_thread_look(pid_t thread, struct tt_os_thread *at)
{
    char bytes[FILE_MAX];
    *at = (struct tt_os_thread){ .thread = thread, .call = -1 };
    if (file_read(thread, "comm", bytes))
        memcpy(at->name, bytes,
               TT_MIN(strcspn(bytes, "\n"), sizeof at->name - 1));
    if (file_read(thread, "syscall", bytes)) {
        if (place_read(bytes, at))
            at->where = TT_OS_WAITS;
        return true;
    }
    if (!file_read(thread, "stat", bytes))
        return false;
    at->where = state_of(bytes) == 'R' ? TT_OS_RUNS : TT_OS_SLEEPS;
    return state_of(bytes) != 'Z' && state_of(bytes) != 'X';
}

bool tt_os_thread_same(const struct tt_os_thread *at)
{
    struct tt_os_thread now;
    return tt_os_thread_look(at->thread, &now) && now.where == at->where &&
           now.call == at->call && now.sp == at->sp && now.pc == at->pc &&
           memcmp(now.arguments, at->arguments, sizeof now.arguments) == 0;
}

const char *tt_os_call_name(const struct tt_os_thread *at)
{
    static const struct {
        long call;
        const char *name;
    } calls[] = {
        { SYS_futex, "futex" },
        { SYS_read, "read" },
        { SYS_write, "write" },
        { SYS_readv, "readv" },
        { SYS_writev, "writev" },
        { SYS_pread64, "pread" },
        { SYS_pwrite64, "pwrite" },
        { SYS_fsync, "fsync" },
        { SYS_fcntl, "fcntl" },
        { SYS_flock, "flock" },
        { SYS_ppoll, "ppoll" },
        { SYS_pselect6, "pselect" },
        { SYS_epoll_pwait, "epoll_pwait" },
        { SYS_accept, "accept" },
        { SYS_accept4, "accept4" },
        { SYS_connect, "connect" },
        { SYS_recvfrom, "recvfrom" },
        { SYS_recvmsg, "recvmsg" },
        { SYS_sendto, "sendto" },
        { SYS_sendmsg, "sendmsg" },
        { SYS_wait4, "wait4" },
        { SYS_waitid, "waitid" },
        { SYS_nanosleep, "nanosleep" },
        { SYS_clock_nanosleep, "clock_nanosleep" },
        { SYS_rt_sigtimedwait, "sigtimedwait" },
        { SYS_rt_sigsuspend, "sigsuspend" },
        { SYS_semtimedop, "semtimedop" },
        { SYS_msgrcv, "msgrcv" },
        { SYS_mq_timedreceive, "mq_timedreceive" },
#ifdef SYS_poll
        { SYS_poll, "poll" },
        { SYS_select, "select" },
        { SYS_epoll_wait, "epoll_wait" },
        { SYS_pause, "pause" },
#endif
    };
    for (size_t i = 0; i < TT_COUNT(calls); i++)
        if (calls[i].call == at->call)
            return calls[i].name;
    return NULL;
}

/* The word that a futex call waits on, 0 if it is none. */
static uintptr_t futex_of(const struct tt_os_thread *at)
{
    if (at->where != TT_OS_WAITS || at->call != SYS_futex)
        return 0;
    switch ((int)at->arguments[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return at->arguments[0];
    default:
        return 0;
    }
}

static pid_t number_at(uintptr_t address)
{
    int number;
    return address && tt_os_read((const void *)address, &number, sizeof number)
               ? number
               : 0;
}

pid_t tt_os_mutex_owner(const struct tt_os_thread *at)
{
    const uintptr_t word = futex_of(at);
    return word ? number_at(word - offsetof(pthread_mutex_t, __data.__lock) +
                            offsetof(pthread_mutex_t, __data.__owner))
                : 0;
}

/* The kernel clears the number of a thread that ends, and wakes who waits for
 * that. */
pid_t tt_os_joined(const struct tt_os_thread *at)
{
    return number_at(futex_of(at));
}
