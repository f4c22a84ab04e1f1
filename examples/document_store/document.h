/* SPDX-License-Identifier: MIT */
#ifndef DOCUMENT_H
#define DOCUMENT_H
/**
 * A document: one JSON table, parsed, shared by counting its holders.
 *
 *     struct document *languages;
 *     if (document_load("iso_639-3.json", &languages, NULL) == DOCUMENT_OK) {
 *         const json_t *german = document_lookup(languages, "alpha_3", "deu");
 *         ...
 *         document_release(languages);
 *     }
 *
 * A table is an object with one member, an array of objects, as Debian's
 * iso-codes has them: { "639-3": [ { "alpha_3": "deu", ... }, ... ] }.
 * A document never changes, so threads may read it at the same time; each
 * needs a hold of its own.
 */
#include <stddef.h>
#include <jansson.h>

/* name, sentence */
#define DOCUMENT_STATUS_TABLE(X)                                         \
    X(DOCUMENT_OK, "it worked")                                          \
    X(DOCUMENT_MISSING, "there is no such file")                         \
    X(DOCUMENT_UNREADABLE, "the file cannot be read")                    \
    X(DOCUMENT_BAD_JSON, "the file is not JSON")                         \
    X(DOCUMENT_NO_TABLE, "the JSON is not a table")                      \
    X(DOCUMENT_NO_MEMORY, "there is no memory")                          \
    X(DOCUMENT_NO_THREAD, "no thread could be started")                  \
    X(DOCUMENT_BAD_OPTION, "the options make no sense")                  \
    X(DOCUMENT_DUPLICATE, "the store has a document of this name")       \
    X(DOCUMENT_TOO_LARGE, "the document is larger than the whole store") \
    X(DOCUMENT_ABSENT, "the store has no document of this name")

enum document_status {
#define DOCUMENT_STATUS_ENUM(name, text) name,
    DOCUMENT_STATUS_TABLE(DOCUMENT_STATUS_ENUM)
#undef DOCUMENT_STATUS_ENUM
};

/** Gets the sentence of a status. Never NULL. */
const char *document_status_text(enum document_status status);

struct document;

/**
 * Loads a table from a file. It is named by the file: "iso_639-3" for
 * "/usr/share/iso-codes/json/iso_639-3.json".
 *
 * Returns DOCUMENT_OK, and *document is the caller's to release; otherwise
 * *document is NULL. For DOCUMENT_BAD_JSON *line (may be NULL) holds the line
 * of the mistake, else 0; for DOCUMENT_UNREADABLE errno says why.
 */
enum document_status document_load(const char *path, struct document **document,
                                   unsigned *line);

/**
 * Makes a document of a parsed table.
 *
 * Returns NULL when 'root' is no table or there is no memory; 'root' is then
 * still the caller's. Otherwise 'root' is the document's.
 */
struct document *document_new(const char *name, json_t *root, size_t bytes);

/** Tells whether 'root' is a table. */
int document_is_table(const json_t *root);

/** Adds a holder. Returns 'document'. */
struct document *document_hold(struct document *document);

/** Takes a holder away; the last one takes the document along. NULL is
 *  allowed. */
void document_release(struct document *document);

const char *document_name(const struct document *document);

/** The standard's number without its part: "639" for "639-3". */
const char *document_family(const struct document *document);

/** Size of the text it was parsed from. */
size_t document_bytes(const struct document *document);

/** Number of entries in the table. */
size_t document_entries(const struct document *document);

/**
 * Finds the first entry whose member 'key' is the string 'value'. Allocates
 * nothing.
 *
 * Returns the entry, which lives as long as the document, or NULL.
 */
const json_t *document_lookup(const struct document *document, const char *key,
                              const char *value);

#endif
