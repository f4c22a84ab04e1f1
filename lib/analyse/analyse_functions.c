/* SPDX-License-Identifier: MIT */
/*
 * The mode 'functions': from names to where their code is. Each module is
 * looked through once for all names: its symbols, which have static functions
 * too, and where none of its tables has those, its debug information. Only for
 * names that nobody has are the modules looked through again: is there one
 * that was inlined everywhere, or that is written nearly so?
 */
#include "analyse/analyse.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_word.h"

struct code {
    uint64_t start, end; /* addresses */
};

struct wanted {
    const char *name;
    struct code *codes;
    size_t codes_count;
    bool is_inlined;
    const char *nearest;
    size_t nearest_distance;
};

struct search {
    const struct analyse_input *input;
    const char *debug_root;
    struct wanted *wanted;
    size_t count;
    bool again; /* for what the first look did not find */
    const struct analyse_module *module;
    const char *path; /* as in maps */
};

/* One file may be mapped several times. */
static void code_add(const struct search *search, struct wanted *wanted,
                     uint64_t link, uint64_t bytes)
{
    const struct analyse_input *const input = search->input;
    uint64_t offset;
    if (!analyse_module_offset(search->module, link, &offset))
        return;
    for (size_t i = 0; i < input->mappings_count; i++) {
        const struct analyse_mapping *const mapping = &input->mappings[i];
        if (strcmp(mapping->path, search->path) != 0 ||
            offset < mapping->offset ||
            offset - mapping->offset >= mapping->end - mapping->start)
            continue;
        const uint64_t start = mapping->start + (offset - mapping->offset);
        bool known = false;
        for (size_t j = 0; j < wanted->codes_count && !known; j++)
            known = wanted->codes[j].start == start;
        if (known)
            continue;
        wanted->codes = analyse_grow(wanted->codes, wanted->codes_count,
                                     sizeof *wanted->codes);
        wanted->codes[wanted->codes_count++] =
            (struct code){ start, start + (bytes ? bytes : 1) };
    }
}

static bool is_open(const struct search *search, const struct wanted *wanted)
{
    return !search->again || wanted->codes_count == 0;
}

/* The same question gets the same answer: of equals, the first by name. */
static void nearest_offer(struct wanted *wanted, const char *symbol)
{
    const char *shown;
    const size_t distance = analyse_name_distance(symbol, wanted->name, &shown);
    if (!shown || distance > tt_word_slip(wanted->name))
        return;
    if (wanted->nearest && (distance > wanted->nearest_distance ||
                            (distance == wanted->nearest_distance &&
                             strcmp(shown, wanted->nearest) >= 0)))
        return;
    wanted->nearest = shown;
    wanted->nearest_distance = distance;
}

static void symbol_see(const struct analyse_symbol *symbol, void *ctx)
{
    const struct search *const search = ctx;
    for (size_t i = 0; i < search->count; i++) {
        struct wanted *const wanted = &search->wanted[i];
        if (!is_open(search, wanted))
            continue;
        if (search->again)
            nearest_offer(wanted, symbol->name);
        else if (analyse_is_called(symbol->name, wanted->name))
            code_add(search, wanted, symbol->at, symbol->size);
    }
}

static bool definition_is(const struct analyse_definition *definition,
                          const char *name)
{
    return strcmp(definition->name, name) == 0 ||
           (definition->mangled &&
            analyse_is_called(definition->mangled, name));
}

static void definition_take(const struct search *search, struct wanted *wanted,
                            Dwarf_Die *die)
{
    Dwarf_Addr base = 0, start, end;
    ptrdiff_t at = 0;
    while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0)
        if (start < end)
            code_add(search, wanted, start, end - start);
}

static void definition_see(const struct analyse_definition *definition,
                           void *ctx)
{
    const struct search *const search = ctx;
    for (size_t i = 0; i < search->count; i++) {
        struct wanted *const wanted = &search->wanted[i];
        if (!is_open(search, wanted) ||
            !definition_is(definition, wanted->name))
            continue;
        if (definition->is_inline)
            wanted->is_inlined = true;
        else if (!search->again)
            definition_take(search, wanted, definition->die);
    }
}

static void module_search(struct search *search,
                          const struct analyse_mapping *mapping)
{
    struct analyse_module module;
    analyse_module_open(&module, search->input, mapping, search->debug_root);
    search->module = &module;
    search->path = mapping->path;
    /* What is near to a name in libc is no slip of the pen. */
    const bool is_useful =
        module.elf && module.debug != ANALYSE_UNREADABLE &&
        !(search->again && module.debug == ANALYSE_DEBUG_SYSTEM);
    const bool has_static =
        is_useful &&
        analyse_symbols_visit(&module, ANALYSE_CODE, symbol_see, search);
    if (is_useful && module.dwarf && (search->again || !has_static))
        analyse_units_visit(analyse_units_make(module.dwarf), definition_see,
                            search);
    search->module = NULL;
    analyse_module_close(&module);
}

static bool is_first_of_file(const struct analyse_input *input, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(input->mappings[i].path, input->mappings[index].path) == 0)
            return false;
    return input->mappings[index].path[0] == '/';
}

static void modules_search(struct search *search)
{
    for (size_t i = 0; i < search->input->mappings_count; i++)
        if (is_first_of_file(search->input, i))
            module_search(search, &search->input->mappings[i]);
}

static void wanted_put(FILE *to, size_t index, const struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->codes_count; i++)
        fprintf(to, "a\t%zu\t%llx\t%llx\n", index,
                (unsigned long long)wanted->codes[i].start,
                (unsigned long long)wanted->codes[i].end);
    if (wanted->codes_count > 0)
        return;
    fprintf(to, "%c\t%zu\t", wanted->is_inlined ? 'i' : 'u', index);
    analyse_field_put(to, wanted->nearest);
    putc('\n', to);
}

void analyse_functions(const struct analyse_input *input,
                       const char *debug_root, FILE *to)
{
    struct search search = { .input = input,
                             .debug_root = debug_root,
                             .count = input->functions_count };
    bool all = true;
    search.wanted = analyse_alloc((search.count + 1) * sizeof *search.wanted);
    for (size_t i = 0; i < search.count; i++)
        search.wanted[i].name = input->functions[i];
    elf_version(EV_CURRENT);
    modules_search(&search);
    for (size_t i = 0; i < search.count; i++)
        all = all && search.wanted[i].codes_count > 0;
    search.again = true;
    if (!all)
        modules_search(&search);
    fputs(ANALYSE_FUNCTIONS_HELLO "\n", to);
    for (size_t i = 0; i < search.count; i++)
        wanted_put(to, i, &search.wanted[i]);
    fputs("end\n", to);
}
