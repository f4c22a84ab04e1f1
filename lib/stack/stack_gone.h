/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_GONE_H
#define TT_STACK_GONE_H
/*
 * Code that was unloaded: stacks of it stay, and other code may come to lie
 * at its addresses. Each file's code that went away is given a place that no
 * process has, and a stack's frames are read as of there. Names are then
 * found as for any other code, and never in what lies there now.
 */
#include "base/base.h"
#include "base/base_text.h"

/* What a return address of this stack is to be called: the address itself,
 * or one in the place of code that was unloaded since. Any thread. */
uintptr_t tt_stack_gone_place(uint32_t id, uintptr_t frame);

/* Is this no address, but a place? */
bool tt_stack_gone_is(uintptr_t place);

/* Adds lines like those of /proc/self/maps for the places in use. */
void tt_stack_gone_maps(struct tt_text *maps);

/* What there was before an unloading. */
struct tt_stack_gone {
    struct tt_text maps;
    uint32_t newest;          /* stack */
    uint32_t turn;            /* by which looks are ordered */
    unsigned long long loads; /* of the loader, so far */
};

/* Around an unloading. Not inside malloc. */
void tt_stack_gone_before(struct tt_stack_gone *before);
void tt_stack_gone_after(struct tt_stack_gone *before);

void tt_stack_gone_lock(void);
void tt_stack_gone_unlock(void);

#endif
