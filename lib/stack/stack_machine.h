/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_MACHINE_H
#define TT_STACK_MACHINE_H
/*
 * Chooses the processor. Each file defines the DWARF numbers of the stack
 * pointer, the frame pointer and the return address, the frame record, and
 * where its words lie from the CFA.
 */
#if defined(__x86_64__)
#    include "stack/stack_x86_64.h"
#else
#    error "lib/stack has no file for this processor yet: see stack_x86_64.h"
#endif

#endif
