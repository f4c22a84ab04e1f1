/* SPDX-License-Identifier: MIT */
/*
 * tether.lock: JSON with one test a line, sorted, so that it merges as source
 * does.
 */
#include "runner/runner.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_SCHEMA 1

bool lock_row_get(const json_t *tests, const char *test, struct lock_row *row)
{
    json_int_t peak, count;
    int noisy = 0;
    json_t *leaked = NULL;
    json_t *const from = json_object_get(tests, test);
    if (!from ||
        json_unpack(from, "{s:I, s:I, s?o, s?b}", "peak", &peak, "count",
                    &count, "leaked", &leaked, "noisy", &noisy) != 0)
        return false;
    *row = (struct lock_row){
        .peak = peak,
        .count = count,
        .leaked = json_is_integer(leaked) ? json_integer_value(leaked) : -1,
        .noisy = noisy != 0,
    };
    return true;
}

/* The first test whose row is none, or NULL. */
static const char *lock_bad_row(json_t *tests)
{
    const char *test;
    json_t *row;
    struct lock_row read;
    json_object_foreach(tests, test,
                        row) if (!lock_row_get(tests, test, &read)) return test;
    return NULL;
}

json_t *lock_read(const char *path, bool *is_new)
{
    json_error_t error;
    json_t *const root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    int schema;
    json_t *tests;
    *is_new = access(path, F_OK) != 0;
    if (*is_new)
        return json_object();
    if (!root) {
        say("%s:%d: %s", path, error.line, error.text);
        return NULL;
    }
    if (json_unpack(root, "{s:i, s:o}", "schema", &schema, "tests", &tests) !=
            0 ||
        !json_is_object(tests) || schema != LOCK_SCHEMA) {
        say("%s is no lock of this version of Tether; `tether gate --accept` "
            "writes one",
            path);
        json_decref(root);
        return NULL;
    }
    json_incref(tests);
    json_decref(root);
    const char *const bad = lock_bad_row(tests);
    if (!bad)
        return tests;
    say("%s: '%s' needs a peak and a count, which are numbers", path, bad);
    json_decref(tests);
    return NULL;
}

static int name_compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* One test a line, sorted, so that a lock merges as source does. */
bool lock_write(const char *path, json_t *tests)
{
    const size_t count = json_object_size(tests);
    const char **const names = malloc((count + 1) * sizeof *names);
    FILE *const to = runner_open(path);
    size_t at = 0;
    const char *name;
    json_t *row;
    if (!names || !to) {
        free(names);
        return false;
    }
    json_object_foreach(tests, name, row) names[at++] = name;
    qsort(names, count, sizeof *names, name_compare);
    fprintf(to, "{\n  \"schema\": %d,\n  \"tests\": {\n", LOCK_SCHEMA);
    for (size_t i = 0; i < count; i++) {
        json_t *const key = json_string(names[i]);
        fputs("    ", to);
        json_dumpf(key, to, JSON_ENCODE_ANY);
        fputs(": ", to);
        json_dumpf(json_object_get(tests, names[i]), to, 0);
        fputs(i + 1 < count ? ",\n" : "\n", to);
        json_decref(key);
    }
    fputs("  }\n}\n", to);
    free(names);
    return runner_close(to, path);
}
