/* SPDX-License-Identifier: MIT */
/*
 * The port contract's small calls: what each promises for good and for bad
 * input, and that errno is kept.
 */
#include "os/os.h"

#include "base/base_lock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two pages of which the second cannot be read. */
static char *page_and_hole(void)
{
    char *const pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(pages, 'x', 8192);
    mprotect(pages + 4096, 4096, PROT_NONE);
    return pages;
}

Test(os_memory, reads_what_is_there_and_refuses_what_is_not)
{
    char *const pages = page_and_hole();
    char bytes[64] = "";
    errno = 77;
    cr_assert(tt_os_read(pages + 4032, bytes, 64));
    cr_assert_eq(bytes[63], 'x');
    cr_assert_not(tt_os_read(pages + 4033, bytes, 64));
    cr_assert_not(tt_os_read(NULL, bytes, 1));
    cr_assert_not(tt_os_read((void *)~(uintptr_t)63, bytes, 8));
    cr_assert_eq(errno, 77);
}

Test(os_memory, tells_readable_pages)
{
    char *const pages = page_and_hole();
    errno = 77;
    cr_assert(tt_os_readable(pages, 4096));
    cr_assert(tt_os_readable(pages + 4095, 1));
    cr_assert_not(tt_os_readable(pages + 4095, 2));
    cr_assert_not(tt_os_readable(pages + 4096, 1));
    cr_assert_not(tt_os_readable(NULL, 1));
    char *const many =
        mmap(NULL, 200 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(tt_os_readable(many, 200 * 4096));
    mprotect(many + 150 * 4096, 4096, PROT_NONE);
    cr_assert_not(tt_os_readable(many, 200 * 4096));
    cr_assert(tt_os_readable(many, 150 * 4096));
    cr_assert_eq(errno, 77);
}

/* From here on this process may not call process_vm_readv. */
static bool refuse_readv(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { .len = TT_COUNT(code), .filter = code };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

Test(os_memory, has_a_second_way_where_the_first_is_refused)
{
    char *const pages = page_and_hole();
    static char bytes[4096 * 3];
    char *const many = mmap(NULL, sizeof bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    many[sizeof bytes - 1] = 'y';
    if (!refuse_readv())
        cr_skip("no seccomp here");
    cr_assert(tt_os_read(many, bytes, sizeof bytes));
    cr_assert_eq(bytes[sizeof bytes - 1], 'y');
    cr_assert(tt_os_read(pages + 4032, bytes, 64));
    cr_assert_not(tt_os_read(pages + 4096, bytes, 1));
    cr_assert_not(tt_os_read(pages + 4033, bytes, 64));
    cr_assert(tt_os_readable(many, sizeof bytes));
    cr_assert_not(tt_os_readable(pages + 4095, 2));
}

Test(os_memory, reads_a_pseudo_file_whole)
{
    struct tt_text text;
    tt_text_make(&text);
    cr_assert(tt_os_read_file("/proc/self/maps", &text));
    cr_assert_not_null(strstr(text.data, "[stack]"));
    tt_text_drop(&text);
    errno = 77;
    cr_assert_not(tt_os_read_file("/nonexistent/file", &text));
    cr_assert_eq(errno, 77);
    tt_text_drop(&text);
}

Test(os_env, gets_variables_and_sizes)
{
    static const struct {
        const char *text;
        uint64_t value; /* 1: not a size */
    } cases[] = { { "64", 64 },
                  { "0", 0 },
                  { "64KiB", 64 << 10 },
                  { "3 MiB", 3 << 20 },
                  { "2GiB", (uint64_t)2 << 30 },
                  { "7B", 7 },
                  { "", 1 },
                  { "-1", 1 },
                  { "12x", 1 },
                  { "KiB", 1 },
                  { "99999999999999999999", 1 },
                  { "18446744073709551615KiB", 1 } };
    uint64_t value = 4711;
    unsetenv("TETHER_TEST_SIZE");
    cr_assert_null(tt_os_env("TETHER_TEST_SIZE"));
    cr_assert_not(tt_os_env_size("TETHER_TEST_SIZE", &value));
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        value = 4711;
        setenv("TETHER_TEST_SIZE", cases[i].text, 1);
        cr_assert_str_eq(tt_os_env("TETHER_TEST_SIZE"), cases[i].text);
        const bool good = tt_os_env_size("TETHER_TEST_SIZE", &value);
        cr_assert_eq(good, cases[i].value != 1, "'%s'", cases[i].text);
        cr_assert_eq(value, good ? cases[i].value : 4711);
    }
    cr_assert_null(tt_os_env("TETHER_TEST_SIZ"));
}

/* Threads. */

struct thread_facts {
    pid_t id;
    size_t count;
    bool listed;
    uintptr_t here, top;
};

static void *thread_look(void *ctx)
{
    struct thread_facts *const facts = ctx;
    pid_t ids[64];
    facts->id = tt_os_thread_id();
    facts->count = tt_os_threads(ids, 64);
    for (size_t i = 0; i < facts->count && i < 64; i++)
        facts->listed |= ids[i] == facts->id;
    facts->here = (uintptr_t)__builtin_frame_address(0);
    facts->top = tt_os_stack_top();
    return NULL;
}

Test(os_threads, are_listed_and_known_to_be_gone)
{
    struct thread_facts facts = { 0 };
    pthread_t thread;
    pid_t one;
    pthread_create(&thread, NULL, thread_look, &facts);
    pthread_join(thread, NULL);
    cr_assert(facts.listed);
    cr_assert_geq(facts.count, 2u);
    cr_assert_neq(facts.id, tt_os_thread_id());
    cr_assert_not(tt_os_thread_gone(tt_os_thread_id()));
    cr_assert_geq(tt_os_threads(&one, 1), 1u);
    /* The kernel lets a joined thread's number go a moment later. */
    for (int i = 0; i < 1000 && !tt_os_thread_gone(facts.id); i++)
        usleep(1000);
    cr_assert(tt_os_thread_gone(facts.id));
    cr_assert_gt(facts.top, facts.here);
    cr_assert(tt_os_readable((void *)facts.here, facts.top - facts.here));
}

/* A thread that forks takes its stack along, as the child's first thread. */
static void *thread_fork(void *ctx)
{
    const uintptr_t top = tt_os_stack_top();
    const pid_t child = fork();
    if (child == 0)
        _exit(tt_os_stack_top() == top ? 0 : 1);
    waitpid(child, ctx, 0);
    return NULL;
}

Test(os_threads, keep_their_stack_over_a_fork)
{
    int status = -1;
    pthread_t thread;
    pthread_create(&thread, NULL, thread_fork, &status);
    pthread_join(thread, NULL);
    cr_assert_eq(status, 0);
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    const uintptr_t top = tt_os_stack_top();
    cr_assert_gt(top, here);
    cr_assert(tt_os_readable((void *)here, top - here));
}

Test(os_time, goes_on_and_waits_end)
{
    _Atomic uint32_t word = 1;
    errno = 77;
    const uint64_t before = tt_os_now_ns();
    cr_assert_gt(before, 0u);
    tt_futex_wait(&word, 2, -1); /* it is not 2: returns at once */
    tt_futex_wait(&word, 1, 5000000);
    cr_assert_geq(tt_os_now_ns(), before);
    tt_futex_wake(&word, 1);
    tt_os_fence_all();
    tt_os_fence_all();
    cr_assert_eq(errno, 77);
}
