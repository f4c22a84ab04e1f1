/* SPDX-License-Identifier: MIT */
#include "document.h"

#include <stdlib.h>
#include <string.h>

struct pair {
    struct pair *next;
    char *value;
    char key[];
};

struct document {
    int holders;
    size_t bytes;
    struct pair *pairs;
};

static char *copy_of(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

/* Adds 'key = value'; a line without ' = ' is none. */
static void line_parse(struct document *document, const char *line, size_t len)
{
    const char *equals = memchr(line, '=', len);
    if (!equals || equals == line || equals[-1] != ' ')
        return;
    size_t key_len = (size_t)(equals - line) - 1;
    size_t value_len = len - key_len - 3;
    struct pair *pair = malloc(sizeof *pair + key_len + 1);
    if (!pair)
        return;
    memcpy(pair->key, line, key_len);
    pair->key[key_len] = '\0';
    pair->value = copy_of(equals + 2, value_len);
    pair->next = document->pairs;
    document->pairs = pair;
    document->bytes += sizeof *pair + key_len + value_len + 2;
}

struct document *document_parse(const char *text)
{
    struct document *document = calloc(1, sizeof *document);
    if (!document)
        return NULL;
    document->holders = 1;
    document->bytes = sizeof *document;
    while (*text) {
        size_t len = strcspn(text, "\n");
        line_parse(document, text, len);
        text += len + (text[len] == '\n');
    }
    return document;
}

struct document *document_hold(struct document *document)
{
    document->holders++;
    return document;
}

void document_release(struct document *document)
{
    if (--document->holders > 0)
        return;
    while (document->pairs) {
        struct pair *pair = document->pairs;
        document->pairs = pair->next;
        free(pair->value);
        free(pair);
    }
    free(document);
}

const char *document_value(const struct document *document, const char *key)
{
    for (const struct pair *pair = document->pairs; pair; pair = pair->next)
        if (strcmp(pair->key, key) == 0)
            return pair->value;
    return NULL;
}

size_t document_bytes(const struct document *document)
{
    return document->bytes;
}
