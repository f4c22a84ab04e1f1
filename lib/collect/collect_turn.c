/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is to collect. A collector that fails an assertion leaves by
 * longjmp and gives no turn back, so the turn names the thread and the frame
 * that took it: stacks grow downward, a live caller's frame is above ours, so
 * a frame at or below ours was left. A thread that ended has left too.
 *
 * The name of what runs is also written to the board, where the runner finds
 * it when the worker crashed or was killed.
 *
 * Locks: the turn's, innermost.
 */
#include "collect/collect_turn.h"

#include "heap/heap.h"
#include "os/os.h"

#include <string.h>

#define LOOK_NS INT64_C(10000000) /* at whether the holder has ended */

static struct {
    struct tt_lock lock;
    pid_t thread; /* that has the turn, 0: nobody */
    uintptr_t frame;
    _Atomic uint32_t news;    /* counts what sleepers wait for */
    _Atomic uint64_t running; /* the unit's number of making, 0: none */
    char name[UNIT_NAME_MAX];
} turn;

/* May the caller take the turn? The turn is locked. */
static bool turn_is_free(pid_t me, uintptr_t frame)
{
    if (!turn.thread)
        return true;
    return turn.thread == me ? turn.frame <= frame
                             : tt_os_thread_gone(turn.thread);
}

bool tt_turn_take(uintptr_t frame)
{
    const pid_t me = tt_os_thread_id();
    for (;;) {
        const uint32_t seen = atomic_load(&turn.news);
        tt_lock_take(&turn.lock);
        const bool is_free = turn_is_free(me, frame);
        const bool is_mine = turn.thread == me;
        if (is_free) {
            if (turn.thread)
                tt_turn_leave();
            turn.thread = me;
            turn.frame = frame;
        }
        tt_lock_give(&turn.lock);
        if (is_free || is_mine)
            return is_free;
        tt_futex_wait(&turn.news, seen, LOOK_NS);
    }
}

static void news_tell(void)
{
    atomic_fetch_add(&turn.news, 1);
    tt_futex_wake(&turn.news, INT32_MAX);
}

void tt_turn_give(void)
{
    tt_lock_take(&turn.lock);
    turn.thread = 0;
    tt_lock_give(&turn.lock);
    news_tell();
}

void tt_turn_enter(const struct unit *unit)
{
    memcpy(turn.name, unit->name, sizeof turn.name);
    atomic_store(&turn.running, unit->opened);
    tt_board_collecting(turn.name);
}

void tt_turn_leave(void)
{
    atomic_store(&turn.running, 0);
    tt_board_collecting(NULL);
}

void tt_collect_await(uint64_t opened)
{
    const pid_t me = tt_os_thread_id();
    while (atomic_load(&turn.running) == opened) {
        const uint32_t seen = atomic_load(&turn.news);
        tt_lock_take(&turn.lock);
        const pid_t runs = turn.thread;
        tt_lock_give(&turn.lock);
        if (runs == me || !runs || tt_os_thread_gone(runs))
            return;
        tt_futex_wait(&turn.news, seen, LOOK_NS);
    }
}

void tt_turn_lock(void)
{
    tt_lock_take(&turn.lock);
}

void tt_turn_unlock(void)
{
    tt_lock_give(&turn.lock);
}

const char *tether_collect_running(void)
{
    return atomic_load(&turn.running) ? turn.name : NULL;
}
