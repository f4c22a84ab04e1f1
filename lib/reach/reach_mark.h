/* SPDX-License-Identifier: MIT */
#ifndef TT_REACH_MARK_H
#define TT_REACH_MARK_H
/*
 * The mark, in the snapshot child: colours all blocks that roots lead to.
 *
 *     reach_mark_begin(&mark, state);
 *     reach_mark_root(&mark, root, SHADOW_HELD);
 *     reach_mark_run(&mark);
 *     reach_mark_end(&mark);
 */
#include "heap/heap_block.h"
#include "reach/reach_inside.h"

#define MARK_RING 32 /* a power of two: words whose shadow is on its way */

struct reach_mark {
    struct reach_state *state;
    uintptr_t *stack; /* blocks that are coloured and not scanned */
    size_t depth, max, stack_bytes;
    uintptr_t ring[MARK_RING];
    unsigned in, out;
    uint8_t colour;
    uint64_t blocks, bytes;      /* of this colour */
    struct tt_record_range skip; /* words that do not count */
    bool overflown;              /* the stack was full: something was missed */
};

/* False: no memory. */
bool reach_mark_begin(struct reach_mark *mark, struct reach_state *state);
void reach_mark_end(struct reach_mark *mark);

/* Scans the words of a range, of a root, with a colour. */
void reach_mark_range(struct reach_mark *mark, uintptr_t start, uintptr_t end);
void reach_mark_word(struct reach_mark *mark, uintptr_t word);
void reach_mark_root(struct reach_mark *mark,
                     const struct tt_record_root *root);

/* Goes on until nothing is left to scan. */
void reach_mark_run(struct reach_mark *mark);

/* Colours all roots of 'kinds' (bits), the sure ones first. */
void reach_mark_all(struct reach_mark *mark, uint32_t kinds);

/* Colours a block so that the mark passes it by. */
void reach_mark_forbid(uintptr_t block);

/* Colours what a block leads to, itself included. */
void reach_mark_from(struct reach_mark *mark, uintptr_t block);

/* Takes all colours away. */
void reach_mark_clear(void);

/* The colour of a block that starts at 'address'. */
enum tt_reach reach_mark_of(uintptr_t address);

/* The kinds of roots whose words may be dead. */
#define REACH_UNSURE (1u << TT_ROOT_STACK | 1u << TT_ROOT_REGISTERS)

#endif
