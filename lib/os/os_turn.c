/* SPDX-License-Identifier: MIT */
/*
 * Turns: see os_turn.h.
 *
 * Locks: the turn's own, innermost.
 */
#include "os/os_turn.h"

#include "os/os.h"

#define LOOK_NS INT64_C(10000000) /* at whether the holder has ended */

/* May the caller take the turn? It is locked. */
static bool turn_is_free(const struct tt_turn *turn, pid_t me, uintptr_t frame)
{
    if (!turn->thread)
        return true;
    return turn->thread == me ? turn->frame <= frame
                              : tt_os_thread_gone(turn->thread);
}

enum tt_turn_answer tt_turn_take(struct tt_turn *turn, uintptr_t frame,
                                 bool wait, bool *was_left)
{
    const pid_t me = tt_os_thread_id();
    for (;;) {
        const uint32_t seen = atomic_load(&turn->news);
        tt_lock_take(&turn->lock);
        const bool is_free = turn_is_free(turn, me, frame);
        const bool is_mine = turn->thread == me;
        *was_left = turn->thread != 0;
        if (is_free) {
            turn->thread = me;
            turn->frame = frame;
        }
        tt_lock_give(&turn->lock);
        if (is_free)
            return TT_TURN_TAKEN;
        if (is_mine)
            return TT_TURN_MINE;
        if (!wait)
            return TT_TURN_OTHERS;
        tt_turn_sleep(turn, seen);
    }
}

void tt_turn_give(struct tt_turn *turn)
{
    tt_lock_take(&turn->lock);
    turn->thread = 0;
    tt_lock_give(&turn->lock);
    atomic_fetch_add(&turn->news, 1);
    tt_futex_wake(&turn->news, INT32_MAX);
}

pid_t tt_turn_holder(struct tt_turn *turn)
{
    tt_lock_take(&turn->lock);
    const pid_t thread = turn->thread;
    tt_lock_give(&turn->lock);
    return thread && !tt_os_thread_gone(thread) ? thread : 0;
}

void tt_turn_sleep(struct tt_turn *turn, uint32_t seen)
{
    tt_futex_wait(&turn->news, seen, LOOK_NS);
}
