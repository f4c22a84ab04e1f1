/* SPDX-License-Identifier: MIT */
/*
 * The report as JSON, written and read by jansson. docs/report.md and
 * docs/report.schema.json say what the members mean; a change of meaning
 * changes the number of the schema.
 */
#include "runner/runner.h"

#include <tether/window.h>

#include <stdlib.h>
#include <string.h>

#define SCHEMA 1

static const char *const kind_names[] = {
    [TETHER_FAILURE_BREACH] = "breach",
    [TETHER_FAILURE_LEAK] = "leak",
    [TETHER_FAILURE_LIMIT] = "limit",
    [TETHER_FAILURE_MISUSE] = "misuse",
};

#define KINDS (sizeof kind_names / sizeof kind_names[0])

FILE *runner_open(const char *path)
{
    FILE *const file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (!file)
        say("%s: %m", path);
    return file;
}

bool runner_close(FILE *file, const char *path)
{
    const bool bad = ferror(file) || fflush(file) != 0;
    if (file != stdout && fclose(file) != 0)
        return say("%s: %m", path), false;
    if (bad)
        say("%s: could not be written", path);
    return !bad;
}

const char *name_split(const char *name, char *suite, size_t size)
{
    const char *const colons = strstr(name, "::");
    snprintf(suite, size, "%.*s", colons ? (int)(colons - name) : 0, name);
    return colons ? colons + 2 : name;
}

const char *name_as_path(const char *name, char *path, size_t size)
{
    const char *const test = name_split(name, path, size);
    const size_t used = strlen(path);
    snprintf(path + used, size - used, "%s%s", used ? "/" : "", test);
    return path;
}

static json_t *failed_write(unsigned failed)
{
    json_t *const list = json_array();
    for (size_t i = 0; i < KINDS; i++)
        if (failed & 1u << i)
            json_array_append_new(list, json_string(kind_names[i]));
    return list;
}

static json_t *row_write(const struct table_row *row)
{
    char path[1024];
    json_t *const leaked = row->leaked_known && !row->unchecked
                               ? json_integer((json_int_t)row->leaked_bytes)
                               : json_null();
    json_t *const limit = row->max_heap != SIZE_MAX
                              ? json_integer((json_int_t)row->max_heap)
                              : json_null();
    return json_pack(
        "{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:s?}", "test",
        name_as_path(row->name, path, sizeof path), "max_heap", limit, "runs",
        (json_int_t)row->runs, "peak_bytes", (json_int_t)row->stats.peak_bytes,
        "largest_bytes", (json_int_t)row->stats.largest_bytes, "total_bytes",
        (json_int_t)row->stats.total_bytes, "count",
        (json_int_t)row->stats.total_count, "leaked_bytes", leaked, "failed",
        failed_write(row->failed), "unchecked", row->unchecked);
}

json_t *report_json(const struct report *report)
{
    json_t *const tests = json_array();
    for (size_t i = 0; i < report->table.count; i++)
        json_array_append_new(tests, row_write(&report->table.rows[i]));
    return json_pack("{s:i, s:s, s:s?, s:i, s:o}", "schema", SCHEMA, "tether",
                     TETHER_VERSION, "command", report->command, "status",
                     report->status, "tests", tests);
}

bool report_write(const struct report *report, const char *path)
{
    FILE *const to = runner_open(path);
    if (!to)
        return false;
    json_t *const root = report_json(report);
    const bool dumped = root && json_dumpf(root, to, JSON_INDENT(2)) == 0;
    fputc('\n', to);
    json_decref(root);
    return runner_close(to, path) && dumped;
}

static unsigned failed_read(const json_t *list)
{
    unsigned failed = 0;
    size_t i;
    json_t *kind;
    json_array_foreach(
        list, i,
        kind) for (size_t k = 0; k < KINDS;
                   k++) if (json_is_string(kind) &&
                            strcmp(json_string_value(kind), kind_names[k]) == 0)
        failed |= 1u << k;
    return failed;
}

/* "cache/evicts" back to "cache::evicts". */
static void path_as_name(const char *path, char *name, size_t size)
{
    const char *const slash = strchr(path, '/');
    if (slash)
        snprintf(name, size, "%.*s::%s", (int)(slash - path), path, slash + 1);
    else
        snprintf(name, size, "%s", path);
}

static const char *row_read(struct table *table, json_t *from)
{
    const char *test;
    json_t *why = NULL;
    char name[1024];
    json_int_t runs, peak, largest, total, count;
    json_t *leaked, *failed, *limit;
    if (json_unpack(from, "{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s?o}",
                    "test", &test, "max_heap", &limit, "runs", &runs,
                    "peak_bytes", &peak, "largest_bytes", &largest,
                    "total_bytes", &total, "count", &count, "leaked_bytes",
                    &leaked, "failed", &failed, "unchecked", &why) != 0)
        return "a test lacks a member, or one is of the wrong type";
    if (runs < 0 || peak < 0 || largest < 0 || total < 0 || count < 0 ||
        (json_is_integer(leaked) && json_integer_value(leaked) < 0))
        return "a number is negative";
    path_as_name(test, name, sizeof name);
    struct table_row *const row = table_row_get(table, name);
    if (!row)
        return "out of memory";
    const struct table_row one = {
        .stats = { .peak_bytes = (size_t)peak,
                   .largest_bytes = (size_t)largest,
                   .total_bytes = (uint64_t)total,
                   .total_count = (uint64_t)count },
        .max_heap = json_is_integer(limit) ? (size_t)json_integer_value(limit)
                                           : SIZE_MAX,
        .runs = (unsigned)runs,
        .leaked_bytes = (size_t)json_integer_value(leaked),
        .leaked_known = json_is_integer(leaked),
        .failed = failed_read(failed),
        .unchecked = (char *)json_string_value(why),
    };
    table_row_raise(row, &one);
    return NULL;
}

static const char *root_read(struct report *report, json_t *root)
{
    int schema, status;
    json_t *tests, *test, *command = NULL;
    size_t i;
    if (json_unpack(root, "{s:i}", "schema", &schema) != 0)
        return "it is no report of Tether's";
    if (schema != SCHEMA)
        return "it is of another version of Tether";
    if (json_unpack(root, "{s?o, s:i, s:o}", "command", &command, "status",
                    &status, "tests", &tests) != 0 ||
        !json_is_array(tests))
        return "a member is missing or of the wrong type";
    if (json_is_string(command) && !report->command)
        report->command = strdup(json_string_value(command));
    if (status > report->status)
        report->status = status;
    json_array_foreach(tests, i, test)
    {
        const char *const why = row_read(&report->table, test);
        if (why)
            return why;
    }
    return NULL;
}

bool report_read(struct report *report, const char *path)
{
    json_error_t error;
    json_t *const root =
        strcmp(path, "-") == 0
            ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
            : json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        if (error.line > 0)
            say("%s:%d: %s", path, error.line, error.text);
        else
            say("%s: %s", path, error.text);
        return false;
    }
    const char *const why = root_read(report, root);
    if (why)
        say("%s: %s", path, why);
    json_decref(root);
    return !why;
}
