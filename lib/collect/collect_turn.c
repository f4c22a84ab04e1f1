/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is, and what runs in it. The name of what runs is also written
 * to the board, where the runner finds it when the worker crashed or was
 * killed.
 *
 * Locks: the turn's, innermost.
 */
#include "collect/collect_turn.h"

#include "heap/heap.h"
#include "os/os.h"

#include <stdio.h>
#include <string.h>

static struct tt_turn turn;

static struct {
    _Atomic uint64_t unit; /* its number of making, 0: none */
    char name[UNIT_NAME_MAX];
} running;

enum tt_turn_answer tt_collect_turn_take(uintptr_t frame, bool wait)
{
    bool was_left;
    const enum tt_turn_answer answer =
        tt_turn_take(&turn, frame, wait, &was_left);
    if (answer == TT_TURN_TAKEN && was_left)
        tt_unit_leave();
    return answer;
}

void tt_collect_turn_give(void)
{
    tt_turn_give(&turn);
}

void tt_unit_enter(const struct unit *unit)
{
    char shown[UNIT_NAME_MAX + 32];
    memcpy(running.name, unit->name, sizeof running.name);
    atomic_store(&running.unit, unit->opened);
    snprintf(shown, sizeof shown, "the %s `%s`",
             unit->trim ? "trim callback" : "collector", running.name);
    tt_board_collecting(shown);
}

void tt_unit_leave(void)
{
    atomic_store(&running.unit, 0);
    tt_board_collecting(NULL);
}

void tt_collect_await(uint64_t opened)
{
    const pid_t me = tt_os_thread_id();
    while (atomic_load(&running.unit) == opened) {
        const uint32_t seen = atomic_load(&turn.news);
        const pid_t runs = tt_turn_holder(&turn);
        if (runs == me || !runs)
            return;
        tt_turn_sleep(&turn, seen);
    }
}

void tt_collect_turn_lock(void)
{
    tt_lock_take(&turn.lock);
}

void tt_collect_turn_unlock(void)
{
    tt_lock_give(&turn.lock);
}

const char *tether_collect_running(void)
{
    return atomic_load(&running.unit) ? running.name : NULL;
}
