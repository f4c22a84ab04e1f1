/* SPDX-License-Identifier: MIT */
/*
 * Looking at references and queues.
 *
 * A queue is looked at without taking anything out of it. What is seen is
 * copied while the queue is locked, which keeps its references from being
 * dropped meanwhile, and handed out with no lock held.
 */
#include "ref/ref_life.h"

#include "base/base_mem.h"
#include "ref/ref_place.h"
#include "ref/ref_queue.h"

void tt_ref_words(const struct ref_slot *slot, struct tether_last_words *words)
{
    *words = (struct tether_last_words){
        .name = tt_place_at(slot->place)->name,
        .size = slot->size,
        .alloc_stack = slot->dead.alloc_stack,
        .free_stack = slot->dead.free_stack,
        .free_thread = slot->dead.free_thread,
        .freed_ns = atomic_load(&slot->when_ns),
    };
}

void tt_ref_about(const char *call, uint64_t bits, struct tt_ref_about *about)
{
    struct ref_slot *const slot = tt_slot_of(call, bits);
    struct shard *const shard = tt_slot_lock(call, slot, bits);
    const uint64_t state = atomic_load(&slot->state);
    const struct ref_place *const place = tt_place_at(slot->place);
    *about = (struct tt_ref_about){
        .name = place->name,
        .file = place->file,
        .line = place->line,
        .alive = !(state & SLOT_DEAD),
        .quarantined = state & SLOT_KEEP,
        .enqueued = state & SLOT_ENQUEUED,
        .order = slot->entry ? slot->entry->order : 0,
        .queue = slot->entry ? tt_queue_handle(slot->entry) : NULL,
        .reason = slot->entry ? (enum tether_reason)slot->entry->reason
                              : TETHER_NOT_CLEARED,
        .domain = tt_key_domain(atomic_load(&slot->base)),
        .base = tt_key_address(atomic_load(&slot->base)),
    };
    if (about->alive)
        about->object = (void *)atomic_load(&slot->object);
    else
        tt_ref_words(slot, &about->words);
    const size_t size = slot->size;
    tt_shard_give(&shard->lock);
    struct tt_block block;
    about->words.name = place->name;
    if (about->alive && tt_block_find(about->base, &block)) {
        about->words.size = block.size;
        about->words.alloc_stack = block.stack;
    }
    if (about->alive && about->domain)
        about->words.size = size;
}

void tt_record_clear(const char *call, struct tether_record *record)
{
    if (!record)
        tt_die(call, "'record' is NULL; give it a struct to fill");
    *record = (struct tether_record){ .words = { .name = "" } };
}

void tt_record_fill(const struct ref_entry *entry, struct tether_record *record)
{
    record->kind = (enum tether_ref_kind)entry->kind;
    record->weak.bits = entry->kind == TETHER_REF_WEAK ? entry->bits : 0;
    record->phantom.bits = entry->kind == TETHER_REF_PHANTOM ? entry->bits : 0;
    record->soft.bits = entry->kind == TETHER_REF_SOFT ? entry->bits : 0;
    record->reason = (enum tether_reason)entry->reason;
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
            rows[count].reason = (enum tether_reason)e->reason;
            tt_ref_words(slot_at(bits_index(e->bits)), &rows[count].words);
        }
    tt_lock_give(&queue->lock);
    return count;
}
