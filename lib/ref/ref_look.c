/* SPDX-License-Identifier: MIT */
/*
 * Looking at a queue without taking anything out of it. What is seen is copied
 * while the queue is locked, which keeps its references from being dropped
 * meanwhile, and handed out with no lock held.
 */
#include "ref/ref_life.h"

#include "base/base_mem.h"
#include "ref/ref_queue.h"

void tt_record_clear(const char *call, struct tether_record *record)
{
    if (!record)
        tt_die(call, "'record' is NULL; give it a struct to fill");
    *record = (struct tether_record){ .words = { .name = "" } };
}

void tt_record_fill(const struct ref_entry *entry, struct tether_record *record)
{
    const bool weak = entry->kind == TETHER_REF_WEAK;
    record->kind = (enum tether_ref_kind)entry->kind;
    record->weak.bits = weak ? entry->bits : 0;
    record->phantom.bits = weak ? 0 : entry->bits;
    record->tag = entry->tag;
    tt_ref_words(slot_at(bits_index(entry->bits)), &record->words);
}

tether_status tether_queue_peek(tether_queue *handle,
                                struct tether_record *record)
{
    static const char call[] = "tether_queue_peek";
    uint64_t opened;
    tt_record_clear(call, record);
    struct ref_queue *const queue = tt_queue_of(call, handle, &opened);
    if (!queue_lock(queue, opened))
        return TETHER_EMPTY;
    const struct ref_entry *const entry = queue->first;
    if (entry)
        tt_record_fill(entry, record);
    tt_lock_give(&queue->lock);
    return entry ? TETHER_OK : TETHER_EMPTY;
}

/* Copies the records of a locked queue. *count holds how many there are. */
static struct tether_record *records_copy(const struct ref_queue *queue,
                                          size_t *count)
{
    size_t at = 0;
    for (const struct ref_entry *e = queue->first; e; e = e->next)
        at++;
    *count = at;
    struct tether_record *const records =
        at ? tt_mem_take(at * sizeof *records) : NULL;
    at = 0;
    if (records)
        for (const struct ref_entry *e = queue->first; e; e = e->next)
            tt_record_fill(e, &records[at++]);
    return records;
}

size_t tether_queue_visit(tether_queue *handle, tether_record_fn see, void *ctx)
{
    static const char call[] = "tether_queue_visit";
    uint64_t opened;
    size_t count;
    struct ref_queue *const queue = tt_queue_of(call, handle, &opened);
    if (!see)
        tt_die(call, "'see' is NULL; give it a function, or peek");
    if (!queue_lock(queue, opened))
        return 0;
    struct tether_record *const records = records_copy(queue, &count);
    tt_lock_give(&queue->lock);
    if (!records)
        return 0;
    for (size_t i = 0; i < count; i++)
        see(&records[i], ctx);
    tt_mem_give(records, count * sizeof *records);
    return count;
}

size_t tt_queue_look(const char *call, tether_queue *handle,
                     struct tt_queue_row *rows, size_t max)
{
    uint64_t opened;
    size_t count = 0;
    struct ref_queue *const queue = tt_queue_of(call, handle, &opened);
    if (!queue_lock(queue, opened))
        return 0;
    for (const struct ref_entry *e = queue->first; e; e = e->next, count++)
        if (count < max) {
            rows[count].bits = e->bits;
            rows[count].order = e->order;
            tt_ref_words(slot_at(bits_index(e->bits)), &rows[count].words);
        }
    tt_lock_give(&queue->lock);
    return count;
}
