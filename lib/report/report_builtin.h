/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_BUILTIN_H
#define TT_REPORT_BUILTIN_H
/*
 * Blocks that no test means: what libc keeps for the life of the process, and
 * what the test framework allocates beside the test. They are known by module
 * and by function address, so that no names are needed: a passing test never
 * starts the analyser.
 *
 * Hook: all of it may run inside malloc and free.
 */
#include "base/base.h"
#include "base/base_text.h"

/* Is a block with this stack libc's or the framework's? Counts it. */
bool tt_builtin_covers(uint32_t stack, int64_t bytes, int64_t blocks);

/* Adds the list, a line each, with what each covered since the last call. */
void tt_builtin_tell(struct tt_text *text);

#endif
