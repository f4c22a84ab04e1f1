/* SPDX-License-Identifier: MIT */
/*
 * The port contract for Linux with glibc: clock, threads, stacks, memory that
 * may not be there, files, the environment, fences and futexes.
 *
 * Everything is a raw system call or a load: nothing here allocates, takes a
 * lock of libc's or asks the loader, and errno is put back by whatever might
 * set it. A call that a seccomp filter refuses has a second way or degrades
 * to the answer that its comment in os.h allows.
 *
 * The last argument of a call with six goes over the stack, where the upper
 * half of an int is anything: such arguments are written as longs.
 *
 * Locks: one of its own around the fence's second way, innermost.
 * Hook: everything here may run inside malloc and free.
 */
#include "os/os.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "base/base_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* Where the kernel put argc: the end of the initial thread's frames. */
extern void *__libc_stack_end;

#define PIPE_PIECE 4096 /* fits an empty pipe: the write never blocks */

/* Time and sleep. */

static uint64_t clock_ns(clockid_t clock)
{
    const int before = errno;
    struct timespec now = { 0 };
    clock_gettime(clock, &now);
    errno = before;
    const uint64_t ns =
        (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return ns ? ns : 1;
}

uint64_t tt_os_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static _Atomic clockid_t tick_clock = CLOCK_MONOTONIC_COARSE;

uint64_t tt_os_tick_ns(void)
{
    return clock_ns(tick_clock);
}

void tt_os_ticks_exact(void)
{
    tick_clock = CLOCK_MONOTONIC;
}

bool tt_os_wipe_in_children(void *pages, size_t bytes)
{
    const int before = errno;
    const bool wiped = madvise(pages, bytes, MADV_WIPEONFORK) == 0;
    errno = before;
    return wiped;
}

bool tt_os_fault_wrote(const void *context)
{
    const ucontext_t *const at = context;
    return at->uc_mcontext.gregs[REG_ERR] & 2;
}

void tt_futex_wait(_Atomic uint32_t *word, uint32_t seen, int64_t ns)
{
    const int before = errno;
    const struct timespec within = { .tv_sec = ns / 1000000000,
                                     .tv_nsec = ns % 1000000000 };
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, ns < 0 ? NULL : &within,
            NULL, 0ul);
    errno = before;
}

void tt_futex_wake(_Atomic uint32_t *word, int sleepers_max)
{
    const int before = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, sleepers_max, NULL, NULL, 0ul);
    errno = before;
}

/* Threads. */

pid_t tt_os_thread_id(void)
{
    const int before = errno;
    const pid_t thread = (pid_t)syscall(SYS_gettid);
    errno = before;
    return thread;
}

bool tt_os_thread_gone(pid_t thread)
{
    const int before = errno;
    const bool gone =
        syscall(SYS_tgkill, getpid(), thread, 0) != 0 && errno == ESRCH;
    errno = before;
    return gone;
}

/* Reads a name of digits only; 0 for any other ('.' and '..'). */
static pid_t thread_number(const char *name)
{
    pid_t number = 0;
    for (; *name; name++) {
        if (*name < '0' || *name > '9')
            return 0;
        number = number * 10 + (*name - '0');
    }
    return number;
}

static size_t threads_list(int directory, pid_t *threads, size_t max)
{
    _Alignas(struct dirent64) char entries[2048];
    size_t count = 0;
    for (;;) {
        const long bytes =
            syscall(SYS_getdents64, directory, entries, sizeof entries);
        if (bytes <= 0)
            return count;
        for (long at = 0; at < bytes;) {
            const struct dirent64 *const entry =
                (const struct dirent64 *)(entries + at);
            const pid_t number = thread_number(entry->d_name);
            if (number && count < max)
                threads[count] = number;
            count += number != 0;
            at += entry->d_reclen;
        }
    }
}

size_t tt_os_threads(pid_t *threads, size_t max)
{
    return tt_os_threads_in("/proc/self/task", threads, max);
}

size_t tt_os_threads_in(const char *path, pid_t *threads, size_t max)
{
    const int before = errno;
    size_t count = 0;
    const int directory = (int)syscall(SYS_openat, AT_FDCWD, path,
                                       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) {
        count = threads_list(directory, threads, max);
        syscall(SYS_close, directory);
    }
    errno = before;
    return count;
}

/*
 * glibc places a thread's control block at the top of the thread's stack,
 * above all frames; the initial thread's is elsewhere, below its stack. Which
 * one is the initial thread is remembered by its control block and not by a
 * thread id: a child forked by another thread keeps that thread's stack.
 */
static uintptr_t initial_thread;

__attribute__((constructor(101))) static void initial_thread_note(void)
{
    if (syscall(SYS_gettid) == getpid())
        initial_thread = (uintptr_t)pthread_self();
}

uintptr_t tt_os_stack_top(void)
{
    const uintptr_t self = (uintptr_t)pthread_self();
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (!initial_thread && self < here)
        return (uintptr_t)__libc_stack_end;
    return tt_os_stack_top_of(self);
}

uintptr_t tt_os_stack_top_of(uintptr_t thread_pointer)
{
    return thread_pointer == initial_thread ? (uintptr_t)__libc_stack_end
                                            : thread_pointer;
}

/* Memory that may not be there. */

static bool read_whole(int fd, char *to, size_t bytes)
{
    while (bytes > 0) {
        const long got = syscall(SYS_read, fd, to, bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        bytes -= (size_t)got;
    }
    return true;
}

/* The kernel refuses to write from a bad address, and says so. */
static bool read_by_pipe(const char *from, char *to, size_t bytes)
{
    int ends[2];
    if (syscall(SYS_pipe2, ends, O_CLOEXEC) != 0)
        return false;
    bool good = true;
    while (good && bytes > 0) {
        const size_t piece = TT_MIN(bytes, PIPE_PIECE);
        const long put = syscall(SYS_write, ends[1], from, piece);
        good = put > 0 && read_whole(ends[0], to, (size_t)put);
        from += put;
        to += put;
        bytes -= (size_t)put;
    }
    syscall(SYS_close, ends[0]);
    syscall(SYS_close, ends[1]);
    return good;
}

bool tt_os_read(const void *from, void *to, size_t bytes)
{
    const int before = errno;
    const struct iovec here = { .iov_base = to, .iov_len = bytes };
    const struct iovec there = { .iov_base = (void *)(uintptr_t)from,
                                 .iov_len = bytes };
    const long got =
        syscall(SYS_process_vm_readv, getpid(), &here, 1ul, &there, 1ul, 0ul);
    bool good = got == (long)bytes;
    if (got < 0 && (errno == ENOSYS || errno == EPERM))
        good = read_by_pipe(from, to, bytes);
    errno = before;
    return good;
}

#define PAGE_BYTES ((uintptr_t)4096)
#define PAGES_ONCE 64

/* Asks for a byte of each of up to PAGES_ONCE pages in one call. */
static bool pages_readable(uintptr_t first, size_t count)
{
    char bytes[PAGES_ONCE];
    struct iovec here = { .iov_base = bytes, .iov_len = count };
    struct iovec there[PAGES_ONCE];
    for (size_t i = 0; i < count; i++)
        there[i] = (struct iovec){ .iov_base = (void *)(first + i * PAGE_BYTES),
                                   .iov_len = 1 };
    const long got =
        syscall(SYS_process_vm_readv, getpid(), &here, 1ul, there, count, 0ul);
    if (got >= 0 || (errno != ENOSYS && errno != EPERM))
        return got == (long)count;
    for (size_t i = 0; i < count; i++)
        if (!read_by_pipe((const char *)(first + i * PAGE_BYTES), bytes, 1))
            return false;
    return true;
}

bool tt_os_readable(const void *from, size_t bytes)
{
    const int before = errno;
    uintptr_t page = (uintptr_t)from & ~(PAGE_BYTES - 1);
    const uintptr_t end = (uintptr_t)from + bytes;
    bool good = true;
    while (good && page < end) {
        const size_t left = (end - page + PAGE_BYTES - 1) / PAGE_BYTES;
        const size_t count = TT_MIN(left, (size_t)PAGES_ONCE);
        good = pages_readable(page, count);
        page += count * PAGE_BYTES;
    }
    errno = before;
    return good;
}

/* Files. */

bool tt_os_read_file(const char *path, struct tt_text *text)
{
    const int before = errno;
    const int fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0;
    while (good) {
        char piece[4096];
        const long got = syscall(SYS_read, fd, piece, sizeof piece);
        if (got > 0)
            tt_text_bytes(text, piece, (size_t)got);
        else if (got == 0)
            break;
        else
            good = errno == EINTR;
    }
    if (fd >= 0)
        syscall(SYS_close, fd);
    errno = before;
    return good;
}

/* The environment. */

/* Before libc has set 'environ' the list still lies where the kernel put it:
 * argc, argv, NULL, then the variables. */
static char *const *environment(void)
{
    if (environ)
        return environ;
    const long *const argc = __libc_stack_end;
    return argc ? (char *const *)(argc + 1 + *argc + 1) : NULL;
}

const char *tt_os_env(const char *name)
{
    const size_t len = strlen(name);
    char *const *at = environment();
    for (; at && *at; at++)
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
            return *at + len + 1;
    return NULL;
}

bool tt_os_env_size(const char *name, uint64_t *value)
{
    const char *const text = tt_os_env(name);
    return text && tt_size_read(text, value);
}

/* The fence. */

/* Taking write access away from a page that was just written makes the kernel
 * interrupt every processor that runs this process: a fence there. */
static void fence_by_page(void)
{
    static struct tt_lock lock;
    static char *page;
    tt_lock_take(&lock);
    if (!page)
        page = tt_map(4096);
    if (page && mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0) {
        *(volatile char *)page = 1;
        mprotect(page, 4096, PROT_READ);
    }
    tt_lock_give(&lock);
}

void tt_os_fence_all(void)
{
    static _Atomic bool refused;
    const int before = errno;
    atomic_thread_fence(memory_order_seq_cst);
    if (!refused &&
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        /* Not registered yet, or a system without it. */
        refused =
            syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
                    0, 0) != 0 ||
            syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) !=
                0;
    }
    if (refused)
        fence_by_page();
    atomic_thread_fence(memory_order_seq_cst);
    errno = before;
}

size_t tt_os_resident_bytes(void)
{
    char bytes[128];
    struct tt_text text;
    tt_text_fixed(&text, bytes, sizeof bytes);
    if (!tt_os_read_file("/proc/self/statm", &text))
        return 0;
    const char *at = text.data; /* 'SIZE RESIDENT ...', pages */
    while (*at && *at != ' ')
        at++;
    size_t pages = 0;
    while (*at == ' ')
        at++;
    for (; *at >= '0' && *at <= '9'; at++)
        pages = pages * 10 + (size_t)(*at - '0');
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}
