/* SPDX-License-Identifier: MIT */
#include "test_tables.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *tables_folder(void)
{
    const char *folder = getenv("ISO_CODES_FOLDER");

    return folder != NULL ? folder : "/usr/share/iso-codes/json";
}

const char *table_path(const char *name)
{
    static char path[1024];

    snprintf(path, sizeof path, "%s/%s.json", tables_folder(), name);
    return path;
}

size_t table_bytes(const char *name)
{
    struct stat status = { .st_size = 0 };

    stat(table_path(name), &status);
    return (size_t)status.st_size;
}

struct document *table_load(const char *name)
{
    struct document *document;
    enum document_status status =
        document_load(table_path(name), &document, NULL);

    cr_assert(status == DOCUMENT_OK, "%s: %s", name,
              document_status_text(status));
    return document;
}

void tables_needed(void)
{
    cr_assert(access(table_path("iso_3166-1"), R_OK) == 0,
              "no tables in %s: install Debian's iso-codes, or say where they "
              "are in ISO_CODES_FOLDER",
              tables_folder());
}
