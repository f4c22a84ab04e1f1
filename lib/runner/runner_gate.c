/* SPDX-License-Identifier: MIT */
/*
 * `tether gate`: compares a run with tether.lock, which is in the repository.
 *
 * What a test takes can be the same in each run, or noisy, when threads or
 * time decide. So the lock is written from several runs: where they agree the
 * number of allocations must stay exactly that, where they do not it has the
 * tolerance of the peak. And a run that looks too big is repeated: of each
 * number the smallest of the runs counts, since noise only adds.
 */
#include "runner/runner.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PEAK_FREE_BYTES 4096

struct gate_options {
    struct run_options run;
    const char *lock, *pattern, *from;
    bool accept;
    unsigned runs, percent;
};

enum { OPTION_LOCK = 3000, OPTION_ACCEPT, OPTION_FROM, OPTION_TOLERANCE };

static const struct argp_option options_of_gate[] = {
    { "lock", OPTION_LOCK, "FILE", 0, "The lock, if not ./tether.lock", 0 },
    { "accept", OPTION_ACCEPT, "PATTERN", OPTION_ARG_OPTIONAL,
      "Write what the tests take now into the lock (of those that match)", 0 },
    { "runs", 'n', "N", 0,
      "Run so often (--accept: 3 times; else up to 3 times if one grew)", 0 },
    { "tolerance", OPTION_TOLERANCE, "PERCENT", 0,
      "How much a peak may grow, if by more than 4 KiB (10)", 0 },
    { "from", OPTION_FROM, "REPORT", 0,
      "Take this report of `tether run --json` and run nothing", 0 },
    { 0 }
};

static unsigned number_of(struct argp_state *state, const char *option,
                          const char *text, unsigned most)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > most)
        argp_error(state, "--%s=%s: write a number up to %u", option, text,
                   most);
    return (unsigned)value;
}

static error_t gate_option(int option, char *value, struct argp_state *state)
{
    struct gate_options *const options = state->input;
    switch (option) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->run;
        return 0;
    case OPTION_LOCK:
        options->lock = value;
        return 0;
    case OPTION_ACCEPT:
        options->accept = true;
        options->pattern = value;
        return 0;
    case OPTION_FROM:
        options->from = value;
        return 0;
    case OPTION_TOLERANCE:
        options->percent = number_of(state, "tolerance", value, 1000);
        return 0;
    case 'n':
        options->runs = number_of(state, "runs", value, 1000);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child gate_children[] = { { &common_argp, 0, NULL, 0 },
                                                   { 0 } };
static const struct argp gate_argp = {
    .options = options_of_gate,
    .parser = gate_option,
    .children = gate_children,
    .args_doc = "[--] PROGRAM [ARGUMENT...]",
    .doc = "Fails when a test takes more than tether.lock says, or leaks more."
           "\v"
           "Exit status: 0 all is as the lock says, 101 a test grew, otherwise "
           "as `tether run`.\n\n"
           "Example:\n"
           "  tether gate --accept -- ./tests    once, and commit tether.lock\n"
           "  tether gate -- ./tests             in CI"
};

/* --- runs ---------------------------------------------------------------- */

/* Several runs: of each number the smallest, and whether counts differed. */
struct spread {
    struct report least;
    bool *noisy; /* by row of least */
};

static void row_lower(struct table_row *row, const struct table_row *other,
                      bool *noisy)
{
    if (row->stats.total_count != other->stats.total_count)
        *noisy = true;
    if (other->stats.total_count < row->stats.total_count)
        row->stats.total_count = other->stats.total_count;
    if (other->stats.peak_bytes < row->stats.peak_bytes)
        row->stats.peak_bytes = other->stats.peak_bytes;
    if (other->leaked_known && other->leaked_bytes < row->leaked_bytes)
        row->leaked_bytes = other->leaked_bytes;
    row->leaked_known = row->leaked_known || other->leaked_known;
}

static bool spread_add(struct spread *spread, struct report *run)
{
    if (!spread->noisy) {
        spread->least = *run;
        spread->noisy = calloc(run->table.count + 1, sizeof *spread->noisy);
        return spread->noisy != NULL;
    }
    for (size_t i = 0; i < spread->least.table.count; i++) {
        struct table_row *const row = &spread->least.table.rows[i];
        const struct table_row *const other = report_row(run, row->name);
        if (other)
            row_lower(row, other, &spread->noisy[i]);
    }
    report_drop(run);
    return true;
}

static void spread_drop(struct spread *spread)
{
    report_drop(&spread->least);
    free(spread->noisy);
}

/* One more run. False, with *status: it could not be run, or tests failed,
 * of which a gate takes no numbers. */
static bool spread_run(struct spread *spread, struct gate_options *from,
                       int *status)
{
    struct report run = { 0 };
    if (from->from) {
        *status = RUNNER_USAGE;
        if (!report_read(&run, from->from))
            return false;
        table_sort(&run.table);
    } else if (!run_command(&from->run, &run, status)) {
        return false;
    }
    *status = report_verdict(&run, from->run.strict);
    if (*status != RUNNER_GOOD) {
        say("the tests themselves did not pass (status %d); the gate was not "
            "asked",
            *status);
        report_drop(&run);
        return false;
    }
    if (spread_add(spread, &run))
        return true;
    say("out of memory");
    *status = RUNNER_NOT_RUN;
    return false;
}

/* Did a test of the lock, 'suite/test', run? */
static bool ran(const struct report *report, const char *test)
{
    char path[1024];
    for (size_t i = 0; i < report->table.count; i++)
        if (strcmp(name_as_path(report->table.rows[i].name, path, sizeof path),
                   test) == 0)
            return true;
    return false;
}

/* --- accepting ----------------------------------------------------------- */

static bool is_accepted(const struct gate_options *options, const char *test)
{
    return !options->pattern || config_matches(options->pattern, test);
}

static json_t *row_lock(const struct table_row *row, bool noisy)
{
    json_t *const lock =
        json_pack("{s:I, s:I}", "peak", (json_int_t)row->stats.peak_bytes,
                  "count", (json_int_t)row->stats.total_count);
    if (row->leaked_known)
        json_object_set_new(lock, "leaked",
                            json_integer((json_int_t)row->leaked_bytes));
    if (noisy)
        json_object_set_new(lock, "noisy", json_true());
    return lock;
}

/* Tests of the lock that are gone are taken out, if they match. */
static size_t gone_drop(const struct gate_options *options,
                        const struct report *now, json_t *tests)
{
    const char *test;
    json_t *row;
    void *next;
    size_t dropped = 0;
    json_object_foreach_safe(tests, next, test, row)
    {
        if (is_accepted(options, test) && !ran(now, test)) {
            json_object_del(tests, test);
            dropped++;
        }
    }
    return dropped;
}

static int gate_accept(const struct gate_options *options,
                       const struct spread *spread, json_t *tests)
{
    size_t written = 0, noisy = 0;
    const size_t gone = gone_drop(options, &spread->least, tests);
    for (size_t i = 0; i < spread->least.table.count; i++) {
        const struct table_row *const row = &spread->least.table.rows[i];
        char test[1024];
        name_as_path(row->name, test, sizeof test);
        if (row->unchecked || !is_accepted(options, test))
            continue;
        json_object_set_new(tests, test, row_lock(row, spread->noisy[i]));
        written++;
        noisy += spread->noisy[i];
    }
    if (options->pattern && written + gone == 0) {
        say("no test matches '%s'; nothing was written", options->pattern);
        return RUNNER_USAGE;
    }
    if (!lock_write(options->lock, tests))
        return RUNNER_USAGE;
    printf("tether: wrote %zu tests to %s (%zu noisy, %zu gone)\n", written,
           options->lock, noisy, gone);
    return RUNNER_GOOD;
}

/* --- judging ------------------------------------------------------------- */

struct judgement {
    size_t tests, grown, shrunk, fresh, gone;
};

/* By how much: '+12 %', or '' from nothing. */
static const char *growth(int64_t from, int64_t to, char *text, size_t size)
{
    if (from > 0)
        snprintf(text, size, " (%+.1f %%)",
                 100.0 * (double)(to - from) / (double)from);
    else
        text[0] = '\0';
    return text;
}

static void grown_print(const char *test, const char *what, int64_t was,
                        int64_t is, bool bytes)
{
    char from[24], to[24], by[32];
    if (bytes)
        printf("  %s: %s grew from %s to %s%s\n", test, what,
               table_size((uint64_t)was, from, sizeof from),
               table_size((uint64_t)is, to, sizeof to),
               growth(was, is, by, sizeof by));
    else
        printf("  %s: %s grew from %" PRId64 " to %" PRId64 "%s\n", test, what,
               was, is, growth(was, is, by, sizeof by));
}

static bool is_over(int64_t was, int64_t is, unsigned percent, int64_t free)
{
    return is - was > free && (is - was) * 100 > was * (int64_t)percent;
}

/* What grew of a test; printed when 'tell'. */
static bool row_grew(const struct gate_options *options,
                     const struct table_row *row, const char *test,
                     const struct lock_row *lock, bool tell)
{
    const int64_t peak = (int64_t)row->stats.peak_bytes;
    const int64_t count = (int64_t)row->stats.total_count;
    const int64_t leaked = (int64_t)row->leaked_bytes;
    const bool in_peak =
        is_over(lock->peak, peak, options->percent, PEAK_FREE_BYTES);
    const bool in_count = lock->noisy
                              ? is_over(lock->count, count, options->percent, 8)
                              : count > lock->count;
    const bool in_leaked =
        lock->leaked >= 0 && row->leaked_known && leaked > lock->leaked;
    if (tell && in_peak)
        grown_print(test, "peak", lock->peak, peak, true);
    if (tell && in_count)
        grown_print(test, "number of allocations", lock->count, count, false);
    if (tell && in_leaked)
        grown_print(test, "leaked", lock->leaked, leaked, true);
    return in_peak || in_count || in_leaked;
}

static bool row_shrank(const struct gate_options *options,
                       const struct table_row *row, const struct lock_row *lock)
{
    return is_over((int64_t)row->stats.peak_bytes, lock->peak, options->percent,
                   PEAK_FREE_BYTES) ||
           (!lock->noisy && (int64_t)row->stats.total_count < lock->count) ||
           (row->leaked_known && (int64_t)row->leaked_bytes < lock->leaked);
}

static void gate_judge(const struct gate_options *options,
                       const struct report *now, const json_t *tests, bool tell,
                       struct judgement *judgement)
{
    *judgement = (struct judgement){ 0 };
    for (size_t i = 0; i < now->table.count; i++) {
        const struct table_row *const row = &now->table.rows[i];
        struct lock_row lock;
        char test[1024];
        name_as_path(row->name, test, sizeof test);
        if (row->unchecked)
            continue;
        judgement->tests++;
        if (!lock_row_get(tests, test, &lock)) {
            judgement->fresh++;
            if (tell)
                printf("  %s: not in the lock\n", test);
        } else if (row_grew(options, row, test, &lock, tell)) {
            judgement->grown++;
        } else if (row_shrank(options, row, &lock)) {
            judgement->shrunk++;
        }
    }
    const char *test;
    json_t *row;
    json_object_foreach((json_t *)tests, test, row) if (!ran(now, test))
    {
        judgement->gone++;
        if (tell)
            printf("  %s: in the lock, but no such test ran\n", test);
    }
}

static int gate_verdict(const struct gate_options *options,
                        const struct judgement *judgement)
{
    const bool shut =
        judgement->grown || (options->run.strict && judgement->fresh);
    printf("tether: gate %s: %zu tests, %zu grew, %zu shrank, %zu new, %zu "
           "gone\n",
           shut ? "SHUT" : "open", judgement->tests, judgement->grown,
           judgement->shrunk, judgement->fresh, judgement->gone);
    if (shut || judgement->shrunk || judgement->fresh || judgement->gone)
        printf("tether: if that is meant, `tether gate --accept%s -- ...` "
               "writes it to %s\n",
               judgement->grown ? "=PATTERN" : "", options->lock);
    return shut ? RUNNER_LIMIT : RUNNER_GOOD;
}

static int gate_check(struct gate_options *options, struct spread *spread,
                      const json_t *tests)
{
    struct judgement judgement;
    int status;
    const unsigned runs = options->from ? 1 : options->runs ? options->runs : 3;
    gate_judge(options, &spread->least, tests, false, &judgement);
    for (unsigned i = 1; i < runs; i++) {
        if (!judgement.grown && !options->runs)
            break;
        if (!spread_run(spread, options, &status))
            return status;
        gate_judge(options, &spread->least, tests, false, &judgement);
    }
    gate_judge(options, &spread->least, tests, true, &judgement);
    return gate_verdict(options, &judgement);
}

static int gate_with(struct gate_options *options, json_t *tests)
{
    struct spread spread = { 0 };
    int status = RUNNER_GOOD;
    unsigned runs = !options->accept || options->from ? 1
                    : options->runs                   ? options->runs
                                                      : 3;
    while (runs-- && status == RUNNER_GOOD)
        if (!spread_run(&spread, options, &status))
            break;
    if (status == RUNNER_GOOD && !options->from &&
        !reports_write(&options->run, &spread.least))
        status = RUNNER_USAGE;
    if (status == RUNNER_GOOD)
        status = options->accept ? gate_accept(options, &spread, tests)
                                 : gate_check(options, &spread, tests);
    spread_drop(&spread);
    return status;
}

int gate_main(int argc, char **argv)
{
    struct gate_options options = { .lock = "tether.lock", .percent = 10 };
    bool is_new;
    argp_parse(&gate_argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
    if (!options.run.command && !options.from) {
        say("no program to run; write `tether gate -- ./tests`");
        return RUNNER_USAGE;
    }
    json_t *const tests = lock_read(options.lock, &is_new);
    if (!tests)
        return RUNNER_USAGE;
    int status = RUNNER_USAGE;
    if (is_new && !options.accept)
        say("there is no %s; `tether gate --accept -- ...` writes it",
            options.lock);
    else
        status = gate_with(&options, tests);
    config_drop(&options.run.config);
    json_decref(tests);
    return status;
}
