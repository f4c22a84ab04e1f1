/* SPDX-License-Identifier: MIT */
#ifndef TT_REF_SOFT_H
#define TT_REF_SOFT_H
/*
 * Soft references as those see them who clear them, and the rest of lib/ref.
 */
#include "ref/ref.h"
#include "ref/ref_slot.h"

#include <sys/types.h>

enum soft_state {
    SOFT_LISTED,   /* may be given up: in the list of its level */
    SOFT_PINNED,   /* in no list */
    SOFT_CLEARING, /* its release is about to run, or runs */
    SOFT_OVER      /* cleared, or its object is dead */
};

/* What a soft reference has beside its slot. */
struct ref_soft {
    struct ref_entry entry; /* first: slots point to it */
    struct ref_soft *next;  /* in its list: used later */
    struct ref_soft *prev;
    tether_release_fn release;
    void *ctx;
    size_t cost;
    uint64_t used; /* the nth use of all */
    uint32_t pins;
    pid_t clearer; /* the thread that clears it */
    bool cost_given;
    bool in_malloc;
    uint8_t level; /* enum tether_level, from which on it is eligible */
    uint8_t state; /* enum soft_state */
};

/* Which of them. */
enum tt_soft_who { TT_SOFT_ALL, TT_SOFT_IN_MALLOC, TT_SOFT_WHO };

/*
 * Clears the least recently used one that is eligible from exactly 'level' on:
 * it reads dead, its record enters its queue, its release runs, on this thread
 * and with no lock held. 'freed' gets its cost. False: there is none.
 * Hook: inside malloc only with TT_SOFT_IN_MALLOC.
 */
bool tt_soft_clear(enum tether_level level, enum tt_soft_who who,
                   enum tether_reason reason, uint32_t stack, size_t *freed);

/* How many of 'who' may be given up from 'level' on or before, and their
 * cost. 'pinned' gets how many cannot be. */
struct tt_soft_sums {
    size_t count, bytes, pinned;
};
void tt_soft_sums(enum tether_level level, enum tt_soft_who who,
                  struct tt_soft_sums *sums);

/* Is there any that may be given up at 'level'? No lock. */
bool tt_soft_any(enum tether_level level, enum tt_soft_who who);

/* Who softly holds the block at 'base': the place where it was made. NULL:
 * nobody. */
struct ref_place;
const struct ref_place *tt_soft_of(const void *base);

/* The object of a reference's entry died: it is given up no more. The shard is
 * locked. Hook: runs inside free. */
void tt_soft_unlist(struct ref_entry *entry);

/* For the fork handlers and the check. */
void tt_soft_lock(void);
void tt_soft_unlock(void);
const char *tt_soft_check(void);

#endif
