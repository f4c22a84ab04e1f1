/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_H
#define TT_STACK_H
/*
 * Call stacks: captured inside malloc and free, kept once each, known by a
 * 28-bit id. Id 0 is the empty stack.
 *
 * Hook: capture takes no lock in its common path, allocates private memory
 * only, and never calls the loader.
 */
#include "base/base.h"

#define TT_STACK_DEPTH_MAX 64
#define TT_STACK_ID_MAX    ((1u << 28) - 1)

/* The depth in use: TETHER_STACK_DEPTH, default 8, 0 to 64. Settable before
 * the first capture only by the environment; tests may set it. */
extern unsigned tt_stack_depth __attribute__((visibility("hidden")));

/* Reads the environment. Called once, before the first capture. */
void tt_stack_setup(void);

/*
 * Captures the caller's stack. 'frame' is __builtin_frame_address(0) of the
 * interposed function (which must have been compiled with a frame pointer):
 * the first frame captured is that function's return address, its caller.
 * At most 'depth' return addresses are kept; fewer once the table is large
 * (stack_table.c says when). A frame that a signal interrupted has no return
 * address: its program counter + 1 stands in, so that 'address - 1' is in the
 * right function for every frame.
 * Returns the id, 0 when depth is 0 or the table is full.
 */
uint32_t tt_stack_capture(void *frame, unsigned depth);

/* Walks the caller's stack as tt_stack_capture does, and keeps nothing.
 * Returns the number of frames, which are at most 'depth'. */
unsigned tt_stack_walk(void *frame, uintptr_t *frames, unsigned depth);

/* A call on the stack. */
struct tt_call {
    uintptr_t returns; /* the return address, in the caller */
    uintptr_t cfa;     /* where the caller's frame begins, upward */
};

/* Walks as tt_stack_walk does; calls[0] is that of the function whose frame
 * 'frame' is. */
unsigned tt_stack_calls(void *frame, struct tt_call *calls, unsigned max);

/* Gets a stack's return addresses, innermost first. The pointer stays valid
 * for the life of the process. Returns their number, 0 for an unknown id. */
unsigned tt_stack_frames(uint32_t id, const uintptr_t **frames);

/* Interns return addresses that were found elsewhere. */
uint32_t tt_stack_intern(const uintptr_t *frames, unsigned depth);

/* Finds the function (the unwind table's entry) that covers a program
 * counter. For a return address pass address - 1. */
bool tt_stack_function(uintptr_t pc, uintptr_t *start, uintptr_t *end);

/* Finds the functions of the same module that 'function' (where one starts)
 * ends by calling: a jump leaves no frame. At most 'max'; returns how many. */
size_t tt_stack_tails(uintptr_t function, uintptr_t *tails, size_t max);

/* The start of the mapped module that holds 'pc', 0 if none. No lock. */
uintptr_t tt_stack_module(uintptr_t pc);

/* A word of the caller's for each stack, 0 at first: lib/budget keeps the
 * site's function there. NULL for an unknown id. */
_Atomic uint32_t *tt_stack_note(uint32_t id);

/* Number of different stacks seen. */
size_t tt_stack_count(void);

/* A module was unloaded: what is known of code is forgotten, because other
 * code may come to lie there. lib/stack's dlclose calls it. */
void tt_stack_forget(void);

/* Called after each dlclose; NULL: nobody. Filled by lib/init.c. */
extern void (*tt_stack_unloaded)(void);

/* The calling thread ends: what was kept for it goes to the next thread. It
 * may still capture, at a higher price. */
void tt_stack_thread_end(void);

/* For the fork handlers. */
void tt_stack_lock(void);
void tt_stack_unlock(void);

#endif
