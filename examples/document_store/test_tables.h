/* SPDX-License-Identifier: MIT */
#ifndef TEST_TABLES_H
#define TEST_TABLES_H
/**
 * The real documents that the suites read: the tables of Debian's iso-codes,
 * in ISO_CODES_FOLDER or else in /usr/share/iso-codes/json.
 */
#include <stddef.h>
#include "document.h"

const char *tables_folder(void);

/** Path of a table by its name, valid until the next call. */
const char *table_path(const char *name);

size_t table_bytes(const char *name);

/** Loads a table, or fails the test with the reason. */
struct document *table_load(const char *name);

/** Fixture: fails the test with a hint when there are no tables. */
void tables_needed(void);

#endif
