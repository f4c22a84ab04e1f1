/* SPDX-License-Identifier: MIT */
/*
 * What a run came to, and which reports of it are wanted.
 */
#include "runner/runner.h"

#include "runner/runner_profile.h"

#include <tether/window.h>

#include <stdlib.h>
#include <string.h>

int report_verdict(const struct report *report, bool strict)
{
    const unsigned leak = 1u << TETHER_FAILURE_LEAK;
    unsigned failed = 0;
    size_t unchecked = 0;
    for (size_t i = 0; i < report->table.count; i++) {
        failed |= report->table.rows[i].failed;
        unchecked += report->table.rows[i].unchecked != NULL;
    }
    if (failed & ~leak)
        return RUNNER_LIMIT;
    if (failed & leak)
        return RUNNER_LEAK;
    if (report->status)
        return report->status;
    if (unchecked == report->table.count || (strict && unchecked))
        return RUNNER_BLIND;
    return RUNNER_GOOD;
}

const struct table_row *report_row(const struct report *report,
                                   const char *name)
{
    for (size_t i = 0; i < report->table.count; i++)
        if (strcmp(report->table.rows[i].name, name) == 0)
            return &report->table.rows[i];
    return NULL;
}

void report_drop(struct report *report)
{
    table_drop(&report->table);
    json_decref(report->profile);
    free(report->command);
}

static void special_take(const struct config *config, const char *key,
                         const char **to)
{
    const struct config_item *const item =
        config_special(config, "report", key);
    if (item && !*to)
        *to = item->value;
}

/* What tether.ini says of reports; the command line is stronger. */
void reports_of_file(struct run_options *options)
{
    const struct config *const config = &options->config;
    special_take(config, "json", &options->json);
    special_take(config, "junit", &options->junit);
    special_take(config, "markdown", &options->markdown);
    special_take(config, "html", &options->html);
    special_take(config, "pprof", &options->pprof);
    special_take(config, "annotate", &options->annotate);
    if (options->annotate && strcmp(options->annotate, "no") == 0)
        options->annotate = NULL;
}

bool reports_write(const struct run_options *options,
                   const struct report *report)
{
    bool good = true;
    if (options->json)
        good &= report_write(report, options->json);
    if (options->pprof)
        good &= report->profile && pprof_write(report->profile, options->pprof);
    if (options->html)
        good &= report_write_html(report, options->html);
    if (options->junit)
        good &= report_write_junit(report, options->junit);
    if (options->markdown)
        good &= report_write_markdown(report, options->markdown);
    if (options->annotate)
        report_annotate(report, options->annotate, stdout);
    return good;
}
