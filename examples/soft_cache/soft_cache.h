/* SPDX-License-Identifier: MIT */
#ifndef SOFT_CACHE_H
#define SOFT_CACHE_H
/*
 * A cache of parsed documents that gives way: it keeps each document until
 * memory is short, and parses it anew when it is asked for again. It has no
 * limit of its own; whoever limits memory limits the cache.
 */
#include <tether/ref.h>

#include "document.h"

struct soft_cache;

/* Makes a cache of at most 'places' documents. 'load' gives the text of a
 * document, which the cache frees; 'evicted' (may be NULL) is a queue that
 * tells what was given up. */
struct soft_cache *soft_cache_make(size_t places, char *(*load)(size_t number),
                                   tether_queue *evicted);
void soft_cache_drop(struct soft_cache *cache);

/* Gets a document, from the cache or parsed. It stays until soft_cache_put. */
struct document *soft_cache_get(struct soft_cache *cache, size_t number);

/* The document is not used any more by one who got it. */
void soft_cache_put(struct soft_cache *cache, size_t number);

/* The soft reference that the cache has of a document. */
tether_soft soft_cache_ref(const struct soft_cache *cache, size_t number);

/* Documents that were parsed so far. */
size_t soft_cache_loads(const struct soft_cache *cache);

#endif
