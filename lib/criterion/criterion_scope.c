/* SPDX-License-Identifier: MIT */
/*
 * WITHIN_BUDGET, WITH_PRESSURE and ONE_TIME: blocks that are closed however
 * they are left. The compiler sees to break, return, goto and exceptions;
 * longjmp runs nothing. So an open scope's budget is kept here, not in the
 * frame, with the address of the frame: the stack grows down, and a call of
 * Tether's whose own frame is at or above that address proves the scope's frame
 * gone.
 *
 * Locks: 'scopes_lock' guards the table, and is not held in calls to
 * libtether, which may come back with a failure.
 */
#include "criterion_plug.h"

#include <string.h>

#define SCOPES_MAX      64
#define ONE_TIME_NUMBER UINT64_MAX

static struct open_scope {
    struct tether_budget budget;
    enum tether_level level; /* of a WITH_PRESSURE; 0: it is a budget */
    uint64_t number;         /* 0: the place is free */
    const void *frame;       /* of the function with the block */
    pthread_t thread;
} scopes[SCOPES_MAX];

static uint64_t scopes_number;
static pthread_mutex_t scopes_lock = PTHREAD_MUTEX_INITIALIZER;

static struct open_scope *scope_find(uint64_t number)
{
    struct open_scope *found = NULL;
    pthread_mutex_lock(&scopes_lock);
    for (size_t i = 0; number && i < SCOPES_MAX && !found; i++)
        if (scopes[i].number == number)
            found = &scopes[i];
    pthread_mutex_unlock(&scopes_lock);
    return found;
}

/* The youngest open scope of the calling thread, or of any; NULL: none. */
static struct open_scope *scope_youngest(bool any_thread)
{
    struct open_scope *found = NULL;
    pthread_mutex_lock(&scopes_lock);
    for (size_t i = 0; i < SCOPES_MAX; i++)
        if (scopes[i].number && (!found || scopes[i].number > found->number) &&
            (any_thread || pthread_equal(scopes[i].thread, pthread_self())))
            found = &scopes[i];
    pthread_mutex_unlock(&scopes_lock);
    return found;
}

static struct open_scope *scope_take(const void *frame)
{
    struct open_scope *found = NULL;
    pthread_mutex_lock(&scopes_lock);
    for (size_t i = 0; i < SCOPES_MAX && !found; i++)
        if (!scopes[i].number) {
            found = &scopes[i];
            found->level = TETHER_NO_PRESSURE;
            found->number = ++scopes_number;
            found->frame = frame;
            found->thread = pthread_self();
        }
    pthread_mutex_unlock(&scopes_lock);
    return found;
}

static void scope_close(struct open_scope *scope, bool judge)
{
    bool before = tt_plug.unjudged;
    if (!judge)
        tt_plug.unjudged = true;
    /* A failure that stops the test longjmps out of here: the place is free
     * before. Its memory stays valid, and no scope begins meanwhile. */
    scope->number = 0;
    if (scope->level)
        tether_pressure_end(scope->level);
    else
        tether_budget_end(&scope->budget);
    tt_plug.unjudged = before;
}

void tt_scopes_sweep(const void *frame)
{
    struct open_scope *scope;
    while ((scope = scope_youngest(false)) &&
           (uintptr_t)scope->frame <= (uintptr_t)frame)
        scope_close(scope, false);
}

void tt_scopes_drop(void)
{
    struct open_scope *scope;
    while ((scope = scope_youngest(true)))
        scope_close(scope, false);
}

uint64_t tether_scope_begin(struct tether_budget given, const void *frame)
{
    tt_scopes_sweep(__builtin_frame_address(0));
    if (tt_plug.off || tt_is_forked())
        return 0;
    const char *why = tether_budget_unchecked(&given);
    if (why)
        tt_unchecked(why);
    struct open_scope *scope = scope_take(frame);
    if (!scope) {
        tt_tell(given.file, given.line,
                "WITHIN_BUDGET is nested too deep: at most 64 may be open");
        tt_leave();
    }
    scope->budget = given;
    if (tether_budget_begin(&scope->budget) == TETHER_REFUSED) {
        scope->number = 0;
        tt_leave();
    }
    return scope->number;
}

uint64_t tether_scope_pressure(enum tether_level level, const void *frame)
{
    tt_scopes_sweep(__builtin_frame_address(0));
    if (tt_plug.off)
        return 0;
    struct open_scope *scope = scope_take(frame);
    if (!scope) {
        tt_tell(__FILE__, __LINE__,
                "WITH_PRESSURE is nested too deep: at most 64 scopes may be "
                "open");
        tt_leave();
    }
    scope->level = level;
    uint64_t number = scope->number;
    tether_pressure_begin(level);
    return number;
}

uint64_t tether_scope_one_time(void)
{
    tether_one_time_begin();
    return ONE_TIME_NUMBER;
}

void tether_scope_end(struct tether_scope *scope)
{
    TETHER_KEEP_REGISTERS();
    struct open_scope *open, *youngest;
    if (scope->number == ONE_TIME_NUMBER) {
        tether_one_time_end();
        return;
    }
    open = scope_find(scope->number);
    if (!open)
        return;
    /* Younger ones that are still open were skipped by a longjmp. */
    while ((youngest = scope_youngest(false)) && youngest != open &&
           youngest->number > open->number)
        scope_close(youngest, false);
    scope_close(open, true);
}
