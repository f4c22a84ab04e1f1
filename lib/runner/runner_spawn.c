/* SPDX-License-Identifier: MIT */
/*
 * Starting the program and standing between it and signals.
 *
 * A signal from the terminal reaches the program by itself; others are handed
 * on. Either way this process lives until the program has ended, since the
 * board is its own. They are blocked around the fork: a signal that came
 * before the program's number is known would be lost, and so would one that
 * the child took before its handlers are again what they were.
 */
#include "runner/runner.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int signals[] = { SIGINT, SIGQUIT, SIGTERM,
                               SIGHUP, SIGUSR1, SIGUSR2 };
#define SIGNALS (sizeof signals / sizeof signals[0])

static pid_t program;

static void hand_on(int signal)
{
    if (program > 0)
        kill(program, signal);
}

static void actions_set(struct sigaction *before)
{
    const struct sigaction hand = { .sa_handler = hand_on,
                                    .sa_flags = SA_RESTART };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    for (size_t i = 0; i < SIGNALS; i++) {
        const bool terminal = signals[i] == SIGINT || signals[i] == SIGQUIT;
        sigaction(signals[i], terminal ? &ignore : &hand, &before[i]);
    }
}

static void actions_put_back(const struct sigaction *before)
{
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
}

static _Noreturn void execute(char **command)
{
    execvp(command[0], command);
    const int why = errno;
    say("%s: %s", command[0], strerror(why));
    _exit(why == ENOENT ? RUNNER_NOT_FOUND : RUNNER_NOT_RUN);
}

/* Looks ten times a second while there is progress to show. */
static void program_wait(int *ended)
{
    const struct timespec tick = { .tv_nsec = 100 * 1000 * 1000 };
    const int how = progress_is_on() ? WNOHANG : 0;
    pid_t found;
    while ((found = waitpid(program, ended, how)) <= 0) {
        if (found < 0 && errno != EINTR)
            return;
        if (found == 0) {
            progress_show();
            nanosleep(&tick, NULL);
        }
    }
}

bool program_run(char **command, int *status)
{
    struct sigaction actions[SIGNALS];
    sigset_t block, mask;
    int ended;
    fflush(NULL);
    sigemptyset(&block);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&block, signals[i]);
    sigprocmask(SIG_BLOCK, &block, &mask);
    actions_set(actions);
    program = fork();
    if (program == 0) {
        actions_put_back(actions);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        execute(command);
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (program < 0) {
        say("fork: %m");
        actions_put_back(actions);
        return false;
    }
    program_wait(&ended);
    program = 0;
    actions_put_back(actions);
    *status = WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended);
    return true;
}
