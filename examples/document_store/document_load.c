/* SPDX-License-Identifier: MIT */
/*
 * Loading a document. Every way out either hands the parsed tree on or drops
 * it.
 */
#include "document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Why jansson gave no tree. After a failed allocation its own words often are
 * that a token was missing; malloc's errno is what tells the two apart. */
static enum document_status why_not(FILE *file, int reason)
{
    if (ferror(file))
        return DOCUMENT_UNREADABLE;
    return reason == ENOMEM ? DOCUMENT_NO_MEMORY : DOCUMENT_BAD_JSON;
}

static enum document_status parse(const char *path, json_t **root,
                                  size_t *bytes, unsigned *line)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        switch (errno) {
        case ENOENT:
            return DOCUMENT_MISSING;
        case ENOMEM:
            return DOCUMENT_NO_MEMORY;
        default:
            return DOCUMENT_UNREADABLE;
        }
    }

    json_error_t error = { .line = 0 };
    enum document_status status = DOCUMENT_OK;
    errno = 0;
    *root = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    int reason = errno;
    if (*root != NULL)
        *bytes = (size_t)ftell(file);
    else
        status = why_not(file, reason);
    if (status == DOCUMENT_BAD_JSON)
        *line = (unsigned)error.line;

    fclose(file);
    errno = reason;
    return status;
}

/* "iso_639-3" of ".../iso_639-3.json", for free(). */
static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *start = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(start, '.');

    return dot != NULL ? strndup(start, (size_t)(dot - start)) : strdup(start);
}

enum document_status document_load(const char *path, struct document **document,
                                   unsigned *line)
{
    json_t *root = NULL;
    size_t bytes = 0;
    unsigned nowhere;

    *document = NULL;
    line = line != NULL ? line : &nowhere;
    *line = 0;

    enum document_status status = parse(path, &root, &bytes, line);
    if (status != DOCUMENT_OK)
        return status;
    if (!document_is_table(root)) {
        json_decref(root);
        return DOCUMENT_NO_TABLE;
    }

    char *name = stem_of(path);
    if (name != NULL)
        *document = document_new(name, root, bytes);
    free(name);
    if (*document == NULL) {
        json_decref(root);
        return DOCUMENT_NO_MEMORY;
    }
    return DOCUMENT_OK;
}
