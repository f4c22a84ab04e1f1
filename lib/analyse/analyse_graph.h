/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_GRAPH_H
#define TT_ANALYSE_GRAPH_H
/*
 * Who points to whom, without types: every word of every block, and every
 * word of every root, that holds an address in a block.
 *
 * Words. An edge is a word in a block, a start is a word in a root. A node is
 * near a target if a chain of edges leads from it to the target: only what is
 * near matters for a path, and whatever points to it is near as well.
 */
#include "analyse/analyse_image.h"

struct analyse_edge {
    uint32_t to;
    uint32_t word; /* offset in the block, in words */
};

struct analyse_start {
    uint64_t slot; /* 0: a register */
    uint64_t value;
    uint32_t to;
    uint32_t root;
    uint32_t reg; /* DWARF's number */
};

struct analyse_graph {
    struct analyse_image *image;
    uint64_t *first; /* of a node's edges; nodes + 1 of them */
    struct analyse_edge *edges;
    size_t edges_count;
    struct analyse_start *starts; /* in the order of the roots */
    size_t starts_count;
    uint64_t *back_first; /* the same backwards: 'to' is who points here */
    uint32_t *back;
};

struct analyse_graph *analyse_graph_make(struct analyse_image *image);

/* Adds a start, if the value is an address in a block. */
void analyse_graph_start(struct analyse_graph *graph, uint32_t root,
                         uint64_t slot, uint32_t reg, uint64_t value);

/* Marks what is near a target: a byte for each node. */
uint8_t *analyse_graph_near(struct analyse_graph *graph, uint32_t target,
                            size_t *count);

/* Counts what nothing but 'target' keeps alive, itself included. */
void analyse_graph_retained(struct analyse_graph *graph, uint32_t target,
                            uint64_t *bytes, uint64_t *blocks);

/* Counts what nothing but a thread's own roots keep alive: its stack, its
 * registers, its thread-locals. */
void analyse_graph_of_thread(struct analyse_graph *graph, int32_t thread,
                             uint64_t *bytes, uint64_t *blocks);

#endif
