/* SPDX-License-Identifier: MIT */
/*
 * Blocks and stacks out of the tables of a Tether that is loaded in a process
 * or a core file. The tables are found and read by lib/heap/heap_record.h.
 * Only where something is mapped there can be blocks, so the mappings say
 * which of the four million regions to ask for.
 */
#include "analyse/analyse_image.h"

#include "heap/heap_record.h"

#include <stdlib.h>
#include <string.h>

struct heap {
    struct analyse_image *image;
    struct tt_heap_record at;
    uint64_t region, side; /* the region that is read */
    uint32_t stacks_max;   /* greatest id of a stack that a block has */
};

/* Offers each place in libtether's data where a magic stands, until one is
 * taken. A page of the file may be mapped twice, and in one of them pointers
 * are not relocated: who takes a place looks at that. */
static bool stretch_search(struct analyse_image *image, const char *magic,
                           const struct analyse_mapping *map,
                           bool (*take)(struct analyse_image *, uint64_t,
                                        void *),
                           void *ctx)
{
    for (uint64_t at = map->start; at + 16 <= map->end; at += 8) {
        char bytes[16];
        if (!analyse_read(image, at, bytes, sizeof bytes))
            at = (at | 4095) - 7;
        else if (!memcmp(bytes, magic, sizeof bytes) && take(image, at, ctx))
            return true;
    }
    return false;
}

bool analyse_tables_search(struct analyse_image *image, const char *magic,
                           bool (*take)(struct analyse_image *, uint64_t,
                                        void *),
                           void *ctx)
{
    const struct analyse_input *const maps = &image->maps;
    for (size_t i = 0; i < maps->mappings_count; i++)
        if (strstr(maps->mappings[i].path, "/libtether.so") &&
            stretch_search(image, magic, &maps->mappings[i], take, ctx))
            return true;
    return false;
}

static bool record_take(struct analyse_image *image, uint64_t at, void *ctx)
{
    struct heap *const heap = ctx;
    uint64_t word;
    return analyse_read(image, at, &heap->at, sizeof heap->at) &&
           analyse_read(image, (uint64_t)heap->at.regions, &word, sizeof word);
}

static void block_add(struct heap *heap, uint64_t address, uint32_t kind)
{
    const struct tt_heap_record *const at = &heap->at;
    struct analyse_image *const image = heap->image;
    const uint64_t in_region = address & ((1ull << at->region_shift) - 1);
    const uint64_t big = heap->region + at->big_at +
                         (in_region >> at->unit_shift) * at->big_bytes;
    const uint64_t words =
        kind == at->big    ? big
        : kind == at->side ? heap->side + (in_region >> at->granule_shift) * 16
                           : address - at->header_bytes;
    const uint64_t first = analyse_word(image, words);
    const uint64_t second = analyse_word(image, words + 8);
    const uint32_t flags = (uint32_t)(second >> at->flags_shift);
    if (flags & at->tool)
        return;
    image->blocks =
        analyse_grow(image->blocks, image->blocks_count, sizeof *image->blocks);
    struct tt_record_block *const block = &image->blocks[image->blocks_count++];
    *block = (struct tt_record_block){
        .address = address,
        .size = kind == at->big
                    ? analyse_word(image, big + at->big_size_at)
                    : second >> at->size_shift &
                          ((1u << (at->flags_shift - at->size_shift)) - 1),
        .serial = first >> at->epoch_bits,
        .epoch = (uint32_t)(first & ((1u << at->epoch_bits) - 1)),
        .stack = (uint32_t)(second & ((1u << at->stack_bits) - 1)),
        .thread = (uint32_t)(second >> at->thread_shift &
                             ((1u << (at->size_shift - at->thread_shift)) - 1)),
        .flags = (uint16_t)flags,
    };
    if (block->stack > heap->stacks_max)
        heap->stacks_max = block->stack;
}

/* Reads the shadow of [start, end), which one region has. */
static void shadow_read(struct heap *heap, uint64_t start, uint64_t end)
{
    const struct tt_heap_record *const at = &heap->at;
    const uint64_t mask = (1ull << at->region_shift) - 1;
    const uint64_t base = start & ~mask;
    const uint64_t live = (at->small | at->big | at->side) * 0x0101010101010101;
    const uint64_t first = (start & mask) >> at->granule_shift;
    const uint64_t last = ((end - 1) & mask) >> at->granule_shift;
    for (uint64_t byte = first & ~7ull; byte <= last; byte += 8) {
        uint64_t eight = analyse_word(heap->image, heap->region + byte) & live;
        for (; eight; eight &= eight - 1) {
            const unsigned bit = (unsigned)__builtin_ctzll(eight);
            const uint64_t index = byte + bit / 8;
            if (index >= first && index <= last)
                block_add(heap, base + (index << at->granule_shift),
                          1u << bit % 8);
        }
    }
}

/* Where a region's tables are; 0: there is none. */
static uint64_t region_of(struct heap *heap, uint64_t index)
{
    const uint64_t bias =
        index < heap->at.regions_max
            ? analyse_word(heap->image, (uint64_t)heap->at.regions + 8 * index)
            : 0;
    return bias ? bias + index * heap->at.shadow_bytes : 0;
}

static void blocks_read(struct heap *heap)
{
    const struct analyse_input *const maps = &heap->image->maps;
    const uint64_t bytes = 1ull << heap->at.region_shift;
    for (size_t i = 0; i < maps->mappings_count; i++) {
        const struct analyse_mapping *const map = &maps->mappings[i];
        for (uint64_t at = map->start; at < map->end && map->writable;) {
            const uint64_t next = (at & ~(bytes - 1)) + bytes;
            const uint64_t end = next < map->end ? next : map->end;
            const uint64_t index = at >> heap->at.region_shift;
            heap->region = region_of(heap, index);
            if (heap->region) {
                heap->side =
                    analyse_word(heap->image, heap->region + heap->at.side_at);
                shadow_read(heap, at, end);
            }
            at = end;
        }
    }
}

static void stack_read(struct heap *heap, uint32_t id)
{
    struct analyse_image *const image = heap->image;
    const struct tt_heap_record *const at = &heap->at;
    const uint64_t chunk = analyse_word(image, (uint64_t)at->stack_chunks +
                                                   8 * (id >> at->chunk_bits));
    const uint64_t stack =
        chunk ? analyse_word(image,
                             chunk + 8 * (id & ((1u << at->chunk_bits) - 1)))
              : 0;
    uint32_t depth = 0;
    if (!stack ||
        !analyse_read(image, stack + at->depth_at, &depth, sizeof depth) ||
        depth > 4096)
        return;
    image->stacks =
        analyse_grow(image->stacks, image->stacks_count, sizeof *image->stacks);
    image->stacks[image->stacks_count++] =
        (struct tt_record_stack){ id, depth, image->frames_count };
    for (uint32_t i = 0; i < depth; i++) {
        image->frames = analyse_grow(image->frames, image->frames_count,
                                     sizeof *image->frames);
        image->frames[image->frames_count++] =
            analyse_word(image, stack + at->frames_at + 8 * i);
    }
}

const char *analyse_heap_read(struct analyse_image *image)
{
    struct heap heap = { .image = image };
    if (!analyse_tables_search(image, TT_HEAP_RECORD_MAGIC, record_take, &heap))
        return "Tether is not loaded in it, so its heap is not known: run it "
               "with 'tether run' or link it with tether";
    blocks_read(&heap);
    for (uint32_t id = 1; id <= heap.stacks_max; id++)
        stack_read(&heap, id);
    return NULL;
}
