/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_TABLE_H
#define TT_STACK_TABLE_H
/*
 * The table of stacks: each sequence of return addresses is kept once, for
 * the life of the process, and known by a number from 1.
 *
 * Hook: looking up takes no lock; a new stack takes one and private memory.
 */
#include "base/base.h"

#include <stdatomic.h>

struct tt_stack {
    uint32_t id;
    uint32_t depth;
    _Atomic uint32_t note;  /* tt_stack_note */
    _Atomic uint32_t plain; /* the generation in which frame pointers find it */
    uintptr_t frames[];
};

/*
 * The hash of a stack comes from a sum of its frames, each times a power of
 * an odd number by its place. So the sum of a stack with one more inner frame
 * is made from the old one, and outer frames can be cut off again.
 */
#define TT_STACK_FACTOR 0x9e6c63d0876a9a47u
extern const uint64_t tt_stack_power[]; /* 0 to TT_STACK_DEPTH_MAX */

/* The part that one frame adds to the sum. */
TT_INLINE uint64_t tt_stack_sum_part(uintptr_t frame, unsigned place)
{
    return frame * tt_stack_power[place];
}

/* The sum with one more frame inside. */
TT_INLINE uint64_t tt_stack_sum_grow(uint64_t sum, uintptr_t inner)
{
    return sum * TT_STACK_FACTOR + inner;
}

/* The sum of the innermost 'depth' frames alone, given that of the outer. */
TT_INLINE uint64_t tt_stack_sum_cut(uint64_t sum, uint64_t outer_sum,
                                    unsigned depth)
{
    return sum - outer_sum * tt_stack_power[depth];
}

/* Makes the hash. The sum's upper half is the better one. */
TT_INLINE uint64_t tt_stack_hash_end(uint64_t sum, unsigned depth)
{
    sum = (sum >> 32 ^ sum) * 0x9e3779b97f4a7c15u + depth;
    return sum ^ sum >> 29;
}

uint64_t tt_stack_hash(const uintptr_t *frames, unsigned depth);

/* A slot: the upper half of the hash, and the id. */
struct tt_stack_slots {
    size_t mask;
    _Atomic uint64_t slots[];
};
extern struct tt_stack_slots *_Atomic tt_stack_slots;

/* Ids in chunks, so that what was published never moves. */
#define TT_STACK_CHUNK_BITS 16
extern struct tt_stack *_Atomic *_Atomic tt_stack_chunks[];

TT_INLINE struct tt_stack *tt_stack_by_id(uint32_t id)
{
    struct tt_stack *_Atomic *const chunk = atomic_load_explicit(
        &tt_stack_chunks[id >> TT_STACK_CHUNK_BITS], memory_order_acquire);
    return TT_LIKELY(chunk != NULL)
               ? atomic_load_explicit(
                     &chunk[id & ((1u << TT_STACK_CHUNK_BITS) - 1)],
                     memory_order_acquire)
               : NULL;
}

/* Looks a stack up. NULL when it is new. */
struct tt_stack *tt_stack_find(const uintptr_t *frames, unsigned depth,
                               uint64_t hash);

/* Looks a stack up and keeps it when it is new. NULL when the table is full
 * or the system refuses memory. */
struct tt_stack *tt_stack_keep(const uintptr_t *frames, unsigned depth,
                               uint64_t hash);

/* The depth that a capture may have now, given what the caller wants: the
 * table's bound. */
unsigned tt_stack_depth_bound(unsigned depth);

void tt_stack_table_lock(void);
void tt_stack_table_unlock(void);

#endif
