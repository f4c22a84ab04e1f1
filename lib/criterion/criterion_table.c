/* SPDX-License-Identifier: MIT */
/*
 * The table after the run: what each test took of the heap. The runner makes
 * the board before the first worker and reads it when the process ends, after
 * Criterion's own summary. It goes to stderr, because TAP, XML and JSON go to
 * stdout or to files.
 */
#include "criterion_plug.h"

#include "config/config.h"
#include "table/table.h"

#include <criterion/hooks.h>
#include <criterion/options.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TABLE_ROWS_MAX 1000000

static pid_t runner;
static size_t table_room; /* runs that the board has rows for */

/* Nothing runs when tether.ini has an error: limits that are not what they
 * seem to be would pass tests that they are to fail. */
static void table_config_hand_over(void)
{
    struct config config;
    const char *const path = config_path();
    if (!path || getenv(CONFIG_HANDED))
        return;
    if (!config_read(&config, path, path, stderr)) {
        fprintf(stderr, "tether: %s is not good; no test was run\n", path);
        exit(EXIT_BAD_USAGE);
    }
    config_drop(&config);
    if (!config_hand_over(path)) {
        fprintf(stderr, "tether: no memory to hand over %s\n", path);
        exit(EXIT_BAD_USAGE);
    }
}

/* Rows are memory only once used: a parameterised test takes one for each
 * parameter, and their number is not known. */
static size_t table_rows_wanted(size_t tests)
{
    const char *const given = getenv("TETHER_TABLE_ROWS");
    const unsigned long rows = given ? strtoul(given, NULL, 10) : 0;
    return rows > 0 && rows <= TABLE_ROWS_MAX ? rows : tests * 32 + 1024;
}

static void table_board_make(void *set)
{
    const struct criterion_test_set *tests = set;
    table_config_hand_over();
    /* `tether run` has made the board, and prints the table. */
    if (getenv("TETHER_RUN")) {
        unsetenv("TETHER_RUN");
        return;
    }
    table_room = table_rows_wanted(tests->tests);
    if (tether_board_make(table_room) == TETHER_OK)
        runner = getpid();
}

/* Written by hand, because ReportHook() makes names of line numbers that may
 * collide with a user's. */
__attribute__((used, section("cr_pra"))) static f_report_hook table_before_all =
    table_board_make;

/* The end of the process is the only place that is after Criterion's summary
 * whatever main() does. */
__attribute__((destructor)) static void table_after_all(void)
{
    struct table table = { 0 };
    if (!runner || runner != getpid())
        return;
    fflush(stdout);
    table_gather(&table);
    table_sort(&table);
    if (criterion_options.logging_threshold < CRITERION_LOG_LEVEL_QUIET)
        table_print(&table, tt_env_is_on("TETHER_VERBOSE"), stderr);
    if (tether_board_missing())
        fprintf(stderr,
                "[heap] %zu more runs of tests are missing here; "
                "TETHER_TABLE_ROWS=%zu makes room\n",
                tether_board_missing(), table_room + tether_board_missing());
    table_print_unchecked(&table, stderr);
    /* Of a part of the tests nobody can tell. */
    if (!criterion_options.pattern)
        table_print_unneeded(stderr);
    table_drop(&table);
}
