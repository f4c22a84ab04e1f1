/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_VALUE_H
#define TT_REPORT_VALUE_H
/*
 * Values as text, each by its own type.
 */
#include "base/base_text.h"

#include <tether/eventually.h>

/* Adds 3, 0.1, true, 'x' (120), "text", NULL. Addresses of objects are
 * 'a pointer', because they are others in each run, unless TETHER_VERBOSE=1. */
void tt_value_text(struct tt_text *text, const struct tether_value *value);

/* The same of a value that was seen, whose string may be gone. */
void tt_seen_text(struct tt_text *text, const struct tether_seen *seen);

#endif
