/* SPDX-License-Identifier: MIT */
/*
 * The record is a constant that nothing reads in this process: it is here to
 * be found by its magic from outside.
 */
#include "heap/heap_record.h"

#include "heap/heap_block.h"
#include "stack/stack_table.h"

extern const struct tt_heap_record tt_heap_record;

const struct tt_heap_record tt_heap_record __attribute__((used)) = {
    .magic = TT_HEAP_RECORD_MAGIC,
    .regions = region_bias,
    .stack_chunks = tt_stack_chunks,
    .regions_max = REGIONS_MAX,
    .shadow_bytes = SHADOW_BYTES,
    .big_at = offsetof(struct region, big),
    .side_at = offsetof(struct region, side),
    .region_shift = REGION_SHIFT,
    .unit_shift = UNIT_SHIFT,
    .granule_shift = GRANULE_SHIFT,
    .header_bytes = HEADER_BYTES,
    .big_bytes = sizeof(struct big_header),
    .big_size_at = offsetof(struct big_header, size),
    .small = SHADOW_SMALL,
    .big = SHADOW_BIG,
    .side = SHADOW_SIDE,
    .epoch_bits = EPOCH_BITS,
    .stack_bits = THREAD_SHIFT,
    .thread_shift = THREAD_SHIFT,
    .size_shift = SIZE_SHIFT,
    .flags_shift = FLAGS_SHIFT,
    .tool = TT_BLOCK_TOOL,
    .chunk_bits = TT_STACK_CHUNK_BITS,
    .depth_at = offsetof(struct tt_stack, depth),
    .frames_at = offsetof(struct tt_stack, frames),
};
