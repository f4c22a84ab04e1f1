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

/* splitmix64 of 1, 2, ..., made odd. */
const uint64_t tt_stack_odd[TT_STACK_DEPTH_MAX] = {
    0xe220a8397b1dcdaf, 0x6e789e6aa1b965f5, 0x06c45d188009454f,
    0xf88bb8a8724c81ed, 0x1b39896a51a8749b, 0x53cb9f0c747ea2eb,
    0x2c829abe1f4532e1, 0xc584133ac916ab3d, 0x3ee5789041c98ac3,
    0xf3b8488c368cb0a7, 0x657eecdd3cb13d09, 0xc2d326e0055bdef7,
    0x8621a03fe0bbdb7b, 0x8e1f7555983aa92f, 0xb54e0f1600cc4d19,
    0x84bb3f97971d80ab, 0x7d29825c75521255, 0xc3cf17102b7f7f87,
    0x3466e9a083914f65, 0xd81a8d2b5a4485ad, 0xdb01602b100b9ed7,
    0xa9038a921825f10d, 0xedf5f1d90dca2f6b, 0x54496ad67bd2634d,
    0xdd7c01d4f5407269, 0x935e82f1db4c4f7b, 0x69b82ebc92233301,
    0x40d29eb57de1d511, 0xa2f09dabb45c6317, 0xee521d7a0f4d3873,
    0xf16952ee72f3454f, 0x377d35dea8e40225, 0x0c7de8064963bab1,
    0x05582d37111ac529, 0xd254741f599dc6f7, 0x69630f7593d108c3,
    0x417ef96181daa383, 0x3c3c41a3b43343a1, 0x6e19905dcbe531df,
    0x4fa9fa7324851729, 0x84eb4454a792922b, 0x134f7096918175cf,
    0x07dc930b302278a9, 0x12c015a97019e937, 0xcc06c31652ebf439,
    0xecee65630a691e37, 0x3e84ecb1763e79ad, 0x690ed476743aae49,
    0x774615d7b1a1f2e1, 0x22b353f04f4f52db, 0xe3ddd86ba71a5eb1,
    0xdf268adeb6513357, 0x2098eb73d4367d77, 0x03d6845323ce3c71,
    0xc952c5620043c715, 0x9b196bca844f1705, 0x30260345dd9e0ec1,
    0xcf448a5882bb9699, 0xf4a578dccbc87657, 0xbfdeaed9a17b3c8f,
    0xed79402d1d5c5d7b, 0x55f070ab1cbbf171, 0x3e00a34929a88f1d,
    0xe255b237b8bb18fb,
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
        sum += tt_stack_hash_part(frames[i], i);
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
