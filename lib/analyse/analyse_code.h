/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_CODE_H
#define TT_ANALYSE_CODE_H
/*
 * A module of an image with what its file says: symbols, unwind tables,
 * debug information. Opened when the first question about it comes.
 */
#include "analyse/analyse_image.h"

struct analyse_datum {
    uint64_t at, size; /* link address; of TLS the offset in its block */
    const char *name;
    bool is_tls;
};

/* A unit whose functions and variables can be read. */
struct analyse_unit {
    Dwarf_Die lines; /* has ranges, line table, folder */
    Dwarf_Die die;   /* has functions, variables, types */
    bool is_cxx;
};

struct analyse_code {
    bool opened;
    uint32_t index; /* in the image's modules */
    uint64_t bias;
    const char *path;
    struct analyse_module file;
    struct analyse_unit *units;
    size_t units_count;
    struct analyse_units *ranges; /* NULL: not asked for yet */
    Dwarf_CFI *cfi[2];            /* .eh_frame, .debug_frame */
    bool cfi_known;
    struct analyse_datum *symbols; /* of data, by address */
    size_t symbols_count;
    bool symbols_known;
    struct analyse_variable *variables; /* by address, analyse_globals.c */
    size_t variables_count;
    bool variables_known;
};

/* Opens a module; never NULL. */
struct analyse_code *analyse_code_of(struct analyse_image *image,
                                     uint32_t module);

/* The module's name as people write it; the executable's is its file's. */
const char *analyse_code_name(struct analyse_image *image, uint32_t module);

/* Finds the symbol of data that covers a link address (or offset in TLS). */
const struct analyse_datum *analyse_code_data(struct analyse_code *code,
                                              uint64_t link, bool is_tls);

/* Finds an exported symbol; 0 if there is none. Link address. */
uint64_t analyse_code_export(struct analyse_code *code, const char *name);

/* Reads what the file has at a link address. */
bool analyse_code_bytes(struct analyse_code *code, uint64_t link, void *to,
                        size_t bytes);

/* Names a code address: 'function', and 'file.c:line' if it is known. */
struct analyse_place {
    const char *function; /* NULL: not known */
    const char *file;     /* base name, NULL: not known */
    const char *path;
    int line, column;
    bool inlined;
};
size_t analyse_code_places(struct analyse_image *image, uint64_t address,
                           struct analyse_place *places, size_t places_max);

/* ' (cache.c:9)' as text; empty when it is not known. */
const char *analyse_place_text(const struct analyse_place *place);

/* The base name of a path. */
const char *analyse_base_name(const char *path);

#endif
