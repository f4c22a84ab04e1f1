/* SPDX-License-Identifier: MIT */
/*
 * tt_os_run: talks to a program through pipes, and the program that calls it
 * sees nothing of it.
 */
#include "os/os.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const cat[] = { "/bin/cat", NULL };

static int shell(const char *script, struct tt_text *output, unsigned ms)
{
    const char *const argv[] = { "/bin/sh", "-c", script, NULL };
    return tt_os_run(argv, NULL, 0, output, ms);
}

static void expect_cat_works(void)
{
    struct tt_text output;
    tt_text_make(&output);
    cr_expect_eq(tt_os_run(cat, "hello\n", 6, &output, 10000), 0);
    cr_expect_str_eq(output.data, "hello\n");
    tt_text_drop(&output);
}

Test(os_run, copies_input_to_output)
{
    expect_cat_works();
}

Test(os_run, carries_a_megabyte_both_ways)
{
    const size_t bytes = 1 << 20;
    char *const input = malloc(bytes);
    struct tt_text output;
    tt_text_make(&output);
    for (size_t i = 0; i < bytes; i++)
        input[i] = (char)('a' + i % 26);
    cr_assert_eq(tt_os_run(cat, input, bytes, &output, 20000), 0);
    cr_assert_eq(output.len, bytes);
    cr_assert_eq(memcmp(output.data, input, bytes), 0);
    tt_text_drop(&output);
    free(input);
}

Test(os_run, gives_the_exit_status)
{
    struct tt_text output;
    tt_text_make(&output);
    cr_expect_eq(shell("echo out; echo err >&2; exit 7", &output, 10000), 7);
    cr_expect_str_eq(output.data, "out\n");
    tt_text_drop(&output);
}

Test(os_run, says_when_there_is_no_such_program)
{
    const char *const argv[] = { "/no/such/program", NULL };
    struct tt_text output;
    tt_text_make(&output);
    errno = 42;
    cr_expect_eq(tt_os_run(argv, "x", 1, &output, 10000), -1);
    cr_expect_eq(errno, 42);
    tt_text_drop(&output);
}

Test(os_run, says_when_it_was_killed)
{
    struct tt_text output;
    tt_text_make(&output);
    cr_expect_eq(shell("echo first; kill -9 $$", &output, 10000), -3);
    cr_expect_str_eq(output.data, "first\n");
    tt_text_drop(&output);
}

static unsigned run_ms(const char *script, int expected, unsigned within_ms)
{
    struct tt_text output;
    tt_text_make(&output);
    const uint64_t begin = tt_os_now_ns();
    cr_expect_eq(shell(script, &output, within_ms), expected);
    tt_text_drop(&output);
    return (unsigned)((tt_os_now_ns() - begin) / 1000000);
}

Test(os_run, kills_at_the_deadline)
{
    const unsigned ms = run_ms("exec sleep 60", -2, 200);
    cr_expect(ms >= 200 && ms < 5000, "%u ms", ms);
}

Test(os_run, kills_a_program_that_closed_its_output)
{
    const unsigned ms = run_ms("exec <&- >&-; exec sleep 60", -2, 200);
    cr_expect(ms >= 200 && ms < 5000, "%u ms", ms);
}

Test(os_run, does_not_wait_for_a_grandchild_that_holds_the_pipe)
{
    const unsigned ms = run_ms("sleep 20 & exit 0", 0, 10000);
    cr_expect(ms < 5000, "%u ms", ms);
}

Test(os_run, survives_a_program_that_does_not_read)
{
    const size_t bytes = 8 << 20;
    char *const input = calloc(1, bytes);
    const char *const argv[] = { "/bin/true", NULL };
    struct tt_text output;
    tt_text_make(&output);
    const int status = tt_os_run(argv, input, bytes, &output, 10000);
    cr_expect_eq(status, 0);
    sigset_t pending;
    sigpending(&pending);
    cr_expect_not(sigismember(&pending, SIGPIPE));
    tt_text_drop(&output);
    free(input);
}

Test(os_run, cuts_endless_output)
{
    struct tt_text output;
    tt_text_make(&output);
    const int status = shell("exec cat /dev/zero", &output, 20000);
    cr_expect(status == -3 || status == 1, "status %d", status);
    tt_text_drop(&output);
}

Test(os_run, starts_with_signals_at_their_default)
{
    struct tt_text output;
    tt_text_make(&output);
    sigset_t most;
    sigfillset(&most);
    sigprocmask(SIG_BLOCK, &most, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    cr_expect_eq(
        shell("grep -E '^Sig(Blk|Ign)' /proc/self/status", &output, 10000), 0);
    cr_expect_str_eq(output.data, "SigBlk:\t0000000000000000\n"
                                  "SigIgn:\t0000000000000000\n");
    tt_text_drop(&output);
}

Test(os_run, hides_the_preload_and_tethers_own_variables)
{
    setenv("LD_PRELOAD", "", 1);
    setenv("TETHER_VERBOSE", "1", 1);
    setenv("SOMETHING_ELSE", "kept", 1);
    struct tt_text output;
    tt_text_make(&output);
    cr_expect_eq(shell("env", &output, 10000), 0);
    cr_expect_null(strstr(output.data, "LD_PRELOAD"));
    cr_expect_null(strstr(output.data, "TETHER_"));
    cr_expect_not_null(strstr(output.data, "SOMETHING_ELSE=kept"));
    tt_text_drop(&output);
}

Test(os_run, leaves_no_descriptor_and_hands_none_on)
{
    const int mine = open("/dev/null", O_RDONLY);
    struct tt_text output;
    tt_text_make(&output);
    cr_expect_eq(shell("exec ls /proc/self/fd", &output, 10000), 0);
    cr_expect_str_eq(output.data, "0\n1\n2\n3\n"); /* 3 is the directory */
    tt_text_drop(&output);
    const int next = open("/dev/null", O_RDONLY);
    cr_expect_eq(next, mine + 1);
    cr_expect_eq(fcntl(400, F_GETFD), -1);
}

Test(os_run, works_with_descriptors_0_to_2_closed)
{
    const int kept = fcntl(2, F_DUPFD, 100);
    close(0);
    close(1);
    close(2);
    struct tt_text output;
    tt_text_make(&output);
    const int status = tt_os_run(cat, "hello\n", 6, &output, 10000);
    const int lowest = open("/dev/null", O_RDWR);
    dup2(kept, 2);
    cr_expect_eq(status, 0);
    cr_expect_str_eq(output.data, "hello\n");
    cr_expect_eq(lowest, 0);
    tt_text_drop(&output);
}

Test(os_run, works_in_a_forked_child)
{
    const pid_t child = fork();
    if (child == 0) {
        struct tt_text output;
        tt_text_make(&output);
        _exit(tt_os_run(cat, "hi", 2, &output, 10000) == 0 &&
                      strcmp(output.data, "hi") == 0
                  ? 0
                  : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- the program sees nothing ---- */

static _Atomic unsigned signals_seen;
static _Atomic bool over;

static void on_sigchld(int signal)
{
    (void)signal;
    atomic_fetch_add(&signals_seen, 1);
}

static void *wait_for_anything(void *ctx)
{
    unsigned *const reaped = ctx;
    while (!atomic_load(&over)) {
        if (waitpid(-1, NULL, 0) > 0)
            ++*reaped;
        usleep(100);
    }
    return NULL;
}

static void *poll_undisturbed(void *ctx)
{
    unsigned *const disturbed = ctx;
    while (!atomic_load(&over))
        if (poll(NULL, 0, 5) < 0 && errno == EINTR)
            ++*disturbed;
    return NULL;
}

Test(os_run, is_unseen_by_handlers_waits_and_polls)
{
    struct sigaction action = { .sa_handler = on_sigchld };
    sigaction(SIGCHLD, &action, NULL);
    unsigned reaped = 0, disturbed = 0;
    pthread_t waiter, poller;
    pthread_create(&waiter, NULL, wait_for_anything, &reaped);
    pthread_create(&poller, NULL, poll_undisturbed, &disturbed);
    for (int i = 0; i < 50; i++)
        expect_cat_works();
    usleep(50000);
    atomic_store(&over, true);
    pthread_join(waiter, NULL);
    pthread_join(poller, NULL);
    cr_expect_eq(atomic_load(&signals_seen), 0);
    cr_expect_eq(reaped, 0);
    cr_expect_eq(disturbed, 0);
}

Test(os_run, works_with_sigchld_ignored)
{
    signal(SIGCHLD, SIG_IGN);
    expect_cat_works();
    struct tt_text output;
    tt_text_make(&output);
    cr_expect_eq(shell("exit 9", &output, 10000), 9);
    tt_text_drop(&output);
}

static void on_alarm(int signal)
{
    (void)signal;
}

Test(os_run, is_not_disturbed_by_a_timer)
{
    struct sigaction action = { .sa_handler = on_alarm };
    sigaction(SIGALRM, &action, NULL);
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = SIGALRM };
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    const struct itimerspec often = { { 0, 200000 }, { 0, 200000 } };
    timer_settime(timer, 0, &often, NULL);
    for (int i = 0; i < 20; i++)
        expect_cat_works();
    timer_delete(timer);
}

static void *run_often(void *ctx)
{
    unsigned *const failed = ctx;
    for (int i = 0; i < 15; i++) {
        char bytes[64];
        struct tt_text output;
        tt_text_fixed(&output, bytes, sizeof bytes);
        errno = 77;
        if (tt_os_run(cat, "hello", 5, &output, 20000) != 0 ||
            strcmp(output.data, "hello") != 0 || errno != 77)
            ++*failed;
    }
    return NULL;
}

static void *fork_often(void *ctx)
{
    (void)ctx;
    while (!atomic_load(&over)) {
        const pid_t child = fork();
        if (child == 0) {
            usleep(2000);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    return NULL;
}

Test(os_run, works_in_many_threads_while_one_forks)
{
    pthread_t runners[8], forker;
    unsigned failed[8] = { 0 };
    pthread_create(&forker, NULL, fork_often, NULL);
    for (int i = 0; i < 8; i++)
        pthread_create(&runners[i], NULL, run_often, &failed[i]);
    for (int i = 0; i < 8; i++)
        pthread_join(runners[i], NULL);
    atomic_store(&over, true);
    pthread_join(forker, NULL);
    for (int i = 0; i < 8; i++)
        cr_expect_eq(failed[i], 0);
}

/* Is the process there and no zombie? */
static bool lives(int pid)
{
    char path[64], line[256] = "", state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *const file = fopen(path, "r");
    if (!file)
        return false;
    if (fgets(line, sizeof line, file))
        sscanf(line, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return state != 'Z' && state != 'X';
}

Test(os_run, dies_with_its_caller)
{
    char path[] = "/tmp/tether-os-run-XXXXXX", script[128];
    FILE *const file = fdopen(mkstemp(path), "r");
    snprintf(script, sizeof script, "echo $$ > %s; exec sleep 60", path);
    const pid_t child = fork();
    if (child == 0) {
        struct tt_text output;
        tt_text_make(&output);
        shell(script, &output, 60000);
        _exit(0);
    }
    int pid = 0;
    for (int i = 0; i < 1000 && fscanf(file, "%d", &pid) != 1; i++) {
        usleep(10000);
        rewind(file);
    }
    fclose(file);
    unlink(path);
    cr_assert(pid > 0 && lives(pid));
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    for (int i = 0; i < 500 && lives(pid); i++)
        usleep(10000);
    cr_expect_not(lives(pid));
}
