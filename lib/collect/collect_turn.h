/* SPDX-License-Identifier: MIT */
#ifndef TT_COLLECT_TURN_H
#define TT_COLLECT_TURN_H
/*
 * The turn: one thread collects or relieves pressure at a time, and what it
 * runs is known by name.
 */
#include "collect/collect_registry.h"
#include "os/os_turn.h"

/* Takes the turn. 'frame' is that of the public call; 'wait': for another
 * thread to give it. */
enum tt_turn_answer tt_collect_turn_take(uintptr_t frame, bool wait);
void tt_collect_turn_give(void);

/* Shows a callback of 'unit' as running. The registry is locked. */
void tt_unit_enter(const struct unit *unit);
void tt_unit_leave(void);

/* For the fork handlers; inside the registry's lock. */
void tt_collect_turn_lock(void);
void tt_collect_turn_unlock(void);

#endif
