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

/* What is known of the object of a live reference to a domain: its domain's
 * name, and who holds it as the domain says, lines. No lock may be held. */
struct tt_domain_about {
    char name[64];
    char holders[1024]; /* "" where the domain does not say */
};
struct tt_ref_about;
void tt_domain_about(const struct tt_ref_about *of,
                     struct tt_domain_about *about);

/* Checks the registry's invariants. Returns NULL, or the sentence that does
 * not hold. */
const char *tt_collect_check(void);

/* For the fork handlers. */
void tt_collect_lock(void);
void tt_collect_unlock(void);
void tt_collect_child(void);

#endif
