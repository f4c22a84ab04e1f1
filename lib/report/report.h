/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_H
#define TT_REPORT_H
/*
 * Words for what went wrong. Each call takes plain facts and adds several
 * lines to a text: the first is the verdict and stands alone, five sites at
 * most, no addresses unless TETHER_VERBOSE=1, every line under 900 bytes, the
 * same text for the same heap.
 *
 * Hook: all of it may run inside malloc and free, with the recursion guard
 * up. The first call takes milliseconds for the names.
 */
#include "base/base.h"
#include "base/base_text.h"
#include "budget/budget.h"
#include "heap/heap.h"
#include "ref/ref.h"
#include "report/report_sites.h"

/* A limit broke. */
void tt_report_breach(const struct tt_breach_facts *facts,
                      struct tt_text *text);

/*
 * Judges what is left. A bound of 0 means no block at all, so that malloc(0)
 * can leak too. Suppressions apply first.
 * Returns true when it is too much; only then 'text' gets anything, and only
 * then names are asked for, or when suppressions need them.
 */
bool tt_report_leak(struct tt_leak_facts *facts, struct tt_text *text);

/* Writes the profile of the window of this name to its file. */
void tt_report_profile(const char *name);

/* A bad free or realloc. */
void tt_report_misuse(const struct tt_misuse_report *report,
                      struct tt_text *text);

/* A dead object's memory was used. */
void tt_report_touched(const struct tt_quarantine_facts *facts,
                       struct tt_text *text);

/* The live blocks of the open window that 'function' allocated; give the
 * sites back. False: it is no function that Tether can tell. */
bool tt_report_live_from(void (*function)(void), struct tt_sites *sites);

/* Finds functions for tt_budget_words. */
void tt_report_functions(struct tt_function_name *const *names, size_t count,
                         const struct tt_text *maps, struct tt_functions *found,
                         struct tt_text *trouble);

/* The epoch of the open window, 0 if there is none. */
uint32_t tt_report_window_epoch(void);

/* Where a stack's first frame with a known line is, for tether_failure.file and
 * .line. False: not known. The string lives as long as the process. */
bool tt_report_where(uint32_t stack, const char **file, unsigned *line);

/* For the fork handlers. */
void tt_report_lock(void);
void tt_report_unlock(void);

#endif
