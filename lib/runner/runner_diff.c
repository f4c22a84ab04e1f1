/* SPDX-License-Identifier: MIT */
/*
 * `tether diff` and `tether merge`: reports side by side, and put together.
 */
#include "runner/runner.h"

#include <inttypes.h>
#include <string.h>

struct paths_options {
    const char *output;
    char **paths;
    int count;
};

static const struct argp_option options_of_merge[] = {
    { "output", 'o', "FILE", 0, "Write to FILE, not to standard output", 0 },
    { 0 }
};

static error_t paths_option(int option, char *value, struct argp_state *state)
{
    struct paths_options *const options = state->input;
    switch (option) {
    case 'o':
        options->output = value;
        return 0;
    case ARGP_KEY_ARGS:
        options->paths = state->argv + state->next;
        options->count = state->argc - state->next;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp merge_argp = {
    .options = options_of_merge,
    .parser = paths_option,
    .args_doc = "REPORT...",
    .doc = "Puts the reports of several shards into one. Of a test that is in "
           "several, the heaviest of each number stays; the status is the "
           "highest."
           "\v"
           "Example:\n"
           "  tether merge shard1.json shard2.json -o all.json"
};

static const struct argp diff_argp = {
    .parser = paths_option,
    .args_doc = "BEFORE AFTER",
    .doc = "Prints what differs between two reports, by test."
           "\v"
           "Exit status: 0 nothing differs, 1 something does, 104 a report "
           "cannot be read.\n\n"
           "Example:\n"
           "  tether diff main.json branch.json"
};

int merge_main(int argc, char **argv)
{
    struct paths_options options = { .output = "-" };
    struct report report = { 0 };
    argp_parse(&merge_argp, argc, argv, 0, NULL, &options);
    if (options.count == 0) {
        say("no reports; write `tether merge one.json two.json`");
        return RUNNER_USAGE;
    }
    bool good = true;
    for (int i = 0; i < options.count && good; i++)
        good = report_read(&report, options.paths[i]);
    table_sort(&report.table);
    good = good && report_write(&report, options.output);
    report_drop(&report);
    return good ? RUNNER_GOOD : RUNNER_USAGE;
}

static const char *change(uint64_t before, uint64_t after, bool bytes,
                          char *text, size_t size)
{
    char from[24], to[24];
    if (before == after) {
        snprintf(text, size, "=");
    } else if (bytes) {
        snprintf(text, size, "%s -> %s", table_size(before, from, sizeof from),
                 table_size(after, to, sizeof to));
        /* Two sizes that are written alike differ by less than is shown. */
        if (strcmp(from, to) == 0)
            snprintf(text, size, "%+" PRId64 " B", (int64_t)(after - before));
    } else {
        snprintf(text, size, "%" PRIu64 " -> %" PRIu64, before, after);
    }
    return text;
}

static bool is_same(const struct table_row *a, const struct table_row *b)
{
    return a->stats.peak_bytes == b->stats.peak_bytes &&
           a->stats.total_count == b->stats.total_count &&
           a->leaked_bytes == b->leaked_bytes && a->failed == b->failed;
}

static void row_differs(const struct table_row *before,
                        const struct table_row *after)
{
    char peak[64], count[64], leaked[64];
    printf("%-24s %-24s %-20s %s\n",
           change(before->stats.peak_bytes, after->stats.peak_bytes, true, peak,
                  sizeof peak),
           change(before->stats.total_count, after->stats.total_count, false,
                  count, sizeof count),
           change(before->leaked_bytes, after->leaked_bytes, true, leaked,
                  sizeof leaked),
           after->name);
}

static size_t diff_print(const struct report *before,
                         const struct report *after)
{
    size_t differ = 0;
    for (size_t i = 0; i < after->table.count; i++) {
        const struct table_row *const is = &after->table.rows[i];
        const struct table_row *const was = report_row(before, is->name);
        if (was && is_same(was, is))
            continue;
        if (differ++ == 0)
            printf("%-24s %-24s %-20s %s\n", "peak", "count", "leaked", "test");
        if (was)
            row_differs(was, is);
        else
            printf("%-70s %s\n", "new", is->name);
    }
    for (size_t i = 0; i < before->table.count; i++)
        if (!report_row(after, before->table.rows[i].name)) {
            printf("%-70s %s\n", "gone", before->table.rows[i].name);
            differ++;
        }
    return differ;
}

int diff_main(int argc, char **argv)
{
    struct paths_options options = { 0 };
    struct report before = { 0 }, after = { 0 };
    int status = RUNNER_USAGE;
    argp_parse(&diff_argp, argc, argv, 0, NULL, &options);
    if (options.count != 2) {
        say("write two reports: `tether diff before.json after.json`");
        return RUNNER_USAGE;
    }
    if (report_read(&before, options.paths[0]) &&
        report_read(&after, options.paths[1])) {
        table_sort(&after.table);
        status = diff_print(&before, &after) ? 1 : 0;
    }
    report_drop(&before);
    report_drop(&after);
    return status;
}
