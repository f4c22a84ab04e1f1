/* SPDX-License-Identifier: MIT */
/*
 * The board, seen by a runner of another framework: whatever way a worker
 * ends its numbers are there, and no child of a worker's changes them.
 *
 * Each test is a runner. Its workers are this program again, which does what
 * TETHER_SELFTEST_WORKER says before main() begins.
 */
#define _GNU_SOURCE /* clone, _Fork */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <tether/board.h>
#include <tether/budget.h>
#include <tether/window.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void *volatile kept;
static void *volatile held[64];

/* --- what a worker does --------------------------------------------------- */

static void by_kill(void)
{
    raise(SIGKILL);
}

static void by_underscore_exit(void)
{
    _exit(0);
}

static void by_abort(void)
{
    abort();
}

static void by_quick_exit(void)
{
    quick_exit(0);
}

static void by_exec(void)
{
    execl("/bin/true", "true", (char *)NULL);
}

static void by_exit(void)
{
    exit(0);
}

static void by_fault(void)
{
    signal(SIGSEGV, SIG_DFL);
    volatile int *volatile nowhere = (volatile int *)16;
    *nowhere = 1;
}

static void in_good_order(void)
{
}

/* What each child does: much more than its parent. */
static void child_allocates(void)
{
    struct tether_stats stats;
    for (int i = 0; i < 200; i++)
        free(kept = malloc(5000));
    kept = malloc(1 << 20);
    kept = realloc(kept, 2 << 20);
    tether_stats(&stats);
    tether_board_unchecked("a child said so");
}

static void reap(pid_t child)
{
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        _exit(9);
}

static void child_of_fork(void)
{
    const pid_t child = fork();
    if (child == 0) {
        child_allocates();
        _exit(0);
    }
    reap(child);
}

static void child_of_raw_fork(void)
{
    const pid_t child = _Fork();
    if (child == 0) {
        child_allocates();
        _exit(0);
    }
    reap(child);
}

/* Its first call is a free, of a block that is the parent's and not older
 * than the window. */
static void child_that_frees(void)
{
    const pid_t child = _Fork();
    if (child == 0) {
        free(held[0]);
        child_allocates();
        _exit(0);
    }
    reap(child);
}

static void child_of_a_system_call(void)
{
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        child_allocates();
        _exit(0);
    }
    reap(child);
}

static int clone_main(void *ctx)
{
    (void)ctx;
    child_allocates();
    _exit(0);
}

static void child_of_clone(void)
{
    static char stack[256 * 1024] __attribute__((aligned(16)));
    reap(clone(clone_main, stack + sizeof stack, SIGCHLD, NULL));
}

static void child_of_a_child(void)
{
    const pid_t child = _Fork();
    if (child == 0) {
        child_of_raw_fork();
        child_of_fork();
        child_allocates();
        _exit(0);
    }
    reap(child);
}

static void child_that_ends_by_exit(void)
{
    const pid_t child = _Fork();
    if (child == 0)
        exit(0);
    reap(child);
}

static void child_of_vfork(void)
{
    const pid_t child = vfork();
    if (child == 0)
        _exit(0);
    reap(child);
}

static void child_of_posix_spawn(void)
{
    char *const argv[] = { "sh", "-c", ":", NULL };
    pid_t child = -1;
    posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ);
    reap(child);
}

static void child_of_system(void)
{
    if (system("true") != 0)
        _exit(9);
}

/* popen allocates for its caller, pclose gives it back. */
static void child_of_popen(void)
{
    FILE *const from = popen("true", "r");
    if (!from || pclose(from) != 0)
        _exit(9);
}

/* The worker itself ends here, and a child of it goes on. */
static void as_a_daemon(void)
{
    if (daemon(1, 1) == 0) {
        child_allocates();
        _exit(0);
    }
}

static void *takes(void *ctx)
{
    pthread_barrier_t *const barrier = ctx;
    void *volatile own = malloc(100);
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    free(own);
    return NULL;
}

/* More threads than a row has room for, all there at once. */
static void forty_threads(void)
{
    pthread_t threads[40];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 41);
    for (int i = 0; i < 40; i++)
        pthread_create(&threads[i], NULL, takes, &barrier);
    pthread_barrier_wait(&barrier);
    if (getenv("TETHER_SELFTEST_KILL"))
        raise(SIGKILL);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 40; i++)
        pthread_join(threads[i], NULL);
}

struct deed {
    char name[32];
    void (*run)(void);
    int status; /* the worker's, as wait gives it */
};

/* clang-format off */
#define DEED(f, status) { #f, f, status }
static struct deed ends[] = {
    DEED(by_kill, SIGKILL), DEED(by_underscore_exit, 0),
    DEED(by_abort, SIGABRT), DEED(by_quick_exit, 0), DEED(by_exec, 0),
    DEED(by_exit, 0), DEED(by_fault, SIGSEGV), DEED(as_a_daemon, 0),
};
static struct deed children[] = {
    DEED(in_good_order, 0), DEED(child_of_fork, 0), DEED(child_of_raw_fork, 0),
    DEED(child_that_frees, 0), DEED(child_of_a_system_call, 0),
    DEED(child_of_clone, 0), DEED(child_of_a_child, 0),
    DEED(child_that_ends_by_exit, 0), DEED(child_of_vfork, 0),
    DEED(child_of_posix_spawn, 0), DEED(child_of_system, 0),
};
static struct deed others[] = {
    DEED(child_of_popen, 0), DEED(forty_threads, 0),
};
/* clang-format on */
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void deed_do(const char *name, const struct deed *deeds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(deeds[i].name, name) == 0)
            deeds[i].run();
}

/* Each worker's body: 3 blocks at most at a time, 1,500 bytes at the peak,
 * 5 allocations of 2,000 bytes, and then the deed. */
static void worker_body(const char *deed)
{
    for (int i = 0; i < 3; i++)
        held[i] = malloc(500);
    free(held[1]);
    free(held[2]);
    free(kept = malloc(300));
    held[1] = malloc(200);
    deed_do(deed, ends, COUNT(ends));
    deed_do(deed, children, COUNT(children));
    deed_do(deed, others, COUNT(others));
    free(held[0]);
    free(held[1]);
}

__attribute__((constructor)) static void worker_is(void)
{
    const struct rlimit no_core = { 0, 0 };
    const char *const deed = getenv("TETHER_SELFTEST_WORKER");
    struct tether_budget budget = { .magic = TETHER_BUDGET_MAGIC,
                                    .size = sizeof budget };
    if (!deed)
        return;
    setrlimit(RLIMIT_CORE, &no_core);
    if (strcmp(deed, "without_a_window") == 0)
        _exit(0);
    tether_window_begin(deed);
    tether_window_budget(&budget);
    tether_budget_begin(&budget);
    worker_body(deed);
    tether_budget_end(&budget);
    tether_window_end(TETHER_CHECK_LEAKS);
    _exit(0);
}

/* --- the runner ----------------------------------------------------------- */

static pid_t worker_start(const char *deed)
{
    static char self[4096];
    const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    char *const argv[] = { self, NULL };
    pid_t worker;
    cr_assert_gt(len, 0);
    setenv("TETHER_SELFTEST_WORKER", deed, 1);
    cr_assert_eq(posix_spawn(&worker, self, NULL, NULL, argv, environ), 0);
    return worker;
}

static int worker_run(const char *deed)
{
    int status;
    const pid_t worker = worker_start(deed);
    cr_assert_eq(waitpid(worker, &status, 0), worker);
    return status;
}

struct seen {
    size_t count;
    struct tether_board_row row[64];
    char name[64][64];
};

static void see(const struct tether_board_row *row, void *ctx)
{
    struct seen *const seen = ctx;
    cr_assert_lt(seen->count, 64u);
    snprintf(seen->name[seen->count], 64, "%s", row->name);
    seen->row[seen->count++] = *row;
}

static void board_make(size_t rows)
{
    unsetenv("BXFI_MAP"); /* or boxfort takes the worker for one of its own */
    cr_assert_eq(tether_board_make(rows), TETHER_OK);
}

static void expect_body(const struct tether_board_row *row)
{
    cr_expect_eq(row->stats.peak_bytes, 1500u, "%zu", row->stats.peak_bytes);
    cr_expect_eq(row->stats.largest_bytes, 500u);
    cr_expect_eq(row->stats.total_bytes, 2000u, "%llu",
                 (unsigned long long)row->stats.total_bytes);
    cr_expect_eq(row->stats.total_count, 5u, "%llu",
                 (unsigned long long)row->stats.total_count);
    cr_expect_null(row->unchecked);
    cr_expect_not(row->failed);
}

ParameterizedTestParameters(board, every_end)
{
    return cr_make_param_array(struct deed, ends, COUNT(ends));
}

ParameterizedTest(struct deed *end, board, every_end)
{
    struct seen seen = { 0 };
    board_make(4);
    const int status = worker_run(end->name);
    cr_expect_eq(status & 0xff7f, end->status, "%x", status);
    usleep(strcmp(end->name, "as_a_daemon") ? 0 : 100000);
    cr_assert_eq(tether_board_visit(see, &seen), 1u);
    cr_expect_str_eq(seen.name[0], end->name);
    expect_body(&seen.row[0]);
    cr_expect_eq(seen.row[0].stats.live_bytes, 700u);
    cr_expect_eq(seen.row[0].stats.live_blocks, 2u);
    cr_expect_not(seen.row[0].ended);
}

ParameterizedTestParameters(board, every_child)
{
    return cr_make_param_array(struct deed, children, COUNT(children));
}

ParameterizedTest(struct deed *deed, board, every_child)
{
    struct seen seen = { 0 };
    board_make(4);
    const int status = worker_run(deed->name);
    cr_expect_eq(status, 0, "%x", status);
    cr_assert_eq(tether_board_visit(see, &seen), 1u);
    expect_body(&seen.row[0]);
    cr_expect_eq(seen.row[0].leaked_bytes, 0u);
    cr_expect(seen.row[0].ended);
}

Test(board, popen_is_its_callers)
{
    struct seen seen = { 0 };
    board_make(4);
    cr_expect_eq(worker_run("child_of_popen"), 0);
    cr_assert_eq(tether_board_visit(see, &seen), 1u);
    cr_expect_gt(seen.row[0].stats.total_count, 5u);
    cr_expect_eq(seen.row[0].leaked_bytes, 0u);
    cr_expect(seen.row[0].ended);
}

Test(board, forty_threads_are_all_counted)
{
    struct seen seen = { 0 };
    board_make(4);
    cr_expect_eq(worker_run("forty_threads"), 0);
    cr_assert_eq(tether_board_visit(see, &seen), 1u);
    cr_expect_geq(seen.row[0].stats.total_count, 45u);
    cr_expect_geq(seen.row[0].stats.total_bytes, 6000u);
    cr_expect(seen.row[0].ended);
}

Test(board, forty_threads_and_a_kill_leave_what_the_row_holds)
{
    struct seen seen = { 0 };
    board_make(4);
    setenv("TETHER_SELFTEST_KILL", "1", 1);
    cr_expect_eq(worker_run("forty_threads") & 0x7f, SIGKILL);
    cr_assert_eq(tether_board_visit(see, &seen), 1u);
    /* The first thread, 19 of the forty, and what the main thread takes from
     * the loader for each new one. */
    cr_expect_geq(seen.row[0].stats.total_count, 5u + 19);
    cr_expect_eq(seen.row[0].stats.threads, 20u);
    cr_expect_not(seen.row[0].ended);
}

Test(board, rows_come_in_the_order_of_their_windows)
{
    struct seen seen = { 0 };
    board_make(40);
    for (int i = 0; i < 5; i++) {
        worker_run("without_a_window");
        worker_run(ends[i].name);
    }
    cr_assert_eq(tether_board_visit(see, &seen), 5u);
    for (int i = 0; i < 5; i++)
        cr_expect_str_eq(seen.name[i], ends[i].name);
    cr_expect_eq(tether_board_missing(), 0u);
}

Test(board, what_finds_no_row_is_missing_and_said_so)
{
    struct seen seen = { 0 };
    board_make(3);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(worker_run("in_good_order"), 0);
    cr_expect_eq(tether_board_visit(see, &seen), 3u);
    cr_expect_eq(tether_board_missing(), 2u);
    for (size_t i = 0; i < seen.count; i++)
        expect_body(&seen.row[i]);
}

Test(board, programs_without_a_window_use_no_rows_up)
{
    struct seen seen = { 0 };
    board_make(3);
    for (int i = 0; i < 20; i++)
        worker_run("without_a_window");
    for (int i = 0; i < 3; i++)
        worker_run("in_good_order");
    cr_expect_eq(tether_board_visit(see, &seen), 3u);
    cr_expect_eq(tether_board_missing(), 0u);
    for (size_t i = 0; i < seen.count; i++)
        expect_body(&seen.row[i]);
}

Test(board, thirty_workers_at_once)
{
    struct seen seen = { 0 };
    pid_t workers[30];
    board_make(30);
    for (int i = 0; i < 30; i++)
        workers[i] = worker_start(i % 3 ? "child_of_raw_fork" : "by_kill");
    for (int i = 0; i < 30; i++)
        waitpid(workers[i], NULL, 0);
    cr_assert_eq(tether_board_visit(see, &seen), 30u);
    for (size_t i = 0; i < seen.count; i++)
        expect_body(&seen.row[i]);
}

Test(board, no_rows_cannot_be, .signal = SIGABRT)
{
    tether_board_make(0);
}
