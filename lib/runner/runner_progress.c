/* SPDX-License-Identifier: MIT */
/*
 * Live progress on a terminal: the test that runs, its live bytes at their
 * highest against its limit, and how long the run has lasted.
 *
 * The program writes to the same terminal whenever it likes. So the last line
 * of the screen is taken out of the region that scrolls, and written to with
 * the cursor saved and put back, as apt does.
 */
#include "runner/runner.h"

#include <tether/board.h>

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_CELLS 20

static struct {
    bool on;
    int lines, columns;
    struct timespec begin;
} progress;

/* The newest window that is open. */
struct newest {
    char name[256];
    struct tether_stats stats;
    size_t max_heap, windows;
};

static void newest_see(const struct tether_board_row *row, void *ctx)
{
    struct newest *const newest = ctx;
    newest->windows++;
    if (row->ended && newest->windows > 1)
        return;
    snprintf(newest->name, sizeof newest->name, "%s", row->name);
    newest->stats = row->stats;
    newest->max_heap = row->max_heap;
}

/* '[#####...............]': against the limit; empty where there is none. */
static const char *bar_text(const struct newest *newest, char *text)
{
    size_t filled = 0;
    if (newest->max_heap == SIZE_MAX)
        return "";
    if (newest->max_heap)
        filled = (size_t)((double)newest->stats.peak_bytes /
                          (double)newest->max_heap * BAR_CELLS);
    if (filled > BAR_CELLS)
        filled = BAR_CELLS;
    text[0] = '[';
    memset(text + 1, '#', filled);
    memset(text + 1 + filled, '.', BAR_CELLS - filled);
    text[1 + BAR_CELLS] = ']';
    text[2 + BAR_CELLS] = '\0';
    return text;
}

static double elapsed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - progress.begin.tv_sec) +
           (double)(now.tv_nsec - progress.begin.tv_nsec) / 1e9;
}

static void line_text(char *line, size_t size)
{
    struct newest newest = { .max_heap = SIZE_MAX };
    char bar[BAR_CELLS + 3], peak[24], limit[24], of[40] = "";
    tether_board_visit(newest_see, &newest);
    if (newest.max_heap != SIZE_MAX)
        snprintf(of, sizeof of, " of %s",
                 table_size(newest.max_heap, limit, sizeof limit));
    snprintf(line, size, "%.1f s  %zu  %s%s%s%s  %s", elapsed(), newest.windows,
             bar_text(&newest, bar), newest.max_heap != SIZE_MAX ? " " : "",
             table_size(newest.stats.peak_bytes, peak, sizeof peak), of,
             newest.name);
}

static bool screen_measure(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 3 ||
        size.ws_col < 20)
        return false;
    const bool changed =
        size.ws_row != progress.lines || size.ws_col != progress.columns;
    progress.lines = size.ws_row;
    progress.columns = size.ws_col;
    if (changed)
        /* A line of room; the region without the last line; back, and up. */
        fprintf(stderr, "\n\0337\033[1;%dr\0338\033[1A", progress.lines - 1);
    return true;
}

void progress_begin(bool wanted)
{
    const char *const terminal = getenv("TERM");
    progress.on = wanted && isatty(STDERR_FILENO) && terminal &&
                  strcmp(terminal, "dumb") != 0;
    progress.lines = 0;
    clock_gettime(CLOCK_MONOTONIC, &progress.begin);
}

void progress_show(void)
{
    char line[512];
    if (!progress.on || !screen_measure())
        return;
    line_text(line, sizeof line);
    fprintf(stderr, "\0337\033[%d;1H\033[K%.*s\0338", progress.lines,
            progress.columns - 1, line);
    fflush(stderr);
}

void progress_end(void)
{
    if (progress.on && progress.lines)
        fprintf(stderr, "\0337\033[r\033[%d;1H\033[K\0338", progress.lines);
    progress.on = false;
}

bool progress_is_on(void)
{
    return progress.on;
}
