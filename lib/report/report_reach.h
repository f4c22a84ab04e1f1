/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_REACH_H
#define TT_REPORT_REACH_H
/*
 * Who holds a block, in words.
 *
 *   held by   *(void **)((char *)&by_age + 16)
 *             (global `by_age` of test_cache)
 *     `by_age` + 16  -> 32 B, allocated by age_push (cache.c:77)
 *     -> + 24        -> the object
 *   cutting its last step frees it; no other holder
 *   verdict: held; path id 5f2c91d0
 *
 * Not inside malloc.
 */
#include "base/base_text.h"
#include "reach/reach.h"
#include "ref/ref.h"

#include <tether/reach.h>

/* A question that was asked, and its answer. */
struct tt_holder {
    struct tt_snap *snap; /* NULL: no snapshot could be had */
    const char *why;      /* ... because of this */
    struct tt_record_question question;
    struct tt_text types; /* the analyser's answer; empty: none */
    enum tether_verdict verdict;
};

/* Takes a snapshot and asks about a reference's object. 'question' has the
 * kind and its ranges; the rest is filled. Never fails: the answer may be
 * that it is not known. Give it back with tt_holder_drop. */
void tt_holder_ask(struct tt_holder *holder, void *frame,
                   const struct tt_ref_about *about,
                   const struct tt_record_question *question);
void tt_holder_drop(struct tt_holder *holder);

/* Asks the analyser about all questions of a snapshot. 'types' is made and
 * empty; it stays so when there is no answer. Returns what stood in the way,
 * or NULL. */
const char *tt_types_ask(struct tt_snap *snap, struct tt_text *types);

/* Asks why a live object is not collected and adds the lines: all in one.
 * Returns whether nobody can free it any more. */
bool tt_holder_tell(struct tt_text *text, void *frame,
                    const struct tt_ref_about *about);

/* How the blocks of a site are reached. */
struct tt_site_reach {
    int64_t blocks[TT_REACH_HELD + 1], bytes[TT_REACH_HELD + 1];
    struct tt_record_block sample; /* the oldest of the surest; size 0 and
                                      address 0: none */
    uint32_t question;             /* its index, from 1; 0: not asked */
};
void tt_site_reach_join(struct tt_site_reach *into,
                        const struct tt_site_reach *from);

/* The exit status of a program that has lost something: TETHER_EXIT_CODE. */
int tt_lost_exit_code(void);

/* The kinds of roots that count, bits 1 << TT_ROOT_...: by TETHER_ROOTS, or
 * else by the window's budget, or what was chosen. */
uint32_t tt_report_roots(void);
uint32_t tt_report_roots_of(unsigned chosen); /* enum tether_roots; 0: all */

/* Adds the lines. */
void tt_holder_lines(struct tt_text *text, struct tt_holder *holder);

#endif
