/* SPDX-License-Identifier: MIT */
/*
 * The table after the run: what each test took of the heap. The runner makes
 * the board before the first worker and reads it when the process ends, after
 * Criterion's own summary. It goes to stderr, because TAP, XML and JSON go to
 * stdout or to files.
 */
#include "criterion_plug.h"

#include <criterion/hooks.h>
#include <criterion/options.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_SHOWN_MAX 20
#define REASONS_MAX    8

/* One test; of the parameters of one the heaviest in each number. */
struct table_row {
    char *name;
    unsigned runs;
    struct tether_stats stats;
    size_t leaked_bytes;
    bool leaked_known;
    char *collecting; /* the collector in which a run ended, or NULL */
};

struct table {
    struct table_row *rows;
    size_t count, capacity;
    struct table_reason {
        char text[256];
        size_t tests;
    } reasons[REASONS_MAX];
    size_t reasons_count;
};

static pid_t runner;
static size_t table_room; /* runs that the board has rows for */

/* Rows are memory only once used: a parameterised test takes one for each
 * parameter, and their number is not known. */
static void table_board_make(void *set)
{
    const struct criterion_test_set *tests = set;
    table_room = tests->tests * 32 + 1024;
    if (tether_board_make(table_room) == TETHER_OK)
        runner = getpid();
}

/* Written by hand, because ReportHook() makes names of line numbers that may
 * collide with a user's. */
__attribute__((used, section("cr_pra"))) static f_report_hook table_before_all =
    table_board_make;

static void table_reason_add(struct table *table, const char *text)
{
    size_t i = 0;
    while (i < table->reasons_count &&
           strcmp(table->reasons[i].text, text) != 0)
        i++;
    if (i == table->reasons_count) {
        if (i == REASONS_MAX)
            return;
        snprintf(table->reasons[i].text, sizeof table->reasons[i].text, "%s",
                 text);
        table->reasons_count++;
    }
    table->reasons[i].tests++;
}

static struct table_row *table_row_get(struct table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 64;
        struct table_row *rows =
            realloc(table->rows, capacity * sizeof *table->rows);
        if (!rows)
            return NULL;
        table->rows = rows;
        table->capacity = capacity;
    }
    struct table_row *row = &table->rows[table->count];
    *row = (struct table_row){ .name = strdup(name), .leaked_known = true };
    if (!row->name)
        return NULL;
    table->count++;
    return row;
}

#define RAISE(to, from)    \
    do {                   \
        if ((to) < (from)) \
            (to) = (from); \
    } while (0)

static void table_see(const struct tether_board_row *seen, void *ctx)
{
    struct table *table = ctx;
    if (seen->unchecked) {
        table_reason_add(table, seen->unchecked);
        return;
    }
    struct table_row *row = table_row_get(table, seen->name);
    if (!row)
        return;
    row->runs++;
    RAISE(row->stats.peak_bytes, seen->stats.peak_bytes);
    RAISE(row->stats.largest_bytes, seen->stats.largest_bytes);
    RAISE(row->stats.total_bytes, seen->stats.total_bytes);
    RAISE(row->stats.total_count, seen->stats.total_count);
    RAISE(row->leaked_bytes, seen->leaked_bytes);
    if (!seen->ended)
        row->leaked_known = false;
    if (seen->collecting && !row->collecting)
        row->collecting = strdup(seen->collecting);
}

/* Highest peak first; of equals, by name. */
static int table_compare(const void *left, const void *right)
{
    const struct table_row *a = left, *b = right;
    if (a->stats.peak_bytes != b->stats.peak_bytes)
        return a->stats.peak_bytes < b->stats.peak_bytes ? 1 : -1;
    return strcmp(a->name, b->name);
}

/* At most eight characters: '1023 KiB'. */
static const char *table_size(uint64_t bytes, char *text, size_t size)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    unsigned unit = 0;
    /* What would be rounded to 1024 is one of the next unit. */
    while (value >= (unit ? 1023.5 : 1024) && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(text, size, unit && value < 99.95 ? "%.1f %s" : "%.0f %s", value,
             units[unit]);
    return text;
}

/* At most seven characters, up to ten million million. */
static const char *table_number(uint64_t count, char *text, size_t size)
{
    if (count < 10000000)
        snprintf(text, size, "%" PRIu64, count);
    else
        snprintf(text, size, "%" PRIu64 " M", count / 1000000);
    return text;
}

/* Numbers first and names last: names are of any length, and are not cut. */
static void table_row_print(const struct table_row *row)
{
    char peak[24], largest[24], total[24], count[24], leaked[24] = "-";
    if (row->leaked_known)
        table_size(row->leaked_bytes, leaked, sizeof leaked);
    fprintf(stderr, "[heap] %8s %8s %8s %7s %8s  %s",
            table_size(row->stats.peak_bytes, peak, sizeof peak),
            table_size(row->stats.largest_bytes, largest, sizeof largest),
            table_size(row->stats.total_bytes, total, sizeof total),
            table_number(row->stats.total_count, count, sizeof count), leaked,
            row->name);
    if (row->runs > 1)
        fprintf(stderr, " (%u runs)", row->runs);
    fputc('\n', stderr);
}

static void table_rows_print(const struct table *table)
{
    size_t shown = table->count;
    if (shown > ROWS_SHOWN_MAX && !tt_env_is_on("TETHER_VERBOSE"))
        shown = ROWS_SHOWN_MAX;
    fprintf(stderr, "[heap] %8s %8s %8s %7s %8s  %s\n", "peak", "largest",
            "total", "count", "leaked", "test");
    for (size_t i = 0; i < shown; i++)
        table_row_print(&table->rows[i]);
    if (shown < table->count)
        fprintf(stderr,
                "[heap] and %zu more tests; TETHER_VERBOSE=1 shows all\n",
                table->count - shown);
}

static void table_print(struct table *table)
{
    bool quiet =
        criterion_options.logging_threshold >= CRITERION_LOG_LEVEL_QUIET;
    if (table->count && !quiet) {
        qsort(table->rows, table->count, sizeof *table->rows, table_compare);
        table_rows_print(table);
    }
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].collecting)
            fprintf(stderr, "[heap] %s ended inside the collector `%s`\n",
                    table->rows[i].name, table->rows[i].collecting);
    if (tether_board_missing())
        fprintf(stderr,
                "[heap] %zu more runs of tests are missing here: the table "
                "has room for %zu\n",
                tether_board_missing(), table_room);
    for (size_t i = 0; i < table->reasons_count; i++)
        fprintf(stderr, "[heap] %zu test%s unchecked: %s\n",
                table->reasons[i].tests,
                table->reasons[i].tests == 1 ? "" : "s",
                table->reasons[i].text);
}

/* The end of the process is the only place that is after Criterion's summary
 * whatever main() does. */
__attribute__((destructor)) static void table_after_all(void)
{
    struct table table = { 0 };
    if (!runner || runner != getpid())
        return;
    fflush(stdout);
    tether_board_visit(table_see, &table);
    table_print(&table);
    for (size_t i = 0; i < table.count; i++) {
        free(table.rows[i].name);
        free(table.rows[i].collecting);
    }
    free(table.rows);
}
