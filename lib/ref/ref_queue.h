/* SPDX-License-Identifier: MIT */
#ifndef TT_REF_QUEUE_H
#define TT_REF_QUEUE_H
/*
 * Queues of the records of dead objects, as the rest of lib/ref sees them.
 *
 * A tether_queue pointer is a handle: 1 | number of its making | index, never
 * an address. So the use of a dropped queue is found however late it comes.
 */
#include "base/base_lock.h"
#include "ref/ref_slot.h"

#include <tether/ref.h>

#include <sys/types.h>

struct ref_queue {
    struct tt_lock lock;
    uint32_t index;
    uint64_t opened;         /* number of its making, 0: dropped */
    struct ref_entry *first; /* oldest death first */
    struct ref_entry *last;
    uint64_t order;           /* records that ever entered */
    _Atomic uint32_t news;    /* counts them too: sleepers wait on it */
    _Atomic uint32_t waiting; /* sleepers */
    tether_record_fn see;     /* the callback, or NULL */
    void *ctx;
    pid_t server;           /* the thread that runs it now, or 0 */
    uintptr_t server_frame; /* where on its stack */
    struct ref_queue *next_free;
};

/* The queue of a handle, which must be open; stops the program otherwise.
 * *opened holds the number of its making. */
struct ref_queue *tt_queue_of(const char *call, const tether_queue *handle,
                              uint64_t *opened);

TT_INLINE bool queue_is(const struct ref_queue *queue, uint64_t opened)
{
    return queue->opened == opened;
}

/* Takes the queue's lock if it is still the one that was made as 'opened'. */
TT_INLINE bool queue_lock(struct ref_queue *queue, uint64_t opened)
{
    tt_lock_take(&queue->lock);
    if (TT_LIKELY(queue_is(queue, opened)))
        return true;
    tt_lock_give(&queue->lock);
    return false;
}

/* Fills a record from an entry of a locked queue. */
void tt_record_fill(const struct ref_entry *entry,
                    struct tether_record *record);

/* Empties a record; NULL is a mistake and stops the program. */
void tt_record_clear(const char *call, struct tether_record *record);

/* The handle of the queue that an entry was made for. */
tether_queue *tt_queue_handle(const struct ref_entry *entry);

/* Puts an entry at the end of its queue, unless that was dropped. The caller
 * has locked the shard of its slot. Returns a word whose sleepers are to be
 * woken once no lock is held, or NULL. Hook: runs inside free. */
_Atomic uint32_t *tt_queue_push(struct ref_entry *entry);

/* Takes an entry out of its queue for good, wherever it is. The caller has
 * locked the shard of its slot. */
void tt_queue_forget(struct ref_entry *entry);

/* Checks a queue's list with everything locked; NULL when it is sound. */
const char *tt_queue_check(void);

/* For the fork handlers. */
void tt_queue_lock_all(void);
void tt_queue_unlock_all(void);

#endif
