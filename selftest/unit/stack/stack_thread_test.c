/* SPDX-License-Identifier: MIT */
/*
 * Stacks of other threads: each waits in the kernel, in several calls, below
 * code with and without frame pointers, and is compared with what it found of
 * its own stack before.
 */
#include "code/code.h"
#include "os/os.h"
#include "os/os_maps.h"
#include "os/os_threads.h"
#include "stack/stack.h"
#include "stack/stack_thread.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAMES 64

/* A thread that waits until it is let go. */
struct waiter {
    const struct code *code;
    int entry; /* which of the code's functions it is in */
    int call;  /* which call it waits in */
    _Atomic pid_t thread;
    int ends[2]; /* of the pipe that lets it go */
    pthread_mutex_t lock;
    sem_t semaphore;
    uintptr_t own[FRAMES];
    unsigned own_count;
};

enum { ENTRIES = 10, CALLS = 5 };

static void wait_in(struct waiter *waiter)
{
    char byte;
    struct pollfd poll_of = { .fd = waiter->ends[0], .events = POLLIN };
    switch (waiter->call) {
    case 0:
        cr_assert_eq(read(waiter->ends[0], &byte, 1), 1);
        break;
    case 1:
        cr_assert_eq(poll(&poll_of, 1, -1), 1);
        break;
    case 2:
        pthread_mutex_lock(&waiter->lock);
        pthread_mutex_unlock(&waiter->lock);
        break;
    case 3:
        sem_wait(&waiter->semaphore);
        break;
    default:
        syscall(SYS_read, waiter->ends[0], &byte, 1);
    }
}

static __attribute__((noinline)) void see(void *ctx)
{
    struct waiter *const waiter = ctx;
    if (waiter->thread)
        return; /* a comparison's second call */
    waiter->own_count =
        tt_stack_walk(__builtin_frame_address(0), waiter->own, FRAMES);
    waiter->thread = tt_os_thread_id();
    wait_in(waiter);
}

static void *waiter_main(void *ctx)
{
    struct waiter *const waiter = ctx;
    const struct code *const code = waiter->code;
    void (*const simple[])(see_fn, void *) = { code->sort, code->search,
                                               code->big, code->tail,
                                               code->arguments };
    if (waiter->entry < 5)
        simple[waiter->entry](see, ctx);
    else if (waiter->entry == 5)
        code->recurse(7, see, ctx);
    else if (waiter->entry == 6)
        code->vla(9, see, ctx);
    else if (waiter->entry == 7)
        code->realign(13, see, ctx);
    else if (waiter->entry == 8)
        code->registers(3, see, ctx);
    else
        see(ctx);
    return NULL;
}

static pthread_t waiter_start(struct waiter *waiter)
{
    pthread_t thread;
    cr_assert_eq(pipe(waiter->ends), 0);
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_mutex_lock(&waiter->lock);
    sem_init(&waiter->semaphore, 0, 0);
    cr_assert_eq(pthread_create(&thread, NULL, waiter_main, waiter), 0);
    return thread;
}

static void waiter_end(struct waiter *waiter, pthread_t thread)
{
    pthread_mutex_unlock(&waiter->lock);
    sem_post(&waiter->semaphore);
    cr_assert_eq(write(waiter->ends[1], "x", 1), 1);
    pthread_join(thread, NULL);
    close(waiter->ends[0]);
    close(waiter->ends[1]);
}

/* Looks until the thread has come to its call. */
static unsigned waiter_frames(struct waiter *waiter, struct tt_os_thread *at,
                              uintptr_t *frames)
{
    struct tt_text maps;
    unsigned count = 0;
    tt_text_make(&maps);
    cr_assert(tt_maps_read(&maps));
    while (waiter->thread == 0)
        usleep(100);
    for (int tries = 0; tries < 10000 && count == 0; tries++, usleep(500)) {
        cr_assert(tt_os_thread_look(waiter->thread, at));
        if (at->where == TT_OS_WAITS && at->call != -1)
            count = tt_stack_of_thread(at, &maps, frames, FRAMES);
    }
    tt_text_drop(&maps);
    return count;
}

static bool ends_with(const uintptr_t *frames, unsigned count,
                      const uintptr_t *end, unsigned end_count)
{
    return count > end_count && memcmp(frames + count - end_count, end,
                                       end_count * sizeof *end) == 0;
}

static void expect_own(const struct code *code, int entry, int call)
{
    struct waiter waiter = { .code = code, .entry = entry, .call = call };
    struct tt_os_thread at;
    uintptr_t frames[FRAMES];
    const pthread_t thread = waiter_start(&waiter);
    const unsigned count = waiter_frames(&waiter, &at, frames);
    cr_expect(waiter.own_count > 1);
    cr_expect(ends_with(frames, count, waiter.own, waiter.own_count),
              "entry %d call %d: %u frames, its own %u", entry, call, count,
              waiter.own_count);
    if (call == 2)
        cr_expect_eq(tt_os_mutex_owner(&at), tt_os_thread_id());
    waiter_end(&waiter, thread);
    cr_expect_not(tt_os_thread_same(&at), "it has ended");
}

Test(stack_thread, is_walked_in_code_with_frame_pointers)
{
    for (int entry = 0; entry < ENTRIES; entry++)
        for (int call = 0; call < CALLS; call++)
            expect_own(&code_fp, entry, call);
}

Test(stack_thread, is_walked_in_code_without_frame_pointers)
{
    for (int entry = 0; entry < ENTRIES; entry++)
        for (int call = 0; call < CALLS; call++)
            expect_own(&code_nofp, entry, call);
}

static struct waiter *interrupted;

static void on_signal(int signal)
{
    (void)signal;
    see(interrupted);
}

static void *interrupted_main(void *ctx)
{
    (void)ctx;
    raise(SIGUSR1);
    return NULL;
}

Test(stack_thread, is_walked_out_of_a_signal_handler)
{
    struct waiter waiter = { .call = 1 };
    struct tt_os_thread at;
    uintptr_t frames[FRAMES];
    pthread_t thread;
    interrupted = &waiter;
    signal(SIGUSR1, on_signal);
    cr_assert_eq(pipe(waiter.ends), 0);
    pthread_create(&thread, NULL, interrupted_main, NULL);
    const unsigned count = waiter_frames(&waiter, &at, frames);
    cr_expect(ends_with(frames, count, waiter.own, waiter.own_count));
    cr_assert_eq(write(waiter.ends[1], "x", 1), 1);
    pthread_join(thread, NULL);
}

/* Reads a place that was never a thread's. */
Test(stack_thread, nonsense_ends_the_walk)
{
    struct tt_text maps;
    uintptr_t frames[FRAMES];
    char *const page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 0x5a, 8192);
    struct tt_os_thread at = { .thread = tt_os_thread_id(),
                               .where = TT_OS_WAITS,
                               .sp = (uintptr_t)page,
                               .pc = (uintptr_t)page };
    tt_text_make(&maps);
    tt_maps_read(&maps);
    cr_expect_eq(tt_stack_of_thread(&at, &maps, frames, FRAMES), 0u,
                 "it is not there");
    at.sp = 4096;
    cr_expect_eq(tt_stack_of_thread(&at, &maps, frames, FRAMES), 0u);
    tt_text_drop(&maps);
}

static _Atomic int stop;

static void *busy_main(void *thread)
{
    *(_Atomic pid_t *)thread = tt_os_thread_id();
    while (!stop)
        ;
    return NULL;
}

Test(stack_thread, a_running_one_is_told_as_running)
{
    _Atomic pid_t number = 0;
    struct tt_os_thread at = { .where = TT_OS_WAITS };
    pthread_t thread;
    pthread_create(&thread, NULL, busy_main, (void *)&number);
    while (number == 0)
        usleep(100);
    pthread_setname_np(thread, "busy (1) x");
    for (int tries = 0; tries < 1000 && at.where != TT_OS_RUNS; tries++)
        cr_assert(tt_os_thread_look(number, &at));
    cr_expect_eq(at.where, TT_OS_RUNS);
    cr_expect_str_eq(at.name, "busy (1) x");
    stop = 1;
    pthread_join(thread, NULL);
    cr_expect_not(tt_os_thread_look(-1, &at), "there is no such thread");
}

/* Threads come and go while they are looked at. */
static void *short_main(void *ctx)
{
    return ctx;
}

static void *starter_main(void *ctx)
{
    while (!stop) {
        pthread_t thread;
        pthread_create(&thread, NULL, short_main, NULL);
        pthread_join(thread, NULL);
    }
    return ctx;
}

Test(stack_thread, threads_may_end_while_they_are_walked)
{
    pthread_t starters[2];
    uintptr_t frames[FRAMES];
    struct tt_text maps;
    for (int i = 0; i < 2; i++)
        pthread_create(&starters[i], NULL, starter_main, NULL);
    for (int round = 0; round < 2000; round++) {
        pid_t threads[32];
        struct tt_os_thread at;
        const size_t count = tt_os_threads(threads, 32);
        tt_text_make(&maps);
        tt_maps_read(&maps);
        for (size_t i = 0; i < TT_MIN(count, (size_t)32); i++)
            if (tt_os_thread_look(threads[i], &at))
                (void)tt_stack_of_thread(&at, &maps, frames, FRAMES);
        tt_text_drop(&maps);
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(starters[i], NULL);
}

/* One call of each length, and what is none. */
Test(stack_thread, calls_are_told_from_other_code)
{
    static const unsigned char calls[][8] = {
        { 2, 0xff, 0xd0 },                   /* call *%rax */
        { 2, 0xff, 0x13 },                   /* call *(%rbx) */
        { 3, 0x41, 0xff, 0xd4 },             /* call *%r12 */
        { 3, 0xff, 0x50, 0x08 },             /* call *8(%rax) */
        { 3, 0xff, 0x14, 0xc8 },             /* call *(%rax,%rcx,8) */
        { 4, 0xff, 0x54, 0x24, 0x18 },       /* call *24(%rsp) */
        { 6, 0xff, 0x15, 1, 2, 0, 0 },       /* call *0x201(%rip) */
        { 6, 0xff, 0x90, 1, 2, 0, 0 },       /* call *0x201(%rax) */
        { 7, 0xff, 0x94, 0xc8, 1, 2, 0, 0 }, /* call *0x201(%rax,%rcx,8) */
        { 7, 0xff, 0x14, 0xc5, 1, 2, 0, 0 }, /* call *0x201(,%rax,8) */
    };
    unsigned char code[16];
    uintptr_t target = 1;
    for (size_t i = 0; i < TT_COUNT(calls); i++) {
        memset(code, 0x90, sizeof code);
        memcpy(code + 8 - calls[i][0], calls[i] + 1, calls[i][0]);
        cr_expect_eq(tt_os_call_before((uintptr_t)code + 8, &target),
                     TT_OS_CALLS_ANYTHING, "call %zu", i);
    }
    memset(code, 0x90, sizeof code);
    cr_expect_eq(tt_os_call_before((uintptr_t)code + 8, &target),
                 TT_OS_NO_CALL);
    memcpy(code + 3, "\xe8\x10\0\0\0", 5);
    cr_expect_eq(tt_os_call_before((uintptr_t)code + 8, &target),
                 TT_OS_CALLS_TARGET);
    cr_expect_eq(target, (uintptr_t)code + 8 + 0x10);
    cr_expect_eq(tt_os_call_before(64, &target), TT_OS_NO_CALL);
    cr_expect_eq(tt_os_call_before(0, &target), TT_OS_NO_CALL);
}
