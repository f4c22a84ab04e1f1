/* SPDX-License-Identifier: MIT */
/*
 * Places, kept by content. In front of the table is a cache by address of the
 * literals; a hit is believed only after comparing the content, because
 * another module may be mapped where the first one was, and because a caller
 * may reuse a buffer.
 *
 * Locks: one, for what is new. Places are never changed nor given back, so
 * reading takes none.
 */
#include "ref/ref_place.h"

#include "base/base_lock.h"
#include "base/base_mem.h"

#include <string.h>

#define PLACES_PAGE  256u
#define PLACES_PAGES 4096u
#define PLACES_MAX   (PLACES_PAGE * PLACES_PAGES)
#define BUCKETS      1024u
#define CACHE        1024u

static const struct ref_place nowhere = { "an object", "", 0, 0 };

static struct {
    struct tt_lock lock;
    uint32_t count; /* the first is 'nowhere' */
    struct ref_place *_Atomic page[PLACES_PAGES];
    uint32_t bucket[BUCKETS];
    _Atomic uint32_t cache[CACHE];
} places;

const struct ref_place *tt_place_at(uint32_t number)
{
    if (!number)
        return &nowhere;
    return atomic_load_explicit(&places.page[number / PLACES_PAGE],
                                memory_order_acquire) +
           number % PLACES_PAGE;
}

static bool place_is(const struct ref_place *place, const char *name,
                     const char *file, unsigned line)
{
    return place->line == line && !strcmp(place->name, name) &&
           !strcmp(place->file, file);
}

static uint32_t text_hash(uint32_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static const char *text_copy(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *const copy = tt_mem_take(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

/* Adds a place; the caller has the lock. 0: no memory, or too many. */
static uint32_t place_add(const char *name, const char *file, unsigned line,
                          uint32_t *bucket)
{
    const uint32_t number = places.count ? places.count : 1;
    if (number == PLACES_MAX)
        return 0;
    struct ref_place *_Atomic *const page = &places.page[number / PLACES_PAGE];
    if (!*page) {
        struct ref_place *const made =
            tt_mem_take(PLACES_PAGE * sizeof(struct ref_place));
        if (!made)
            return 0;
        atomic_store_explicit(page, made, memory_order_release);
    }
    const char *const name_kept = text_copy(name);
    const char *const file_kept = text_copy(file);
    if (!name_kept || !file_kept)
        return 0;
    (*page)[number % PLACES_PAGE] =
        (struct ref_place){ name_kept, file_kept, line, *bucket };
    *bucket = number;
    places.count = number + 1;
    return number;
}

static TT_COLD uint32_t place_find_or_add(const char *name, const char *file,
                                          unsigned line)
{
    const uint32_t hash =
        text_hash(text_hash(2166136261u ^ line * 31u, name), file);
    uint32_t *const bucket = &places.bucket[hash % BUCKETS];
    tt_lock_take(&places.lock);
    uint32_t number = *bucket;
    while (number && !place_is(tt_place_at(number), name, file, line))
        number = tt_place_at(number)->next;
    if (!number)
        number = place_add(name, file, line, bucket);
    tt_lock_give(&places.lock);
    return number;
}

uint32_t tt_place_of(const char *name, const char *file, unsigned line)
{
    if (!name)
        name = nowhere.name;
    if (!file)
        file = nowhere.file;
    const uintptr_t mixed = ((uintptr_t)name ^ (uintptr_t)file << 7) +
                            (uintptr_t)line * 2654435761u;
    _Atomic uint32_t *const cached =
        &places.cache[(mixed ^ mixed >> 13) % CACHE];
    uint32_t number = atomic_load_explicit(cached, memory_order_acquire);
    if (TT_LIKELY(number && place_is(tt_place_at(number), name, file, line)))
        return number;
    number = place_find_or_add(name, file, line);
    atomic_store_explicit(cached, number, memory_order_release);
    return number;
}

void tt_place_lock(void)
{
    tt_lock_take(&places.lock);
}

void tt_place_unlock(void)
{
    tt_lock_give(&places.lock);
}
