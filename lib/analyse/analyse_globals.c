/* SPDX-License-Identifier: MIT */
/*
 * The table of a module's variables. Variables outside of functions and
 * statics inside are found by one walk over its units; what has no location
 * that can be read (gcc's thread-locals in split debug information) is placed
 * by the symbol of the same name.
 */
#include "analyse/analyse_globals.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 32

struct walk {
    struct analyse_code *code;
    const struct analyse_unit *unit;
    const char *function; /* NULL: outside of functions */
};

/* ---- places of declarations ---- */

static Dwarf_Word attribute_number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number = 0;
    if (!dwarf_attr_integrate(die, name, &attribute) ||
        dwarf_formudata(&attribute, &number) != 0)
        return 0;
    return number;
}

/* The unit in whose line table an attribute counts files: that of the DIE
 * that has it, which may be a declaration elsewhere. */
static Dwarf_Die lines_of(const struct analyse_unit *unit, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die lines;
    if (dwarf_attr_integrate(die, DW_AT_decl_file, &attribute) &&
        dwarf_cu_info(attribute.cu, &version, &type, &lines, NULL, NULL, NULL,
                      NULL) == 0 &&
        type != DW_UT_split_compile)
        return lines;
    return unit->lines;
}

void analyse_declared(const struct analyse_unit *unit, Dwarf_Die *die,
                      const char **file, int *line)
{
    Dwarf_Die lines = lines_of(unit, die);
    Dwarf_Files *files;
    size_t count;
    const Dwarf_Word index = attribute_number(die, DW_AT_decl_file);
    *line = (int)attribute_number(die, DW_AT_decl_line);
    *file = NULL;
    if (*line && dwarf_getsrcfiles(&lines, &files, &count) == 0 &&
        index < count)
        *file = analyse_base_name(dwarf_filesrc(files, index, NULL, NULL));
}

/* ---- locations ---- */

static bool op_address(Dwarf_Attribute *location, const Dwarf_Op *op,
                       uint64_t *at)
{
    Dwarf_Attribute result;
    Dwarf_Addr address;
    switch (op->atom) {
    case DW_OP_addr:
        *at = op->number;
        return true;
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        if (dwarf_getlocation_attr(location, op, &result) != 0 ||
            dwarf_formaddr(&result, &address) != 0)
            return false;
        *at = address;
        return true;
    default:
        return false;
    }
}

/* An offset that stands in another table (DW_OP_constx, in split debug
 * information) is not believed: gcc has linkers write an address there. */
static bool op_offset(const Dwarf_Op *op, uint64_t *at)
{
    switch (op->atom) {
    case DW_OP_const1u:
    case DW_OP_const2u:
    case DW_OP_const4u:
    case DW_OP_const8u:
    case DW_OP_constu:
        *at = op->number;
        return true;
    default:
        *at = op->atom - DW_OP_lit0;
        return op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31;
    }
}

/* Reads where a variable, or a piece of it, is. False: not in memory of this
 * kind. */
static bool ops_read(Dwarf_Attribute *location, const Dwarf_Op *ops,
                     size_t count, struct analyse_variable *variable)
{
    if (count == 0)
        return false;
    const unsigned last = ops[count - 1].atom;
    if (last == DW_OP_form_tls_address || last == DW_OP_GNU_push_tls_address) {
        variable->is_tls = true;
        return count == 2 && op_offset(&ops[0], &variable->at);
    }
    if (!op_address(location, &ops[0], &variable->at))
        return false;
    if (count == 2 && last == DW_OP_plus_uconst)
        variable->at += ops[1].number;
    return count == 1 || (count == 2 && last == DW_OP_plus_uconst);
}

static void variable_add(struct analyse_code *code,
                         const struct analyse_variable *variable)
{
    code->variables = analyse_grow(code->variables, code->variables_count,
                                   sizeof *code->variables);
    code->variables[code->variables_count++] = *variable;
}

/* An optimiser may have torn a variable to pieces. Returns whether it has. */
static bool pieces_add(struct analyse_code *code, Dwarf_Attribute *location,
                       const Dwarf_Op *ops, size_t count,
                       const struct analyse_variable *whole)
{
    uint64_t offset = 0;
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        struct analyse_variable piece = *whole;
        if (ops[i].atom != DW_OP_piece)
            continue;
        piece.size = ops[i].number;
        piece.offset = offset;
        if (ops_read(location, ops + first, i - first, &piece))
            variable_add(code, &piece);
        offset += ops[i].number;
        first = i + 1;
    }
    return first > 0;
}

/* By the symbol of the same name. */
static bool symbol_place(struct analyse_code *code,
                         struct analyse_variable *variable)
{
    analyse_code_data(code, 0, false);
    const size_t len = strlen(variable->name);
    for (size_t i = 0; i < code->symbols_count; i++) {
        const struct analyse_datum *const symbol = &code->symbols[i];
        if (symbol->is_tls != variable->is_tls ||
            strncmp(symbol->name, variable->name, len) != 0)
            continue;
        /* A static in a function has a number after its name. */
        if (symbol->name[len] == '\0' ||
            (variable->function && symbol->name[len] == '.')) {
            variable->at = symbol->at;
            return true;
        }
    }
    return false;
}

/* ---- the walk ---- */

static void variable_take(struct analyse_types *types, const struct walk *walk,
                          Dwarf_Die *die)
{
    Dwarf_Attribute location;
    Dwarf_Op *ops;
    size_t count;
    struct analyse_variable variable = { .function = walk->function };
    const char *const bare = dwarf_diename(die);
    if (!bare || !dwarf_attr(die, DW_AT_location, &location))
        return;
    variable.name = bare;
    if (dwarf_getlocation(&location, &ops, &count) != 0) {
        count = 0;
        variable.is_tls = true;
    }
    const bool placed = ops_read(&location, ops, count, &variable);
    const bool in_pieces =
        !placed && count > 1 && ops[count - 1].atom == DW_OP_piece;
    /* Else it is a local one, or a thread-local that is not told. */
    if (!placed && !in_pieces &&
        !(variable.is_tls && symbol_place(walk->code, &variable)))
        return;
    if (walk->unit->is_cxx && !walk->function)
        variable.name = analyse_name_qualified(die, bare);
    variable.type = analyse_type_of(types, die, walk->unit->is_cxx);
    variable.size = variable.type->size;
    analyse_declared(walk->unit, die, &variable.file, &variable.line);
    if (!in_pieces || !pieces_add(walk->code, &location, ops, count, &variable))
        variable_add(walk->code, &variable);
}

static void variables_walk(struct analyse_types *types, struct walk walk,
                           Dwarf_Die *parent, int nesting)
{
    Dwarf_Die child;
    if (nesting > NESTING_MAX || dwarf_child(parent, &child) != 0)
        return;
    do {
        struct walk inner = walk;
        switch (dwarf_tag(&child)) {
        case DW_TAG_variable:
            variable_take(types, &walk, &child);
            break;
        case DW_TAG_subprogram: {
            const char *const name = dwarf_diename(&child);
            inner.function = name && walk.unit->is_cxx
                                 ? analyse_name_qualified(&child, name)
                                 : name;
            variables_walk(types, inner, &child, nesting + 1);
            break;
        }
        case DW_TAG_lexical_block:
        case DW_TAG_inlined_subroutine:
        case DW_TAG_namespace:
            variables_walk(types, inner, &child, nesting + 1);
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
}

static int by_at(const void *left, const void *right)
{
    const struct analyse_variable *const a = left, *const b = right;
    if (a->is_tls != b->is_tls)
        return a->is_tls ? 1 : -1;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return (a->function != NULL) - (b->function != NULL);
}

static void variables_gather(struct analyse_types *types,
                             struct analyse_code *code)
{
    code->variables_known = true;
    for (size_t i = 0; i < code->units_count; i++) {
        const struct walk walk = { .code = code, .unit = &code->units[i] };
        variables_walk(types, walk, &code->units[i].die, 0);
    }
    if (code->variables)
        qsort(code->variables, code->variables_count, sizeof *code->variables,
              by_at);
}

/* ---- questions ---- */

static const char *trouble_of(const struct analyse_code *code)
{
    switch (code->file.debug) {
    case ANALYSE_DEBUG_NONE:
        return analyse_text("%s has no debug information (compile it with "
                            "-g, or install its debug package)",
                            code->file.name);
    case ANALYSE_UNREADABLE:
        return code->file.name && code->file.name[0]
                   ? analyse_text("%s cannot be read any more", code->file.name)
                   : NULL;
    default:
        return NULL;
    }
}

bool analyse_variable_at(struct analyse_types *types,
                         struct analyse_image *image, uint32_t module,
                         uint64_t link, bool is_tls,
                         struct analyse_variable *variable)
{
    struct analyse_code *const code = analyse_code_of(image, module);
    if (!code->variables_known)
        variables_gather(types, code);
    for (size_t i = code->variables_count; i-- > 0;) {
        const struct analyse_variable *const at = &code->variables[i];
        if (at->is_tls == is_tls && link >= at->at &&
            link - at->at < (at->size ? at->size : 1)) {
            *variable = *at;
            return true;
        }
    }
    const struct analyse_datum *const symbol =
        analyse_code_data(code, link, is_tls);
    const char *const trouble = symbol ? trouble_of(code) : NULL;
    if (trouble)
        analyse_trouble(image, trouble);
    if (!symbol)
        return false;
    *variable = (struct analyse_variable){
        .at = symbol->at,
        .size = symbol->size,
        .name = analyse_demangle(symbol->name),
        .is_tls = is_tls,
    };
    return true;
}

/* How many variables outside of functions have this name? */
static size_t name_count(struct analyse_image *image, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; image->codes && i < image->modules_count; i++) {
        const struct analyse_code *const code = &image->codes[i];
        for (size_t j = 0; j < code->variables_count; j++)
            count += !code->variables[j].function &&
                     code->variables[j].offset == 0 &&
                     !strcmp(code->variables[j].name, name);
    }
    return count;
}

const char *analyse_variable_expression(struct analyse_image *image,
                                        const struct analyse_variable *variable)
{
    if (!variable->type && strpbrk(variable->name, ".$@"))
        return analyse_text("'%s'", variable->name);
    if (variable->function && strstr(variable->function, "::"))
        return analyse_text("'%s'::%s", variable->function, variable->name);
    if (variable->function)
        return analyse_text("%s::%s", variable->function, variable->name);
    if (variable->file && name_count(image, variable->name) > 1)
        return analyse_text("'%s'::%s", variable->file, variable->name);
    return variable->name;
}
