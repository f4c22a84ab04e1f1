/* SPDX-License-Identifier: MIT */
/*
 * The command `tether`: finds the subcommand and hands over to it.
 */
#include "runner/runner.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct subcommand {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *what;
} subcommands[] = {
    { "run", run_main, "run tests or any program under limits" },
    { "gate", gate_main, "fail when a test grew over tether.lock" },
    { "config", config_main, "print which limits hold for a test, and why" },
    { "diff", diff_main, "compare two reports" },
    { "merge", merge_main, "put the reports of several shards together" },
    { "stress", stress_main, "find the collections that make a test fail" },
    { "doctor", doctor_main, "say what works on this machine" },
};

#define SUBCOMMANDS (sizeof subcommands / sizeof subcommands[0])

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("tether: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static void help(FILE *to)
{
    fputs("Usage: tether COMMAND [OPTION...] [ARGUMENT...]\n"
          "Asks of C programs whether memory dies when it should.\n\n",
          to);
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %-8s %s\n", subcommands[i].name, subcommands[i].what);
    fputs("\n`tether COMMAND --help` explains each, with an example. For\n"
          "instance:\n\n"
          "  tether run --max-heap=8MiB --max-leaked=0 -- ./tests -j4\n",
          to);
}

static const char *subcommand_name_at(size_t index)
{
    return index < SUBCOMMANDS ? subcommands[index].name : NULL;
}

static int unknown(const char *name)
{
    const char *const nearest = config_nearest(name, subcommand_name_at);
    if (nearest)
        say("unknown command '%s'; did you mean '%s'?", name, nearest);
    else
        say("unknown command '%s'; `tether --help` lists them", name);
    return RUNNER_USAGE;
}

int main(int argc, char **argv)
{
    static char full_name[64];
    if (argc < 2) {
        help(stderr);
        return RUNNER_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return RUNNER_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("tether " TETHER_VERSION);
        return RUNNER_GOOD;
    }
    argp_err_exit_status = RUNNER_USAGE;
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0) {
            snprintf(full_name, sizeof full_name, "tether %s", argv[1]);
            argv[1] = full_name;
            return subcommands[i].main(argc - 1, argv + 1);
        }
    return unknown(argv[1]);
}
