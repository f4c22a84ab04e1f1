/* SPDX-License-Identifier: MIT */
#ifndef TT_REF_QUARANTINE_H
#define TT_REF_QUARANTINE_H
/*
 * Dead objects whose memory is kept out of use, as the rest of lib/ref sees
 * them. An object belongs to one reference, known by its bits.
 */
#include "ref/ref.h"

/* Where an object has whole pages for itself; an empty range: nowhere. */
struct ref_pages {
    uintptr_t start, end;
};
struct ref_pages tt_quarantine_pages(const struct tt_block *block);

/* Makes ready for faults. False: no handler could be set. */
bool tt_quarantine_trap_setup(void);

/* What goes into quarantine. */
struct quarantine_ask {
    uint64_t bits; /* of the reference that holds it */
    const char *name;
    bool trap;
};

/* Keeps a block that dies. False: its memory may go. The caller has locked
 * the shard of the block. Hook: runs inside free. */
bool tt_quarantine_enter(const struct quarantine_ask *ask,
                         const struct tt_block *block,
                         const struct tt_death *death);

/* Gives back what is over the limit, oldest first. No lock is held.
 * Hook: runs inside free. */
void tt_quarantine_trim(void);

/* The reference was dropped: looks at the memory, tells, and gives it back. */
void tt_quarantine_leave(uint64_t bits);

/* For the fork handlers. */
void tt_quarantine_lock(void);
void tt_quarantine_unlock(void);

#endif
