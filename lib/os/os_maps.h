/* SPDX-License-Identifier: MIT */
#ifndef TT_OS_MAPS_H
#define TT_OS_MAPS_H
/*
 * The process's mapped code, read from the system and not from the loader,
 * whose functions may not be called inside malloc.
 */
#include "base/base.h"
#include "base/base_text.h"

struct tt_map {
    uintptr_t start, end;
    uint64_t offset;
    const char *path; /* not terminated by NUL but by 'path_len' */
    size_t path_len;
    const char *line; /* the whole line */
    size_t line_len;
    bool readable, writable, executable;
};

/* Reads the maps into 'text' (made, empty). False: they cannot be had. */
bool tt_maps_read(struct tt_text *text);

/* Takes one line off '*at'. False: there is none. */
bool tt_maps_next(const char **at, struct tt_map *map);

/* Finds the mapping that holds 'address'. */
bool tt_maps_find(const struct tt_text *text, uintptr_t address,
                  struct tt_map *map);

/* Gets the last part of the mapping's path, 'len' bytes; what is no file has
 * its whole name there: '[stack]'. */
const char *tt_map_name(const struct tt_map *map, size_t *len);

#endif
