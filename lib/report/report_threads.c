/* SPDX-License-Identifier: MIT */
/*
 * Threads that wait for the same at the same place are one entry, because a
 * pool's threads are told apart by nothing that matters here. A thread is
 * called by its own name; one that has only the program's, which a thread
 * begins with, is called by none, as are the kernel's numbers, which are other
 * ones in each run.
 *
 * Hook: all of it may run inside malloc and free.
 */
#include "report/report_threads.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/base_mem.h"
#include "heap/heap.h"
#include "os/os.h"
#include "os/os_maps.h"
#include "report/report_names.h"
#include "report/report_sites.h"
#include "report/report_stack.h"
#include "stack/stack.h"
#include "stack/stack_thread.h"

#define ROWS_MAX    64 /* threads that are looked at */
#define ENTRIES_MAX 4
#define LINES_MAX   5
#define NAMES_MAX   3

/* ---- what a row says ---- */

/* Is this frame of the function, or of one that it ends by calling? */
static bool frame_is_in(uintptr_t frame, void (*function)(void))
{
    uintptr_t start, end, of, of_end, tails[8];
    if (!tt_stack_function(tt_os_jump_target((uintptr_t)function), &start,
                           &end) ||
        !tt_stack_function(frame - 1, &of, &of_end))
        return false;
    size_t count = of == start ? 0 : tt_stack_tails(start, tails, 8);
    while (count > 0 && tails[count - 1] != of)
        count--;
    return of == start || count > 0;
}

/* The function that a user calls to wait so, where it can be told without any
 * symbol. */
static const char *frame_function(uintptr_t frame, bool *locks, bool *joins)
{
    static const struct {
        void (*function)(void);
        const char *name;
        bool locks, joins;
    } all[] = {
        { (void (*)(void))pthread_mutex_lock, "pthread_mutex_lock", true, 0 },
        { (void (*)(void))pthread_mutex_timedlock, "pthread_mutex_timedlock",
          true, 0 },
        { (void (*)(void))pthread_mutex_clocklock, "pthread_mutex_clocklock",
          true, 0 },
        { (void (*)(void))pthread_join, "pthread_join", 0, true },
        { (void (*)(void))pthread_timedjoin_np, "pthread_timedjoin_np", 0,
          true },
        { (void (*)(void))pthread_cond_wait, "pthread_cond_wait", 0, 0 },
        { (void (*)(void))pthread_cond_timedwait, "pthread_cond_timedwait", 0,
          0 },
    };
    for (size_t i = 0; i < TT_COUNT(all); i++)
        if (frame_is_in(frame, all[i].function)) {
            *locks = all[i].locks;
            *joins = all[i].joins;
            return all[i].name;
        }
    return NULL;
}

/* Code that a reader knows by what it is called with and not by what is in
 * it. */
static bool name_is_library(const struct tt_name *name)
{
    const char *const module = name->module->name;
    return name->module->is_libc || strncmp(module, "libtether", 9) == 0 ||
           strncmp(module, "libasan", 7) == 0;
}

/* '__read' is libc's own name of 'read'. */
static const char *name_public(const char *name)
{
    return name && strncmp(name, "__", 2) == 0 ? name + 2 : name;
}

static const struct tt_name *name_outermost(uintptr_t frame)
{
    const struct tt_name *name = tt_names_get(frame);
    while (name->outer)
        name = name->outer;
    return name;
}

/* Finds out which of the frames are the library's, and where they were entered.
 */
static void row_read(struct tt_thread_row *row)
{
    bool locks = false, joins = false;
    unsigned lead = 0;
    while (lead < row->count &&
           name_is_library(name_outermost(row->frames[lead])))
        lead++;
    if (lead) {
        const uintptr_t entry = row->frames[lead - 1];
        const struct tt_name *const name = name_outermost(entry);
        row->entry = frame_function(entry, &locks, &joins);
        if (!row->entry)
            row->entry = name_public(name->function);
    }
    if (lead == row->count)
        row->entry = NULL; /* libc's own, or a walk that ended early */
    if (!row->entry)
        row->entry = tt_os_call_name(&row->at);
    if (locks)
        row->owner = tt_os_mutex_owner(&row->at);
    if (joins)
        row->joined = tt_os_joined(&row->at);
    row->stack = tt_stack_intern(row->frames + lead, row->count - lead);
}

static bool row_same(const struct tt_thread_row *a,
                     const struct tt_thread_row *b)
{
    const bool same_entry =
        a->entry == b->entry ||
        (a->entry && b->entry && strcmp(a->entry, b->entry) == 0);
    return a->at.where == b->at.where && a->stack == b->stack &&
           a->owner == b->owner && a->joined == b->joined && same_entry;
}

/* ---- words ---- */

/* Has the thread a name of its own? */
static bool thread_has_name(const struct tt_os_thread *at)
{
    static const char *const path = "/proc/self/comm";
    char bytes[64];
    struct tt_text text;
    tt_text_fixed(&text, bytes, sizeof bytes);
    if (at->name[0] == '\0' || !tt_os_read_file(path, &text))
        return false;
    tt_text_end(&text);
    return strcmp(bytes, at->name) != 0;
}

/* Adds 'thread 'worker'', 'the main thread' or 'a thread'. */
static void thread_words(struct tt_text *text, const struct tt_os_thread *at)
{
    if (at->thread == getpid())
        tt_text_add(text, "the main thread");
    else if (thread_has_name(at))
        tt_text_add(text, "thread '%s'", at->name);
    else
        tt_text_add(text, "a thread");
}

/* The same for the thread that another one waits for. */
static void other_words(struct tt_text *text, pid_t thread)
{
    struct tt_os_thread at;
    if (thread == tt_os_thread_id())
        tt_text_add(text, "the thread of this assertion");
    else if (!tt_os_thread_look(thread, &at))
        tt_text_add(text, "a thread that has ended");
    else
        thread_words(text, &at);
}

/* Adds '3 threads ('a', 'b', ...)'. */
static void group_words(struct tt_text *text, struct tt_thread_row *rows,
                        size_t count, const struct tt_thread_row *first,
                        unsigned threads)
{
    unsigned named = 0;
    tt_text_add(text, "%u threads", threads);
    for (size_t i = 0; i < count; i++) {
        if (!row_same(&rows[i], first) || !thread_has_name(&rows[i].at))
            continue;
        if (named == NAMES_MAX) {
            tt_text_add(text, ", ...");
            break;
        }
        tt_text_add(text, named ? ", '%s'" : " ('%s'", rows[i].at.name);
        named++;
    }
    if (named)
        tt_text_add(text, ")");
}

static void where_words(struct tt_text *text, const struct tt_thread_row *row,
                        bool many)
{
    if (row->at.where == TT_OS_RUNS) {
        tt_text_add(text, many ? " are running" : " is running");
        return;
    }
    if (row->at.where == TT_OS_SLEEPS) {
        tt_text_add(text, many ? " sleep" : " sleeps");
        return;
    }
    tt_text_add(text, many ? " wait" : " waits");
    if (row->entry)
        tt_text_add(text, " in %s", row->entry);
    else
        tt_text_add(text, " in the kernel");
}

/* Adds whom it waits for, where that is known. */
static void whom_lines(struct tt_text *text, const struct tt_thread_row *row)
{
    if (!row->owner && !row->joined)
        return;
    tt_text_add(text, row->owner ? "    for a mutex held by "
                                 : "    for the end of ");
    other_words(text, row->owner ? row->owner : row->joined);
    tt_text_add(text, "\n");
}

/* Adds one entry and marks what it tells of. */
static unsigned entry_text(struct tt_text *text, struct tt_thread_row *rows,
                           size_t count, struct tt_thread_row *first)
{
    const uintptr_t *frames;
    unsigned threads = 0;
    for (size_t i = 0; i < count; i++)
        if (row_same(&rows[i], first)) {
            rows[i].told = true;
            threads++;
        }
    tt_text_add(text, "  ");
    if (threads == 1)
        thread_words(text, &first->at);
    else
        group_words(text, rows, count, first, threads);
    where_words(text, first, threads > 1);
    tt_text_add(text, "\n");
    whom_lines(text, first);
    if (tt_stack_frames(first->stack, &frames))
        tt_stack_lines(text, "    called by  ", first->stack, LINES_MAX);
    return threads;
}

static void rows_resolve(const struct tt_thread_row *rows, size_t count)
{
    const size_t bytes = count * TT_THREAD_FRAMES_MAX * sizeof(uintptr_t);
    uintptr_t *const all = tt_mem_take(bytes);
    size_t filled = 0;
    if (!all)
        return;
    for (size_t i = 0; i < count; i++)
        for (unsigned k = 0; k < rows[i].count; k++)
            all[filled++] = rows[i].frames[k];
    tt_names_resolve(all, filled);
    tt_mem_give(all, bytes);
}

void tt_thread_rows_text(struct tt_text *text, struct tt_thread_row *rows,
                         size_t count, size_t more)
{
    size_t entries = 0, sleepers = 0, left = count;
    rows_resolve(rows, count);
    for (size_t i = 0; i < count; i++) {
        row_read(&rows[i]);
        sleepers += rows[i].at.where == TT_OS_SLEEPS;
    }
    for (size_t i = 0; i < count && entries < ENTRIES_MAX; i++)
        if (!rows[i].told) {
            left -= entry_text(text, rows, count, &rows[i]);
            entries++;
        }
    if (left + more) {
        tt_text_add(text, "  and ");
        tt_text_count(text, (int64_t)(left + more), "more thread");
        tt_text_add(text, "\n");
    }
    if (sleepers)
        tt_text_add(text, "  where threads sleep is not known: "
                          "/proc/self/task/*/syscall\n  cannot be read here\n");
}

/* ---- looking ---- */

/* Tries again where the thread moves on while it is looked at. */
static bool row_make(struct tt_thread_row *row, pid_t thread,
                     const struct tt_text *maps)
{
    for (int tries = 0; tries < 3; tries++) {
        if (!tt_os_thread_look(thread, &row->at))
            return false;
        if (row->at.where != TT_OS_WAITS)
            return true;
        row->count = tt_stack_of_thread(&row->at, maps, row->frames,
                                        TT_THREAD_FRAMES_MAX);
        if (row->count)
            return true;
    }
    if (!tt_os_thread_same(&row->at))
        row->at.where = TT_OS_RUNS;
    return true;
}

void tt_threads_text(struct tt_text *text)
{
    pid_t threads[ROWS_MAX + 8];
    struct tt_text maps;
    size_t count = 0;
    const pid_t self = tt_os_thread_id();
    const size_t found = tt_os_threads(threads, TT_COUNT(threads));
    if (found == 0)
        tt_text_add(text, "  the other threads are not known: /proc/self/task "
                          "cannot be read\n");
    if (found <= 1)
        return;
    struct tt_thread_row *const rows = tt_map(ROWS_MAX * sizeof *rows);
    tt_text_make(&maps);
    size_t more = found - TT_MIN(found, TT_COUNT(threads));
    if (rows && tt_maps_read(&maps))
        for (size_t i = 0; i < TT_MIN(found, TT_COUNT(threads)); i++) {
            if (threads[i] == self || tt_thread_ignored(threads[i]))
                continue;
            if (count == ROWS_MAX)
                more++;
            else
                count += row_make(&rows[count], threads[i], &maps);
        }
    if (rows) {
        tt_thread_rows_text(text, rows, count, more);
        tt_unmap(rows, ROWS_MAX * sizeof *rows);
    }
    tt_text_drop(&maps);
}
