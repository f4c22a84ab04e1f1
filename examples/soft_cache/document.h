/* SPDX-License-Identifier: MIT */
#ifndef DOCUMENT_H
#define DOCUMENT_H
/*
 * A parsed document: lines 'key = value'. It is counted, and dies when the
 * last of its holders lets go.
 */
#include <stddef.h>

struct document;

/* Parses a text. Returns the document, held once; NULL: no memory. */
struct document *document_parse(const char *text);

/* Holds it once more. Returns it. */
struct document *document_hold(struct document *document);
void document_release(struct document *document);

/* The value of a key, NULL if it has none. Lives as long as the document. */
const char *document_value(const struct document *document, const char *key);

/* About how many bytes it takes. */
size_t document_bytes(const struct document *document);

#endif
