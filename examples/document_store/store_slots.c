/* SPDX-License-Identifier: MIT */
/*
 * Slots and the two structures that lead to them. store_link and store_forget
 * are each other's mirror: what one enters the other leaves.
 */
#include "store_parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t store_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* FNV-1a */
static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

struct slot **store_bucket_link(struct document_store *store, const char *name)
{
    struct slot **link =
        &store->buckets[hash_of(name) & (store->bucket_count - 1)];

    while (*link != NULL && strcmp(document_name((*link)->document), name) != 0)
        link = &(*link)->next_in_bucket;
    return link;
}

struct slot *store_find(struct document_store *store, const char *name)
{
    return *store_bucket_link(store, name);
}

static void use_add(struct document_store *store, struct slot *slot)
{
    slot->used_ms = store_now_ms();
    slot->newer = NULL;
    slot->older = store->newest;
    if (store->newest != NULL)
        store->newest->newer = slot;
    else
        store->oldest = slot;
    store->newest = slot;
}

void store_use_cut(struct document_store *store, struct slot *slot)
{
    if (slot->newer != NULL)
        slot->newer->older = slot->older;
    else
        store->newest = slot->older;
    if (slot->older != NULL)
        slot->older->newer = slot->newer;
    else
        store->oldest = slot->newer;
}

void store_touch(struct document_store *store, struct slot *slot)
{
    store_use_cut(store, slot);
    use_add(store, slot);
}

enum document_status store_link(struct document_store *store,
                                struct document *document)
{
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL || !store_index_add(&store->index, document)) {
        free(slot);
        return DOCUMENT_NO_MEMORY;
    }

    *store_bucket_link(store, document_name(document)) = slot;
    slot->document = document_hold(document);
    use_add(store, slot);
    store->stats.documents++;
    store->stats.bytes += document_bytes(document);
    return DOCUMENT_OK;
}

void store_forget(struct document_store *store, struct slot *slot,
                  struct slot **victims)
{
    struct slot **link =
        store_bucket_link(store, document_name(slot->document));

    *link = slot->next_in_bucket;
    store_use_cut(store, slot);
    store_index_cut(&store->index, slot->document);
    store->stats.documents--;
    store->stats.bytes -= document_bytes(slot->document);
    store->stats.evictions++;
    slot->next_victim = *victims;
    *victims = slot;
}

enum document_status store_admit(struct document_store *store,
                                 struct document *document,
                                 struct slot **victims)
{
    enum document_status status = store_link(store, document);

    while (store->stats.documents > store->documents_max ||
           store->stats.bytes > store->bytes_max)
        store_forget(store, store->oldest, victims);
    return status;
}

void store_drop(struct slot *victims)
{
    while (victims != NULL) {
        struct slot *next = victims->next_victim;
        document_release(victims->document);
        free(victims);
        victims = next;
    }
}
