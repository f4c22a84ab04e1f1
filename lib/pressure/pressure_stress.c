/* SPDX-License-Identifier: MIT */
/*
 * Stress: collections that become due by count of allocations. The count is a
 * mark of the window's (lib/budget), so each index is exact whatever thread
 * comes to it, and a test that allocates in the same order gets its
 * collections at the same places.
 *
 * What is due is written down as it becomes due, to the board and to the file
 * that TETHER_STRESS_LOG names: a test that crashes in the next line has told
 * all there is to tell.
 *
 * Hook: tt_stressed runs inside malloc.
 */
#include "pressure/pressure.h"

#include "base/base_text.h"
#include "budget/budget.h"
#include "collect/collect_registry.h"
#include "heap/heap.h"
#include "os/os.h"
#include "ref/ref.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#undef tether_stress

#define AT_MAX 4096u

static struct {
    uint64_t every; /* 0: not so */
    uint64_t at[AT_MAX];
    size_t at_count; /* not 0: at these only, rising */
    enum tether_level pressure;
    _Atomic uint64_t count; /* that became due in this window */
    _Atomic uint64_t due;   /* at which allocation; 0: it has run */
    int log;                /* a file, -1: none */
} stress = { .log = -1 };

int64_t tt_stress_after(int64_t index)
{
    const uint64_t now = (uint64_t)index;
    if (stress.every)
        return (int64_t)((now / stress.every + 1) * stress.every);
    for (size_t i = 0; i < stress.at_count; i++)
        if (stress.at[i] > now)
            return (int64_t)stress.at[i];
    return 0;
}

static void log_write(const char *what, uint64_t index, const char *name)
{
    char bytes[320];
    struct tt_text text;
    if (stress.log < 0)
        return;
    tt_text_fixed(&text, bytes, sizeof bytes);
    tt_text_add(&text, "%s ", what);
    if (name)
        tt_text_add(&text, "%s\n", name);
    else
        tt_text_add(&text, "%llu\n", (unsigned long long)index);
    const ssize_t written = write(stress.log, text.data, text.len);
    (void)written; /* a full disk is no reason to end a test */
}

/* Collectors that may run inside malloc do. */
static void collect_in_malloc(void)
{
    static _Thread_local bool inside __attribute__((tls_model("initial-exec")));
    struct unit copy = { .order = INT_MIN };
    if (inside)
        return;
    inside = true;
    while (tt_unit_next_in_malloc(&copy)) {
        struct tether_reclaimed reclaimed = { TETHER_MEASURE, TETHER_MEASURE };
        if (copy.collect && (!copy.pending || copy.pending(copy.ctx)))
            copy.collect(&reclaimed, copy.ctx);
        tt_unit_left_in_malloc(&copy);
    }
    inside = false;
}

void tt_stressed(int64_t index)
{
    const uint64_t count = atomic_fetch_add(&stress.count, 1) + 1;
    log_write("due", (uint64_t)index, NULL);
    tt_board_stress(count, (uint64_t)index, 0);
    collect_in_malloc();
    if (stress.pressure) {
        tt_pressure_in_malloc(stress.pressure);
        tt_pressure_due(stress.pressure);
    }
    atomic_store(&stress.due, (uint64_t)index);
    tt_safepoint_set();
}

static uint64_t allocations_now(void)
{
    struct tt_numbers numbers = { 0 };
    struct tt_scope *const window = tt_scope_outermost();
    if (window)
        tt_scope_numbers(window, &numbers);
    return (uint64_t)numbers.total_count;
}

void tt_stress_safepoint(void)
{
    if (!atomic_load(&stress.due))
        return;
    if (!tt_window_is_mine()) {
        tt_safepoint_set();
        return;
    }
    const uint64_t due = atomic_exchange(&stress.due, 0);
    const uint64_t count = atomic_load(&stress.count);
    const uint64_t now = allocations_now();
    tt_board_stress(count, due, now);
    if (tether_collect().status == TETHER_OK) {
        log_write("ran", now, NULL);
        return;
    }
    tt_board_stress(count, due, 0);
    atomic_store(&stress.due, due);
    tt_safepoint_set();
}

/* ---- what makes them due ---- */

static void stress_begin(void)
{
    const int64_t next = tt_stress_after((int64_t)allocations_now());
    if (next)
        tt_budget_stress_at(next);
}

tether_status tether_stress_with(uint64_t every, struct tether_stress_how how)
{
    static const char call[] = "tether_stress";
    if (how.pressure < 0 || how.pressure > TETHER_EXHAUSTED)
        tt_die(call,
               "%d is no level; write TETHER_MODERATE, TETHER_CRITICAL or "
               "TETHER_EXHAUSTED",
               how.pressure);
    stress.every = every;
    stress.at_count = 0;
    stress.pressure = (enum tether_level)how.pressure;
    if (!tt_budget_stress_at(0))
        return TETHER_NOT_FOUND;
    stress_begin();
    return TETHER_OK;
}

tether_status tether_stress(uint64_t every)
{
    return tether_stress_with(every,
                              (struct tether_stress_how){ .text = NULL });
}

/* Reads '1200,3400'. False: it is no list of rising numbers. */
static bool list_read(const char *text)
{
    stress.at_count = 0;
    for (;;) {
        char *end;
        const unsigned long long index = strtoull(text, &end, 10);
        const uint64_t last =
            stress.at_count ? stress.at[stress.at_count - 1] : 0;
        if (end == text || index <= last || index > INT64_MAX ||
            stress.at_count == AT_MAX || (*end && *end != ','))
            return false;
        stress.at[stress.at_count++] = index;
        if (!*end)
            return true;
        text = end + 1;
    }
}

/* Reads a number from 'least' to 'most'; 0 where it is unset. */
static uint64_t number_read(const char *name, uint64_t most)
{
    const char *const text = tt_os_env(name);
    char *end;
    if (!text || !*text)
        return 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*end || value == 0 || value > most)
        tt_die(name, "`%s` is no number from 1 to %llu", text,
               (unsigned long long)most);
    return value;
}

/* What tether_stress set ends with its window. */
static void environment_read(void)
{
    const char *const at = tt_os_env("TETHER_STRESS_AT");
    stress.every = number_read("TETHER_STRESS", INT64_MAX);
    stress.pressure = (enum tether_level)number_read("TETHER_STRESS_PRESSURE",
                                                     TETHER_EXHAUSTED);
    stress.at_count = 0;
    if (!at || !*at)
        return;
    stress.every = 0;
    if (!list_read(at))
        tt_die("TETHER_STRESS_AT",
               "`%s` is no list of rising numbers with commas between, at "
               "most %u",
               at, AT_MAX);
}

static void log_open(void)
{
    const char *const log = tt_os_env("TETHER_STRESS_LOG");
    if (stress.log < 0 && log && *log)
        stress.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

void tt_stress_window_began(const char *name)
{
    environment_read();
    log_open();
    tt_pressure_forget();
    atomic_store(&stress.count, 0);
    atomic_store(&stress.due, 0);
    if (!stress.every && !stress.at_count)
        return;
    log_write("window", 0, name);
    stress_begin();
}

void tt_stress_window_ends(bool passed)
{
    if (passed && atomic_load(&stress.count))
        tt_board_stress(0, 0, 0);
}
