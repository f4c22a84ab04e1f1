/* SPDX-License-Identifier: MIT */
/*
 * Writes the record into the memfd that the asker made: sections one after
 * the other, each at a multiple of 8. What questions add is written behind
 * the base, and written anew for each question.
 */
#include "reach/reach_write.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base_mem.h"
#include "heap/heap.h"
#include "reach/reach_mark.h"
#include "stack/stack.h"

#define ALIGN_8(bytes) (((bytes) + 7) & ~(size_t)7)

bool reach_writer_begin(struct reach_writer *writer, struct reach_state *state,
                        size_t start, size_t bytes)
{
    writer->state = state;
    writer->at = ALIGN_8(start);
    writer->bytes = writer->at + bytes;
    writer->data = MAP_FAILED;
    if (ftruncate(state->record_fd, (off_t)writer->bytes) == 0)
        writer->data = mmap(NULL, writer->bytes, PROT_READ | PROT_WRITE,
                            MAP_SHARED, state->record_fd, 0);
    return writer->data != MAP_FAILED;
}

void reach_writer_end(struct reach_writer *writer)
{
    munmap(writer->data, writer->bytes);
}

void *reach_writer_section(struct reach_writer *writer,
                           enum tt_record_section kind, const void *items,
                           size_t count, size_t size)
{
    struct tt_record_header *const header = (void *)writer->data;
    char *const to = writer->data + writer->at;
    header->sections[kind] = (struct tt_record_place){ .offset = writer->at,
                                                       .count = count,
                                                       .size = size };
    if (items)
        memcpy(to, items, count * size);
    writer->at += ALIGN_8(count * size);
    return to;
}

/* ---- stacks ---- */

/* Which stacks the blocks have, as a table of one byte for each id. */
struct stacks {
    uint8_t *used;
    size_t count; /* ids */
    size_t distinct, frames;
};

struct count_visit {
    struct stacks *stacks;
    size_t blocks;
};

static bool block_count(const struct tt_block *block, void *ctx)
{
    struct count_visit *const visit = ctx;
    struct stacks *const stacks = visit->stacks;
    const uintptr_t *frames;
    visit->blocks++;
    if (block->stack == 0 || block->stack >= stacks->count ||
        stacks->used[block->stack])
        return true;
    stacks->used[block->stack] = 1;
    stacks->distinct++;
    stacks->frames += tt_stack_frames(block->stack, &frames);
    return true;
}

static void stacks_write(struct reach_writer *writer,
                         const struct stacks *stacks)
{
    struct tt_record_stack *item = reach_writer_section(
        writer, TT_RECORD_STACKS, NULL, stacks->distinct, sizeof *item);
    uint64_t *const frames = reach_writer_section(
        writer, TT_RECORD_FRAMES, NULL, stacks->frames, sizeof *frames);
    uint64_t first = 0;
    for (uint32_t id = 1; id < stacks->count; id++) {
        const uintptr_t *of_id;
        if (!stacks->used[id])
            continue;
        const unsigned depth = tt_stack_frames(id, &of_id);
        *item++ = (struct tt_record_stack){ id, depth, first };
        for (unsigned i = 0; i < depth; i++)
            frames[first++] = of_id[i];
    }
}

/* ---- blocks ---- */

struct block_visit {
    struct tt_record_block *next;
    struct tt_reach_totals *totals;
};

static bool block_write_one(const struct tt_block *block, void *ctx)
{
    struct block_visit *const visit = ctx;
    const enum tt_reach reach = reach_mark_of((uintptr_t)block->address);
    *visit->next++ = (struct tt_record_block){
        .address = (uintptr_t)block->address,
        .size = block->size,
        .serial = block->serial,
        .stack = block->stack,
        .thread = block->thread,
        .epoch = block->epoch,
        .flags = (uint16_t)block->flags,
        .reach = (uint16_t)reach,
    };
    visit->totals->blocks[reach]++;
    visit->totals->bytes[reach] += block->size;
    return true;
}

static void array_write(struct reach_writer *writer,
                        enum tt_record_section kind,
                        const struct reach_array *array)
{
    reach_writer_section(writer, kind, array->items, array->count, array->size);
}

static size_t array_bytes(const struct reach_array *array)
{
    return ALIGN_8(array->count * array->size);
}

static void base_write(struct reach_writer *writer, const struct stacks *stacks,
                       size_t blocks)
{
    struct reach_state *const state = writer->state;
    struct tt_record_header *const header = (void *)writer->data;
    header->magic = TT_RECORD_MAGIC;
    header->version = TT_RECORD_VERSION;
    header->pid = (uint32_t)state->process;
    header->verbose = state->verbose;
    reach_writer_section(writer, TT_RECORD_TEXT, state->text.data,
                         state->text.len, 1);
    reach_writer_section(writer, TT_RECORD_MAPS, state->maps_text.data,
                         state->maps_text.len, 1);
    array_write(writer, TT_RECORD_MODULES, &state->modules);
    array_write(writer, TT_RECORD_THREADS, &state->threads);
    array_write(writer, TT_RECORD_ROOTS, &state->roots);
    stacks_write(writer, stacks);
    struct block_visit visit = {
        .next = reach_writer_section(writer, TT_RECORD_BLOCKS, NULL, blocks,
                                     sizeof(struct tt_record_block)),
        .totals = &state->desk->totals,
    };
    tt_blocks_visit(block_write_one, &visit);
}

bool reach_write_base(struct reach_state *state)
{
    struct reach_writer writer;
    struct stacks stacks = { .count = tt_stack_count() + 1 };
    struct count_visit visit = { .stacks = &stacks };
    stacks.used = tt_map_sparse(stacks.count);
    if (!stacks.used)
        return false;
    tt_blocks_visit(block_count, &visit);
    const size_t bytes =
        ALIGN_8(state->text.len) + ALIGN_8(state->maps_text.len) +
        array_bytes(&state->modules) + array_bytes(&state->threads) +
        array_bytes(&state->roots) +
        stacks.distinct * sizeof(struct tt_record_stack) +
        stacks.frames * sizeof(uint64_t) +
        visit.blocks * sizeof(struct tt_record_block);
    const bool good = reach_writer_begin(
        &writer, state, sizeof(struct tt_record_header), bytes);
    if (good) {
        base_write(&writer, &stacks, visit.blocks);
        state->base_bytes = writer.at;
        state->desk->record_bytes = writer.bytes;
        reach_writer_end(&writer);
    }
    state->blocks = visit.blocks;
    tt_unmap(stacks.used, stacks.count);
    return good;
}
