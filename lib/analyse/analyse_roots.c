/* SPDX-License-Identifier: MIT */
/*
 * Registered roots out of the lists of a Tether that is loaded in a process or
 * a core file: live closures and regions. lib/reach/reach_tables.h says how
 * they are found.
 */
#include "analyse/analyse_code.h"

#include "reach/reach_tables.h"

#define ENTRIES_MAX 1000000

static uint64_t entry_word(struct analyse_image *image, uint64_t entry,
                           uint32_t at)
{
    return at == TT_REACH_NOWHERE ? 0 : analyse_word(image, entry + at);
}

/* A constant string: a core file may lack it, its module has it. */
static const char *name_read(struct analyse_image *image, uint64_t at)
{
    char bytes[256];
    const char *const text = at ? analyse_string(image, at) : NULL;
    const uint32_t module = analyse_module_at(image, at);
    if (text || !at || module == NONE)
        return text;
    struct analyse_code *const code = analyse_code_of(image, module);
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (!analyse_code_bytes(code, at - code->bias + i, &bytes[i], 1))
            return NULL;
        if (!bytes[i])
            return analyse_text("%s", bytes);
    }
    return NULL;
}

static void entry_add(struct analyse_image *image,
                      const struct tt_reach_table *table, uint64_t entry)
{
    const uint64_t start = entry_word(image, entry, table->start_at);
    const uint64_t end = entry_word(image, entry, table->end_at);
    const uint64_t name = entry_word(image, entry, table->name_at);
    const bool is_closure = table->data_at != TT_REACH_NOWHERE;
    const uint64_t data = start + table->data_at;
    struct tt_record_root *const root =
        is_closure ? analyse_root_add(image, table->kind, data, data + 8)
                   : analyse_root_add(image, table->kind, start, end);
    if (!root)
        return;
    root->made = entry_word(image, entry, table->made_at);
    root->what = is_closure ? entry_word(image, start, table->calls_at) : 0;
    const char *const text = name_read(image, name);
    root->name = text ? analyse_text_add(image, text) : 0;
}

/* Takes none: there are several, and all are wanted. */
static bool table_see(struct analyse_image *image, uint64_t at, void *ctx)
{
    struct tt_reach_table table;
    uint64_t items, count;
    (void)ctx;
    if (!analyse_read(image, at, &table, sizeof table) ||
        !analyse_read(image, (uint64_t)table.items, &items, sizeof items) ||
        !analyse_read(image, (uint64_t)table.count, &count, sizeof count) ||
        count > ENTRIES_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++)
        entry_add(image, &table, items + i * table.entry_bytes);
    return false;
}

void analyse_roots_read(struct analyse_image *image)
{
    analyse_tables_search(image, TT_REACH_TABLE_MAGIC, table_see, NULL);
}
