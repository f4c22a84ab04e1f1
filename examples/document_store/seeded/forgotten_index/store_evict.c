/* SPDX-License-Identifier: MIT */
/*
 * Evicting a document by name. The store gives up its hold; readers keep
 * theirs.
 */
#include "store_parts.h"

enum document_status document_store_evict(struct document_store *store,
                                          const char *name)
{
    struct slot *victim;

    pthread_mutex_lock(&store->lock);
    /* store_forget would look the name up a second time. */
    struct slot **link = store_bucket_link(store, name);
    victim = *link;
    if (victim != NULL) {
        *link = victim->next_in_bucket;
        store_use_cut(store, victim);
        store->stats.documents--;
        store->stats.bytes -= document_bytes(victim->document);
        store->stats.evictions++;
    }
    pthread_mutex_unlock(&store->lock);

    if (victim == NULL)
        return DOCUMENT_ABSENT;
    store_drop(victim);
    return DOCUMENT_OK;
}
