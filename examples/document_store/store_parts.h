/* SPDX-License-Identifier: MIT */
#ifndef STORE_PARTS_H
#define STORE_PARTS_H
/**
 * The store's inside: a slot for each document, which is in a hash table by
 * name, in a list by use and, through the document, in an index by family.
 *
 * All functions but store_drop and store_sweeper_* are called with the lock
 * held. What leaves the store is chained into 'victims' and dropped after the
 * lock is given back, since freeing a large document takes milliseconds.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "document_store.h"

struct slot {
    struct document *document;   /* held */
    struct slot *next_in_bucket; /* by name */
    struct slot *newer;          /* by use */
    struct slot *older;
    struct slot *next_victim;
    uint64_t used_ms; /* monotonic clock */
};

/* By family. Every entry holds its document. */
struct store_index {
    struct family *families;
};

bool store_index_add(struct store_index *index, struct document *document);
void store_index_cut(struct store_index *index,
                     const struct document *document);
size_t store_index_find(const struct store_index *index, const char *family,
                        struct document *found[], size_t max);
void store_index_clear(struct store_index *index);

struct store_sweeper {
    pthread_t thread;
    pthread_cond_t wake;
    bool runs;
    bool stop;
};

struct document_store {
    pthread_mutex_t lock; /* guards all below but the options */
    char *folder;
    size_t documents_max;
    size_t bytes_max;
    unsigned idle_ms;
    struct slot **buckets;
    size_t bucket_count; /* a power of two */
    struct slot *newest;
    struct slot *oldest;
    struct store_index index;
    struct store_sweeper sweeper;
    struct document_store_stats stats;
};

/** The link that points to the slot of this name, or to the NULL where it
 *  would be. */
struct slot **store_bucket_link(struct document_store *store, const char *name);

/** The slot of this name, or NULL. */
struct slot *store_find(struct document_store *store, const char *name);

/** Marks a slot as used now. */
void store_touch(struct document_store *store, struct slot *slot);

/** Links a document, which must not be there yet, without regard to limits.
 *  Returns DOCUMENT_OK or DOCUMENT_NO_MEMORY. */
enum document_status store_link(struct document_store *store,
                                struct document *document);

/** Links a document and chains what has to make room for it. */
enum document_status store_admit(struct document_store *store,
                                 struct document *document,
                                 struct slot **victims);

/** Takes a slot out of the list by use. */
void store_use_cut(struct document_store *store, struct slot *slot);

/** Takes a slot out of everything that leads to it and chains it. */
void store_forget(struct document_store *store, struct slot *slot,
                  struct slot **victims);

/** Frees a chain of victims. Called without the lock. */
void store_drop(struct slot *victims);

enum document_status store_sweeper_start(struct document_store *store);
void store_sweeper_stop(struct document_store *store);

/** Monotonic clock. */
uint64_t store_now_ms(void);

#endif
