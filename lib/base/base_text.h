/* SPDX-License-Identifier: MIT */
#ifndef TT_BASE_TEXT_H
#define TT_BASE_TEXT_H
/*
 * Text that grows, in private memory or in a buffer of the caller's. Never
 * overflows: what does not fit is cut and 'cut' is set.
 */
#include "base/base.h"

#include <stdarg.h>

struct tt_text {
    char *data;      /* always ends in a NUL */
    size_t len;      /* bytes before the NUL */
    size_t capacity; /* bytes of data */
    bool fixed;      /* data is the caller's and does not grow */
    bool cut;        /* something did not fit */
};

/* Makes a text in 'bytes', which stay the caller's. capacity >= 1. */
void tt_text_fixed(struct tt_text *text, char *bytes, size_t capacity);

/* Makes a text that grows in private memory; give it back with _drop. */
void tt_text_make(struct tt_text *text);
void tt_text_drop(struct tt_text *text);

void tt_text_add(struct tt_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void tt_text_addv(struct tt_text *text, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void tt_text_bytes(struct tt_text *text, const char *bytes, size_t len);

/* Adds a size as people write it: '96 B', '3.1 KiB', '8 MiB'. Exact
 * multiples have no fraction. */
void tt_text_size(struct tt_text *text, uint64_t bytes);

/* Takes a last newline off, which would be an empty line in the output of
 * whoever ends messages with one. */
void tt_text_end(struct tt_text *text);

/* Reads a size: a whole number, with B, KiB, MiB or GiB if wanted. Returns
 * false, with *bytes untouched, when it is none. */
bool tt_size_read(const char *text, uint64_t *bytes);

#endif
