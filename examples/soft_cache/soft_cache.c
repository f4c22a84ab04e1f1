/* SPDX-License-Identifier: MIT */
#include "soft_cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct soft_cache {
    char *(*load)(size_t number);
    tether_queue *evicted;
    size_t loads;
    size_t places;
    tether_soft refs[]; /* zero: never asked for */
};

/* A document is given up. It may happen inside malloc: nothing of the cache is
 * touched, and the document is nobody's but the reference's. */
static void give_up(void *object, void *ctx)
{
    (void)ctx;
    document_release(object);
}

struct soft_cache *soft_cache_make(size_t places, char *(*load)(size_t number),
                                   tether_queue *evicted)
{
    struct soft_cache *cache =
        calloc(1, sizeof *cache + places * sizeof *cache->refs);
    if (!cache)
        return NULL;
    cache->load = load;
    cache->evicted = evicted;
    cache->places = places;
    return cache;
}

void soft_cache_drop(struct soft_cache *cache)
{
    for (size_t i = 0; i < cache->places; i++)
        tether_soft_drop(cache->refs[i]);
    free(cache);
}

/* Parses a document and puts it into its place, pinned. */
static struct document *load(struct soft_cache *cache, size_t number)
{
    char *text = cache->load(number);
    struct document *document = text ? document_parse(text) : NULL;
    free(text);
    if (!document)
        return NULL;
    cache->loads++;
    tether_soft_drop(cache->refs[number]);
    cache->refs[number] = tether_soft_hold(
        document, give_up, NULL, .cost = document_bytes(document),
        .in_malloc = true, .pinned = true, .queue = cache->evicted);
    return tether_soft_reason(cache->refs[number]) == TETHER_NOT_CLEARED
               ? document
               : NULL; /* not even Tether had memory */
}

struct document *soft_cache_get(struct soft_cache *cache, size_t number)
{
    struct document *document = NULL;
    if (cache->refs[number].bits)
        document = tether_soft_pin(cache->refs[number]);
    if (!document)
        document = load(cache, number);
    return document;
}

void soft_cache_put(struct soft_cache *cache, size_t number)
{
    tether_soft_unpin(cache->refs[number]);
}

tether_soft soft_cache_ref(const struct soft_cache *cache, size_t number)
{
    return cache->refs[number];
}

size_t soft_cache_loads(const struct soft_cache *cache)
{
    return cache->loads;
}
