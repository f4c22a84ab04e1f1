/* SPDX-License-Identifier: MIT */
/* A program that ends in the way its first argument says. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile kept;

static void take(size_t bytes)
{
    kept = malloc(bytes);
    free(kept);
}

static void *exit_here(void *unused)
{
    (void)unused;
    exit(5);
}

static void free_late(void)
{
    free(kept);
}

static int in_child(void (*act)(void))
{
    int status;
    const pid_t child = fork();
    if (child == 0) {
        act();
        exit(6);
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static void take_much(void)
{
    take(200000);
}

static void exec_true(void)
{
    execlp("true", "true", (char *)NULL);
}

int main(int argc, char **argv)
{
    const char *const way = argc > 1 ? argv[1] : "";
    static char line[100];
    take(5000);
    if (strcmp(way, "leak") == 0)
        kept = malloc(4321);
    if (strcmp(way, "late") == 0) {
        kept = malloc(4321);
        atexit(free_late);
    }
    if (strcmp(way, "exit") == 0)
        exit(7);
    if (strcmp(way, "_exit") == 0)
        _exit(8);
    if (strcmp(way, "signal") == 0)
        raise(SIGTERM);
    if (strcmp(way, "wait") == 0) {
        puts("waiting");
        fflush(stdout);
        pause();
    }
    if (strcmp(way, "sleep") == 0) {
        kept = malloc(50000);
        puts("one\ntwo");
        fflush(stdout);
        usleep(500000);
        puts("three");
    }
    if (strcmp(way, "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, exit_here, NULL);
        pthread_join(thread, NULL);
    }
    if (strcmp(way, "fork") == 0)
        return in_child(take_much);
    if (strcmp(way, "exec") == 0)
        return in_child(exec_true);
    if (strcmp(way, "echo") == 0 && fgets(line, sizeof line, stdin))
        printf("%s%s", line, argv[2]);
    if (strcmp(way, "twice") == 0) {
        kept = malloc(10);
        void *volatile again = kept;
        free(kept);
        free(again);
    }
    return 0;
}
