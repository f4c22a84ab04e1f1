/* SPDX-License-Identifier: MIT */
#ifndef TT_REACH_H
#define TT_REACH_H
/*
 * Snapshots and what they tell, as the layers above see them.
 *
 *     void *const frame = __builtin_frame_address(0);
 *     struct tt_snap *snap = tt_reach_take(frame, TT_ROOTS_ALL, &why);
 *     tt_reach_ask(snap, questions, 1, &why);
 *     ... tt_reach_section(snap, TT_RECORD_HOPS, &count) ...
 *     tt_reach_drop(snap);
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

/* What layers above hold: filled by lib/init.c, before the first snapshot. */
struct tt_reach_more {
    /* Around the stop, so that the snapshot child finds all whole. */
    void (*lock)(void);
    void (*unlock)(void);
    /* Does anything hold this block, which has references? NULL: nothing, else
     * what, a constant. Called in the child. */
    const char *(*holds)(const void *block);
};
extern struct tt_reach_more tt_reach_more;

/* All live blocks, by how they are reached. */
struct tt_reach_totals {
    uint64_t blocks[TT_REACH_HELD + 1];
    uint64_t bytes[TT_REACH_HELD + 1];
    uint64_t stopped_ns; /* how long the world stood still */
    uint64_t marked_ns;  /* processor time of the mark */
    uint32_t missed;     /* threads that could not be stopped */
    uint32_t by_signals;
};

struct tt_snap;

/* Takes a snapshot and marks. 'frame' is __builtin_frame_address(0) of the
 * public function, which calls TETHER_KEEP_REGISTERS; the asker is its first
 * caller outside of Tether. 'roots' are bits 1 << TT_ROOT_...: what counts
 * as a holder. Returns NULL when it could not be had: *why (a constant) says
 * what stood in the way. */
struct tt_snap *tt_reach_take(void *frame, uint32_t roots, const char **why);
void tt_reach_drop(struct tt_snap *snap);

const struct tt_reach_totals *tt_reach_totals(const struct tt_snap *snap);

/* All live blocks, lowest address first. Valid until the next question. */
const struct tt_record_block *tt_reach_blocks(const struct tt_snap *snap,
                                              size_t *count);

/* The one that holds 'address', or NULL. */
const struct tt_record_block *tt_reach_block(const struct tt_snap *snap,
                                             uint64_t address);

/* Answers questions, at most TT_REACH_QUESTIONS: fills their results. False:
 * the child crashed or took too long; *why as above. */
#define TT_REACH_QUESTIONS 16
bool tt_reach_ask(struct tt_snap *snap, struct tt_record_question *questions,
                  size_t count, const char **why);

/* A string for a question. */
uint32_t tt_reach_name(struct tt_snap *snap, const char *name);

/* A section of the record, and how many items it has. */
const void *tt_reach_section(const struct tt_snap *snap,
                             enum tt_record_section kind, size_t *count);

/* The descriptors for tether-analyse: memory and record. False: the memory of
 * the snapshot cannot be opened. */
bool tt_reach_fds(struct tt_snap *snap, int fds[2]);

#endif
