/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_PATH_H
#define TT_ANALYSE_PATH_H
/*
 * A found path as text: one C expression, and a line for each hop.
 */
#include "analyse/analyse_search.h"

struct analyse_hop {
    const char *step; /* '->prev', '{->next x3}' */
    const char *type; /* of the block that it reaches; empty: not known */
    const char *note; /* on evidence; may be empty */
    uint64_t size;    /* of the block */
    uint32_t stack;   /* that allocated it */
};

struct analyse_path {
    const char *expression;
    const char *where; /* the root in words */
    const char *kind;
    uint32_t id;
    bool holds;
    struct analyse_hop *hops;
    size_t hops_count;
    const char **steps; /* of each step of the found path, not folded */
};

void analyse_path_make(struct analyse_search *search,
                       const struct analyse_found *found,
                       struct analyse_path *path);

/* Names a word in the block that a path leads to. */
void analyse_path_slot(struct analyse_search *search,
                       const struct analyse_found *found, uint64_t slot,
                       const char **expression, const char **where);

/* The type of the target as text; empty: not known. */
const char *analyse_target_type(const struct analyse_search *search);

#endif
