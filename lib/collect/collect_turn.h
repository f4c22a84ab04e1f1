/* SPDX-License-Identifier: MIT */
#ifndef TT_COLLECT_TURN_H
#define TT_COLLECT_TURN_H
/*
 * The turn: one thread collects at a time, and what it runs is known by name.
 */
#include "collect/collect_registry.h"

/* Waits for the turn and takes it. 'frame' is that of the public call. False:
 * the calling thread has it already, further up its stack. */
bool tt_turn_take(uintptr_t frame);
void tt_turn_give(void);

/* Shows a callback of 'unit' as running. The registry is locked. */
void tt_turn_enter(const struct unit *unit);
void tt_turn_leave(void);

/* For the fork handlers; inside the registry's lock. */
void tt_turn_lock(void);
void tt_turn_unlock(void);

#endif
