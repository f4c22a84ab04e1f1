/* SPDX-License-Identifier: MIT */
/*
 * How much later a worker starts. Runs programs over and over, in turn, and
 * prints the least mean of several rounds for each, in milliseconds of
 * processor time; see
 * bench_start.sh for the programs.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define ROUNDS 15
#define RUNS   40

extern char **environ;

/* Processor time of all children so far: a busy machine does not change it
 * as it changes the clock. */
static double children_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static double mean_ms(char *path)
{
    char *const argv[] = { path, NULL };
    const double start = children_ms();
    for (int i = 0; i < RUNS; i++) {
        pid_t child;
        if (posix_spawn(&child, path, NULL, NULL, argv, environ) != 0 ||
            waitpid(child, NULL, 0) != child)
            exit(1);
    }
    return (children_ms() - start) / RUNS;
}

int main(int argc, char **argv)
{
    double least[16] = { 0 };
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 1; i < argc && i < 16; i++) {
            const double mean = mean_ms(argv[i]);
            if (round == 0 || mean < least[i])
                least[i] = mean;
        }
    for (int i = 1; i < argc && i < 16; i++)
        printf("%.3f\n", least[i]);
    return 0;
}
