/* SPDX-License-Identifier: MIT */
/*
 * The variables of one frame, with where each is at the frame's instruction.
 * A variable whose block covers the instruction is live. One in another block
 * of the same function is stale: its slot may hold what it held. Where an
 * optimised variable has no location at the instruction it is nowhere.
 */
#include "analyse/analyse_locals.h"

#include "analyse/analyse_globals.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 32
#define PIECES_MAX  16

struct reading {
    struct analyse_image *image;
    struct analyse_types *types;
    struct analyse_walk *walk;
    struct analyse_code *code;
    const struct analyse_unit *unit;
    uint32_t frame;
    uint64_t link; /* of the instruction */
    struct analyse_location base;
};

static struct analyse_machine machine_of(struct reading *reading,
                                         Dwarf_Attribute *attribute)
{
    return (struct analyse_machine){
        .image = reading->image,
        .code = reading->code,
        .frame = &reading->walk->frames[reading->frame],
        .attribute = attribute,
        .base = &reading->base,
    };
}

static void piece_add(struct reading *reading,
                      const struct analyse_location *at, uint64_t size,
                      uint64_t offset, const struct analyse_local *like)
{
    const struct analyse_walk_frame *const frame =
        &reading->walk->frames[reading->frame];
    struct analyse_local local = *like;
    local.size = size;
    local.offset = offset;
    local.reg = NONE;
    if (at->kind == VALUE_MEMORY) {
        local.start = at->value;
    } else if (at->kind == VALUE_REGISTER && at->reg < REGISTERS &&
               frame->where[at->reg] != WHERE_LOST) {
        local.reg = at->reg;
        local.start = frame->where[at->reg]; /* 0: in the register itself */
        local.size = 8;
    } else {
        return;
    }
    struct analyse_walk *const walk = reading->walk;
    walk->locals =
        analyse_grow(walk->locals, walk->locals_count, sizeof *walk->locals);
    walk->locals[walk->locals_count++] = local;
}

/* A location may be in pieces: a struct of which parts are in registers. */
static void pieces_add(struct reading *reading, Dwarf_Attribute *attribute,
                       const Dwarf_Op *ops, size_t count,
                       const struct analyse_local *like)
{
    struct analyse_machine machine = machine_of(reading, attribute);
    uint64_t offset = 0;
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        if (ops[i].atom != DW_OP_piece)
            continue;
        const struct analyse_location at =
            analyse_evaluate(&machine, ops + first, i - first);
        if (i > first)
            piece_add(reading, &at, ops[i].number, offset, like);
        offset += ops[i].number;
        first = i + 1;
    }
    if (first > 0)
        return;
    const struct analyse_location at = analyse_evaluate(&machine, ops, count);
    piece_add(reading, &at, like->type->size, 0, like);
}

static void variable_add(struct reading *reading, Dwarf_Die *die, bool live,
                         const char *function)
{
    Dwarf_Attribute attribute;
    Dwarf_Op *ops;
    size_t count;
    if (!dwarf_attr(die, DW_AT_location, &attribute) ||
        dwarf_getlocation_addr(&attribute, reading->link, &ops, &count, 1) !=
            1 ||
        count == 0 || ops[0].atom == DW_OP_addr || ops[0].atom == DW_OP_addrx ||
        ops[0].atom == DW_OP_GNU_addr_index)
        return; /* nowhere here, or a static one */
    struct analyse_local local = {
        .name = dwarf_diename(die),
        .function = function,
        .live = live,
        .is_parameter = dwarf_tag(die) == DW_TAG_formal_parameter,
        .frame = reading->frame,
        .type = analyse_type_of(reading->types, die, reading->unit->is_cxx),
    };
    if (!local.name)
        return;
    analyse_declared(reading->unit, die, &local.file, &local.line);
    pieces_add(reading, &attribute, ops, count, &local);
}

static void base_find(struct reading *reading, Dwarf_Die *function)
{
    Dwarf_Attribute attribute;
    Dwarf_Op *ops;
    size_t count;
    reading->base = (struct analyse_location){ .kind = VALUE_NONE };
    if (!dwarf_attr_integrate(function, DW_AT_frame_base, &attribute) ||
        dwarf_getlocation_addr(&attribute, reading->link, &ops, &count, 1) != 1)
        return;
    struct analyse_machine machine = machine_of(reading, &attribute);
    machine.base = NULL;
    reading->base = analyse_evaluate(&machine, ops, count);
}

static bool covers(struct reading *reading, Dwarf_Die *die)
{
    if (!dwarf_hasattr(die, DW_AT_low_pc) && !dwarf_hasattr(die, DW_AT_ranges))
        return true;
    return dwarf_haspc(die, reading->link) > 0;
}

static void block_walk(struct reading *reading, Dwarf_Die *parent, bool live,
                       const char *function, int nesting)
{
    Dwarf_Die child;
    if (nesting > NESTING_MAX || dwarf_child(parent, &child) != 0)
        return;
    do {
        switch (dwarf_tag(&child)) {
        case DW_TAG_variable:
        case DW_TAG_formal_parameter:
            variable_add(reading, &child, live, function);
            break;
        case DW_TAG_lexical_block:
            block_walk(reading, &child, live && covers(reading, &child),
                       function, nesting + 1);
            break;
        case DW_TAG_inlined_subroutine:
            if (covers(reading, &child))
                block_walk(reading, &child, live, dwarf_diename(&child),
                           nesting + 1);
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
}

static bool function_walk(struct reading *reading, Dwarf_Die *parent,
                          int nesting)
{
    Dwarf_Die child;
    if (nesting > NESTING_MAX || dwarf_child(parent, &child) != 0)
        return false;
    do {
        switch (dwarf_tag(&child)) {
        case DW_TAG_subprogram:
            if (dwarf_haspc(&child, reading->link) <= 0)
                break;
            base_find(reading, &child);
            block_walk(reading, &child, true,
                       reading->walk->frames[reading->frame].function, 0);
            return true;
        case DW_TAG_namespace:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
            if (function_walk(reading, &child, nesting + 1))
                return true;
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

void analyse_locals_gather(struct analyse_image *image,
                           struct analyse_types *types,
                           struct analyse_walk *walk, uint32_t frame)
{
    struct analyse_walk_frame *const at = &walk->frames[frame];
    const uint64_t pc = at->pc - !(frame == 0 || at->is_signal);
    const uint32_t module = analyse_module_at(image, pc);
    if (module == NONE)
        return;
    struct reading reading = { .image = image,
                               .types = types,
                               .walk = walk,
                               .code = analyse_code_of(image, module),
                               .frame = frame };
    reading.link = pc - reading.code->bias;
    for (size_t i = 0; i < reading.code->units_count && !at->has_debug; i++) {
        reading.unit = &reading.code->units[i];
        Dwarf_Die lines = reading.unit->lines, die = reading.unit->die;
        if (dwarf_haspc(&lines, reading.link) > 0)
            at->has_debug = function_walk(&reading, &die, 0);
    }
}
