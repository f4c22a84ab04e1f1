/* SPDX-License-Identifier: MIT */
#ifndef TT_OS_TURN_H
#define TT_OS_TURN_H
/*
 * A turn: what one thread does at a time, and may not begin again further up
 * its own stack. A lock would do, but what runs in a turn are user's functions,
 * which may leave by longjmp and give nothing back. So a turn names the thread
 * and the frame that took it: stacks grow downward, a live caller's frame is
 * above ours, so a frame at or below ours was left. A thread that ended has
 * left too.
 */
#include "base/base_lock.h"

#include <sys/types.h>

struct tt_turn {
    struct tt_lock lock;
    pid_t thread; /* that has the turn, 0: nobody */
    uintptr_t frame;
    _Atomic uint32_t news; /* counts what sleepers wait for */
};

enum tt_turn_answer {
    TT_TURN_TAKEN,
    TT_TURN_MINE, /* the calling thread has it already, up its stack */
    TT_TURN_OTHERS
};

/* Takes the turn. 'frame' is that of the public call. 'wait': until another
 * thread gives it; else that is answered. *was_left says whether the one
 * before gave nothing back. */
enum tt_turn_answer tt_turn_take(struct tt_turn *turn, uintptr_t frame,
                                 bool wait, bool *was_left);
void tt_turn_give(struct tt_turn *turn);

/* Which thread has it, if it still runs; 0: none. */
pid_t tt_turn_holder(struct tt_turn *turn);

/* Sleeps until the turn is given, for a while at most; 'seen' is turn->news,
 * read before what is waited for was looked at. */
void tt_turn_sleep(struct tt_turn *turn, uint32_t seen);

#endif
