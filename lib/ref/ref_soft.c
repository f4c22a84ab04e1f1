/* SPDX-License-Identifier: MIT */
/*
 * Soft references. One is a slot as every reference is, so that it dies with
 * its object and moves with it, and what is here beside it. It is in exactly
 * one list while it may be given up, and in none while it is pinned; a list is
 * in the order of use, so whoever uses one goes to the end of it and whoever
 * needs memory takes the first: both cost the same however many there are.
 *
 * Two may reach for a reference at once: the one who clears it, and a free of
 * its object. The slot's state, changed under the lock of its shard, says who
 * came first, and only a clearing that came first calls release.
 *
 * Locks: shard, then 'soft'. No callback runs under either.
 * Hook: clearing with TT_SOFT_IN_MALLOC, and tt_soft_unlist.
 */
#include "ref/ref_soft.h"

#include "base/base_mem.h"
#include "base/base_options.h"
#include "os/os.h"
#include "ref/ref_life.h"
#include "ref/ref_place.h"
#include "ref/ref_queue.h"

#undef tether_soft_hold

#define LEVELS  (TETHER_EXHAUSTED + 1)
#define LOOK_NS INT64_C(10000000) /* at whether a clearer has ended */

struct soft_list {
    struct ref_soft *first; /* the least recently used */
    struct ref_soft *last;
    _Atomic size_t count;
};

static struct {
    struct tt_lock lock;
    struct soft_list list[LEVELS][2]; /* [in_malloc] */
    uint64_t uses;
    size_t pinned;
    _Atomic uint32_t news;    /* counts ended releases: droppers wait on it */
    _Atomic uint32_t waiting; /* droppers that do */
} soft;

static struct soft_list *list_of(const struct ref_soft *ref)
{
    return &soft.list[ref->level][ref->in_malloc];
}

/* Puts it at the end, as the most recently used. Locked. */
static void list_add(struct ref_soft *ref)
{
    struct soft_list *const list = list_of(ref);
    ref->used = ++soft.uses;
    ref->state = SOFT_LISTED;
    ref->next = NULL;
    ref->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = ref;
    list->last = ref;
    atomic_fetch_add_explicit(&list->count, 1, memory_order_relaxed);
}

static void list_cut(struct ref_soft *ref, enum soft_state state)
{
    struct soft_list *const list = list_of(ref);
    *(ref->prev ? &ref->prev->next : &list->first) = ref->next;
    *(ref->next ? &ref->next->prev : &list->last) = ref->prev;
    ref->state = (uint8_t)state;
    atomic_fetch_sub_explicit(&list->count, 1, memory_order_relaxed);
}

void tt_soft_unlist(struct ref_entry *entry)
{
    struct ref_soft *const ref = (struct ref_soft *)entry;
    if (entry->kind != TETHER_REF_SOFT)
        return;
    tt_lock_take(&soft.lock);
    if (ref->state == SOFT_LISTED)
        list_cut(ref, SOFT_OVER);
    else if (ref->state == SOFT_PINNED) {
        ref->state = SOFT_OVER;
        soft.pinned--;
    }
    tt_lock_give(&soft.lock);
}

/* ---- as users see them ---- */

static struct ref_soft *soft_make(const char *call,
                                  const struct tether_soft_how *how)
{
    uint64_t opened = 0;
    struct ref_queue *const queue =
        how->queue ? tt_queue_of(call, how->queue, &opened) : NULL;
    struct ref_soft *const ref = tt_mem_take(sizeof *ref);
    if (ref)
        *ref = (struct ref_soft){
            .entry = { .tag = how->tag,
                       .queue = queue,
                       .opened = opened,
                       .kind = TETHER_REF_SOFT },
            .cost = how->cost,
            .cost_given = how->cost || tt_option_written(how->text, "cost"),
            .in_malloc = how->in_malloc,
            .level = (uint8_t)(how->level ? how->level : TETHER_MODERATE),
            .state = SOFT_OVER,
        };
    return ref;
}

tether_soft tether_soft_hold_at(const void *object, tether_release_fn release,
                                void *ctx, struct tether_soft_how how,
                                const char *name, const char *file,
                                unsigned line)
{
    static const char call[] = "tether_soft_hold";
    if (!release)
        tt_die(call, "'release' is NULL; give it the function that gives the "
                     "object up");
    if (how.level < 0 || how.level > TETHER_EXHAUSTED)
        tt_die(call,
               "%d is no level; write TETHER_MODERATE, TETHER_CRITICAL "
               "or TETHER_EXHAUSTED",
               how.level);
    tether_safepoint();
    struct ref_soft *const ref = soft_make(call, &how);
    const struct ref_ask ask = { .call = call,
                                 .object = object,
                                 .kind = TETHER_REF_SOFT,
                                 .entry = ref ? &ref->entry : NULL,
                                 .name = name,
                                 .file = file,
                                 .line = line };
    uint64_t bits = tt_ref_no_memory();
    if (ref) {
        ref->release = release;
        ref->ctx = ctx;
        /* A heap that is not seen tells no deaths, which are then the
         * holder's alone to see to. */
        bits = tt_heap_sees() || !object
                   ? tt_ref_make(&ask)
                   : tt_ref_make_in(&ask, tt_key_of(0, object));
    }
    if (tt_ref_blind(bits)) {
        tt_mem_give(ref, sizeof *ref);
        release((void *)(uintptr_t)object, ctx);
        return (tether_soft){ bits };
    }
    tt_lock_take(&soft.lock);
    if (atomic_load(&slot_at(bits_index(bits))->state) & SLOT_DEAD) {
        ref->pins = how.pinned != 0;
    } else if (how.pinned) {
        ref->pins = 1;
        ref->state = SOFT_PINNED;
        soft.pinned++;
    } else {
        list_add(ref);
    }
    tt_lock_give(&soft.lock);
    return (tether_soft){ bits };
}

tether_soft tether_soft_hold(const void *object, tether_release_fn release,
                             void *ctx)
{
    return tether_soft_hold_at(object, release, ctx,
                               (struct tether_soft_how){ .text = NULL }, NULL,
                               NULL, 0);
}

/* The record of a reference that may be used, with the lock taken. NULL, with
 * nothing locked: there was no memory for one. */
static struct ref_soft *soft_lock_of(const char *call, uint64_t bits,
                                     struct ref_slot **slot)
{
    if (tt_ref_blind(bits))
        return NULL;
    *slot = tt_slot_of(call, bits);
    tt_lock_take(&soft.lock);
    struct ref_entry *const entry = (*slot)->entry;
    const bool is_used = state_is_of(atomic_load(&(*slot)->state), bits);
    if (is_used && entry && entry->kind == TETHER_REF_SOFT)
        return (struct ref_soft *)entry;
    tt_lock_give(&soft.lock);
    if (is_used)
        tt_die(call, "`%s` is no soft reference",
               tt_place_at((*slot)->place)->name);
    tt_slot_die(call, bits);
}

static bool slot_lives(const struct ref_slot *slot)
{
    return !(atomic_load(&slot->state) & SLOT_DEAD);
}

void *tether_soft_pin(tether_soft bits)
{
    void *object = NULL;
    struct ref_slot *slot;
    tether_safepoint();
    struct ref_soft *const ref =
        soft_lock_of("tether_soft_pin", bits.bits, &slot);
    if (!ref)
        return NULL;
    if (ref->state == SOFT_LISTED && slot_lives(slot)) {
        list_cut(ref, SOFT_PINNED);
        soft.pinned++;
    }
    if (ref->state == SOFT_PINNED && slot_lives(slot)) {
        ref->pins++;
        object = (void *)atomic_load(&slot->object);
    }
    tt_lock_give(&soft.lock);
    return object;
}

void tether_soft_unpin(tether_soft bits)
{
    static const char call[] = "tether_soft_unpin";
    struct ref_slot *slot;
    struct ref_soft *const ref = soft_lock_of(call, bits.bits, &slot);
    if (!ref)
        return;
    const bool is_pinned = ref->pins > 0;
    if (is_pinned && --ref->pins == 0 && ref->state == SOFT_PINNED) {
        soft.pinned--;
        list_add(ref);
    }
    tt_lock_give(&soft.lock);
    if (!is_pinned)
        tt_die(call,
               "`%s` is not pinned; call it once for each tether_soft_pin "
               "that gave the object",
               tt_place_at(slot->place)->name);
}

enum tether_reason tether_soft_reason(tether_soft bits)
{
    struct ref_slot *slot;
    const struct ref_soft *const ref =
        soft_lock_of("tether_soft_reason", bits.bits, &slot);
    if (!ref)
        return TETHER_CLEARED_EXHAUSTED;
    const enum tether_reason reason =
        slot_lives(slot) ? TETHER_NOT_CLEARED
                         : (enum tether_reason)ref->entry.reason;
    tt_lock_give(&soft.lock);
    return reason;
}

/*
 * An expected reason is in the place of the index's upper bits, and of the
 * leading one there is none: so it is neither a reference nor an address.
 */
#define REASON_SHIFT 29
#define REASON_MASK  (UINT64_C(7) << REASON_SHIFT)

struct tether_expected tether_for_reason(tether_soft ref,
                                         enum tether_reason reason)
{
    static const char call[] = "tether_for_reason";
    if ((int)reason <= TETHER_NOT_CLEARED ||
        (int)reason > TETHER_CLEARED_EXHAUSTED)
        tt_die(call, "%d is no reason for a record; see enum tether_reason",
               (int)reason);
    /* Nobody has so many references that its index could not be told. */
    if (tt_ref_blind(ref.bits) || bits_index(ref.bits) & REASON_MASK)
        return (struct tether_expected){ ref.bits };
    (void)tt_slot_of(call, ref.bits);
    return (struct tether_expected){ (ref.bits & ~REF_TAG) |
                                     (uint64_t)reason << REASON_SHIFT };
}

enum tether_reason tt_ref_expected(uint64_t *bits)
{
    if (!*bits || *bits & REF_TAG || tt_ref_blind(*bits))
        return TETHER_NOT_CLEARED;
    const enum tether_reason reason =
        (enum tether_reason)((*bits & REASON_MASK) >> REASON_SHIFT);
    *bits = (*bits & ~REASON_MASK) | REF_TAG;
    return reason;
}

/* Is its release run by another thread that still is there? Locked. */
static bool is_clearing_elsewhere(const struct ref_soft *ref)
{
    return ref->state == SOFT_CLEARING && ref->clearer != tt_os_thread_id() &&
           !tt_os_thread_gone(ref->clearer);
}

void tether_soft_drop(tether_soft bits)
{
    static const char call[] = "tether_soft_drop";
    struct ref_slot *slot;
    struct ref_soft *ref;
    if (!bits.bits || tt_ref_blind(bits.bits))
        return;
    for (;;) {
        const uint32_t seen = atomic_load(&soft.news);
        ref = soft_lock_of(call, bits.bits, &slot);
        if (!is_clearing_elsewhere(ref))
            break;
        tt_lock_give(&soft.lock);
        atomic_fetch_add(&soft.waiting, 1);
        tt_futex_wait(&soft.news, seen, LOOK_NS);
        atomic_fetch_sub(&soft.waiting, 1);
    }
    const struct ref_soft copy = *ref;
    const bool holds = slot_lives(slot) && ref->state == SOFT_LISTED;
    if (ref->state == SOFT_LISTED)
        list_cut(ref, SOFT_OVER);
    void *const object = (void *)atomic_load(&slot->object);
    tt_lock_give(&soft.lock);
    if (copy.pins && copy.state == SOFT_PINNED)
        tt_die(call,
               "`%s` is still pinned; unpin it before, as whoever pinned it "
               "may use it",
               tt_place_at(slot->place)->name);
    tt_ref_drop(call, bits.bits);
    if (holds)
        copy.release(object, copy.ctx);
}

/* ---- clearing ---- */

/* The least recently used of a level; NULL: none. Locked. */
static struct ref_soft *level_first(enum tether_level level,
                                    enum tt_soft_who who)
{
    struct ref_soft *const quick = soft.list[level][1].first;
    struct ref_soft *const other =
        who == TT_SOFT_ALL ? soft.list[level][0].first : NULL;
    if (!quick || !other)
        return quick ? quick : other;
    return quick->used < other->used ? quick : other;
}

static size_t cost_of(const struct ref_soft *ref, const void *object)
{
    struct tt_block block;
    if (ref->cost_given)
        return ref->cost;
    return tt_block_find(object, &block) ? block.size : 0;
}

bool tt_soft_clear(enum tether_level level, enum tt_soft_who who,
                   enum tether_reason reason, uint32_t stack, size_t *freed)
{
    *freed = 0;
    tt_lock_take(&soft.lock);
    struct ref_soft *const ref = level_first(level, who);
    if (!ref) {
        tt_lock_give(&soft.lock);
        return false;
    }
    list_cut(ref, SOFT_CLEARING);
    ref->clearer = tt_os_thread_id();
    const struct ref_soft copy = *ref;
    const uint64_t bits = ref->entry.bits;
    struct ref_slot *const slot = slot_at(bits_index(bits));
    tt_lock_give(&soft.lock);
    void *object;
    if (tt_ref_clear(bits, reason, stack, &object)) {
        *freed = cost_of(&copy, object);
        copy.release(object, copy.ctx);
    }
    tt_lock_take(&soft.lock);
    if (state_is_of(atomic_load(&slot->state), bits))
        ref->state = SOFT_OVER; /* or else its release has dropped it */
    tt_lock_give(&soft.lock);
    atomic_fetch_add(&soft.news, 1);
    if (atomic_load(&soft.waiting))
        tt_futex_wake(&soft.news, INT32_MAX);
    return true;
}

bool tt_soft_any(enum tether_level level, enum tt_soft_who who)
{
    for (unsigned l = TETHER_MODERATE; l <= (unsigned)level; l++)
        for (unsigned quick = who == TT_SOFT_IN_MALLOC; quick < 2; quick++)
            if (atomic_load_explicit(&soft.list[l][quick].count,
                                     memory_order_relaxed))
                return true;
    return false;
}

void tt_soft_sums(enum tether_level level, enum tt_soft_who who,
                  struct tt_soft_sums *sums)
{
    *sums = (struct tt_soft_sums){ 0 };
    tt_lock_take(&soft.lock);
    for (unsigned l = TETHER_MODERATE; l <= (unsigned)level; l++)
        for (unsigned quick = who == TT_SOFT_IN_MALLOC; quick < 2; quick++)
            for (const struct ref_soft *ref = soft.list[l][quick].first; ref;
                 ref = ref->next) {
                const struct ref_slot *const slot =
                    slot_at(bits_index(ref->entry.bits));
                sums->count++;
                sums->bytes +=
                    cost_of(ref, (const void *)atomic_load(&slot->object));
            }
    sums->pinned = soft.pinned;
    tt_lock_give(&soft.lock);
}

const struct ref_place *tt_soft_of(const void *base)
{
    const struct ref_place *place = NULL;
    struct shard *const shard = tt_chain_shard((uintptr_t)base);
    tt_shard_take(&shard->lock);
    const uint32_t first = tt_chain_first(shard, (uintptr_t)base);
    uint32_t index = first;
    while (index && !place) {
        const struct ref_slot *const slot = slot_at(index);
        if (slot->entry && slot->entry->kind == TETHER_REF_SOFT)
            place = tt_place_at(slot->place);
        index = slot->live.chain_next == first ? 0 : slot->live.chain_next;
    }
    tt_shard_give(&shard->lock);
    return place;
}

void tt_soft_lock(void)
{
    tt_lock_take(&soft.lock);
}

void tt_soft_unlock(void)
{
    tt_lock_give(&soft.lock);
}

static const char *list_check(const struct soft_list *list)
{
    const struct ref_soft *prev = NULL;
    size_t count = 0;
    for (const struct ref_soft *ref = list->first; ref; ref = ref->next) {
        if (list_of(ref) != list || ref->prev != prev)
            return "a list of soft references is broken";
        if (ref->state != SOFT_LISTED || ref->pins)
            return "a soft reference is listed that may not be given up";
        if (prev && prev->used >= ref->used)
            return "soft references are not in the order of their use";
        prev = ref;
        count++;
    }
    if (list->last != prev)
        return "the last soft reference is not the end of its list";
    return count == atomic_load(&list->count)
               ? NULL
               : "a list miscounts its soft references";
}

const char *tt_soft_check(void)
{
    const char *broken = NULL;
    for (unsigned level = 0; level < LEVELS && !broken; level++)
        for (unsigned quick = 0; quick < 2 && !broken; quick++)
            broken = list_check(&soft.list[level][quick]);
    return broken;
}
