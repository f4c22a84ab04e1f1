/* SPDX-License-Identifier: MIT */
#ifndef TT_COLLECT_H
#define TT_COLLECT_H
/*
 * Collections as the layers above see them.
 */
#include "base/base.h"

#include <tether/collect.h>

/* Is there anything that a collection would run? */
bool tt_collect_any(void);

/* What the calling thread's collections did since its start: the difference
 * of two readings says what those of a wait or a check did. */
struct tt_collect_sums {
    uint64_t rounds;
    uint64_t objects;
    uint64_t bytes;
};
void tt_collect_sums(struct tt_collect_sums *sums);

/* Checks the registry's invariants. Returns NULL, or the sentence that does
 * not hold. */
const char *tt_collect_check(void);

/* For the fork handlers. */
void tt_collect_lock(void);
void tt_collect_unlock(void);

#endif
