/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_THREAD_H
#define TT_STACK_THREAD_H
/*
 * Stacks of threads other than the caller's, walked in a copy of their words:
 * the thread may go on, or end and take its stack with it, at any time.
 */
#include "base/base.h"
#include "base/base_text.h"

#include "os/os_threads.h"

/* Walks the stack of a thread that waits. 'maps' is what tt_maps_read gave.
 * Fills *frames as tt_stack_walk does, innermost first. Returns how many; 0
 * when it has gone on meanwhile. */
unsigned tt_stack_of_thread(const struct tt_os_thread *at,
                            const struct tt_text *maps, uintptr_t *frames,
                            unsigned depth);

#endif
