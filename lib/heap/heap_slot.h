/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_SLOT_H
#define TT_HEAP_SLOT_H
/*
 * Slots: the counters of one thread, with that thread as their only writer,
 * so that counting is plain adds. What the process has is the sum over all
 * slots. A slot outlives its thread; what it counted goes into the ledger
 * when a later thread gets it, so sums never lose anything.
 *
 * Each gauge has a stop: the value up to which the thread may go on without
 * asking. The ledger (heap_ledger.c) hands out stops so that their sum never
 * is above a limit in force.
 */
#include "heap/heap_block.h"

enum gauge {
    GAUGE_LIVE = TT_LIMIT_HEAP,
    GAUGE_TOTAL = TT_LIMIT_TOTAL,
    GAUGE_COUNT = TT_LIMIT_COUNT, /* also the next serial - 1 */
    GAUGES = TT_GAUGES
};

/* A thread that must ask before each allocation. */
#define STOP_ASK INT64_MIN

struct tt_slot {
    int64_t total;  /* bytes allocated */
    uint64_t stamp; /* word 0 of the newest block: the number of
                       allocations, which is its serial, and the epoch */
    int64_t freed;  /* bytes freed: live = total - freed */
    int64_t freed_count;
    int64_t peak;         /* of the live bytes since the last fold */
    int64_t stop[GAUGES]; /* may be lowered by others, under the ledger;
                             that of GAUGE_COUNT is the stamp to stay below */
    uint64_t size_stop;   /* a larger request takes the slow path */
    uint64_t size_limit;  /* a larger request must ask */
    uint64_t largest;
    uint64_t thread_bits;  /* the thread's number, in place for word 1 */
    struct tt_slot *next;  /* in the list of all; set once */
    int32_t thread_id;     /* the kernel's */
    uint8_t ignored;       /* a thread of the framework's: not counted */
    uint8_t orphan;        /* its thread has said good-bye */
    uint8_t asked;         /* has allocated since the mode was reset */
    uint8_t counting;      /* between looking at the stops and counting */
    int64_t peak_ever;     /* up to the last fold */
    uint64_t largest_ever; /* up to the newest begin of a scope */
};

/*
 * A page that the kernel empties in a child with memory of its own. Such a
 * child's slot may still be the parent's, where the runner shares it, and not
 * every child comes by fork(), which tells us (_Fork, a raw clone): so
 * whoever is to write into a slot looks here first. What is kept here is what
 * free looks at anyway.
 */
union heap_process {
    uint32_t epochs; /* from the innermost scope's to the last that can be;
                        0: this process is not set up, or a new child */
    char page[4096];
};
extern union heap_process heap_process
    __attribute__((visibility("hidden"), aligned(4096)));

/* The first call of the process, or of a child that nobody told of. */
void heap_process_enter(void);

TT_INLINE bool heap_process_is_mine(void)
{
    return TT_LIKELY(heap_process.epochs != 0);
}

TT_INLINE void heap_process_look(void)
{
    if (!heap_process_is_mine())
        heap_process_enter();
}

/* Is a block of this epoch not older than the innermost scope? False in a
 * process that is to look first. */
TT_INLINE bool heap_process_is_young(uint32_t epoch)
{
    return epoch + heap_process.epochs > EPOCH_MAX;
}

/* Around looking at the stops and counting: see heap_ask.c. */
TT_INLINE void slot_counting(struct tt_slot *slot, uint8_t counting)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&slot->counting, counting, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* What the thread has added to a gauge. */
TT_INLINE int64_t slot_value(const struct tt_slot *slot, enum gauge gauge)
{
    const int64_t total = __atomic_load_n(&slot->total, __ATOMIC_RELAXED);
    if (gauge == GAUGE_TOTAL)
        return total;
    if (gauge == GAUGE_COUNT)
        return (int64_t)(__atomic_load_n(&slot->stamp, __ATOMIC_RELAXED) >>
                         EPOCH_BITS);
    return total - __atomic_load_n(&slot->freed, __ATOMIC_RELAXED);
}

/* One more allocation. */
#define STAMP_ONE ((uint64_t)1 << EPOCH_BITS)

/* Up to which value of a gauge the thread need not ask. */
TT_INLINE int64_t slot_stop(const struct tt_slot *slot, enum gauge gauge)
{
    const int64_t stop = __atomic_load_n(&slot->stop[gauge], __ATOMIC_RELAXED);
    if (gauge != GAUGE_COUNT || stop == STOP_ASK || stop == TT_NO_LIMIT)
        return stop;
    return stop >> EPOCH_BITS;
}

TT_INLINE void slot_stop_set(struct tt_slot *slot, enum gauge gauge,
                             int64_t stop)
{
    if (gauge == GAUGE_COUNT && stop != STOP_ASK)
        stop = stop < INT64_MAX >> EPOCH_BITS
                   ? (int64_t)((uint64_t)stop << EPOCH_BITS | EPOCH_MAX)
                   : TT_NO_LIMIT;
    __atomic_store_n(&slot->stop[gauge], stop, __ATOMIC_RELAXED);
}

TT_INLINE int64_t slot_blocks(const struct tt_slot *slot)
{
    return slot_value(slot, GAUGE_COUNT) -
           __atomic_load_n(&slot->freed_count, __ATOMIC_RELAXED);
}

/* Gets the calling thread's slot, making it. NULL when out of memory. */
struct tt_slot *slot_home(void);

/* The list of all slots, newest first; it only grows. */
struct tt_slot *slot_first(void);

/* Memory for slots: the board's row, then private memory. */
struct tt_slot *board_slot(void);

/* Is this slot's memory shared with the runner? */
bool board_has(const struct tt_slot *slot);

/* Shows the runner what the body's scope has measured. 'single': one thread
 * allocates, and its slot tells the peak. */
void board_publish(bool single);

/* In a forked child: counters leave the memory shared with the parent. */
void slot_leave_board(void);
void board_leave(void);

/*
 * May the calling thread allocate so much? 'add' are the amounts by which its
 * gauges would grow, 'bytes' the size of the request. Asks the ledger, tells
 * a breach, returns the answer; when that is TT_ALLOW the gauges have grown.
 */
enum tt_answer ledger_ask(struct tt_slot *slot, const int64_t add[GAUGES],
                          size_t bytes, void *frame, uint32_t *stack);

/* A block that is older than the innermost scope dies: the thread's counters
 * fall, and with them the bases of the scopes that never counted the block.
 * 'blocks' is 1; -1, with negative bytes, takes it back. */
void ledger_old_block(struct tt_slot *slot, uint32_t epoch, int64_t bytes,
                      int64_t blocks);

/* The epoch of the innermost scope; blocks with a smaller one are older. */
extern uint32_t ledger_epoch __attribute__((visibility("hidden")));
void ledger_epoch_set(uint32_t epoch);

/* A slot is new: gives it stops. */
void ledger_enter(struct tt_slot *slot);

void ledger_lock(void);
void ledger_unlock(void);
void slot_lock(void);
void slot_unlock(void);
void ledger_child(void);
void tt_heap_threads_setup(void);

/* Gets the stack of the call in progress, once. */
uint32_t stack_now(void *frame, uint32_t *stack);

#endif
