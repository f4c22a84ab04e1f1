/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_SEARCH_H
#define TT_ANALYSE_SEARCH_H
/*
 * The search for paths: which of all chains of words from a root to the
 * target does a reader want to see?
 */
#include "analyse/analyse_origin.h"
#include "analyse/analyse_typing.h"

/* One step: the word that leads to a node. */
struct analyse_step {
    uint64_t slot; /* of the first step that of the start */
    uint64_t value;
    uint32_t node; /* what it leads to */
};

struct analyse_found {
    uint32_t start; /* index in the search's starts */
    struct analyse_step *steps;
    size_t count; /* at least 1; the last node is the target */
};

struct analyse_search {
    struct analyse_graph *graph;
    struct analyse_types *types;
    struct analyse_typing *typing;
    const struct tt_record_question *question;
    uint32_t target;
    const uint8_t *near;
    struct analyse_start *starts; /* near ones that count, by their class */
    size_t starts_count;
    struct analyse_origin *origins; /* of each of 'starts' */
    uint8_t *blocked;               /* nodes of earlier paths */
    uint8_t *used;                  /* starts of earlier paths */
    bool has_own; /* the asker's variable points directly to the target */
    struct analyse_origin own_origin;
};

/* Prepares a question; types what is near the target. */
struct analyse_search *
analyse_search_make(struct analyse_graph *graph, struct analyse_types *types,
                    const struct tt_record_question *question, uint32_t target);

/* Words in a block that count as starts (TT_QUESTION_FROM with an object): adds
 * them to those of a question whose range is in a block. */
void analyse_search_inside(struct analyse_search *search);

/* Adds a start with its origin. */
void analyse_search_start(struct analyse_search *search,
                          const struct analyse_start *start,
                          const struct analyse_origin *origin);

/* Finds the next path that shares no block (but the target) with those before
 * it. False: there is none. */
bool analyse_search_next(struct analyse_search *search,
                         struct analyse_found *found);

/* Which of a path's steps does every holder pass through? Returns the last
 * one's index, or -1. */
int analyse_search_bridge(struct analyse_search *search,
                          const struct analyse_found *found);

/* Is the target out of reach of holders without the last steps of these? */
bool analyse_search_cut_all(struct analyse_search *search,
                            const struct analyse_found *found, size_t count);

/* The class of a found path. */
enum analyse_class analyse_search_class(const struct analyse_search *search,
                                        const struct analyse_found *found,
                                        const struct analyse_origin **origin);

#endif
