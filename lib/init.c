/* SPDX-License-Identifier: MIT */
/*
 * The one file that knows every part: it sets the parts up when the library
 * is loaded and fills the tables through which news travels upward.
 */
#include "base/base.h"
#include "budget/budget.h"
#include "collect/collect.h"
#include "heap/heap.h"
#include "os/os.h"
#include "reach/reach.h"
#include "pressure/pressure.h"
#include "ref/ref.h"
#include "report/report.h"
#include "report/report_names.h"
#include "report/report_spy.h"
#include "spy/spy.h"
#include "stack/stack.h"

#include <tether/status.h>

#include <pthread.h>

const char *tether_status_name(tether_status status)
{
    switch (status) {
#define NAME(number, name, text) \
    case name:                   \
        return #name;
        TETHER_STATUS_TABLE(NAME)
#undef NAME
    }
    return "unknown status";
}

const char *tether_status_text(tether_status status)
{
    switch (status) {
#define TEXT(number, name, text) \
    case name:                   \
        return text;
        TETHER_STATUS_TABLE(TEXT)
#undef TEXT
    }
    return "unknown status";
}

static void before_fork(void)
{
    tt_report_lock();
    tt_collect_lock();
    tt_spy_lock();
    tt_ref_lock();
    tt_heap_lock();
}

static void after_fork_in_parent(void)
{
    tt_heap_unlock();
    tt_ref_unlock();
    tt_spy_unlock();
    tt_collect_unlock();
    tt_report_unlock();
}

static void after_fork_in_child(void)
{
    tt_heap_child();
    tt_ref_child();
    tt_spy_unlock();
    tt_collect_child();
    tt_report_unlock();
    tt_budget_child();
    tt_pressure_forget();
}

static void module_unloaded(void)
{
    tt_names_forget();
    tt_budget_forget();
}

__attribute__((constructor(101))) static void setup(void)
{
    /* Registering for the fence waits for the whole machine's processors once
     * the process has a second thread, 15 ms and more; now it is free. */
    tt_os_fence_all();
    tt_heap_news.breach = tt_budget_breach;
    tt_heap_news.misuse = tt_budget_misuse;
    tt_heap_news.marked = tt_budget_marked;
    tt_heap_news.relieve = tt_pressure_relieve;
    tt_budget_tell.pressure = tt_pressure_due;
    tt_budget_tell.stressed = tt_stressed;
    tt_budget_tell.stress_after = tt_stress_after;
    tt_budget_tell.window_began = tt_stress_window_began;
    tt_budget_tell.window_ends = tt_stress_window_ends;
    tt_safepoint_more = tt_pressure_safepoint;
    tt_heap_news.died = tt_ref_died;
    tt_heap_news.moved = tt_ref_moved;
    tt_heap_news.tagged = tt_ref_tagged;
    tt_heap_news.child = after_fork_in_child;
    tt_reach_more.lock = tt_ref_lock;
    tt_reach_more.unlock = tt_ref_unlock;
    tt_reach_more.holds = tt_ref_holds;
    tt_window_ending = tt_quarantine_tell;
    tt_ref_tell.touched = tt_report_touched;
    tt_spy_words = tt_report_spy;
    tt_budget_words.breach = tt_report_breach;
    tt_budget_words.leak = tt_report_leak;
    tt_budget_words.misuse = tt_report_misuse;
    tt_budget_words.where = tt_report_where;
    tt_budget_words.profile = tt_report_profile;
    tt_budget_words.find_functions = tt_report_functions;
    tt_stack_unloaded = module_unloaded;
    tt_heap_setup();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
