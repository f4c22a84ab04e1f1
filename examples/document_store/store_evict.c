/* SPDX-License-Identifier: MIT */
/*
 * Evicting a document by name. The store gives up its hold; readers keep
 * theirs.
 */
#include "store_parts.h"

enum document_status document_store_evict(struct document_store *store,
                                          const char *name)
{
    struct slot *victims = NULL;

    pthread_mutex_lock(&store->lock);
    struct slot *slot = store_find(store, name);
    if (slot != NULL)
        store_forget(store, slot, &victims);
    pthread_mutex_unlock(&store->lock);

    store_drop(victims);
    return slot != NULL ? DOCUMENT_OK : DOCUMENT_ABSENT;
}
