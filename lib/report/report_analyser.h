/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_ANALYSER_H
#define TT_REPORT_ANALYSER_H
/*
 * One question to tether-analyse, and the fields of its answer.
 *
 * Locks: callers hold tt_names_lock().
 * Hook: all of it may run inside malloc and free.
 */
#include "base/base.h"
#include "base/base_text.h"

/*
 * Asks in the mode's language: the code of 'maps', then 'items', a line each.
 * Returns true with the whole answer. False: there is none, now and for the
 * rest of the process; tt_analyser_trouble() says why.
 */
bool tt_analyser_ask(const char *mode, const struct tt_text *maps,
                     const struct tt_text *items, struct tt_text *answer);

/* Why the analyser does not answer; NULL: it does, or was not asked. */
const char *tt_analyser_trouble(void);

/* Where it is: fills 'path'. False: nowhere; 'path' then has the last place
 * looked at. */
bool tt_analyser_find(struct tt_text *path);

struct tt_field {
    const char *start;
    size_t len;
};

/* Splits a line at its tabs. Returns the number of fields. */
size_t tt_fields_split(const char *line, size_t len, struct tt_field *fields,
                       size_t max);

uint64_t tt_field_number(struct tt_field field, int base);

/* Is this the field's text? */
bool tt_field_is(struct tt_field field, const char *text);

#endif
