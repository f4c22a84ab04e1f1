/* SPDX-License-Identifier: MIT */
#ifndef TT_REACH_H
#define TT_REACH_H
/*
 * Snapshots and what they tell, as the layers above see them.
 *
 *     struct tt_asker asker = ...;
 *     struct tt_snap *reach = tt_reach_take(&asker, TT_ROOTS_ALL, &why);
 *     tt_reach_ask(reach, questions, 1);
 *     ... tt_reach_hops(reach, &questions[0]) ...
 *     tt_reach_drop(reach);
 *
 * Not inside malloc or free: taking a snapshot asks the loader for its
 * modules.
 */
#include "base/base.h"
#include "reach/reach_record.h"

#define TT_ROOTS_ALL ((1u << TT_ROOTS) - 1)

/* Who asks. Frames below 'low' are the query's own and do not count; those
 * from low to high are of the asking function, whose variables that point
 * directly to an object are no holders of it. */
struct tt_asker {
    uintptr_t low, high;
    uintptr_t registers[TT_RECORD_REGISTERS]; /* the callee-saved ones, as the
                                                 asking function left them */
    bool registers_known;
};

/* Fills it, given __builtin_frame_address(0) of the public function. */
void tt_asker_here(struct tt_asker *asker, void *frame);

/* All live blocks, by how they are reached. */
struct tt_reach_totals {
    uint64_t blocks[TT_REACH_HELD + 1];
    uint64_t bytes[TT_REACH_HELD + 1];
    uint64_t stopped_ns; /* how long the world stood still */
    uint64_t marked_ns;  /* what marking took */
    uint32_t missed;     /* threads that could not be stopped */
    uint32_t by_signals;
};

struct tt_snap;

/* Takes a snapshot and marks. 'roots' are bits 1 << TT_ROOT_...: what counts
 * as a holder. Returns NULL when it could not be had: *why (a constant) says
 * what stood in the way. */
struct tt_snap *tt_reach_take(const struct tt_asker *asker, uint32_t roots,
                              const char **why);
void tt_reach_drop(struct tt_snap *reach);

const struct tt_reach_totals *tt_reach_totals(const struct tt_snap *reach);

/* All live blocks, lowest address first. Valid until the next question. */
const struct tt_record_block *tt_reach_blocks(const struct tt_snap *reach,
                                              size_t *count);

/* The one that holds 'address', or NULL. */
const struct tt_record_block *tt_reach_block(const struct tt_snap *reach,
                                             uint64_t address);

/* Answers questions, at most TT_REACH_QUESTIONS: fills their results. False:
 * the child crashed or took too long; *why as above. */
#define TT_REACH_QUESTIONS 16
bool tt_reach_ask(struct tt_snap *reach, struct tt_record_question *questions,
                  size_t count, const char **why);

/* A string for a question. */
uint32_t tt_reach_name(struct tt_snap *reach, const char *name);

/* A section of the record, and how many items it has. */
const void *tt_reach_section(const struct tt_snap *reach,
                             enum tt_record_section kind, size_t *count);

/* The descriptors for tether-analyse: memory and record. False: the memory of
 * the snapshot cannot be opened. */
bool tt_reach_fds(struct tt_snap *reach, int fds[2]);

#endif
