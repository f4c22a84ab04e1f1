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

/*
 * A run: neighbouring frames in one module that has no debug information,
 * which tell a reader nothing but how the module was entered; or one frame of
 * a module that has. TETHER_VERBOSE=1 shows every frame.
 */
struct tt_run {
    const struct tt_name *inner; /* the innermost frame that has a name, or
                                    else the innermost */
    const struct tt_name *outer; /* the outermost that has a name, or NULL
                                    where it is 'inner' */
    bool open; /* the recorded stack ends in it: who called is not known */
};

/* Gets the runs of a stack, innermost first, at most 'max'. */
size_t tt_stack_runs(uint32_t stack, struct tt_run *runs, size_t max);

/* Of those, the first that is not libc's. */
size_t tt_runs_first_user(const struct tt_run *runs, size_t count);

/* Do two runs stand for the same place? NULLs are allowed. */
bool tt_run_same(const struct tt_run *a, const struct tt_run *b);

/* Adds 'node_new (cache.c:77)', or for a run 'json_object ... json_loadf
 * (libjansson.so.4)'; for an open one 'somewhere in libjansson.so.4'. */
void tt_run_text(struct tt_text *text, const struct tt_run *run);

/* Adds what tt_stack_who leaves out: the callers, as tt_stack_lines does; no
 * line where there are none. */
void tt_stack_rest(struct tt_text *text, const char *first, uint32_t stack,
                   size_t max);

/* What a place is called that no stack tells. */
const char *tt_stack_nowhere(void);

/* Names all frames of many stacks in one run of the analyser. */
void tt_stacks_resolve(const uint32_t *stacks, size_t count);

/* Adds 'who' for a stack: 'parse_array (parse.c:88)'; with its caller where
 * the first place has no debug information: 'json_loadf (libjansson.so.4) from
 * parse (parse.c:88)'; or 'an unknown place' where stacks are off. */
void tt_stack_who(struct tt_text *text, uint32_t stack);

/* Adds the stack, one run a line: the first after 'first', the others after
 * as many blanks; at most 'max', then how many there are more.
 *   allocated by  session_new (cache.c:41)
 *                 cache_login (cache.c:60) */
void tt_stack_lines(struct tt_text *text, const char *first, uint32_t stack,
                    size_t max);

#endif
