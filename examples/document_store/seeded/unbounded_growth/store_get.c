/* SPDX-License-Identifier: MIT */
/*
 * Reading through the store. A file is parsed without the lock, so two
 * threads may parse the same one at the same time: whoever comes second takes
 * the first one's document and drops its own.
 */
#include "store_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* A new hold on the stored document of this name, or NULL. */
static struct document *hold_stored(struct document_store *store,
                                    const char *name)
{
    struct slot *slot = store_find(store, name);
    if (slot == NULL)
        return NULL;

    store_touch(store, slot);
    return document_hold(slot->document);
}

static enum document_status load(const struct document_store *store,
                                 const char *name, struct document **document)
{
    char *path;

    *document = NULL;
    if (asprintf(&path, "%s/%s.json", store->folder, name) < 0)
        return DOCUMENT_NO_MEMORY;
    enum document_status status = document_load(path, document, NULL);
    free(path);
    return status;
}

/* Keeps a fresh document, or takes the one that another thread was faster to
 * bring. A document that cannot be kept is still good for its reader. */
static void keep(struct document_store *store, struct document **document)
{
    struct document *fresh = *document;

    if (document_bytes(fresh) > store->bytes_max)
        return;
    pthread_mutex_lock(&store->lock);
    struct document *stored = hold_stored(store, document_name(fresh));
    if (stored == NULL)
        store_link(store, fresh);
    pthread_mutex_unlock(&store->lock);

    if (stored != NULL) {
        document_release(fresh);
        *document = stored;
    }
}

enum document_status document_store_get(struct document_store *store,
                                        const char *name,
                                        struct document **document)
{
    pthread_mutex_lock(&store->lock);
    *document = hold_stored(store, name);
    if (*document != NULL)
        store->stats.hits++;
    else
        store->stats.misses++;
    pthread_mutex_unlock(&store->lock);
    if (*document != NULL)
        return DOCUMENT_OK;

    enum document_status status = load(store, name, document);
    if (status == DOCUMENT_OK)
        keep(store, document);
    return status;
}
