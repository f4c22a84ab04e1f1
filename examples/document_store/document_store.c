/* SPDX-License-Identifier: MIT */
/*
 * The store's life, and the calls that are a line under the lock.
 */
#include "store_parts.h"

#include <stdlib.h>
#include <string.h>

/* A table for 'documents' names; it never grows, the limit is known. */
static size_t bucket_count_for(size_t documents)
{
    size_t count = 8;

    while (count < documents && count < 1u << 16)
        count *= 2;
    return count;
}

static struct document_store *
store_new(const struct document_store_options *options)
{
    struct document_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;

    store->documents_max = options->documents_max;
    store->bytes_max = options->bytes_max;
    store->idle_ms = options->idle_ms;
    store->folder = strdup(options->folder);
    store->bucket_count = bucket_count_for(options->documents_max);
    store->buckets = calloc(store->bucket_count, sizeof(struct slot *));
    if (store->folder == NULL || store->buckets == NULL) {
        free(store->folder);
        free(store->buckets);
        free(store);
        return NULL;
    }
    pthread_mutex_init(&store->lock, NULL);
    return store;
}

enum document_status
document_store_make(const struct document_store_options *options,
                    struct document_store **store)
{
    *store = NULL;
    if (options->folder == NULL || options->documents_max == 0 ||
        options->bytes_max == 0)
        return DOCUMENT_BAD_OPTION;

    struct document_store *made = store_new(options);
    if (made == NULL)
        return DOCUMENT_NO_MEMORY;
    enum document_status status = store_sweeper_start(made);
    if (status != DOCUMENT_OK) {
        document_store_free(made);
        return status;
    }
    *store = made;
    return DOCUMENT_OK;
}

void document_store_free(struct document_store *store)
{
    struct slot *victims = NULL;

    if (store == NULL)
        return;
    store_sweeper_stop(store);
    while (store->oldest != NULL)
        store_forget(store, store->oldest, &victims);
    store_index_clear(&store->index);
    store_drop(victims);
    pthread_mutex_destroy(&store->lock);
    free(store->buckets);
    free(store->folder);
    free(store);
}

enum document_status document_store_put(struct document_store *store,
                                        struct document *document)
{
    enum document_status status = DOCUMENT_DUPLICATE;
    struct slot *victims = NULL;

    if (document_bytes(document) > store->bytes_max)
        return DOCUMENT_TOO_LARGE;
    pthread_mutex_lock(&store->lock);
    if (store_find(store, document_name(document)) == NULL)
        status = store_admit(store, document, &victims);
    pthread_mutex_unlock(&store->lock);

    store_drop(victims);
    return status;
}

size_t document_store_find(struct document_store *store, const char *family,
                           struct document *found[], size_t max)
{
    pthread_mutex_lock(&store->lock);
    size_t count = store_index_find(&store->index, family, found, max);
    pthread_mutex_unlock(&store->lock);
    return count;
}

void document_store_stats(struct document_store *store,
                          struct document_store_stats *stats)
{
    pthread_mutex_lock(&store->lock);
    *stats = store->stats;
    pthread_mutex_unlock(&store->lock);
}
