/* SPDX-License-Identifier: MIT */
/*
 * The image's memory, read in stretches of 64 KiB and kept: it stands still,
 * and a graph of blocks is walked more than once. What cannot be read is
 * remembered page by page.
 */
#include "analyse/analyse_image.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_SHIFT 16
#define CHUNK_BYTES ((size_t)1 << CHUNK_SHIFT)
#define PAGE_BYTES  4096
#define PAGES       (CHUNK_BYTES / PAGE_BYTES)
#define GRANULE     16
#define GRANULES    (CHUNK_BYTES / GRANULE)

struct chunk {
    uint64_t number;   /* address >> CHUNK_SHIFT, plus 1; 0: free */
    char *bytes;       /* NULL: not read yet */
    uint32_t readable; /* a bit for each page */
    uint32_t whole;    /* the node that covers all of it, plus 1 */
    uint32_t *nodes;   /* for each granule, plus 1; NULL: no block */
};

struct analyse_memory {
    struct chunk *chunks; /* a hash table, open addressing */
    size_t mask, count;
    bool nodes_known;
};

static size_t number_hash(uint64_t number)
{
    return (size_t)(number * 0x9e3779b97f4a7c15ull >> 20);
}

static struct chunk *chunk_slot(struct analyse_memory *memory, uint64_t number)
{
    size_t at = number_hash(number) & memory->mask;
    while (memory->chunks[at].number && memory->chunks[at].number != number)
        at = (at + 1) & memory->mask;
    return &memory->chunks[at];
}

static void table_grow(struct analyse_memory *memory)
{
    struct chunk *const old = memory->chunks;
    const size_t old_count = memory->chunks ? memory->mask + 1 : 0;
    const size_t count = old_count ? 2 * old_count : 256;
    memory->chunks = analyse_alloc(count * sizeof *old);
    memory->mask = count - 1;
    for (size_t i = 0; i < old_count; i++)
        if (old[i].number)
            *chunk_slot(memory, old[i].number) = old[i];
    free(old);
}

/* Gets the entry of an address, made if 'make'; else NULL. */
static struct chunk *chunk_of(struct analyse_image *image, uint64_t address,
                              bool make)
{
    struct analyse_memory *memory = image->memory;
    if (!memory)
        memory = image->memory = analyse_alloc(sizeof *memory);
    if (!memory->chunks || 2 * memory->count > memory->mask)
        table_grow(memory);
    const uint64_t number = (address >> CHUNK_SHIFT) + 1;
    struct chunk *const chunk = chunk_slot(memory, number);
    if (chunk->number)
        return chunk;
    if (!make)
        return NULL;
    memory->count++;
    chunk->number = number;
    return chunk;
}

/* ---- reading ---- */

static bool raw_read(const struct analyse_image *image, uint64_t at, void *to,
                     size_t bytes)
{
    if (!image->segments)
        return pread(image->memory_fd, to, bytes, (off_t)at) == (ssize_t)bytes;
    for (size_t i = 0; i < image->segments_count; i++) {
        const struct analyse_segment *const segment = &image->segments[i];
        if (at < segment->start || at + bytes > segment->end)
            continue;
        const uint64_t from = at - segment->start;
        return from + bytes <= segment->file_bytes &&
               pread(image->memory_fd, to, bytes,
                     (off_t)(segment->offset + from)) == (ssize_t)bytes;
    }
    return false;
}

static void chunk_read(const struct analyse_image *image, struct chunk *chunk)
{
    const uint64_t at = (chunk->number - 1) << CHUNK_SHIFT;
    chunk->bytes = analyse_alloc(CHUNK_BYTES);
    if (raw_read(image, at, chunk->bytes, CHUNK_BYTES)) {
        chunk->readable = (uint32_t)((1ull << PAGES) - 1);
        return;
    }
    for (size_t page = 0; page < PAGES; page++) {
        const size_t from = page * PAGE_BYTES;
        if (raw_read(image, at + from, chunk->bytes + from, PAGE_BYTES))
            chunk->readable |= 1u << page;
    }
}

bool analyse_read(struct analyse_image *image, uint64_t at, void *to,
                  size_t bytes)
{
    char *out = to;
    while (bytes > 0) {
        struct chunk *const chunk = chunk_of(image, at, true);
        if (!chunk->bytes)
            chunk_read(image, chunk);
        const size_t from = at & (CHUNK_BYTES - 1);
        const size_t page = from / PAGE_BYTES;
        const size_t rest = PAGE_BYTES - from % PAGE_BYTES;
        const size_t part = bytes < rest ? bytes : rest;
        if (!(chunk->readable & 1u << page))
            return false;
        memcpy(out, chunk->bytes + from, part);
        out += part;
        at += part;
        bytes -= part;
    }
    return true;
}

uint64_t analyse_word(struct analyse_image *image, uint64_t at)
{
    uint64_t word;
    return analyse_read(image, at, &word, sizeof word) ? word : 0;
}

char *analyse_string(struct analyse_image *image, uint64_t at)
{
    char bytes[4096];
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (!analyse_read(image, at + i, &bytes[i], 1))
            return NULL;
        if (!bytes[i])
            return analyse_text("%s", bytes);
    }
    return NULL;
}

/* ---- blocks ---- */

static void node_enter(struct analyse_image *image, uint32_t node)
{
    const struct tt_record_block *const block = &image->blocks[node];
    const uint64_t start = block->address;
    const uint64_t end = start + (block->size ? block->size : 1);
    for (uint64_t at = start; at < end;
         at = ((at >> CHUNK_SHIFT) + 1) << CHUNK_SHIFT) {
        struct chunk *const chunk = chunk_of(image, at, true);
        const uint64_t chunk_at = (chunk->number - 1) << CHUNK_SHIFT;
        if (start <= chunk_at && end >= chunk_at + CHUNK_BYTES) {
            chunk->whole = node + 1;
            continue;
        }
        if (!chunk->nodes)
            chunk->nodes = analyse_alloc(GRANULES * sizeof *chunk->nodes);
        const uint64_t last = end - 1 < chunk_at + CHUNK_BYTES - 1
                                  ? end - 1
                                  : chunk_at + CHUNK_BYTES - 1;
        for (size_t i = (at - chunk_at) / GRANULE;
             i <= (last - chunk_at) / GRANULE; i++)
            chunk->nodes[i] = node + 1;
    }
}

uint32_t analyse_node_of(struct analyse_image *image, uint64_t address)
{
    struct chunk *chunk = chunk_of(image, address, false);
    if (!image->memory->nodes_known) {
        image->memory->nodes_known = true;
        for (size_t i = 0; i < image->blocks_count; i++)
            node_enter(image, (uint32_t)i);
        chunk = chunk_of(image, address, false);
    }
    if (!chunk)
        return NONE;
    if (chunk->whole)
        return chunk->whole - 1;
    if (!chunk->nodes)
        return NONE;
    const uint32_t node =
        chunk->nodes[(address & (CHUNK_BYTES - 1)) / GRANULE] - 1;
    if (node == NONE)
        return NONE;
    const struct tt_record_block *const block = &image->blocks[node];
    return address - block->address < (block->size ? block->size : 1) ? node
                                                                      : NONE;
}

/* ---- small look-ups ---- */

size_t analyse_stack_frames(const struct analyse_image *image, uint32_t id,
                            const uint64_t **frames)
{
    size_t low = 0, high = image->stacks_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (image->stacks[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == image->stacks_count || image->stacks[low].id != id)
        return 0;
    const struct tt_record_stack *const stack = &image->stacks[low];
    if (stack->first + stack->depth > image->frames_count)
        return 0;
    *frames = image->frames + stack->first;
    return stack->depth;
}

uint32_t analyse_module_at(const struct analyse_image *image, uint64_t address)
{
    for (size_t i = 0; i < image->modules_count; i++)
        if (address >= image->modules[i].start &&
            address < image->modules[i].end)
            return (uint32_t)i;
    return NONE;
}

void analyse_trouble(struct analyse_image *image, const char *sentence)
{
    for (size_t i = 0; i < image->troubles_count; i++)
        if (!strcmp(image->troubles[i], sentence))
            return;
    image->troubles = analyse_grow(image->troubles, image->troubles_count,
                                   sizeof *image->troubles);
    image->troubles[image->troubles_count++] = sentence;
}

char *analyse_text(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *const text = analyse_alloc((size_t)bytes + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)bytes + 1, format, args);
    va_end(args);
    return text;
}

struct tt_record_root *analyse_root_add(struct analyse_image *image,
                                        enum tt_root_kind kind, uint64_t start,
                                        uint64_t end)
{
    const uint64_t first = (start + 7) & ~(uint64_t)7;
    const uint64_t last = end & ~(uint64_t)7;
    if (first >= last && kind != TT_ROOT_REGISTERS)
        return NULL;
    image->roots =
        analyse_grow(image->roots, image->roots_count, sizeof *image->roots);
    struct tt_record_root *const root = &image->roots[image->roots_count++];
    *root = (struct tt_record_root){
        .kind = kind, .thread = -1, .module = -1, .start = first, .end = last
    };
    return root;
}
