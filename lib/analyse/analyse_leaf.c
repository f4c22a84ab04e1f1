/* SPDX-License-Identifier: MIT */
/*
 * Inside of types: fields, what is at an offset, and how a block's size fits.
 */
#include "analyse/analyse_type.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 32

const char *analyse_type_text(const struct analyse_type *type)
{
    if (type->name)
        return type->name;
    switch (type->kind) {
    case TYPE_POINTER:
        return analyse_text(type->to->kind == TYPE_POINTER ? "%s*" : "%s *",
                            analyse_type_text(type->to));
    case TYPE_ARRAY:
        return analyse_text("%s[]", analyse_type_text(type->to));
    case TYPE_FUNCTION:
        return "function";
    case TYPE_UNION:
        return "union (unnamed)";
    case TYPE_STRUCT:
        return "struct (unnamed)";
    default:
        return "void";
    }
}

bool analyse_type_is_aggregate(const struct analyse_type *type)
{
    return type->kind == TYPE_STRUCT || type->kind == TYPE_UNION;
}

/* ---- fields ---- */

static uint64_t member_offset(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number = 0;
    Dwarf_Op *ops;
    size_t count;
    if (!dwarf_attr(die, DW_AT_data_member_location, &attribute))
        return 0;
    if (dwarf_formudata(&attribute, &number) == 0)
        return number;
    if (dwarf_getlocation(&attribute, &ops, &count) == 0 && count == 1 &&
        (ops[0].atom == DW_OP_plus_uconst || ops[0].atom == DW_OP_constu))
        return ops[0].number;
    return 0;
}

static void field_add(struct analyse_type *type, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    if (dwarf_hasattr(die, DW_AT_bit_size) ||
        dwarf_attr(die, DW_AT_external, &attribute) ||
        dwarf_attr(die, DW_AT_virtuality, &attribute))
        return; /* bits, static members, virtual bases */
    type->fields =
        analyse_grow(type->fields, type->fields_count, sizeof *type->fields);
    type->fields[type->fields_count++] = (struct analyse_field){
        .name = dwarf_tag(die) == DW_TAG_member ? dwarf_diename(die) : NULL,
        .offset = member_offset(die),
        .type = analyse_type_of(type->types, die, type->is_cxx),
    };
}

void analyse_type_fields(struct analyse_type *type)
{
    Dwarf_Die child;
    if (type->fields_known || !analyse_type_is_aggregate(type))
        return;
    type->fields_known = true;
    if (dwarf_child(&type->die, &child) != 0)
        return;
    do {
        const int tag = dwarf_tag(&child);
        if (tag == DW_TAG_member || tag == DW_TAG_inheritance)
            field_add(type, &child);
    } while (dwarf_siblingof(&child, &child) == 0);
}

/* The last field, of structs in it too, where it is an open array. */
static const struct analyse_field *open_array(struct analyse_type *type)
{
    if (type->kind != TYPE_STRUCT)
        return NULL;
    analyse_type_fields(type);
    if (type->fields_count == 0)
        return NULL;
    const struct analyse_field *const last =
        &type->fields[type->fields_count - 1];
    /* 'char name[1]' at the end was the way before there was '[]'. */
    if (last->type->kind == TYPE_ARRAY && last->type->count <= 1)
        return last;
    return NULL;
}

bool analyse_type_is_flexible(struct analyse_type *type)
{
    return open_array(type) != NULL;
}

/* ---- offsets ---- */

struct descent {
    const struct analyse_type *want;
    struct analyse_leaf *leaf;
    char *path; /* NULL: not wanted */
    size_t len;
    int nesting;
};

static void path_add(struct descent *descent, const char *text, size_t bytes)
{
    if (!descent->path || descent->len + bytes >= PATH_BYTES)
        return;
    memcpy(descent->path + descent->len, text, bytes);
    descent->len += bytes;
    descent->path[descent->len] = '\0';
}

static bool descend(struct descent *descent, struct analyse_type *type,
                    uint64_t offset, uint64_t extent);

/* How good is a member of a union? */
static int member_rank(const struct analyse_leaf *leaf,
                       const struct analyse_type *want)
{
    if (!leaf->type || leaf->inside)
        return 0;
    if (leaf->type->kind != TYPE_POINTER)
        return 1;
    if (want && leaf->type->to == want)
        return 4;
    return analyse_type_is_aggregate(leaf->type->to) ? 2 : 3;
}

static bool field_holds(const struct analyse_field *field, uint64_t offset,
                        bool is_last_open)
{
    if (!field || offset < field->offset)
        return false;
    return is_last_open || offset - field->offset < field->type->size;
}

static bool field_descend(struct descent *descent,
                          const struct analyse_field *field, uint64_t offset,
                          uint64_t extent)
{
    if (field->name) {
        path_add(descent, ".", 1);
        path_add(descent, field->name, strlen(field->name));
    }
    return descend(descent, field->type, offset - field->offset,
                   extent > field->offset ? extent - field->offset : 0);
}

static bool struct_descend(struct descent *descent, struct analyse_type *type,
                           uint64_t offset, uint64_t extent)
{
    if (descent->path && analyse_cxx_pointer(type, offset)) {
        struct descent quiet = *descent;
        quiet.path = NULL;
        path_add(descent, ".get()", 6);
        return struct_descend(&quiet, type, offset, extent);
    }
    analyse_type_fields(type);
    const struct analyse_field *const open =
        extent > type->size ? open_array(type) : NULL;
    for (size_t i = type->fields_count; i-- > 0;)
        if (field_holds(&type->fields[i], offset, &type->fields[i] == open))
            return field_descend(descent, &type->fields[i], offset, extent);
    *descent->leaf = (struct analyse_leaf){ .type = NULL };
    return false;
}

static bool union_descend(struct descent *descent, struct analyse_type *type,
                          uint64_t offset, uint64_t extent)
{
    const struct analyse_field *best = NULL;
    int best_rank = -1;
    analyse_type_fields(type);
    for (size_t i = 0; i < type->fields_count; i++) {
        struct analyse_leaf leaf;
        struct descent trial = *descent;
        trial.leaf = &leaf;
        trial.path = NULL;
        if (!field_holds(&type->fields[i], offset, false) ||
            !field_descend(&trial, &type->fields[i], offset, extent))
            continue;
        const int rank = member_rank(&leaf, descent->want);
        if (rank > best_rank) {
            best_rank = rank;
            best = &type->fields[i];
        }
    }
    return best && field_descend(descent, best, offset, extent);
}

static bool array_descend(struct descent *descent, struct analyse_type *type,
                          uint64_t offset, uint64_t extent)
{
    char index[32];
    const uint64_t size = type->to->size;
    if (size == 0)
        return false;
    const int len = snprintf(index, sizeof index, "[%llu]",
                             (unsigned long long)(offset / size));
    path_add(descent, index, (size_t)len);
    return descend(descent, type->to, offset % size,
                   extent < size ? extent : size);
}

static bool descend(struct descent *descent, struct analyse_type *type,
                    uint64_t offset, uint64_t extent)
{
    if (descent->nesting++ > NESTING_MAX)
        return false;
    switch (type->kind) {
    case TYPE_STRUCT:
        return struct_descend(descent, type, offset, extent);
    case TYPE_UNION:
        return union_descend(descent, type, offset, extent);
    case TYPE_ARRAY:
        return array_descend(descent, type, offset, extent);
    default:
        *descent->leaf =
            (struct analyse_leaf){ .type = type, .inside = offset };
        return offset < type->size;
    }
}

bool analyse_type_leaf(struct analyse_type *type, uint64_t offset,
                       uint64_t extent, const struct analyse_type *want,
                       struct analyse_leaf *leaf, char *path)
{
    struct descent descent = { .want = want, .leaf = leaf, .path = path };
    if (path)
        path[0] = '\0';
    *leaf = (struct analyse_leaf){ .type = NULL };
    return descend(&descent, type, offset, extent);
}

static bool part_find(struct descent *descent, struct analyse_type *type,
                      uint64_t offset, const struct analyse_type *part)
{
    const size_t len = descent->len;
    if (offset == 0 && type == part)
        return true;
    if (descent->nesting > NESTING_MAX)
        return false;
    descent->nesting++;
    if (type->kind == TYPE_ARRAY && type->to->size) {
        char index[32];
        path_add(
            descent, index,
            (size_t)snprintf(index, sizeof index, "[%llu]",
                             (unsigned long long)(offset / type->to->size)));
        if (part_find(descent, type->to, offset % type->to->size, part))
            return true;
    }
    analyse_type_fields(type);
    for (size_t i = 0; i < type->fields_count; i++) {
        const struct analyse_field *const field = &type->fields[i];
        if (!field_holds(field, offset, false))
            continue;
        descent->len = len;
        if (field->name) {
            path_add(descent, ".", 1);
            path_add(descent, field->name, strlen(field->name));
        }
        if (part_find(descent, field->type, offset - field->offset, part))
            return true;
    }
    descent->nesting--;
    descent->len = len;
    if (descent->path)
        descent->path[len] = '\0';
    return false;
}

bool analyse_type_part(struct analyse_type *type, uint64_t offset,
                       const struct analyse_type *part, char *path)
{
    struct descent descent = { .path = path };
    if (path)
        path[0] = '\0';
    return part_find(&descent, type, offset, part);
}

/* ---- sizes ---- */

int analyse_type_fit(struct analyse_type *type, uint64_t size)
{
    if (type->kind == TYPE_VOID || type->kind == TYPE_FUNCTION ||
        type->is_opaque)
        return 0;
    if (type->kind == TYPE_ARRAY)
        return analyse_type_fit(type->to, size);
    if (type->size == 0)
        return 0;
    if (type->size > size) {
        /* An open array's struct may be cut short at its end. */
        const struct analyse_field *const open = open_array(type);
        return open && size >= open->offset && size + 16 > type->size ? 70 : 0;
    }
    if (!analyse_type_is_aggregate(type))
        return type->kind == TYPE_POINTER ? (size % type->size == 0 ? 60 : 0)
                                          : (size % type->size == 0 ? 30 : 10);
    if (type->size == size)
        return 100;
    if (analyse_type_is_flexible(type))
        return 90;
    return size % type->size == 0 ? 55 : 40;
}
