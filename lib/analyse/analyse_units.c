/* SPDX-License-Identifier: MIT */
/*
 * From a link address to function, file and line.
 *
 * The range table is our own, read from the units themselves: .debug_aranges
 * is missing in clang's units, so that libdw's look-up by address does not
 * see them. In split DWARF a skeleton unit has the ranges and the line table,
 * and the unit in the .dwo file has the functions; both are kept.
 */
#include "analyse/analyse.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX   (ANALYSE_FRAMES_MAX - 1)
#define NESTING_MAX 64

struct unit {
    Dwarf_Die lines;     /* the unit with ranges and line table */
    Dwarf_Die functions; /* the unit with the functions */
    bool has_functions;
    bool is_cxx;
};

struct range {
    uint64_t start, end;
    size_t unit;
};

struct analyse_units {
    struct unit *units;
    size_t units_count;
    struct range *ranges;
    size_t ranges_count;
};

/* The concrete function that covers an address, then what was inlined there,
 * innermost last. */
struct chain {
    Dwarf_Die dies[CHAIN_MAX];
    size_t count;
};

static bool lang_is_cxx(Dwarf_Die *unit)
{
    switch (dwarf_srclang(unit)) {
    case DW_LANG_C_plus_plus:
    case DW_LANG_C_plus_plus_03:
    case DW_LANG_C_plus_plus_11:
    case DW_LANG_C_plus_plus_14:
        return true;
    default:
        return false;
    }
}

static void ranges_add(struct analyse_units *units, size_t index)
{
    Dwarf_Addr base = 0, start, end;
    ptrdiff_t at = 0;
    Dwarf_Die *const die = &units->units[index].lines;
    while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
        if (start >= end)
            continue;
        units->ranges = analyse_grow(units->ranges, units->ranges_count,
                                     sizeof *units->ranges);
        units->ranges[units->ranges_count++] =
            (struct range){ start, end, index };
    }
}

struct analyse_units *analyse_units_make(Dwarf *dwarf)
{
    struct analyse_units *const units = analyse_alloc(sizeof *units);
    Dwarf_CU *cu = NULL;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die die, sub;
    while (dwarf_get_units(dwarf, cu, &cu, &version, &type, &die, &sub) == 0) {
        if (type == DW_UT_type || type == DW_UT_split_type)
            continue;
        struct unit unit = { .lines = die, .functions = die };
        unit.has_functions = type != DW_UT_skeleton;
        if (type == DW_UT_skeleton && dwarf_tag(&sub) != DW_TAG_invalid) {
            unit.functions = sub;
            unit.has_functions = true;
        }
        unit.is_cxx = lang_is_cxx(&unit.functions);
        units->units = analyse_grow(units->units, units->units_count,
                                    sizeof *units->units);
        units->units[units->units_count] = unit;
        ranges_add(units, units->units_count++);
    }
    return units;
}

/* ---- the function ---- */

static bool die_has_code_attributes(Dwarf_Die *die)
{
    return dwarf_hasattr(die, DW_AT_low_pc) || dwarf_hasattr(die, DW_AT_ranges);
}

/* Inside a function: follows blocks and inlined calls down to the address. */
static void chain_descend(Dwarf_Die *parent, uint64_t link, struct chain *chain,
                          int nesting)
{
    Dwarf_Die child;
    if (nesting > NESTING_MAX || chain->count == CHAIN_MAX ||
        dwarf_child(parent, &child) != 0)
        return;
    do {
        const int tag = dwarf_tag(&child);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block &&
            tag != DW_TAG_subprogram)
            continue;
        const bool covers = dwarf_haspc(&child, link) > 0;
        if (tag == DW_TAG_lexical_block &&
            (covers || !die_has_code_attributes(&child))) {
            chain_descend(&child, link, chain, nesting + 1);
        } else if (covers) {
            if (tag == DW_TAG_subprogram)
                chain->count = 0; /* a nested function */
            chain->dies[chain->count++] = child;
            chain_descend(&child, link, chain, nesting + 1);
            return;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
}

/* Outside of functions: finds the one that covers the address. */
static bool function_find(Dwarf_Die *parent, uint64_t link, struct chain *chain,
                          int nesting)
{
    Dwarf_Die child;
    if (nesting > NESTING_MAX || dwarf_child(parent, &child) != 0)
        return false;
    do {
        switch (dwarf_tag(&child)) {
        case DW_TAG_subprogram:
            if (dwarf_haspc(&child, link) <= 0)
                break;
            chain->dies[chain->count++] = child;
            chain_descend(&child, link, chain, 0);
            return true;
        case DW_TAG_namespace:
        case DW_TAG_module:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
            if (function_find(&child, link, chain, nesting + 1))
                return true;
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

/* ---- its name ---- */

/* Follows a concrete function to the declaration that stands in its class or
 * namespace. */
static Dwarf_Die declaration_of(Dwarf_Die die)
{
    static const unsigned links[] = { DW_AT_abstract_origin,
                                      DW_AT_specification };
    for (int hop = 0; hop < 8; hop++) {
        bool moved = false;
        for (size_t i = 0; i < 2 && !moved; i++) {
            Dwarf_Attribute attribute;
            Dwarf_Die next;
            if (dwarf_attr(&die, links[i], &attribute) &&
                dwarf_formref_die(&attribute, &next)) {
                die = next;
                moved = true;
            }
        }
        if (!moved)
            break;
    }
    return die;
}

/* Puts a scope's name in front. */
static char *name_lead(char *name, const char *lead)
{
    const size_t bytes = strlen(lead) + strlen(name) + 3;
    char *const longer = analyse_alloc(bytes);
    snprintf(longer, bytes, "%s::%s", lead, name);
    free(name);
    return longer;
}

/* 'ns::cls::name'. Inline namespaces and functions in functions stay as the
 * compiler tells them. */
const char *analyse_name_qualified(Dwarf_Die *die, const char *bare)
{
    char *name = strcpy(analyse_alloc(strlen(bare) + 1), bare);
    Dwarf_Die declaration = declaration_of(*die);
    Dwarf_Die *scopes = NULL;
    const int count = dwarf_getscopes_die(&declaration, &scopes);
    for (int i = 1; i < count; i++) {
        const int tag = dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_namespace && tag != DW_TAG_class_type &&
            tag != DW_TAG_structure_type && tag != DW_TAG_union_type)
            continue;
        const char *const scope = dwarf_diename(&scopes[i]);
        name = name_lead(name, scope ? scope : "(anonymous)");
    }
    free(scopes);
    return name;
}

static const char *function_name(const struct unit *unit, Dwarf_Die *die)
{
    const char *const bare = dwarf_diename(die);
    return bare && unit->is_cxx ? analyse_name_qualified(die, bare) : bare;
}

/* ---- all functions ---- */

/* A function is told where its code is, or where it is said that it has none
 * of its own. */
static void definition_see(const struct unit *unit, Dwarf_Die *die,
                           analyse_definition_see see, void *ctx)
{
    Dwarf_Attribute attribute;
    const bool is_inline = dwarf_func_inline(die) != 0;
    if (!is_inline && !die_has_code_attributes(die))
        return;
    const struct analyse_definition definition = {
        .name = function_name(unit, die),
        .mangled = dwarf_formstring(
            dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute)),
        .die = die,
        .is_inline = is_inline,
    };
    if (definition.name)
        see(&definition, ctx);
}

static void scope_visit(const struct unit *unit, Dwarf_Die *parent,
                        analyse_definition_see see, void *ctx, int nesting)
{
    Dwarf_Die child;
    if (nesting > NESTING_MAX || dwarf_child(parent, &child) != 0)
        return;
    do {
        switch (dwarf_tag(&child)) {
        case DW_TAG_subprogram:
            definition_see(unit, &child, see, ctx);
            break;
        case DW_TAG_namespace:
        case DW_TAG_module:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
            scope_visit(unit, &child, see, ctx, nesting + 1);
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
}

void analyse_units_visit(const struct analyse_units *units,
                         analyse_definition_see see, void *ctx)
{
    for (size_t i = 0; i < units->units_count; i++)
        if (units->units[i].has_functions)
            scope_visit(&units->units[i], &units->units[i].functions, see, ctx,
                        0);
}

/* ---- file and line ---- */

static const char *path_full(const struct unit *unit, const char *path)
{
    Dwarf_Attribute attribute;
    Dwarf_Die die = unit->lines;
    if (!path || path[0] == '/')
        return path;
    const char *const folder =
        dwarf_formstring(dwarf_attr(&die, DW_AT_comp_dir, &attribute));
    if (!folder)
        return path;
    const size_t bytes = strlen(folder) + strlen(path) + 2;
    char *const full = analyse_alloc(bytes);
    snprintf(full, bytes, "%s/%s", folder, path);
    return full;
}

/* The line of an instruction. Line 0 is code that the compiler made up: the
 * line before it is meant. */
static void line_find(const struct unit *unit, uint64_t link,
                      struct analyse_frame *frame)
{
    Dwarf_Die die = unit->lines;
    for (uint64_t back = 0; back < 64 && back <= link; back++) {
        Dwarf_Line *const line = dwarf_getsrc_die(&die, link - back);
        if (line && dwarf_lineno(line, &frame->line) == 0 && frame->line > 0) {
            frame->path = path_full(unit, dwarf_linesrc(line, NULL, NULL));
            return;
        }
    }
    frame->line = 0;
}

static Dwarf_Word die_number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (!dwarf_attr(die, name, &attribute) ||
        dwarf_formudata(&attribute, &value) != 0)
        return 0;
    return value;
}

/* Where an inlined function was called. The number of the file counts in the
 * line table, which in split DWARF is the skeleton's. */
static void call_find(const struct unit *unit, Dwarf_Die *inlined,
                      struct analyse_frame *frame)
{
    Dwarf_Die die = unit->lines;
    Dwarf_Files *files;
    size_t count;
    const Dwarf_Word file = die_number(inlined, DW_AT_call_file);
    frame->line = (int)die_number(inlined, DW_AT_call_line);
    if (dwarf_getsrcfiles(&die, &files, &count) == 0 && file < count)
        frame->path = path_full(unit, dwarf_filesrc(files, file, NULL, NULL));
}

static size_t chain_frames(const struct unit *unit, struct chain *chain,
                           uint64_t link, struct analyse_frame *frames)
{
    line_find(unit, link, &frames[0]);
    for (size_t i = 0; i < chain->count; i++) {
        Dwarf_Die *const die = &chain->dies[chain->count - 1 - i];
        frames[i].function = function_name(unit, die);
        frames[i].inlined = i + 1 < chain->count;
        if (frames[i].inlined)
            call_find(unit, die, &frames[i + 1]);
    }
    return chain->count > 0 ? chain->count : 1;
}

size_t analyse_units_find(const struct analyse_units *units, uint64_t link,
                          struct analyse_frame *frames)
{
    memset(frames, 0, ANALYSE_FRAMES_MAX * sizeof *frames);
    for (size_t i = 0; i < units->ranges_count; i++) {
        if (link < units->ranges[i].start || link >= units->ranges[i].end)
            continue;
        const struct unit *const unit = &units->units[units->ranges[i].unit];
        Dwarf_Die functions = unit->functions;
        struct chain chain = { .count = 0 };
        if (unit->has_functions)
            function_find(&functions, link, &chain, 0);
        return chain_frames(unit, &chain, link, frames);
    }
    return 0;
}
