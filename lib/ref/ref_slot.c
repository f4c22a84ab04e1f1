/* SPDX-License-Identifier: MIT */
/*
 * Slots, their slabs, and what is said of a reference that must not be used.
 *
 * A dropped slot keeps its last contents and is used again only after 65,536
 * younger drops, oldest first. So the record of a dropped reference is its
 * slot, and a stale reference is found at once and can still be named.
 *
 * Locks: the shard's, held by the callers.
 * Hook: nothing here but tt_slot_of runs inside free.
 */
#include "ref/ref_slot.h"

#include "base/base_mem.h"
#include "ref/ref.h"
#include "ref/ref_place.h"

#include <errno.h>
#include <sys/mman.h>

#define SLAB_BYTES       (sizeof(struct ref_slot) * TT_SLAB_SLOTS)
#define SLABS_SHARD_MAX  (TT_SLABS_LEAF * TT_SLABS_LEAF / TT_SHARDS)
#define AREA_BYTES       (8 * SLAB_BYTES)
#define AREA_AFTER_SLABS 32

struct shard tt_shards[TT_SHARDS];
struct ref_slot **_Atomic tt_slabs[TT_SLABS_LEAF];
_Atomic uint32_t tt_slot_drops;

/* Slabs are cut from larger areas once there are many. Locked inside a
 * shard's lock. */
static struct {
    struct tt_lock lock;
    char *at;
    char *end;
    unsigned slabs;
} area;

void tt_slot_area_lock(void)
{
    tt_lock_take(&area.lock);
}

void tt_slot_area_unlock(void)
{
    tt_lock_give(&area.lock);
}

/* All pages of an area are asked for at once, which costs a third of a fault
 * for each of them. (Huge pages are not: where memory is in pieces, getting
 * one costs more than it saves.) A system that cannot has them by faults. */
static void area_map(void)
{
    char *const start = tt_map_sparse(AREA_BYTES);
    if (!start)
        return;
    area.at = start;
    area.end = start + AREA_BYTES;
    const int before = errno;
#ifdef MADV_POPULATE_WRITE
    madvise(start, AREA_BYTES, MADV_POPULATE_WRITE);
#endif
    errno = before;
}

static struct ref_slot *slab_map(void)
{
    void *slab = NULL;
    tt_lock_take(&area.lock);
    if ((size_t)(area.end - area.at) < SLAB_BYTES &&
        area.slabs >= AREA_AFTER_SLABS)
        area_map();
    if ((size_t)(area.end - area.at) >= SLAB_BYTES) {
        slab = area.at;
        area.at += SLAB_BYTES;
    } else {
        slab = tt_map(SLAB_BYTES);
    }
    area.slabs += slab != NULL;
    tt_lock_give(&area.lock);
    return slab;
}

/* The leaf that holds a slab's pointer. Several shards share one. */
static struct ref_slot **leaf_make(uint32_t slab)
{
    struct ref_slot **_Atomic *const place = &tt_slabs[slab / TT_SLABS_LEAF];
    struct ref_slot **leaf = atomic_load_explicit(place, memory_order_acquire);
    if (leaf)
        return leaf;
    const size_t bytes = TT_SLABS_LEAF * sizeof *leaf;
    struct ref_slot **const made = tt_mem_take(bytes);
    if (!made || atomic_compare_exchange_strong(place, &leaf, made))
        return made;
    tt_mem_give(made, bytes);
    return leaf;
}

static bool slab_add(struct shard *shard)
{
    if (shard->slabs == SLABS_SHARD_MAX)
        return false;
    const uint32_t slab =
        shard->slabs * TT_SHARDS + (uint32_t)(shard - tt_shards);
    struct ref_slot **const leaf = leaf_make(slab);
    struct ref_slot *const slots = leaf ? slab_map() : NULL;
    if (!slots)
        return false;
    __atomic_store_n(&leaf[slab % TT_SLABS_LEAF], slots, __ATOMIC_RELEASE);
    shard->slabs++;
    shard->fresh = slab == 0; /* index 0 is nobody's */
    return true;
}

/* Index of the oldest dropped slot, if it has been forgotten by now. */
static uint32_t drop_oldest(struct shard *shard)
{
    const uint32_t index = shard->drop_first;
    if (!index)
        return 0;
    const uint32_t drops =
        atomic_load_explicit(&tt_slot_drops, memory_order_relaxed);
    struct ref_slot *const slot = slot_at(index);
    if (drops - slot->drop.at <= TT_REF_REMEMBERED + TT_DROPS_AHEAD)
        return 0;
    shard->drop_first = slot->drop.next;
    if (!shard->drop_first)
        shard->drop_last = 0;
    return index;
}

uint32_t tt_slot_take(struct shard *shard)
{
    uint32_t index = drop_oldest(shard);
    if (!index) {
        if ((!shard->slabs || shard->fresh == TT_SLAB_SLOTS) &&
            !slab_add(shard))
            return 0;
        const uint32_t slab =
            (shard->slabs - 1) * TT_SHARDS + (uint32_t)(shard - tt_shards);
        index = (slab << TT_SLAB_BITS) + shard->fresh++;
    }
    shard->used++;
    return index;
}

void tt_slot_give(uint32_t index)
{
    struct shard *const shard = index_shard(index);
    struct ref_slot *const slot = slot_at(index);
    shard->used--;
    slot->drop.next = 0;
    if (!shard->drops_left) {
        atomic_fetch_add_explicit(&tt_slot_drops, TT_DROPS_DRAWN,
                                  memory_order_relaxed);
        shard->drops_left = TT_DROPS_DRAWN;
    }
    shard->drops_left--;
    slot->drop.at = atomic_load_explicit(&tt_slot_drops, memory_order_relaxed);
    if (atomic_load_explicit(&slot->state, memory_order_relaxed) & SLOT_RETIRED)
        return;
    if (shard->drop_last)
        slot_at(shard->drop_last)->drop.next = index;
    else
        shard->drop_first = index;
    shard->drop_last = index;
}

uint64_t tt_slot_next_bits(const struct ref_slot *slot, uint32_t index)
{
    const uint64_t state =
        atomic_load_explicit(&slot->state, memory_order_relaxed);
    const uint32_t generation = TT_MAX(bits_generation(state), 1u);
    return REF_TAG | (uint64_t)generation << 32 | index;
}

struct ref_slot *tt_slot_of(const char *call, uint64_t bits)
{
    struct ref_slot *const slot =
        bits & REF_TAG ? slot_find(bits_index(bits)) : NULL;
    if (TT_UNLIKELY(!slot ||
                    !state_is_of(atomic_load_explicit(&slot->state,
                                                      memory_order_acquire),
                                 bits)))
        tt_slot_die(call, bits);
    return slot;
}

/* Was there ever a reference with these bits, and is its slot's last content
 * still the one that it left? */
enum slot_past { PAST_NEVER, PAST_FORGOTTEN, PAST_KNOWN };

static enum slot_past slot_past(uint64_t bits)
{
    const struct ref_slot *const slot =
        bits & REF_TAG ? slot_find(bits_index(bits)) : NULL;
    if (!slot)
        return PAST_NEVER;
    const uint64_t state =
        atomic_load_explicit(&slot->state, memory_order_acquire);
    const uint32_t now = bits_generation(state);
    const uint32_t then = bits_generation(bits);
    if (then == 0 || then > now)
        return PAST_NEVER;
    if (state & SLOT_RETIRED)
        return then == now ? PAST_KNOWN : PAST_FORGOTTEN;
    if (then == now)
        return PAST_NEVER; /* not given out yet */
    return then + 1 == now && !(state & SLOT_USED) ? PAST_KNOWN
                                                   : PAST_FORGOTTEN;
}

bool tt_ref_about_dropped(uint64_t bits, struct tt_ref_about *about)
{
    *about = (struct tt_ref_about){ .name = "", .file = "" };
    if (slot_past(bits) != PAST_KNOWN)
        return false;
    const struct ref_slot *const slot = slot_at(bits_index(bits));
    const struct ref_place *const place = tt_place_at(slot->place);
    about->name = place->name;
    about->file = place->file;
    about->line = place->line;
    about->alive = !(atomic_load(&slot->state) & SLOT_DEAD);
    about->base = tt_key_address(atomic_load(&slot->base));
    if (!about->alive) {
        about->words.name = place->name;
        about->words.size = slot->size;
        about->words.alloc_stack = slot->dead.alloc_stack;
        about->words.free_stack = slot->dead.free_stack;
        about->words.free_thread = slot->dead.free_thread;
        about->words.freed_ns = atomic_load(&slot->when_ns);
    }
    return true;
}

void tt_slot_die(const char *call, uint64_t bits)
{
    struct tt_ref_about was;
    const unsigned long long number = bits;
    if (!bits)
        tt_die(call,
               "the reference is zero: it was never made.\n"
               "  Make it with tether_weak_to or tether_phantom_to first");
    if (slot_past(bits) == PAST_NEVER)
        tt_die(call,
               "%#llx is no reference and never was one:\n"
               "  was it overwritten, or never set?",
               number);
    if (!tt_ref_about_dropped(bits, &was))
        tt_die(call, "the reference was dropped long before (its object's\n"
                     "  name is no longer known); drop it after its last use");
    tt_die(call,
           "the reference to `%s` (made at %s:%u) was dropped before;\n"
           "  drop it after its last use. Its object %s",
           was.name, was.file, was.line,
           was.alive ? "was still alive then" : "was dead by then");
}
