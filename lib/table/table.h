/* SPDX-License-Identifier: MIT */
#ifndef TT_TABLE_H
#define TT_TABLE_H
/*
 * What each test took of the heap, gathered from the board, and the table of
 * it that is printed after a run. The plug-in prints it at the end of a suite
 * and the command `tether` at the end of what it ran. Sees public headers
 * only; ordinary memory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <tether/heap.h>

/* One test; of several runs (parameters, processes) the heaviest in each
 * number. */
struct table_row {
    char *name; /* "suite::test", or a program's name */
    unsigned runs;
    struct tether_stats stats;
    size_t max_heap; /* the limit; SIZE_MAX: none. Of several the lowest */
    size_t leaked_bytes;
    bool leaked_known; /* every run ended in good order */
    unsigned failed;   /* bits 1 << enum tether_failure_kind */
    char *collecting;  /* the collector in which a run ended, or NULL */
    char *unchecked;   /* why nothing was checked, or NULL */
    char *note;        /* lines that its user should see, or NULL */
    uint64_t stressed; /* by tether_stress, in a run that failed */
    uint64_t stress_due, stress_ran;
};

struct table {
    struct table_row *rows;
    size_t count, capacity;
};

/* Adds what the board shows. The board is this process's own. */
void table_gather(struct table *table);

/* Finds a test's row, or adds one. NULL when out of memory. */
struct table_row *table_row_get(struct table *table, const char *name);

/* Adds one more run of a test: the heaviest of each number stays. */
void table_row_raise(struct table_row *row, const struct table_row *run);

void table_drop(struct table *table);

/* Sorts: highest peak first; of equals, by name. */
void table_sort(struct table *table);

/* Prints the table, sorted. 'all': also more than the 20 heaviest. */
void table_print(const struct table *table, bool all, FILE *to);

/* Prints how many tests were not checked, one line a reason; then the notes
 * of tests, each once. */
void table_print_unchecked(const struct table *table, FILE *to);

/* Prints the rules of TETHER_SUPPRESS that nothing needed, at most five. */
void table_print_unneeded(FILE *to);

/* A size in at most eight characters: '1023 KiB'. Returns 'text'. */
const char *table_size(uint64_t bytes, char *text, size_t size);

#endif
