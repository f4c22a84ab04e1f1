/* SPDX-License-Identifier: MIT */
#ifndef TT_REF_PLACE_H
#define TT_REF_PLACE_H
/*
 * Places: the object's expression, the file and the line in which a reference
 * was made, kept once each and known by a number. The strings are copies: the
 * module whose literals they were may be unloaded before the failure is told.
 */
#include "base/base.h"

struct ref_place {
    const char *name; /* "an object" if unknown */
    const char *file; /* "" if unknown */
    unsigned line;
    uint32_t next; /* in its bucket */
};

/* Gets the number of a place. Never fails: 0 is the unknown place. Name and
 * file may be NULL. Takes a lock for a place that is new. */
uint32_t tt_place_of(const char *name, const char *file, unsigned line);

/* Gets a place; valid for ever. */
const struct ref_place *tt_place_at(uint32_t number);

/* For the fork handlers. */
void tt_place_lock(void);
void tt_place_unlock(void);

#endif
