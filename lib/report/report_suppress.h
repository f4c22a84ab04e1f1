/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_SUPPRESS_H
#define TT_REPORT_SUPPRESS_H
/*
 * Suppressions of leaks by the user: the file that TETHER_SUPPRESS names.
 *
 *     # what is known and accepted
 *     site: legacy_init          a function, in any frame
 *     site: legacy.c:*           file:line, in any frame
 *     module: libfoo.so*         the module of the first frame outside libc
 *
 * '*' matches anything, '?' one character. A file pattern with a '/' is
 * matched against the full path, else against the base name.
 */
#include "base/base.h"
#include "base/base_text.h"

/* Is there a file of suppressions? */
bool tt_suppress_any(void);

/* Does a suppression cover this stack? Counts it. Names must be resolved. */
bool tt_suppress_covers(uint32_t stack, int64_t bytes, int64_t blocks);

/* Adds a line for each bad line of the file, and one that names unused
 * suppressions. Clears the counts. */
void tt_suppress_tell(struct tt_text *text);

/* Reads suppressions from text; 'file' names it in errors. For tests. */
void tt_suppress_read(const char *file, const char *lines);

/* Does the text match the pattern? */
bool tt_glob(const char *pattern, const char *text);

#endif
