/* SPDX-License-Identifier: MIT */
#ifndef DOCUMENT_STORE_H
#define DOCUMENT_STORE_H
/**
 * A store of documents: a cache in front of a folder of JSON tables, limited
 * in documents and in bytes, in which the least recently used one goes first.
 *
 *     struct document_store *store;
 *     struct document *countries;
 *
 *     document_store_make(&(struct document_store_options){
 *                             .folder = "/usr/share/iso-codes/json",
 *                             .documents_max = 4,
 *                             .bytes_max = 1 << 20 },
 *                         &store);
 *     document_store_get(store, "iso_3166-1", &countries);
 *     ...
 *     document_release(countries);
 *     document_store_free(store);
 *
 * The store holds what it keeps; whoever gets a document has a hold of their
 * own, so an evicted document lives until its last reader released it.
 *
 * Threads: every call may be made on any thread at any time, but for
 * document_store_free, which must be the last. Documents are parsed and freed
 * outside of the store's lock.
 */
#include <stddef.h>
#include <stdint.h>
#include "document.h"

struct document_store;

struct document_store_options {
    const char *folder;   /**< where get() looks; copied */
    size_t documents_max; /**< not 0 */
    size_t bytes_max;     /**< of documents' text; not 0 */
    unsigned idle_ms;     /**< evict what nobody got for so long; 0: never */
};

/**
 * Makes a store; with idle_ms it starts a thread.
 *
 * Returns DOCUMENT_OK, DOCUMENT_BAD_OPTION, DOCUMENT_NO_MEMORY or
 * DOCUMENT_NO_THREAD; *store is NULL but for the first.
 */
enum document_status
document_store_make(const struct document_store_options *options,
                    struct document_store **store);

/** Frees the store and gives up its holds. NULL is allowed. */
void document_store_free(struct document_store *store);

/**
 * Gets a document, from the store or else from the folder. A document that is
 * larger than the whole store is handed out and not kept.
 *
 * Returns DOCUMENT_OK, and *document is the caller's to release; else what
 * document_load returns, and *document is NULL.
 */
enum document_status document_store_get(struct document_store *store,
                                        const char *name,
                                        struct document **document);

/**
 * Puts a document into the store, which takes a hold of its own.
 *
 * Returns DOCUMENT_OK, DOCUMENT_DUPLICATE, DOCUMENT_TOO_LARGE or
 * DOCUMENT_NO_MEMORY.
 */
enum document_status document_store_put(struct document_store *store,
                                        struct document *document);

/** Evicts a document. Returns DOCUMENT_OK or DOCUMENT_ABSENT. */
enum document_status document_store_evict(struct document_store *store,
                                          const char *name);

/**
 * Finds the documents of a family of standards ("639"), newest in the store
 * first. The first 'max' are written to 'found', each the caller's to release.
 * Does not count as a use.
 *
 * Returns how many there are, which may be more than 'max'.
 */
size_t document_store_find(struct document_store *store, const char *family,
                           struct document *found[], size_t max);

struct document_store_stats {
    size_t documents;   /**< kept now */
    size_t bytes;       /**< kept now */
    uint64_t hits;      /**< of get */
    uint64_t misses;    /**< of get */
    uint64_t evictions; /**< for any reason */
};

void document_store_stats(struct document_store *store,
                          struct document_store_stats *stats);

#endif
