/* SPDX-License-Identifier: MIT */
/*
 * `tether stress`: which collections make a test fail?
 *
 * The test runs once with a collection due at every Nth allocation; libtether
 * writes down at which (TETHER_STRESS_LOG). If it fails, the set of all of
 * them is made smaller by delta debugging (ddmin: A. Zeller, R. Hildebrandt,
 * 'Simplifying and Isolating Failure-Inducing Input', 2002) until no part of
 * it can be left out: each trial runs the test with collections due at just
 * some of them (TETHER_STRESS_AT).
 */
#include "runner/runner.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define INDICES_MAX 4096 /* as TETHER_STRESS_AT takes them */
#define AT_BYTES    ((size_t)INDICES_MAX * 21)

struct stress_options {
    char **command;
    uint64_t every; /* 0: as often as can be replayed */
    const char *pressure;
    bool verbose;
};

static const struct argp_option options_of_stress[] = {
    { "every", 'n', "N", 0,
      "A collection becomes due at every Nth allocation; without it at as "
      "many as can be replayed",
      0 },
    { "pressure", 'p', "LEVEL", 0,
      "Raise pressure along: 1 moderate, 2 critical, 3 exhausted", 0 },
    { "verbose", 'v', NULL, 0, "Say what each trial came to", 0 },
    { 0 }
};

static error_t stress_option(int option, char *value, struct argp_state *state)
{
    struct stress_options *const options = state->input;
    char *end = NULL;
    switch (option) {
    case 'n':
        options->every = strtoull(value, &end, 10);
        if (!options->every || *end)
            argp_error(state, "--every=%s is no number above 0", value);
        return 0;
    case 'p':
        if (value[0] < '1' || value[0] > '3' || value[1])
            argp_error(state, "--pressure=%s is none of 1, 2 and 3", value);
        options->pressure = value;
        return 0;
    case 'v':
        options->verbose = true;
        return 0;
    case ARGP_KEY_ARGS:
        options->command = state->argv + state->next;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp stress_argp = {
    .options = options_of_stress,
    .parser = stress_option,
    .args_doc = "-- PROGRAM [ARGUMENT...]",
    .doc = "Finds the collections that make one test fail: runs it with a "
           "collection due at every Nth allocation, then with fewer and fewer "
           "of them. The program is linked with Tether; let it run one test."
           "\v"
           "Exit status: 0 the test does not fail, 1 it does and the smallest "
           "set was found, 103 there were no collections, 104 options.\n\n"
           "Example:\n"
           "  tether stress -- ./tests --filter 'cache/evicts'"
};

/* Runs the command and shows nothing of what it writes. */
static int run_quietly(char **command)
{
    const int out = dup(STDOUT_FILENO);
    const int err = dup(STDERR_FILENO);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int status = RUNNER_NOT_RUN;
    fflush(NULL);
    fcntl(out, F_SETFD, FD_CLOEXEC);
    fcntl(err, F_SETFD, FD_CLOEXEC);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    const bool ran = program_run(command, &status);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    close(null);
    return ran ? status : RUNNER_NOT_RUN;
}

/* ---- what became due ---- */

struct indices {
    uint64_t index[INDICES_MAX];
    size_t count; /* may be more than fit */
    size_t windows;
};

static bool log_read(const char *path, struct indices *due)
{
    char line[512];
    uint64_t index;
    FILE *const log = fopen(path, "r");
    due->count = due->windows = 0;
    if (!log)
        return false;
    while (fgets(line, sizeof line, log)) {
        due->windows += strncmp(line, "window ", 7) == 0;
        if (sscanf(line, "due %" SCNu64, &index) != 1)
            continue;
        if (due->count < INDICES_MAX)
            due->index[due->count] = index;
        due->count++;
    }
    fclose(log);
    return true;
}

/* Runs the test with a collection at every Nth; its status is returned. */
static int run_every(struct stress_options *options, uint64_t every,
                     const char *log, struct indices *due)
{
    char number[32];
    snprintf(number, sizeof number, "%" PRIu64, every);
    unlink(log);
    setenv("TETHER_STRESS", number, 1);
    unsetenv("TETHER_STRESS_AT");
    setenv("TETHER_STRESS_LOG", log, 1);
    const int status = run_quietly(options->command);
    unsetenv("TETHER_STRESS_LOG");
    unsetenv("TETHER_STRESS");
    if (!log_read(log, due))
        due->count = due->windows = 0;
    unlink(log);
    return status;
}

/* ---- the smallest set ---- */

static char *at_text(const uint64_t *index, size_t count)
{
    static char text[AT_BYTES];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRIu64,
                                 i ? "," : "", index[i]);
    return text;
}

static unsigned trials;

static bool still_fails(const struct stress_options *options,
                        const uint64_t *index, size_t count)
{
    if (count == 0)
        return false; /* was tried first of all */
    setenv("TETHER_STRESS_AT", at_text(index, count), 1);
    const bool failed = run_quietly(options->command) != 0;
    unsetenv("TETHER_STRESS_AT");
    trials++;
    if (options->verbose)
        fprintf(stderr, "tether: trial %u: %s with %zu collection%s\n", trials,
                failed ? "fails" : "passes", count, count == 1 ? "" : "s");
    return failed;
}

/* Leaves out each of 'parts' parts in turn. True: one was not needed, and is
 * gone. */
static bool part_leave_out(const struct stress_options *options,
                           struct indices *set, size_t parts)
{
    uint64_t rest[INDICES_MAX];
    for (size_t part = 0; part < parts; part++) {
        const size_t begin = set->count * part / parts;
        const size_t end = set->count * (part + 1) / parts;
        const size_t left = set->count - (end - begin);
        memcpy(rest, set->index, begin * sizeof *rest);
        memcpy(rest + begin, set->index + end,
               (set->count - end) * sizeof *rest);
        if (!still_fails(options, rest, left))
            continue;
        memcpy(set->index, rest, left * sizeof *rest);
        set->count = left;
        return true;
    }
    return false;
}

/* Keeps one part alone, if that fails. */
static bool part_keep(const struct stress_options *options, struct indices *set,
                      size_t parts)
{
    for (size_t part = 0; part < parts; part++) {
        const size_t begin = set->count * part / parts;
        const size_t count = set->count * (part + 1) / parts - begin;
        if (!still_fails(options, set->index + begin, count))
            continue;
        memmove(set->index, set->index + begin, count * sizeof *set->index);
        set->count = count;
        return true;
    }
    return false;
}

static void make_smallest(const struct stress_options *options,
                          struct indices *set)
{
    size_t parts = 2;
    while (set->count > 1) {
        if (part_keep(options, set, parts)) {
            parts = 2;
        } else if (parts > 2 && part_leave_out(options, set, parts)) {
            parts = parts > 3 ? parts - 1 : 2;
        } else if (parts < set->count) {
            parts = parts * 2 < set->count ? parts * 2 : set->count;
        } else {
            break;
        }
    }
}

static void tell(const struct stress_options *options,
                 const struct indices *set, size_t of)
{
    printf("%zu of %zu collections make%s it fail:\n\n  ", set->count, of,
           set->count == 1 ? "s" : "");
    if (options->pressure)
        printf("TETHER_STRESS_PRESSURE=%s ", options->pressure);
    printf("TETHER_STRESS_AT=%s", at_text(set->index, set->count));
    for (char **word = options->command; *word; word++)
        printf(strpbrk(*word, " *?'\"$&|;()<>") ? " '%s'" : " %s", *word);
    printf("\n");
}

static int stress(struct stress_options *options, const char *log)
{
    static struct indices due;
    const uint64_t first = options->every ? options->every : 1;
    if (run_quietly(options->command) != 0) {
        say("it fails without any collection; mend that first");
        return RUNNER_USAGE;
    }
    int status = run_every(options, first, log, &due);
    if (!options->every && due.count > INDICES_MAX)
        status =
            run_every(options, due.count / (INDICES_MAX / 2) + 1, log, &due);
    if (due.count == 0) {
        say("no collection became due: does the program run a test, and is it "
            "linked with Tether?");
        return RUNNER_BLIND;
    }
    if (due.windows > 1) {
        say("%zu tests ran; let the program run one, with --filter for "
            "instance",
            due.windows);
        return RUNNER_USAGE;
    }
    if (due.count > INDICES_MAX) {
        say("%zu collections became due, and %d can be replayed; write a "
            "higher --every",
            due.count, INDICES_MAX);
        return RUNNER_USAGE;
    }
    if (status == 0) {
        printf("it passes with %zu collection%s\n", due.count,
               due.count == 1 ? "" : "s");
        return RUNNER_GOOD;
    }
    const size_t of = due.count;
    if (!still_fails(options, due.index, due.count)) {
        say("it failed once and not again with the same %zu collections: its "
            "allocations differ from run to run",
            of);
        return RUNNER_USAGE;
    }
    make_smallest(options, &due);
    tell(options, &due, of);
    return 1;
}

int stress_main(int argc, char **argv)
{
    struct stress_options options = { 0 };
    char log[] = "/tmp/tether-stress-XXXXXX";
    argp_parse(&stress_argp, argc, argv, 0, NULL, &options);
    if (!options.command || !options.command[0]) {
        say("no program; write `tether stress -- ./tests --filter ...`");
        return RUNNER_USAGE;
    }
    unsetenv("TETHER_STRESS");
    unsetenv("TETHER_STRESS_AT");
    const int file = mkstemp(log);
    if (file < 0) {
        say("%s: %m", log);
        return RUNNER_USAGE;
    }
    close(file);
    if (options.pressure)
        setenv("TETHER_STRESS_PRESSURE", options.pressure, 1);
    return stress(&options, log);
}
