/* SPDX-License-Identifier: MIT */
/*
 * Queues and safe points. A record's memory is made with its reference, so a
 * death links it in and allocates nothing. A queue's memory is never unmapped
 * and a dropped queue's number never comes again, so whoever still knows the
 * queue takes its lock and compares numbers.
 *
 * The order of a queue is the order in which deaths took its lock: a free
 * that returned before another began is in front of it.
 *
 * Callbacks run with no lock held, one at a time for each queue. A callback
 * that leaves by longjmp is noticed at the next safe point: its frame is gone.
 *
 * Locks: shard, then queue; the list of queues is apart and holds none.
 * Hook: tt_queue_push runs inside free.
 */
#include "ref/ref_queue.h"

#include "base/base_mem.h"
#include "base/base_time.h"
#include "os/os.h"
#include "ref/ref.h"
#include "ref/ref_life.h"
#include "ref/ref_soft.h"

#include <unistd.h>

#define INDEX_BITS   18
#define PAGE_QUEUES  256u
#define PAGES        ((1u << INDEX_BITS) / PAGE_QUEUES)
#define SAFEPOINT_NS INT64_C(10000000) /* between those of a sleeper */

/* What safe points have to do. */
enum due {
    DUE_RECORDS = 1 << 0, /* a callback has something to see */
    DUE_MORE = 1 << 1     /* the layers above have something to run */
};

void (*tt_safepoint_more)(void);

static struct {
    struct tt_lock lock;
    _Atomic uint32_t count;
    struct ref_queue *_Atomic page[PAGES];
    struct ref_queue *free;
    uint64_t opened;            /* queues that were ever made */
    _Atomic uint32_t due;       /* enum due bits */
    _Atomic uint32_t callbacks; /* queues that have one, and others' needs */
} queues;

/* Records that this thread's safe points handed to callbacks. */
static _Thread_local uint64_t records_served;

/* The frame of this thread's safe point, 0: it is at none. */
static _Thread_local uintptr_t safepoint_frame;

static struct ref_queue *queue_at(uint32_t index)
{
    return atomic_load_explicit(&queues.page[index / PAGE_QUEUES],
                                memory_order_acquire) +
           index % PAGE_QUEUES;
}

struct ref_queue *tt_queue_of(const char *call, const tether_queue *handle,
                              uint64_t *opened)
{
    const uint64_t bits = (uint64_t)(uintptr_t)handle;
    const uint32_t index = bits & ((1u << INDEX_BITS) - 1);
    *opened = (bits & ~REF_TAG) >> INDEX_BITS;
    if (!handle)
        tt_die(call, "the queue is NULL; make it with tether_queue_make");
    if (!(bits & REF_TAG) || index >= atomic_load(&queues.count))
        tt_die(call, "%p is no queue and never was one", (void *)handle);
    struct ref_queue *const queue = queue_at(index);
    if (!queue_lock(queue, *opened))
        tt_die(call, "the queue was dropped before; drop it after its last "
                     "use");
    tt_lock_give(&queue->lock);
    return queue;
}

static tether_queue *queue_handle(uint64_t opened, uint32_t index)
{
    return (tether_queue *)(uintptr_t)(REF_TAG | opened << INDEX_BITS | index);
}

tether_queue *tt_queue_handle(const struct ref_entry *entry)
{
    return entry->queue ? queue_handle(entry->opened, entry->queue->index)
                        : NULL;
}

/* A queue's memory, from the free list or new. The list is locked. */
static struct ref_queue *queue_take(void)
{
    struct ref_queue *const queue = queues.free;
    if (queue) {
        queues.free = queue->next_free;
        return queue;
    }
    const uint32_t index = atomic_load(&queues.count);
    struct ref_queue *_Atomic *const page = &queues.page[index / PAGE_QUEUES];
    if (index == PAGES * PAGE_QUEUES)
        return NULL;
    if (!*page)
        *page = tt_mem_take(PAGE_QUEUES * sizeof(struct ref_queue));
    if (!*page)
        return NULL;
    queue_at(index)->index = index;
    atomic_store(&queues.count, index + 1);
    return queue_at(index);
}

tether_queue *tether_queue_make(void)
{
    tt_lock_take(&queues.lock);
    struct ref_queue *const queue = queue_take();
    const uint64_t opened = queue ? ++queues.opened : 0;
    tt_lock_give(&queues.lock);
    if (!queue)
        return NULL;
    tt_lock_take(&queue->lock);
    queue->opened = opened;
    queue->order = 0;
    tt_lock_give(&queue->lock);
    return queue_handle(opened, queue->index);
}

/* Sets the callback; the queue is locked. */
static void queue_set(struct ref_queue *queue, tether_record_fn see, void *ctx)
{
    if (see && !queue->see)
        atomic_fetch_add(&queues.callbacks, 1);
    if (!see && queue->see)
        atomic_fetch_sub(&queues.callbacks, 1);
    queue->see = see;
    queue->ctx = ctx;
}

void tether_queue_drop(tether_queue *handle)
{
    static const char call[] = "tether_queue_drop";
    uint64_t opened;
    struct ref_queue *const queue = tt_queue_of(call, handle, &opened);
    if (!queue_lock(queue, opened))
        tt_die(call, "another thread dropped the queue meanwhile");
    queue->opened = 0;
    for (struct ref_entry *entry = queue->first; entry; entry = entry->next)
        entry->queued = false;
    queue->first = queue->last = NULL;
    queue_set(queue, NULL, NULL);
    queue->server = 0;
    atomic_fetch_add(&queue->news, 1);
    tt_lock_give(&queue->lock);
    tt_futex_wake(&queue->news, INT32_MAX);
    tt_lock_take(&queues.lock);
    queue->next_free = queues.free;
    queues.free = queue;
    tt_lock_give(&queues.lock);
}

_Atomic uint32_t *tt_queue_push(struct ref_entry *entry)
{
    struct ref_queue *const queue = entry->queue;
    if (!queue || !queue_lock(queue, entry->opened))
        return NULL;
    entry->next = NULL;
    entry->prev = queue->last;
    *(queue->last ? &queue->last->next : &queue->first) = entry;
    queue->last = entry;
    entry->queued = true;
    entry->order = ++queue->order;
    slot_state_add(slot_at(bits_index(entry->bits)), SLOT_ENQUEUED);
    atomic_fetch_add(&queue->news, 1);
    if (queue->see)
        atomic_fetch_or(&queues.due, DUE_RECORDS);
    const bool waited = atomic_load(&queue->waiting) != 0;
    tt_lock_give(&queue->lock);
    return waited ? &queue->news : NULL;
}

/* Takes an entry out of the list; the queue is locked. */
static void entry_cut(struct ref_queue *queue, struct ref_entry *entry)
{
    *(entry->prev ? &entry->prev->next : &queue->first) = entry->next;
    *(entry->next ? &entry->next->prev : &queue->last) = entry->prev;
    entry->next = entry->prev = NULL;
    entry->queued = false;
}

void tt_queue_forget(struct ref_entry *entry)
{
    struct ref_queue *const queue = entry->queue;
    if (!queue)
        return;
    tt_lock_take(&queue->lock);
    if (entry->queued)
        entry_cut(queue, entry);
    tt_lock_give(&queue->lock);
}

/* Takes the oldest record; the queue is locked. */
static bool record_take(struct ref_queue *queue, struct tether_record *record)
{
    struct ref_entry *const entry = queue->first;
    if (!entry)
        return false;
    entry_cut(queue, entry);
    tt_record_fill(entry, record);
    return true;
}

tether_status tether_queue_poll(tether_queue *handle,
                                struct tether_record *record)
{
    static const char call[] = "tether_queue_poll";
    uint64_t opened;
    tt_record_clear(call, record);
    struct ref_queue *const queue = tt_queue_of(call, handle, &opened);
    if (!queue_lock(queue, opened))
        return TETHER_EMPTY;
    const bool taken = record_take(queue, record);
    tt_lock_give(&queue->lock);
    return taken ? TETHER_OK : TETHER_EMPTY;
}

/* Sleeps until something enters the queue, or the time is up, or it is time
 * for a safe point. */
static void queue_sleep(struct ref_queue *queue, uint32_t seen, uint64_t ns)
{
    int64_t sleep_ns = ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
    if (tt_ref_callbacks())
        sleep_ns = TT_MIN(sleep_ns, SAFEPOINT_NS);
    tt_futex_wait(&queue->news, seen, sleep_ns);
}

static tether_status queue_wait(struct ref_queue *queue, uint64_t opened,
                                uint64_t until_ns, struct tether_record *record)
{
    for (;;) {
        tether_safepoint();
        const uint64_t now = tt_os_now_ns();
        const uint32_t seen = atomic_load(&queue->news);
        if (!queue_lock(queue, opened))
            return TETHER_EMPTY;
        const bool taken = record_take(queue, record);
        tt_lock_give(&queue->lock);
        if (taken)
            return TETHER_OK;
        if (now >= until_ns)
            return TETHER_TIMEOUT;
        queue_sleep(queue, seen, until_ns - now);
    }
}

tether_status tether_queue_wait(tether_queue *handle, unsigned within_ms,
                                struct tether_record *record)
{
    static const char call[] = "tether_queue_wait";
    uint64_t opened;
    tt_record_clear(call, record);
    struct ref_queue *const queue = tt_queue_of(call, handle, &opened);
    const uint64_t until_ns =
        tt_os_now_ns() + (within_ms ? tt_time_scaled_ns(within_ms) : 0);
    atomic_fetch_add(&queue->waiting, 1);
    const tether_status status = queue_wait(queue, opened, until_ns, record);
    atomic_fetch_sub(&queue->waiting, 1);
    return status;
}

size_t tether_queue_drain(tether_queue *handle, tether_record_fn see, void *ctx)
{
    static const char call[] = "tether_queue_drain";
    uint64_t opened;
    struct tether_record record;
    size_t count = 0;
    struct ref_queue *const queue = tt_queue_of(call, handle, &opened);
    if (!see)
        tt_die(call, "'see' is NULL; give it a function, or poll");
    while (queue_lock(queue, opened)) {
        const bool taken = record_take(queue, &record);
        tt_lock_give(&queue->lock);
        if (!taken)
            break;
        count++;
        see(&record, ctx);
    }
    tether_safepoint();
    return count;
}

void tether_queue_on(tether_queue *handle, tether_record_fn see, void *ctx)
{
    static const char call[] = "tether_queue_on";
    uint64_t opened;
    struct ref_queue *const queue = tt_queue_of(call, handle, &opened);
    if (!queue_lock(queue, opened))
        tt_die(call, "another thread dropped the queue meanwhile");
    queue_set(queue, see, ctx);
    if (see && queue->first)
        atomic_fetch_or(&queues.due, DUE_RECORDS);
    tt_lock_give(&queue->lock);
}

/* Stacks grow downward: a frame below ours, on our stack, was left, and so was
 * one in our own place. */
static bool frame_gone(uintptr_t frame, uintptr_t mine)
{
    return frame <= mine;
}

static bool queue_is_served(const struct ref_queue *queue, uintptr_t mine)
{
    if (!queue->server)
        return false;
    return queue->server == tt_os_thread_id()
               ? !frame_gone(queue->server_frame, mine)
               : !tt_os_thread_gone(queue->server);
}

/* Hands the queue's records to its callback until none is left. */
static void queue_serve(struct ref_queue *queue, uintptr_t mine)
{
    struct tether_record record;
    tt_lock_take(&queue->lock);
    const uint64_t opened = queue->opened;
    if (!queue->see || !queue->first || queue_is_served(queue, mine)) {
        tt_lock_give(&queue->lock);
        return;
    }
    queue->server = tt_os_thread_id();
    queue->server_frame = mine;
    while (queue->see && record_take(queue, &record)) {
        const tether_record_fn see = queue->see;
        void *const ctx = queue->ctx;
        tt_lock_give(&queue->lock);
        records_served++;
        see(&record, ctx);
        if (!queue_lock(queue, opened))
            return; /* the callback dropped the queue */
    }
    queue->server = 0;
    tt_lock_give(&queue->lock);
}

void tether_safepoint(void)
{
    if (TT_LIKELY(!atomic_load_explicit(&queues.due, memory_order_relaxed)))
        return;
    const uintptr_t mine = (uintptr_t)__builtin_frame_address(0);
    if (safepoint_frame && !frame_gone(safepoint_frame, mine))
        return;
    safepoint_frame = mine;
    /* What runs here may give callbacks records to see. */
    if (atomic_fetch_and(&queues.due, ~(uint32_t)DUE_MORE) & DUE_MORE &&
        tt_safepoint_more)
        tt_safepoint_more();
    if (atomic_fetch_and(&queues.due, ~(uint32_t)DUE_RECORDS) & DUE_RECORDS) {
        const uint32_t count = atomic_load(&queues.count);
        for (uint32_t index = 0; index < count; index++)
            queue_serve(queue_at(index), mine);
    }
    safepoint_frame = 0;
}

void tt_safepoint_set(void)
{
    atomic_fetch_or(&queues.due, DUE_MORE);
}

bool tt_safepoint_is_set(void)
{
    return atomic_load(&queues.due) & DUE_MORE;
}

uint64_t tt_ref_served(void)
{
    return records_served;
}

void tt_safepoint_need(int more)
{
    atomic_fetch_add(&queues.callbacks, (uint32_t)more);
}

bool tt_ref_callbacks(void)
{
    return atomic_load(&queues.callbacks) != 0 ||
           tt_soft_any(TETHER_EXHAUSTED, TT_SOFT_ALL);
}

void tt_queue_lock_all(void)
{
    tt_lock_take(&queues.lock);
    const uint32_t count = atomic_load(&queues.count);
    for (uint32_t index = 0; index < count; index++)
        tt_lock_take(&queue_at(index)->lock);
}

void tt_queue_unlock_all(void)
{
    const uint32_t count = atomic_load(&queues.count);
    for (uint32_t index = 0; index < count; index++)
        tt_lock_give(&queue_at(index)->lock);
    tt_lock_give(&queues.lock);
}

/* The list of one queue, forwards and backwards. */
static const char *queue_check(const struct ref_queue *queue)
{
    const struct ref_entry *prev = NULL;
    for (const struct ref_entry *entry = queue->first; entry;
         entry = entry->next) {
        const uint64_t state =
            atomic_load(&slot_at(bits_index(entry->bits))->state);
        if (!state_is_of(state, entry->bits))
            return "a queue holds the record of a dropped reference";
        if (!(state & SLOT_DEAD) || !(state & SLOT_ENQUEUED))
            return "a queue holds the record of a live object";
        if (entry->queue != queue || !entry->queued || entry->prev != prev)
            return "a queue's list is broken";
        if (prev && prev->order >= entry->order)
            return "a queue's records are out of order";
        prev = entry;
    }
    if (queue->last != prev)
        return "a queue's last record is not the end of its list";
    return queue->first && !queue->opened ? "a dropped queue holds records"
                                          : NULL;
}

const char *tt_queue_check(void)
{
    const uint32_t count = atomic_load(&queues.count);
    const char *broken = NULL;
    for (uint32_t index = 0; index < count && !broken; index++)
        broken = queue_check(queue_at(index));
    return broken;
}
