/* SPDX-License-Identifier: MIT */
/*
 * The table of stacks. Nothing that was published is ever changed or moved: a
 * slot goes from 0 to its value once, a stack is complete before its id is
 * stored, and a larger array of slots takes the place of a full one while the
 * old one stays mapped for readers that are still in it. A reader that misses
 * a stack because it is in an old array looks once more under the lock.
 *
 * Bound. Recursion makes many stacks: 16 frames of a function that calls
 * itself from two places make 65,543. So the depth is cut as the table
 * grows: to 8 frames from 2^16 stacks on, 4 from 2^18, 2 from 2^20. What is
 * in the table stays; the innermost frames, which say where memory was
 * allocated, are always there.
 *
 * Locks: one, for writers; base_mem's inside it.
 * Hook: everything here may run inside malloc and free.
 */
#include "stack/stack_table.h"

#include "stack/stack.h"

#include "base/base_lock.h"
#include "base/base_mem.h"

#include <string.h>

#define SLOTS_FIRST ((size_t)4096)
#define CHUNK_IDS   ((size_t)1 << TT_STACK_CHUNK_BITS)
#define CHUNKS      ((TT_STACK_ID_MAX >> TT_STACK_CHUNK_BITS) + 1)
#define PIECE_BYTES ((size_t)64 * 1024)

/* TT_STACK_FACTOR to the power of the place. */
const uint64_t tt_stack_power[TT_STACK_DEPTH_MAX + 1] = {
    0x0000000000000001, 0x9e6c63d0876a9a47, 0x9817387b01c57fb1,
    0x54cdbe1b82e0e417, 0x3d774773281b1861, 0x54424df3ab581ce7,
    0x15c16e114f78fa11, 0x711b6562530594b7, 0xfa542fa276c854c1,
    0x52e144f853759b87, 0x3c74a97a7c135871, 0x0f0bd212425b8157,
    0x7545b5c3e2353521, 0x2bc5e64425619627, 0xff24e0a9cf8a1ad1,
    0xdbe2d614f4f929f7, 0xae6f6d2a759f3981, 0x053618993e2a8cc7,
    0x2900867111e2c131, 0xf2e434b333650e97, 0x27c03cd7b753e1e1,
    0x2b5752c57c4eff67, 0xd5be3ba21132cb91, 0xdcf9697d1495af37,
    0x6fdb97234eb0ae41, 0x364ca0fd89bd6e07, 0x6d213352679fb9f1,
    0x18343831e7f18bd7, 0x444dc9d0ea231ea1, 0x9441434ba5d458a7,
    0x759f6d19815f0c51, 0x35ca9f8fdf4f2477, 0x9f1fa5ec6528b301,
    0x9988667a2f623f47, 0x824e3920e2b642b1, 0x41c83ff378f4f917,
    0xdfadbfc42e4eeb61, 0xba44bfe1eea5a1e7, 0x70892adeadfadd11,
    0x08455daea99989b7, 0x238fe859ed3347c1, 0x01d7bb841f4d0087,
    0x5b91b05269925b71, 0x33385dffc6635657, 0xa48242a168834821,
    0x2ca372d83a76db27, 0x468df49c05f23dd1, 0x1b27f4902ee8def7,
    0x8b4677e5abfc6c81, 0x86f0c9b580b1b1c7, 0x9c3885c523a00431,
    0x83de2e62b730a397, 0x5a7d0fac6e6c34e1, 0x7d07d5c043fc0467,
    0x6923669499312e91, 0xeafb1e19d1b12437, 0x6a28d06fb7b02141,
    0xb8381bc2f1c45307, 0xd90cc644394b3cf1, 0x0da5247d7950e0d7,
    0xcd0c4f85c6b5b1a1, 0xc4ac355adce91da7, 0x5e4d88f0d8a3af51,
    0xc7d0a728db665977, 0xba00778f377a6601,
};

struct tt_stack_slots *_Atomic tt_stack_slots;
struct tt_stack *_Atomic *_Atomic tt_stack_chunks[CHUNKS];

static struct {
    struct tt_lock lock;
    _Atomic uint32_t count; /* ids given: 1 to count */
    char *piece_at;         /* where the next stack is cut from */
    char *piece_end;
} table;

uint64_t tt_stack_hash(const uintptr_t *frames, unsigned depth)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < depth; i++)
        sum += tt_stack_sum_part(frames[i], i);
    return tt_stack_hash_end(sum, depth);
}

static bool is_same(const struct tt_stack *stack, const uintptr_t *frames,
                    unsigned depth)
{
    if (stack->depth != depth)
        return false;
    uintptr_t differs = 0;
    for (unsigned i = 0; i < depth; i++)
        differs |= stack->frames[i] ^ frames[i];
    return differs == 0;
}

struct tt_stack *tt_stack_find(const uintptr_t *frames, unsigned depth,
                               uint64_t hash)
{
    struct tt_stack_slots *const slots =
        atomic_load_explicit(&tt_stack_slots, memory_order_acquire);
    if (TT_UNLIKELY(!slots))
        return NULL;
    for (size_t at = hash & slots->mask;; at = (at + 1) & slots->mask) {
        const uint64_t slot =
            atomic_load_explicit(&slots->slots[at], memory_order_acquire);
        if (slot == 0)
            return NULL;
        if ((slot ^ hash) >> 32 == 0) {
            struct tt_stack *const stack = tt_stack_by_id((uint32_t)slot);
            if (TT_LIKELY(is_same(stack, frames, depth)))
                return stack;
        }
    }
}

static void slots_put(struct tt_stack_slots *slots, uint64_t hash, uint32_t id)
{
    size_t at = hash & slots->mask;
    while (atomic_load_explicit(&slots->slots[at], memory_order_relaxed))
        at = (at + 1) & slots->mask;
    atomic_store_explicit(&slots->slots[at],
                          (hash & ~(uint64_t)UINT32_MAX) | id,
                          memory_order_release);
}

/* Makes room in the slots for one more stack. Under the lock. */
static bool slots_reserve(void)
{
    struct tt_stack_slots *const old = tt_stack_slots;
    if (old && table.count < old->mask / 2)
        return true;
    const size_t count = old ? (old->mask + 1) * 4 : SLOTS_FIRST;
    struct tt_stack_slots *const slots =
        tt_map_sparse(sizeof *slots + count * sizeof *slots->slots);
    if (!slots)
        return old && table.count < old->mask;
    slots->mask = count - 1;
    for (uint32_t id = 1; id <= table.count; id++) {
        const struct tt_stack *const stack = tt_stack_by_id(id);
        slots_put(slots, tt_stack_hash(stack->frames, stack->depth), id);
    }
    atomic_store_explicit(&tt_stack_slots, slots, memory_order_release);
    return true;
}

/* Gets the chunk's word for a new id. Under the lock. */
static struct tt_stack *_Atomic *id_place(uint32_t id)
{
    struct tt_stack *_Atomic *_Atomic *const chunk =
        &tt_stack_chunks[id >> TT_STACK_CHUNK_BITS];
    if (!*chunk) {
        void *const words = tt_map_sparse(CHUNK_IDS * sizeof **chunk);
        if (!words)
            return NULL;
        atomic_store_explicit(chunk, words, memory_order_release);
    }
    return &(*chunk)[id & (CHUNK_IDS - 1)];
}

/* Stacks live for ever, so they are cut from pieces without a gap. */
static struct tt_stack *stack_make(const uintptr_t *frames, unsigned depth)
{
    const size_t bytes = sizeof(struct tt_stack) + depth * sizeof(uintptr_t);
    if ((size_t)(table.piece_end - table.piece_at) < bytes) {
        char *const piece = tt_mem_take(PIECE_BYTES);
        if (!piece)
            return NULL;
        table.piece_at = piece;
        table.piece_end = piece + PIECE_BYTES;
    }
    struct tt_stack *const stack = (struct tt_stack *)table.piece_at;
    table.piece_at += bytes;
    stack->depth = depth;
    memcpy(stack->frames, frames, depth * sizeof(uintptr_t));
    return stack;
}

static struct tt_stack *stack_add(const uintptr_t *frames, unsigned depth,
                                  uint64_t hash)
{
    const uint32_t id = table.count + 1;
    if (id > TT_STACK_ID_MAX || !slots_reserve())
        return NULL;
    struct tt_stack *_Atomic *const place = id_place(id);
    struct tt_stack *const stack = place ? stack_make(frames, depth) : NULL;
    if (!stack)
        return NULL;
    stack->id = id;
    atomic_store_explicit(place, stack, memory_order_release);
    table.count = id;
    slots_put(tt_stack_slots, hash, id);
    return stack;
}

struct tt_stack *tt_stack_keep(const uintptr_t *frames, unsigned depth,
                               uint64_t hash)
{
    struct tt_stack *stack = tt_stack_find(frames, depth, hash);
    if (TT_LIKELY(stack != NULL))
        return stack;
    tt_lock_take(&table.lock);
    stack = tt_stack_find(frames, depth, hash);
    if (!stack)
        stack = stack_add(frames, depth, hash);
    tt_lock_give(&table.lock);
    return stack;
}

unsigned tt_stack_depth_bound(unsigned depth)
{
    const uint32_t count =
        atomic_load_explicit(&table.count, memory_order_relaxed);
    unsigned bound = TT_STACK_DEPTH_MAX;
    if (TT_UNLIKELY(count >= 1u << 16))
        bound = count < 1u << 18 ? 8 : count < 1u << 20 ? 4 : 2;
    return TT_MIN(depth, bound);
}

unsigned tt_stack_frames(uint32_t id, const uintptr_t **frames)
{
    const struct tt_stack *const stack =
        id <= TT_STACK_ID_MAX ? tt_stack_by_id(id) : NULL;
    *frames = stack ? stack->frames : NULL;
    return stack ? stack->depth : 0;
}

uint32_t tt_stack_intern(const uintptr_t *frames, unsigned depth)
{
    depth = TT_MIN(depth, TT_STACK_DEPTH_MAX);
    if (depth == 0)
        return 0;
    const struct tt_stack *const stack =
        tt_stack_keep(frames, depth, tt_stack_hash(frames, depth));
    return stack ? stack->id : 0;
}

_Atomic uint32_t *tt_stack_note(uint32_t id)
{
    struct tt_stack *const stack =
        id <= TT_STACK_ID_MAX ? tt_stack_by_id(id) : NULL;
    return stack ? &stack->note : NULL;
}

size_t tt_stack_count(void)
{
    return atomic_load_explicit(&table.count, memory_order_relaxed);
}

void tt_stack_table_lock(void)
{
    tt_lock_take(&table.lock);
}

void tt_stack_table_unlock(void)
{
    tt_lock_give(&table.lock);
}
