/* SPDX-License-Identifier: MIT */
#ifndef TT_BASE_OPTIONS_H
#define TT_BASE_OPTIONS_H
/*
 * Option lists as text: '.max_heap = MiB(8), .max_count = 0'. A field that is
 * written is in force whatever its value, so the text decides, not the value.
 */
#include "base/base.h"

/* Does '.field =' stand in the list 'text' (NULL: nothing does)? Strings,
 * characters and what is inside brackets or a longer name do not count. */
bool tt_option_written(const char *text, const char *field);

/* The length of the list's first item: up to the first comma that is not
 * inside brackets, a string or a character; blanks at its end are left out. */
size_t tt_option_first(const char *text);

#endif
