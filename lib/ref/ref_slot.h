/* SPDX-License-Identifier: MIT */
#ifndef TT_REF_SLOT_H
#define TT_REF_SLOT_H
/*
 * Slots: what a reference's number stands for.
 *
 * A reference is   1 | generation (31 bits) | slot index (32 bits).
 * The leading one makes it an address that no program can have, so that no
 * conservative scan takes a reference for a pointer. The slot's state word
 * has the same upper half, and the flags below in its lower half: one load
 * answers 'is this reference mine, and is its object alive?'. Dropping makes
 * the generation one larger; a slot whose generations are used up retires.
 *
 * A slot belongs to the shard that mapped it (its index says which) and goes
 * back there. A shard is a lock for a part of all addresses, the table of
 * domains' objects there, and a list of free slots; making a reference takes
 * one lock, once.
 */
#include "base/base.h"
#include "ref/ref_lock.h"
#include "heap/heap.h"

#define TT_SLAB_BITS        10 /* slots in a slab: 1024, 14 pages */
#define TT_SLAB_SLOTS       (1u << TT_SLAB_BITS)
#define TT_SHARD_BITS       5
#define TT_SHARDS           (1u << TT_SHARD_BITS)

#define TT_TABLE_FIRST_BITS 6u

/* So many dropped references are remembered before a slot is used again. The
 * shards count drops together, but each draws numbers for 64 at once. So the
 * count may be ahead of the drops by what all of them have drawn, and so many
 * more are waited for. */
#define TT_REF_REMEMBERED 65536u
#define TT_DROPS_DRAWN    64u
#define TT_DROPS_AHEAD    (TT_SHARDS * TT_DROPS_DRAWN)

enum slot_flag {
    SLOT_USED = 1 << 0,     /* made and not dropped */
    SLOT_DEAD = 1 << 1,     /* the object died; stays when dropped */
    SLOT_WAITED = 1 << 2,   /* somebody sleeps on the word */
    SLOT_ENQUEUED = 1 << 3, /* its record entered its queue */
    SLOT_RETIRED = 1 << 4,  /* dropped with its last generation */
    SLOT_KEEP = 1 << 5,     /* the object goes into quarantine */
    SLOT_TRAP = 1 << 6,     /* ... and its pages fault */
    SLOT_KEPT = 1 << 7,     /* it went there, for this reference */
};

#define SLOT_GENERATION_MAX 0x7fffffffu
#define REF_TAG             (UINT64_C(1) << 63)

struct ref_queue;

/* What a reference with a queue has beside its slot; it is the head of what a
 * soft one has (ref_soft.h). */
struct ref_entry {
    uint64_t bits;           /* the reference */
    void *tag;               /* the caller's */
    struct ref_queue *queue; /* never unmapped; NULL: a soft one without */
    uint64_t opened;         /* the queue's number when this was made */
    uint64_t order;          /* the queue's nth record, 0: never entered */
    struct ref_entry *next;  /* in the queue; in free: of the same block */
    struct ref_entry *prev;
    bool queued;    /* is in the queue now */
    uint8_t kind;   /* enum tether_ref_kind */
    uint8_t reason; /* enum tether_reason, once it is dead */
};

struct ref_slot {
    _Atomic uint64_t state;
    _Atomic uintptr_t base; /* the block's address; still so when dead */
    union {
        _Atomic uintptr_t object; /* alive: the pointer as given */
        _Atomic uint64_t when_ns; /* dead */
    };
    union {
        uint64_t size;         /* dead, or a domain's: bytes of the object */
        uint32_t alloc_thread; /* a live block's */
    };
    union {
        struct {
            union {
                uint32_t alloc_stack; /* of a block, alive or dead */
                uint32_t bucket_next; /* of a domain's object: the first's */
            };
            uint32_t chain_next; /* all slots of an object: a ring, */
            uint32_t chain_prev; /* in the order of their making */
        } live;
        struct {
            uint32_t alloc_stack;
            uint32_t free_stack;
            uint32_t free_thread;
        } dead;
    };
    uint32_t place; /* who made it: see ref_place.h */
    union {
        struct ref_entry *entry; /* used: NULL without a queue */
        struct {
            uint32_t next; /* free: index of the next one, 0: last */
            uint32_t at;   /* free: number of its drop, modulo 2^32 */
        } drop;
    };
};

_Static_assert(sizeof(struct ref_slot) == 56, "a slot grew");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "sleepers wait on the lower half of a slot's state");

struct shard {
    struct shard_lock lock;
    /* the table: see ref_table.c */
    uint32_t buckets;      /* in use; 0: nothing was ever in it */
    uint32_t objects;      /* in it */
    uint32_t *segment[27]; /* of buckets, each as large as all before it */
    uint32_t first[1u << TT_TABLE_FIRST_BITS]; /* segment 0 */
    /* slots: see ref_slot.c */
    uint32_t slabs;      /* mapped */
    uint32_t fresh;      /* slots of the newest slab given out */
    uint32_t drop_first; /* dropped slots, oldest first; 0: none */
    uint32_t drop_last;
    uint32_t drops_left; /* of those that it has drawn numbers for */
    uint32_t used;       /* made and not dropped, of its own slots */
} __attribute__((aligned(128)));

extern struct shard tt_shards[TT_SHARDS];

/* Two levels, so that a look-up takes no lock and nothing ever moves. */
#define TT_SLABS_LEAF 2048u
extern struct ref_slot **_Atomic tt_slabs[TT_SLABS_LEAF];

TT_INLINE struct ref_slot *slab_slot(struct ref_slot *slots, uint32_t index)
{
    return slots + (index & (TT_SLAB_SLOTS - 1));
}

/* The slot of an index that somebody gave us; NULL if none was ever mapped
 * there. Slots are never unmapped. */
TT_INLINE struct ref_slot *slot_find(uint32_t index)
{
    const uint32_t slab = index >> TT_SLAB_BITS;
    struct ref_slot **const leaf = atomic_load_explicit(
        &tt_slabs[slab / TT_SLABS_LEAF], memory_order_acquire);
    if (TT_UNLIKELY(!leaf))
        return NULL;
    struct ref_slot *const slots =
        __atomic_load_n(&leaf[slab % TT_SLABS_LEAF], __ATOMIC_ACQUIRE);
    return TT_LIKELY(slots != NULL) ? slab_slot(slots, index) : NULL;
}

/* The slot of an index of ours. */
TT_INLINE struct ref_slot *slot_at(uint32_t index)
{
    const uint32_t slab = index >> TT_SLAB_BITS;
    struct ref_slot **const leaf = atomic_load_explicit(
        &tt_slabs[slab / TT_SLABS_LEAF], memory_order_acquire);
    return slab_slot(
        __atomic_load_n(&leaf[slab % TT_SLABS_LEAF], __ATOMIC_ACQUIRE), index);
}

TT_INLINE uint32_t bits_index(uint64_t bits)
{
    return (uint32_t)bits;
}

TT_INLINE uint32_t bits_generation(uint64_t bits)
{
    return (uint32_t)(bits >> 32) & SLOT_GENERATION_MAX;
}

/* Do a reference and a state belong together: same generation, made? */
TT_INLINE bool state_is_of(uint64_t state, uint64_t bits)
{
    return (state ^ bits) >> 32 == 0 && (state & SLOT_USED);
}

/* Adds flags to the state. The shard of the slot's base is locked, without
 * which no state changes. Returns what it was. */
TT_INLINE uint64_t slot_state_add(struct ref_slot *slot, uint32_t flags)
{
    const uint64_t was =
        atomic_load_explicit(&slot->state, memory_order_relaxed);
    atomic_store_explicit(&slot->state, was | flags, memory_order_release);
    return was;
}

TT_INLINE struct shard *index_shard(uint32_t index)
{
    return &tt_shards[(index >> TT_SLAB_BITS) & (TT_SHARDS - 1)];
}

/* What is on one page goes to one shard. */
#define TT_PAGE_BITS 12
TT_INLINE uint64_t tt_page_hash(uintptr_t base)
{
    return (base >> TT_PAGE_BITS) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Takes a slot of the shard, which the caller has locked. It is not USED yet.
 * Returns its index, 0: no memory. */
uint32_t tt_slot_take(struct shard *shard);

/* Gives a slot whose state says 'dropped' back to its own shard, which the
 * caller has locked. */
void tt_slot_give(uint32_t index);

/* The reference whose slot this will be, once its state is SLOT_USED. */
uint64_t tt_slot_next_bits(const struct ref_slot *slot, uint32_t index);

/* The slot of a reference that may be used; stops the program otherwise. */
struct ref_slot *tt_slot_of(const char *call, uint64_t bits);

/* Says what is wrong with a reference, and stops. */
_Noreturn void tt_slot_die(const char *call, uint64_t bits)
    __attribute__((cold));

/* Drops since the process started, and those that numbers were drawn for. */
extern _Atomic uint32_t tt_slot_drops;

/* For the fork handlers: what the shards share. */
void tt_slot_area_lock(void);
void tt_slot_area_unlock(void);

/*
 * Chains: from an object to its references. A block's tag (heap.h) is the
 * index of its first slot; a domain's object has a key in place of an address
 * (ref.h) and is in the shard's table. Callers hold the lock of the shard, as
 * a base's stands for:
 */
struct shard *tt_chain_shard(uintptr_t base);

/* The first slot of what has this base; 0: it has none. */
uint32_t tt_chain_first(struct shard *shard, uintptr_t base);

/* Adds a slot to the chain of its base. 'known': there may be one already.
 * False: it is no live block. */
bool tt_chain_add(struct shard *shard, uint32_t index, bool known);

/* Takes one slot out of its chain. Returns whether it was the last. */
bool tt_chain_cut(struct shard *shard, uint32_t index);

/* Takes a whole chain out. Returns its first slot, 0 if there is none. */
uint32_t tt_chain_take(struct shard *shard, uintptr_t base);

/* Puts a whole chain in, under the base that its slots have now. False: that
 * is no live block. */
bool tt_chain_put(struct shard *shard, uint32_t first);

/* The table of keys, by content. */
uint32_t *tt_table_find(struct shard *shard, uintptr_t key);
void tt_table_put(struct shard *shard, uint32_t first);
void tt_table_unlink(struct shard *shard, uint32_t *link);

/* The head of a bucket, for the check. */
uint32_t *tt_table_bucket(struct shard *shard, uint32_t number);
uint32_t tt_table_number(const struct shard *shard, uintptr_t key);

#endif
