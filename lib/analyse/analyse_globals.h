/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_GLOBALS_H
#define TT_ANALYSE_GLOBALS_H
/*
 * Variables that live as long as the program or a thread: which one is at an
 * address, and how C names it.
 */
#include "analyse/analyse_type.h"

struct analyse_variable {
    uint64_t at, size; /* link address; of thread-locals offset in the block */
    uint64_t offset;   /* in the variable, of which this is a piece; else 0 */
    const char *name;
    const char *function; /* of a static in a function, else NULL */
    const char *file;     /* base name, NULL: not known */
    int line;
    bool is_tls;
    struct analyse_type *type; /* NULL: no debug information */
};

/* Finds the variable; false if nothing has a name there. A symbol serves
 * where there is no debug information; then the module is reported. */
bool analyse_variable_at(struct analyse_types *types,
                         struct analyse_image *image, uint32_t module,
                         uint64_t link, bool is_tls,
                         struct analyse_variable *variable);

/* The C expression: 'by_age', 'cache_get::registry', and with the file in
 * front where another variable of the program has the same name. */
const char *
analyse_variable_expression(struct analyse_image *image,
                            const struct analyse_variable *variable);

/* The file and line of a declaration. */
void analyse_declared(const struct analyse_unit *unit, Dwarf_Die *die,
                      const char **file, int *line);

#endif
