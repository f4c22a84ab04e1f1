/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_TYPING_H
#define TT_ANALYSE_TYPING_H
/*
 * Which type has a block? The evidence, best first: a pointer of a type whose
 * size fits exactly, the source text of the call that allocated it, blocks
 * that the same stack allocated, a pointer whose type fits less well. Only
 * what is near a target is typed.
 */
#include "analyse/analyse_graph.h"
#include "analyse/analyse_type.h"

enum analyse_evidence {
    EVIDENCE_NONE,
    EVIDENCE_POINTER, /* a typed pointer to it */
    EVIDENCE_TABLE,   /* its table of virtual functions */
    EVIDENCE_SOURCE,  /* the text of the line that allocated it */
    EVIDENCE_STACK,   /* others from the same stack */
};

struct analyse_typed {
    struct analyse_type *type; /* NULL: not known */
    uint8_t score;             /* 0 to 100 */
    uint8_t evidence;
};

struct analyse_typing {
    struct analyse_image *image;
    struct analyse_graph *graph;
    struct analyse_types *types;
    const uint8_t *near;
    struct analyse_typed *typed; /* of each node */
    uint32_t *queue;             /* nodes whose type is new */
    size_t queue_head, queue_tail, queue_mask;
    uint8_t *queued;
};

struct analyse_typing *analyse_typing_make(struct analyse_graph *graph,
                                           struct analyse_types *types,
                                           const uint8_t *near,
                                           size_t near_count);

/* A pointer to 'to' (what it points to; void tells nothing) holds 'value'. */
void analyse_typing_pointer(struct analyse_typing *typing,
                            struct analyse_type *to, uint64_t value,
                            uint32_t node);

/* Draws all conclusions. */
void analyse_typing_run(struct analyse_typing *typing);

/* What is at an offset of a block. 'index' is the element where the block is
 * an array. False: nothing that is known. */
bool analyse_typing_leaf(struct analyse_typing *typing, uint32_t node,
                         uint64_t offset, const struct analyse_type *want,
                         struct analyse_leaf *leaf, uint64_t *index,
                         char *path);

/* The type that the source says at the place where a stack allocated; NULL. */
struct analyse_type *analyse_source_type(struct analyse_image *image,
                                         struct analyse_types *types,
                                         uint32_t stack);

/* Is this function a wrapper of malloc, by its name? */
bool analyse_source_is_wrapper(const char *function);

#endif
