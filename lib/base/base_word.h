/* SPDX-License-Identifier: MIT */
#ifndef TT_BASE_WORD_H
#define TT_BASE_WORD_H
/* How like two words are, for 'did you mean'. Shared with tether-analyse. */
#include <stddef.h>

/* What no two words are apart: the second one is too long to compare. */
#define TT_WORD_FAR 999

/* How many single changes turn one word into the other. Any thread, inside
 * malloc too. */
size_t tt_word_distance(const char *a, const char *b);

/* The most changes with which a word may be a slip of the pen for 'word'. */
size_t tt_word_slip(const char *word);

#endif
