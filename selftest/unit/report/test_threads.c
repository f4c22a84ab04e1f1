/* SPDX-License-Identifier: MIT */
/*
 * Words about threads that are hard to have: those of which the system tells
 * little, and many. What waiting threads look like is in the golden files.
 */
#include "report_help.h"

#include "report/report_threads.h"

#include <criterion/criterion.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct tt_thread_row rows[16];

static void row_put(size_t at, enum tt_os_where where, const char *name)
{
    rows[at] = (struct tt_thread_row){
        .at = { .thread = 1, .where = where, .call = -1 }
    };
    strcpy(rows[at].at.name, name);
}

static void expect_rows(size_t count, size_t more, const char *expected)
{
    tt_text_make(&text);
    tt_thread_rows_text(&text, rows, count, more);
    cr_expect_str_eq(text.data, expected);
    tt_text_drop(&text);
}

Test(report_threads, a_place_that_cannot_be_read_is_told)
{
    row_put(0, TT_OS_SLEEPS, "feeder");
    row_put(1, TT_OS_RUNS, "eater");
    expect_rows(
        2, 0,
        "  thread 'feeder' sleeps\n"
        "  thread 'eater' is running\n"
        "  where threads sleep is not known: /proc/self/task/*/syscall\n"
        "  cannot be read here\n");
}

Test(report_threads, few_are_told_and_the_rest_counted)
{
    for (size_t i = 0; i < 9; i++) {
        char name[16];
        snprintf(name, sizeof name, "worker-%zu", i);
        row_put(i, TT_OS_RUNS, name);
    }
    expect_rows(9, 0,
                "  9 threads ('worker-0', 'worker-1', 'worker-2', ...) are "
                "running\n");
    for (size_t i = 0; i < 9; i++) {
        rows[i].told = false;
        rows[i].at.where = TT_OS_WAITS;
        rows[i].at.call = (long[]){ SYS_read, SYS_write, SYS_futex, SYS_poll,
                                    SYS_pause }[i % 5];
    }
    expect_rows(9, 7,
                "  2 threads ('worker-0', 'worker-5') wait in read\n"
                "  2 threads ('worker-1', 'worker-6') wait in write\n"
                "  2 threads ('worker-2', 'worker-7') wait in futex\n"
                "  2 threads ('worker-3', 'worker-8') wait in poll\n"
                "  and 8 more threads\n");
}

Test(report_threads, a_rare_call_has_no_name)
{
    row_put(0, TT_OS_WAITS, "odd");
    expect_rows(1, 1,
                "  thread 'odd' waits in the kernel\n"
                "  and 1 more thread\n");
}

static void *busy_main(void *ctx)
{
    pthread_setname_np(pthread_self(), "busy");
    *(_Atomic int *)ctx = 1;
    for (;;)
        ;
    return NULL;
}

/* It is that, or the system has put it aside for a moment. */
Test(report_threads, a_running_one_is_named)
{
    _Atomic int started = 0;
    pthread_t thread;
    open_scope();
    pthread_create(&thread, NULL, busy_main, (void *)&started);
    while (!started)
        usleep(100);
    tt_threads_text(&text);
    cr_expect_str_eq(text.data, "  thread 'busy' is running\n");
    close_scope();
}

Test(report_threads, no_others_are_no_lines)
{
    open_scope();
    tt_threads_text(&text);
    cr_expect_str_eq(text.data, "");
    close_scope();
}

/* Forbids the call that lists a folder. */
static void folders_forbid(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getdents64, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { .len = TT_COUNT(code), .filter = code };
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

Test(report_threads, a_list_that_cannot_be_read_is_told)
{
    open_scope();
    folders_forbid();
    tt_threads_text(&text);
    cr_expect_str_eq(text.data, "  the other threads are not known: "
                                "/proc/self/task cannot be read\n");
    close_scope();
}
