/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_PATH_H
#define TT_REPORT_PATH_H
/* The two ways to word paths: with types, and without. */
#include "report/report_analyser.h"
#include "report/report_reach.h"

/* 'held by', and the other paths'. */
#define TT_PATH_FIRST "  held by    "
#define TT_PATH_OTHER "  and by     "
#define TT_PATH_BLANK "             "
#define TT_PATH_STEP  16 /* columns of a step's name */

/* Adds the end of a step's line: '-> struct node, 32 B, allocated by f (c:1)'.
 * 'type' and 'note' may be empty. */
void tt_path_block(struct tt_text *text, struct tt_field type, uint64_t size,
                   uint32_t stack, struct tt_field note);

/* Adds the paths of the child's own, by symbols and offsets. 'brief': the
 * first one only, without its steps. Returns their number; *id gets a hash of
 * the first one's names. */
size_t tt_path_plain(struct tt_text *text, const struct tt_snap *snap,
                     const struct tt_record_question *question, bool brief,
                     uint32_t *id);

/* Adds a slot by its name: 'global `registry` + 16'. False: it is in no root
 * and no block. */
bool tt_path_slot(struct tt_text *text, const struct tt_snap *snap,
                  uint64_t slot);

/* Adds the paths of the analyser's answer to a question. Returns their number,
 * 0: it told none. *id as above; *told gets what else it said. */
struct tt_told {
    bool cut; /* what to cut */
    bool own; /* a variable of the asker's */
};
size_t tt_path_typed(struct tt_text *text, const char *answer, size_t question,
                     bool brief, uint32_t *id, struct tt_told *told);

/* Does the answer name a variable of the asker's own? */
bool tt_path_typed_own(const char *answer, size_t question);

/* Adds the referrers that the answer names, at most 'max' lines. Returns how
 * many there are. */
size_t tt_path_typed_referrers(struct tt_text *text, const char *answer,
                               size_t question, size_t max);

/* What the answer says of the verdict; UNKNOWN: nothing. */
enum tether_verdict tt_path_typed_verdict(const char *answer, size_t question);

#endif
