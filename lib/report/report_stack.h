/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_STACK_H
#define TT_REPORT_STACK_H
/*
 * Stacks as a reader wants them: without Tether's own frames, without what is
 * below the test's body, with inlined functions as frames of their own.
 *
 * Hook: all of it may run inside malloc and free.
 */
#include "report/report_names.h"

#define TT_STACK_SHOWN_MAX 64

/* Gets the frames to show, innermost first. Returns their number. */
size_t tt_stack_shown(uint32_t stack, const struct tt_name **frames,
                      size_t max);

/* Of those, the first that is not libc's: who called strdup. Returns 0 where
 * all are libc's. */
size_t tt_stack_first_user(const struct tt_name **frames, size_t count);

/* Names all frames of many stacks in one run of the analyser. */
void tt_stacks_resolve(const uint32_t *stacks, size_t count);

/* Adds 'who' for a stack: 'parse_array (parse.c:88)', or 'an unknown place'
 * where stacks are off. */
void tt_stack_who(struct tt_text *text, uint32_t stack);

/* Adds the stack, one frame a line: the first after 'first', the others
 * after as many blanks; at most 'max' frames, then how many there are more.
 *   allocated by  session_new (cache.c:41)
 *                 cache_login (cache.c:60) */
void tt_stack_lines(struct tt_text *text, const char *first, uint32_t stack,
                    size_t max);

#endif
