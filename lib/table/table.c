/* SPDX-License-Identifier: MIT */
/*
 * Gathering the rows of the board by name, and printing them.
 */
#include "table/table.h"

#include <tether/board.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_SHOWN_MAX  20
#define RULES_SHOWN_MAX 5
#define COLUMNS         80

struct table_row *table_row_get(struct table *table, const char *name)
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
    *row = (struct table_row){ .name = strdup(name),
                               .max_heap = SIZE_MAX,
                               .leaked_known = true };
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

void table_row_raise(struct table_row *row, const struct table_row *run)
{
    row->runs += run->runs;
    row->failed |= run->failed;
    if (run->note && !row->note)
        row->note = strdup(run->note);
    if (run->unchecked) {
        if (!row->unchecked)
            row->unchecked = strdup(run->unchecked);
        return;
    }
    if (run->stressed && !row->stressed) {
        row->stressed = run->stressed;
        row->stress_due = run->stress_due;
        row->stress_ran = run->stress_ran;
    }
    RAISE(row->stats.peak_bytes, run->stats.peak_bytes);
    if (run->max_heap < row->max_heap)
        row->max_heap = run->max_heap;
    RAISE(row->stats.largest_bytes, run->stats.largest_bytes);
    RAISE(row->stats.total_bytes, run->stats.total_bytes);
    RAISE(row->stats.total_count, run->stats.total_count);
    RAISE(row->leaked_bytes, run->leaked_bytes);
    row->leaked_known = row->leaked_known && run->leaked_known;
    if (run->collecting && !row->collecting)
        row->collecting = strdup(run->collecting);
}

static void table_see(const struct tether_board_row *seen, void *ctx)
{
    struct table_row *const row = table_row_get(ctx, seen->name);
    const struct table_row run = { .runs = 1,
                                   .stats = seen->stats,
                                   .max_heap = seen->max_heap,
                                   .leaked_bytes = seen->leaked_bytes,
                                   .leaked_known = seen->ended != 0,
                                   .failed = (unsigned)seen->failed,
                                   .collecting = (char *)seen->collecting,
                                   .unchecked = (char *)seen->unchecked,
                                   .note = (char *)seen->note,
                                   .stressed = seen->stressed,
                                   .stress_due = seen->stress_due,
                                   .stress_ran = seen->stress_ran };
    if (row)
        table_row_raise(row, &run);
}

void table_gather(struct table *table)
{
    tether_board_visit(table_see, table);
}

void table_drop(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->rows[i].name);
        free(table->rows[i].collecting);
        free(table->rows[i].unchecked);
        free(table->rows[i].note);
    }
    free(table->rows);
    *table = (struct table){ 0 };
}

static int row_compare(const void *left, const void *right)
{
    const struct table_row *a = left, *b = right;
    if (a->stats.peak_bytes != b->stats.peak_bytes)
        return a->stats.peak_bytes < b->stats.peak_bytes ? 1 : -1;
    return strcmp(a->name, b->name);
}

void table_sort(struct table *table)
{
    if (table->count)
        qsort(table->rows, table->count, sizeof *table->rows, row_compare);
}

const char *table_size(uint64_t bytes, char *text, size_t size)
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
static void row_print(const struct table_row *row, FILE *to)
{
    char peak[24], largest[24], total[24], count[24], leaked[24] = "-";
    if (row->leaked_known)
        table_size(row->leaked_bytes, leaked, sizeof leaked);
    fprintf(to, "[heap] %8s %8s %8s %7s %8s  %s",
            table_size(row->stats.peak_bytes, peak, sizeof peak),
            table_size(row->stats.largest_bytes, largest, sizeof largest),
            table_size(row->stats.total_bytes, total, sizeof total),
            table_number(row->stats.total_count, count, sizeof count), leaked,
            row->name);
    if (row->runs > 1)
        fprintf(to, " (%u runs)", row->runs);
    fputc('\n', to);
}

void table_print(const struct table *table, bool all, FILE *to)
{
    size_t shown = 0, checked = 0;
    for (size_t i = 0; i < table->count; i++)
        checked += !table->rows[i].unchecked;
    if (checked == 0)
        return;
    fprintf(to, "[heap] %8s %8s %8s %7s %8s  %s\n", "peak", "largest", "total",
            "count", "leaked", "test");
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].unchecked)
            continue;
        if (!all && shown == ROWS_SHOWN_MAX)
            break;
        row_print(&table->rows[i], to);
        shown++;
    }
    if (shown < checked)
        fprintf(to, "[heap] and %zu more tests; TETHER_VERBOSE=1 shows all\n",
                checked - shown);
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].collecting)
            fprintf(to, "[heap] %s ended inside %s\n", table->rows[i].name,
                    table->rows[i].collecting);
}

/* Tests with this row's reason, if it is the first one that has it. */
static size_t reason_count(const struct table *table, size_t at)
{
    const char *const why = table->rows[at].unchecked;
    size_t tests = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct table_row *const row = &table->rows[i];
        if (!row->unchecked || strcmp(row->unchecked, why) != 0)
            continue;
        if (i < at)
            return 0;
        tests += row->runs;
    }
    return tests;
}

/* Most tests say the same. */
static bool note_is_first(const struct table *table, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (table->rows[i].note &&
            strcmp(table->rows[i].note, table->rows[at].note) == 0)
            return false;
    return true;
}

static void note_print(const char *lines, FILE *to)
{
    while (*lines) {
        const int len = (int)strcspn(lines, "\n");
        fprintf(to, "[heap] %.*s\n", len, lines);
        lines += len + (lines[len] != '\0');
    }
}

/* Ends the line with 'text', broken at spaces after 80 columns. */
static void wrapped_print(const char *text, size_t column, FILE *to)
{
    while (*text) {
        const size_t len = strcspn(text + 1, " ") + 1;
        if (column + len > COLUMNS && column > 0) {
            column = (size_t)fprintf(to, "\n[heap]  ") - 1;
            if (*text != ' ')
                column += (size_t)fprintf(to, " ");
        }
        column += (size_t)fprintf(to, "%.*s", (int)len, text);
        text += len;
    }
    fputc('\n', to);
}

static void stress_print(const struct table_row *row, FILE *to)
{
    if (!row->stressed)
        return;
    fprintf(to, "[heap] %s failed under stress\n", row->name);
    fprintf(to,
            "[heap]   the last collection, number %" PRIu64
            ", was due at allocation %" PRIu64,
            row->stressed, row->stress_due);
    if (row->stress_ran)
        fprintf(to, ", ran at %" PRIu64 "\n", row->stress_ran);
    else
        fprintf(to, ", never ran\n");
    fprintf(to, "[heap]   replay it with TETHER_STRESS_AT=%" PRIu64 "\n",
            row->stress_due);
}

void table_print_unchecked(const struct table *table, FILE *to)
{
    for (size_t i = 0; i < table->count; i++) {
        const size_t tests =
            table->rows[i].unchecked ? reason_count(table, i) : 0;
        if (!tests)
            continue;
        const int column = fprintf(to, "[heap] %zu test%s unchecked: ", tests,
                                   tests == 1 ? "" : "s");
        wrapped_print(table->rows[i].unchecked, (size_t)column, to);
    }
    for (size_t i = 0; i < table->count; i++)
        stress_print(&table->rows[i], to);
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].note && note_is_first(table, i))
            note_print(table->rows[i].note, to);
}

struct rules {
    FILE *to;
    size_t seen;
};

static void rule_print(const char *rule, void *ctx)
{
    struct rules *const rules = ctx;
    if (rules->seen < RULES_SHOWN_MAX)
        fprintf(rules->to, "%s'%s'",
                rules->seen ? ", " : "[heap] suppressions without use: ", rule);
    rules->seen++;
}

void table_print_unneeded(FILE *to)
{
    struct rules rules = { .to = to };
    const size_t count = tether_board_unneeded(rule_print, &rules);
    if (count > RULES_SHOWN_MAX)
        fprintf(to, " and %zu more", count - RULES_SHOWN_MAX);
    if (count)
        fputc('\n', to);
}
