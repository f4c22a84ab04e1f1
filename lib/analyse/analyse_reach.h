/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_REACH_H
#define TT_ANALYSE_REACH_H
/*
 * Questions about an image: who holds an object?
 */
#include "analyse/analyse_path.h"

struct analyse_reach {
    struct analyse_image *image;
    struct analyse_graph *graph;
    struct analyse_types *types;
};

/* Prepares an image for questions. */
void analyse_reach_begin(struct analyse_reach *reach,
                         struct analyse_image *image);

struct analyse_answer {
    const char *type;
    const char *verdict;
    const char *own;    /* a sentence on the asker's variable; NULL: none */
    const char *cut;    /* a sentence; NULL: nothing to say */
    const char *thread; /* a sentence on the thread that holds; NULL: none */
    struct analyse_path *paths;
    size_t paths_count;
    size_t more; /* disjoint paths that are not among them */
};

void analyse_reach_why(struct analyse_reach *reach,
                       const struct tt_record_question *question,
                       struct analyse_answer *answer);

/* Names a slot (a referrer): its expression and its root in words. */
void analyse_reach_slot(struct analyse_reach *reach, uint64_t slot,
                        const struct tt_record_question *question,
                        const char **expression, const char **where);

/* '3.1 KiB'. */
const char *analyse_size_text(uint64_t bytes);

/* Answers a record's questions as reach/reach_record.h says. */
void analyse_reach_record(struct analyse_reach *reach, FILE *to);

/* Answers for people: 'text' is an address or a function whose blocks are
 * meant. Returns an exit status. */
int analyse_reach_show(struct analyse_reach *reach, const char *text, FILE *to);

#endif
