/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_CHECK_H
#define TT_REPORT_CHECK_H
/*
 * What the checks share: their frame, and how they speak of an object.
 */
#include "base/base_text.h"
#include "ref/ref.h"

#include <tether/check.h>

#define TT_CHECK_NAME_MAX 200 /* bytes shown of a user's expression */

/* Between these two a message is written. */
void tt_check_begin(struct tt_text *text, struct tether_message *why);
void tt_check_end(struct tt_text *text);

/* Answers TETHER_UNCHECKED for a reason. */
enum tether_outcome tt_check_unchecked(struct tether_message *why,
                                       const char *reason);

/* Why nothing can be said of a reference, or NULL. */
const char *tt_check_blind(uint64_t bits);

/* Adds '`alice`'. */
void tt_check_name(struct tt_text *text, const char *name);

/* Adds '`alice` is still alive: 96 B, allocated by session_new (cache.c:41)' */
void tt_check_alive_words(struct tt_text *text,
                          const struct tt_ref_about *about);

/* Adds the domain of an object of one, and whom it says to hold it. No lock
 * may be held, and the guard of tt_enter not be up: a user's function runs. */
void tt_check_holder_lines(struct tt_text *text,
                           const struct tt_ref_about *about);

/* Adds what a collection did that was run for a check. */
struct tether_collection;
void tt_check_collection(struct tt_text *text,
                         const struct tether_collection *all);

/* Adds the lines of its allocation's stack. */
void tt_check_alloc_lines(struct tt_text *text,
                          const struct tt_ref_about *about);

/* After tt_check_alive_words: who called the place that they name. */
void tt_check_caller_lines(struct tt_text *text,
                           const struct tt_ref_about *about);

#endif
