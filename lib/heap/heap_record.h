/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_RECORD_H
#define TT_HEAP_RECORD_H
/*
 * Where the tables of the heap are and how they are laid out, for a reader of
 * a process or a core file from outside (tether-analyse --pid, --core). It
 * finds this record by its magic among libtether's data, so that neither a
 * symbol nor a version has to match. lib/heap/heap_block.h and
 * lib/stack/stack_table.h say what the numbers mean.
 */
#include <stdint.h>

#define TT_HEAP_RECORD_MAGIC "tether-heap-tab1" /* 16 bytes, no NUL */

struct tt_heap_record {
    char magic[16];
    const void *regions;      /* region_bias: a word for each region */
    const void *stack_chunks; /* tt_stack_chunks */
    uint64_t regions_max;     /* entries of region_bias */
    uint64_t shadow_bytes;    /* a region begins with its shadow */
    uint64_t big_at;          /* offset of the big headers in a region */
    uint64_t side_at;         /* offset of the pointer to words beside */
    uint32_t region_shift, unit_shift, granule_shift;
    uint32_t header_bytes;     /* before a small block */
    uint32_t big_bytes;        /* of one big header */
    uint32_t big_size_at;      /* offset of the size in it */
    uint32_t small, big, side; /* bits of a shadow byte: a block starts */
    uint32_t epoch_bits;       /* word 0: serial above the epoch */
    uint32_t stack_bits;       /* word 1: stack, thread, size, flags */
    uint32_t thread_shift, size_shift, flags_shift;
    uint32_t tool;                /* a flag: no block of the program's */
    uint32_t chunk_bits;          /* stacks in a chunk */
    uint32_t depth_at, frames_at; /* offsets in a stack */
};

#endif
