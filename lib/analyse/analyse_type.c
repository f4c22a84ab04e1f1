/* SPDX-License-Identifier: MIT */
/*
 * From DIEs to types. A DIE is known by its address in the mapped debug
 * information, so that each is read once; structs are then made one by name,
 * size and fields, because each unit has its own DIE of the same struct.
 */
#include "analyse/analyse_type.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define PEEL_MAX 64

struct entry {
    const void *die; /* Dwarf_Die's address */
    struct analyse_type *type;
};

struct named {
    const char *name;
    Dwarf_Die die;
    bool is_cxx;
};

struct analyse_types {
    struct analyse_image *image;
    struct entry *entries; /* a hash table by DIE */
    size_t mask, count;
    struct analyse_type **structs; /* one of each */
    size_t structs_count;
    struct named *named; /* definitions of all units, by name */
    size_t named_count;
    bool named_known;
    struct analyse_type nothing; /* void */
};

struct analyse_types *analyse_types_make(struct analyse_image *image)
{
    struct analyse_types *const types = analyse_alloc(sizeof *types);
    types->image = image;
    types->nothing = (struct analyse_type){ .kind = TYPE_VOID, .name = "void" };
    return types;
}

/* ---- the table ---- */

static struct entry *entry_slot(const struct analyse_types *types,
                                const void *die)
{
    size_t at = ((uintptr_t)die * 0x9e3779b97f4a7c15ull >> 16) & types->mask;
    while (types->entries[at].die && types->entries[at].die != die)
        at = (at + 1) & types->mask;
    return &types->entries[at];
}

static struct entry *entry_of(struct analyse_types *types, const void *die)
{
    if (!types->entries || 2 * types->count > types->mask) {
        struct entry *const old = types->entries;
        const size_t old_count = old ? types->mask + 1 : 0;
        const size_t count = old_count ? 2 * old_count : 1024;
        types->entries = analyse_alloc(count * sizeof *old);
        types->mask = count - 1;
        for (size_t i = 0; i < old_count; i++)
            if (old[i].die)
                *entry_slot(types, old[i].die) = old[i];
        free(old);
    }
    struct entry *const entry = entry_slot(types, die);
    if (!entry->die) {
        entry->die = die;
        types->count++;
    }
    return entry;
}

/* ---- reading a DIE ---- */

static bool die_number(Dwarf_Die *die, unsigned name, uint64_t *number)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    if (!dwarf_attr_integrate(die, name, &attribute) ||
        dwarf_formudata(&attribute, &value) != 0)
        return false;
    *number = value;
    return true;
}

static bool die_type(Dwarf_Die *die, Dwarf_Die *type)
{
    Dwarf_Attribute attribute;
    return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
           dwarf_formref_die(&attribute, type);
}

/* Takes qualifiers and typedefs off; 'alias' becomes the last typedef's name.
 */
static bool die_peel(Dwarf_Die *die, const char **alias)
{
    for (int i = 0; i < PEEL_MAX; i++) {
        switch (dwarf_tag(die)) {
        case DW_TAG_typedef:
            *alias = dwarf_diename(die);
            break;
        case DW_TAG_const_type:
        case DW_TAG_volatile_type:
        case DW_TAG_restrict_type:
        case DW_TAG_atomic_type:
            break;
        default:
            return true;
        }
        if (!die_type(die, die))
            return false;
    }
    return false;
}

static const char *struct_name(Dwarf_Die *die, const char *alias, bool is_cxx)
{
    const char *const bare = dwarf_diename(die);
    if (!bare)
        return alias;
    if (is_cxx)
        return analyse_name_qualified(die, bare);
    return analyse_text(
        "%s %s", dwarf_tag(die) == DW_TAG_union_type ? "union" : "struct",
        bare);
}

static uint64_t text_hash(uint64_t hash, const char *text)
{
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3ull;
    return hash * 31 + 7;
}

/* A struct is told from others by its fields' names and places. */
static uint64_t struct_hash(const struct analyse_type *type)
{
    Dwarf_Die child, die = type->die;
    uint64_t hash = text_hash(0xcbf29ce484222325ull, type->name) + type->size;
    if (dwarf_child(&die, &child) != 0)
        return hash;
    do {
        uint64_t at = 0;
        const int tag = dwarf_tag(&child);
        if (tag != DW_TAG_member && tag != DW_TAG_inheritance)
            continue;
        die_number(&child, DW_AT_data_member_location, &at);
        hash = text_hash(hash, dwarf_diename(&child)) + at;
    } while (dwarf_siblingof(&child, &child) == 0);
    return hash;
}

static struct analyse_type *struct_unite(struct analyse_types *types,
                                         struct analyse_type *type)
{
    if (!type->name)
        return type;
    type->hash = struct_hash(type);
    for (size_t i = 0; i < types->structs_count; i++) {
        struct analyse_type *const other = types->structs[i];
        if (other->hash == type->hash && other->kind == type->kind &&
            other->size == type->size && !strcmp(other->name, type->name))
            return other;
    }
    types->structs = analyse_grow(types->structs, types->structs_count,
                                  sizeof *types->structs);
    types->structs[types->structs_count++] = type;
    return type;
}

static bool die_is_declaration(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    bool flag = false;
    return dwarf_attr(die, DW_AT_declaration, &attribute) &&
           dwarf_formflag(&attribute, &flag) == 0 && flag;
}

/* A stub may name the type unit that has the definition. */
static void die_follow(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Die whole;
    if (dwarf_attr(die, DW_AT_signature, &attribute) &&
        dwarf_formref_die(&attribute, &whole))
        *die = whole;
}

static struct analyse_type *struct_read(struct analyse_types *types,
                                        struct analyse_type *type,
                                        const char *alias)
{
    type->kind =
        dwarf_tag(&type->die) == DW_TAG_union_type ? TYPE_UNION : TYPE_STRUCT;
    type->name = struct_name(&type->die, alias, type->is_cxx);
    if (die_is_declaration(&type->die)) {
        struct analyse_type *const whole =
            type->name ? analyse_type_named(types, type->name) : NULL;
        if (whole)
            return whole;
        type->is_opaque = true;
        type->fields_known = true;
        return struct_unite(types, type);
    }
    return struct_unite(types, type);
}

/* The dimensions of an array, from the first on: an array of arrays. */
static struct analyse_type *array_read(struct analyse_types *types,
                                       struct analyse_type *type)
{
    uint64_t counts[8];
    size_t dimensions = 0;
    Dwarf_Die child;
    if (dwarf_child(&type->die, &child) == 0)
        do {
            uint64_t count = 0, last;
            if (dwarf_tag(&child) != DW_TAG_subrange_type ||
                dimensions == sizeof counts / sizeof *counts)
                continue;
            if (!die_number(&child, DW_AT_count, &count) &&
                die_number(&child, DW_AT_upper_bound, &last))
                count = last + 1;
            counts[dimensions++] = count;
        } while (dwarf_siblingof(&child, &child) == 0);
    struct analyse_type *element =
        analyse_type_of(types, &type->die, type->is_cxx);
    for (size_t i = dimensions; i-- > 1;) {
        struct analyse_type *const row = analyse_alloc(sizeof *row);
        *row = (struct analyse_type){ .kind = TYPE_ARRAY,
                                      .to = element,
                                      .count = counts[i],
                                      .size = counts[i] * element->size,
                                      .is_cxx = type->is_cxx };
        element = row;
    }
    type->kind = TYPE_ARRAY;
    type->to = element;
    type->count = dimensions ? counts[0] : 0;
    type->size = type->count * element->size;
    return type;
}

static struct analyse_type *die_read(struct analyse_types *types,
                                     struct analyse_type *type,
                                     const char *alias)
{
    die_number(&type->die, DW_AT_byte_size, &type->size);
    switch (dwarf_tag(&type->die)) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        return struct_read(types, type, alias);
    case DW_TAG_array_type:
        return array_read(types, type);
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        type->kind = TYPE_POINTER;
        type->size = sizeof(uint64_t);
        return type;
    case DW_TAG_subroutine_type:
    case DW_TAG_subprogram:
        type->kind = TYPE_FUNCTION;
        return type;
    case DW_TAG_base_type:
    case DW_TAG_enumeration_type:
        type->kind = TYPE_NUMBER;
        type->name = dwarf_diename(&type->die);
        return type;
    default:
        return &types->nothing;
    }
}

struct analyse_type *analyse_type_die(struct analyse_types *types,
                                      Dwarf_Die *start, bool is_cxx)
{
    Dwarf_Die die = *start;
    const char *alias = NULL;
    if (!die_peel(&die, &alias))
        return &types->nothing;
    die_follow(&die);
    struct entry *entry = entry_of(types, die.addr);
    if (entry->type)
        return entry->type;
    struct analyse_type *const type = analyse_alloc(sizeof *type);
    type->die = die;
    type->is_cxx = is_cxx;
    type->types = types;
    entry->type = type; /* before the rest: types refer to themselves */
    struct analyse_type *const made = die_read(types, type, alias);
    entry_of(types, die.addr)->type = made;
    if (made->kind == TYPE_POINTER && !made->to)
        made->to = analyse_type_of(types, &die, is_cxx);
    return made;
}

struct analyse_type *analyse_type_of(struct analyse_types *types,
                                     Dwarf_Die *die, bool is_cxx)
{
    Dwarf_Die type;
    return die_type(die, &type) ? analyse_type_die(types, &type, is_cxx)
                                : &types->nothing;
}

/* ---- by name ---- */

static void named_add(struct analyse_types *types, Dwarf_Die *die, bool is_cxx)
{
    const char *const bare = dwarf_diename(die);
    if (!bare || die_is_declaration(die))
        return;
    const char *name;
    if (dwarf_tag(die) == DW_TAG_typedef || dwarf_tag(die) == DW_TAG_base_type)
        name = is_cxx ? analyse_name_qualified(die, bare) : bare;
    else
        name = struct_name(die, NULL, is_cxx);
    types->named =
        analyse_grow(types->named, types->named_count, sizeof *types->named);
    types->named[types->named_count++] = (struct named){ name, *die, is_cxx };
}

static void named_gather(struct analyse_types *types, Dwarf_Die *parent,
                         bool is_cxx, int nesting)
{
    Dwarf_Die child;
    if (nesting > 8 || dwarf_child(parent, &child) != 0)
        return;
    do {
        switch (dwarf_tag(&child)) {
        case DW_TAG_structure_type:
        case DW_TAG_class_type:
        case DW_TAG_union_type:
            named_add(types, &child, is_cxx);
            if (is_cxx)
                named_gather(types, &child, is_cxx, nesting + 1);
            break;
        case DW_TAG_typedef:
        case DW_TAG_base_type:
            named_add(types, &child, is_cxx);
            break;
        case DW_TAG_namespace:
            named_gather(types, &child, is_cxx, nesting + 1);
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct named *)left)->name,
                  ((const struct named *)right)->name);
}

struct analyse_type *analyse_type_named(struct analyse_types *types,
                                        const char *name)
{
    struct analyse_image *const image = types->image;
    if (!types->named_known) {
        types->named_known = true;
        for (uint32_t i = 0; i < image->modules_count; i++) {
            struct analyse_code *const code = analyse_code_of(image, i);
            for (size_t j = 0; j < code->units_count; j++)
                named_gather(types, &code->units[j].die, code->units[j].is_cxx,
                             0);
        }
        qsort(types->named, types->named_count, sizeof *types->named, by_name);
    }
    const struct named key = { .name = name };
    struct named *const found = bsearch(&key, types->named, types->named_count,
                                        sizeof *types->named, by_name);
    if (!found)
        return NULL;
    Dwarf_Die die = found->die;
    return analyse_type_die(types, &die, found->is_cxx);
}
