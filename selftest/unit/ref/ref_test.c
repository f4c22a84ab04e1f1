/* SPDX-License-Identifier: MIT */
#include "ref_test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

void ref_test_begin(void)
{
    cr_assert_eq(tt_heap_news.died, tt_ref_died);
    cr_assert_eq(tt_heap_news.moved, tt_ref_moved);
}

void ref_test_end(void)
{
    const char *const broken = tt_ref_check();
    cr_assert_null(broken, "%s", broken);
}

static void child_run(void (*mistake)(void), int out)
{
    const struct rlimit no_core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, SIG_DFL);
    dup2(out, STDERR_FILENO);
    mistake();
    _exit(0);
}

void must_stop(void (*mistake)(void), const char *const *words)
{
    int ends[2];
    char said[2048] = "";
    size_t len = 0;
    int status = 0;
    ssize_t more;
    cr_assert_eq(pipe(ends), 0);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        child_run(mistake, ends[1]);
    close(ends[1]);
    while ((more = read(ends[0], said + len, sizeof said - 1 - len)) > 0)
        len += (size_t)more;
    close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
              "the child did not abort; it said: %s", said);
    for (; *words; words++)
        cr_assert_not_null(strstr(said, *words), "no '%s' in: %s", *words,
                           said);
}

uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

__attribute__((noinline)) void *block_make(size_t size)
{
    void *const block = malloc(size);
    cr_assert_not_null(block);
    return block;
}
