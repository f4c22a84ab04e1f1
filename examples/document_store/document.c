/* SPDX-License-Identifier: MIT */
/*
 * A document owns its JSON and is immutable, so the count of holders is all
 * that threads share, and an atomic is all that it needs.
 */
#include "document.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct document {
    atomic_uint holders;
    size_t bytes;
    json_t *root;    /* owned */
    json_t *entries; /* in root */
    char *family;    /* behind name, in the same block */
    char name[];
};

const char *document_status_text(enum document_status status)
{
    static const char *const texts[] = {
#define DOCUMENT_STATUS_TEXT(name, text) [name] = text,
        DOCUMENT_STATUS_TABLE(DOCUMENT_STATUS_TEXT)
#undef DOCUMENT_STATUS_TEXT
    };
    size_t count = sizeof texts / sizeof texts[0];

    return (size_t)status < count ? texts[status] : "unknown status";
}

/* The table's array and, in *standard, its key; NULL if it is no table. */
static json_t *table_of(const json_t *root, const char **standard)
{
    /* jansson's iterators only read, but take the object without const. */
    json_t *object = (json_t *)root;

    if (!json_is_object(object) || json_object_size(object) != 1)
        return NULL;
    void *member = json_object_iter(object);
    json_t *entries = json_object_iter_value(member);
    *standard = json_object_iter_key(member);
    return json_is_array(entries) ? entries : NULL;
}

int document_is_table(const json_t *root)
{
    const char *standard;

    return table_of(root, &standard) != NULL;
}

struct document *document_new(const char *name, json_t *root, size_t bytes)
{
    const char *standard = NULL;
    json_t *entries = table_of(root, &standard);
    if (entries == NULL)
        return NULL;

    size_t name_size = strlen(name) + 1;
    size_t family_length = strcspn(standard, "-");
    struct document *document =
        malloc(sizeof *document + name_size + family_length + 1);
    if (document == NULL)
        return NULL;

    atomic_init(&document->holders, 1);
    document->bytes = bytes;
    document->root = root;
    document->entries = entries;
    memcpy(document->name, name, name_size);
    document->family = document->name + name_size;
    memcpy(document->family, standard, family_length);
    document->family[family_length] = '\0';
    return document;
}

struct document *document_hold(struct document *document)
{
    atomic_fetch_add(&document->holders, 1);
    return document;
}

void document_release(struct document *document)
{
    if (document == NULL || atomic_fetch_sub(&document->holders, 1) != 1)
        return;
    json_decref(document->root);
    free(document);
}

const char *document_name(const struct document *document)
{
    return document->name;
}

const char *document_family(const struct document *document)
{
    return document->family;
}

size_t document_bytes(const struct document *document)
{
    return document->bytes;
}

size_t document_entries(const struct document *document)
{
    return json_array_size(document->entries);
}

const json_t *document_lookup(const struct document *document, const char *key,
                              const char *value)
{
    for (size_t at = 0; at < document_entries(document); at++) {
        const json_t *entry = json_array_get(document->entries, at);
        const char *text = json_string_value(json_object_get(entry, key));
        if (text != NULL && strcmp(text, value) == 0)
            return entry;
    }
    return NULL;
}
