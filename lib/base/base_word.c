/* SPDX-License-Identifier: MIT */
/*
 * The edit distance, one row of the table at a time. The row is of fixed
 * length, because it stands on the stack of whoever is inside malloc.
 */
#include "base/base_word.h"

#include "base/base.h"

#include <string.h>

size_t tt_word_distance(const char *a, const char *b)
{
    size_t row[128];
    const size_t b_len = strlen(b);
    if (b_len >= TT_COUNT(row))
        return TT_WORD_FAR;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            const size_t change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            row[j] = TT_MIN(change, TT_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

size_t tt_word_slip(const char *word)
{
    return TT_MAX(TT_MIN(strlen(word) / 3, (size_t)3), (size_t)1);
}
