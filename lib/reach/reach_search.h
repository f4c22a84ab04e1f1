/* SPDX-License-Identifier: MIT */
#ifndef TT_REACH_SEARCH_H
#define TT_REACH_SEARCH_H
/*
 * The search for shortest paths, in the snapshot child: breadth first from the
 * roots, one kind after the other, each to its end before the next begins.
 */
#include "reach/reach_inside.h"

/* What does not count, and what alone counts. */
struct reach_filter {
    uint32_t kinds;              /* bits of roots */
    struct tt_record_range only; /* roots: only these words; empty: all */
    struct tt_record_range not_words;
    const uint64_t *not_slots; /* words that were cut */
    size_t not_slots_count;
    uint64_t target; /* whose address in the asker's own variables does not
                        count */
};

struct reach_search {
    struct reach_state *state;
    struct reach_filter filter;
    struct reach_entry *table; /* block -> the slot it was found by */
    size_t mask, used;
    uintptr_t *queue;
    size_t head, tail, queue_bytes, table_bytes;
    size_t root;   /* the next to scan */
    bool broken;   /* no memory */
    bool own_seen; /* a word of the asker's that did not count */
};

/* 'blocks' is how many there are. False: no memory. */
bool reach_search_begin(struct reach_search *search, struct reach_state *state,
                        const struct reach_filter *filter, size_t blocks);
void reach_search_end(struct reach_search *search);

/* Goes on until 'target' is found. */
bool reach_search_find(struct reach_search *search, uintptr_t target);

/* Writes the path to a block that was found: hops from its root on, at most
 * 'max'; the middle is left out of a longer one. Returns their number. */
size_t reach_search_path(const struct reach_search *search, uintptr_t target,
                         struct tt_record_hop *hops, size_t max);

#endif
