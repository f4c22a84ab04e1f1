/* SPDX-License-Identifier: MIT */
/*
 * The table from the key of a domain's object to its references: in each shard
 * a linear hash (W. Litwin, 1980). It grows by one bucket for each object that
 * enters, so that no insertion ever pays for all, and buckets never move: the
 * array is made of segments, each as large as all before it together.
 *
 * The hash keeps neighbours together. Objects of one page go to one shard and
 * to neighbouring buckets, which start at a place that is random for each
 * page. Programs make and free neighbours one after another, so most look-ups
 * hit the cache.
 *
 * A bucket lists the first slots of objects.
 *
 * Locks: the shard's, held by the callers.
 * Hook: find and unlink run inside free; they allocate nothing.
 */
#include "base/base_mem.h"
#include "ref/ref_slot.h"

#define SEGMENT_FIRST_BITS TT_TABLE_FIRST_BITS
#define SEGMENT_FIRST      (1u << SEGMENT_FIRST_BITS)
#define BUCKETS_MAX        (1u << 31)
#define GRANULE_BITS       4

static uint32_t bucket_hash(uintptr_t base)
{
    const uint32_t granule =
        (base & ((1u << TT_PAGE_BITS) - 1)) >> GRANULE_BITS;
    return (uint32_t)(tt_page_hash(base) >> 24) + granule;
}

static unsigned segment_of(uint32_t number)
{
    return number < SEGMENT_FIRST
               ? 0
               : 32 - (unsigned)__builtin_clz(number) - SEGMENT_FIRST_BITS;
}

/* Buckets in a segment, and the number of its first one. */
static uint32_t segment_buckets(unsigned segment)
{
    return segment ? SEGMENT_FIRST << (segment - 1) : SEGMENT_FIRST;
}

uint32_t *tt_table_bucket(struct shard *shard, uint32_t number)
{
    const unsigned segment = segment_of(number);
    return &shard->segment[segment][segment ? number - segment_buckets(segment)
                                            : number];
}

/* The largest power of two of buckets that is in use as a whole. */
static uint32_t buckets_whole(uint32_t buckets)
{
    return 1u << (31 - (unsigned)__builtin_clz(buckets));
}

uint32_t tt_table_number(const struct shard *shard, uintptr_t base)
{
    const uint32_t whole = buckets_whole(shard->buckets);
    const uint32_t hash = bucket_hash(base);
    const uint32_t wide = hash & (whole * 2 - 1);
    return wide < shard->buckets ? wide : hash & (whole - 1);
}

static bool segment_map(struct shard *shard, unsigned segment)
{
    if (!segment)
        shard->segment[0] = shard->first;
    if (!shard->segment[segment])
        shard->segment[segment] =
            tt_mem_take(segment_buckets(segment) * sizeof(uint32_t));
    return shard->segment[segment] != NULL;
}

static uintptr_t slot_key(uint32_t index)
{
    return atomic_load_explicit(&slot_at(index)->base, memory_order_relaxed);
}

/* Opens one more bucket and moves to it what belongs there: all of that is
 * in one other bucket. Without memory the chains grow longer instead. */
static void table_grow(struct shard *shard)
{
    const uint32_t number = shard->buckets;
    if (number == BUCKETS_MAX || !segment_map(shard, segment_of(number)))
        return;
    uint32_t *from = tt_table_bucket(shard, number - buckets_whole(number));
    uint32_t *to = tt_table_bucket(shard, number);
    shard->buckets++;
    while (*from) {
        struct ref_slot *const slot = slot_at(*from);
        if (tt_table_number(shard, slot_key(*from)) != number) {
            from = &slot->live.bucket_next;
            continue;
        }
        *to = *from;
        *from = slot->live.bucket_next;
        to = &slot->live.bucket_next;
        *to = 0;
    }
}

void tt_table_put(struct shard *shard, uint32_t first)
{
    if (TT_UNLIKELY(!shard->buckets)) {
        segment_map(shard, 0);
        shard->buckets = SEGMENT_FIRST;
    }
    if (shard->objects >= shard->buckets)
        table_grow(shard);
    uint32_t *const bucket =
        tt_table_bucket(shard, tt_table_number(shard, slot_key(first)));
    slot_at(first)->live.bucket_next = *bucket;
    *bucket = first;
    shard->objects++;
}

uint32_t *tt_table_find(struct shard *shard, uintptr_t key)
{
    if (!shard->buckets)
        return NULL;
    uint32_t *link = tt_table_bucket(shard, tt_table_number(shard, key));
    while (*link && slot_key(*link) != key)
        link = &slot_at(*link)->live.bucket_next;
    return *link ? link : NULL;
}

void tt_table_unlink(struct shard *shard, uint32_t *link)
{
    *link = slot_at(*link)->live.bucket_next;
    shard->objects--;
}
