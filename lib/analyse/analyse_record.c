/* SPDX-License-Identifier: MIT */
/*
 * The image of a snapshot: sections of the record are copied item by item, so
 * that a record whose items are longer than ours can be read. Bounds are
 * checked: the program that wrote it may have been in any state.
 */
#include "analyse/analyse_image.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/mman.h>

struct record {
    const char *bytes;
    size_t size;
    const struct tt_record_header *header;
};

/* Copies a section into an array of 'size'-byte items. */
static void *section_copy(const struct record *record,
                          enum tt_record_section kind, size_t size,
                          size_t *count)
{
    const struct tt_record_place *const place = &record->header->sections[kind];
    *count = 0;
    if (place->count == 0 || place->size == 0 || place->offset > record->size ||
        place->count > (record->size - place->offset) / place->size)
        return NULL;
    char *const items = analyse_alloc(place->count * size + 1);
    const size_t part = place->size < size ? place->size : size;
    if (place->size == size)
        memcpy(items, record->bytes + place->offset, place->count * size);
    for (size_t i = 0; i < place->count && place->size != size; i++)
        memcpy(items + i * size,
               record->bytes + place->offset + i * place->size, part);
    *count = place->count;
    return items;
}

#define SECTION(field, kind)                                         \
    (image->field = section_copy(record, kind, sizeof *image->field, \
                                 &image->field##_count))

static void sections_read(struct analyse_image *image,
                          const struct record *record)
{
    size_t maps_bytes;
    SECTION(modules, TT_RECORD_MODULES);
    SECTION(blocks, TT_RECORD_BLOCKS);
    SECTION(stacks, TT_RECORD_STACKS);
    SECTION(frames, TT_RECORD_FRAMES);
    SECTION(threads, TT_RECORD_THREADS);
    SECTION(roots, TT_RECORD_ROOTS);
    SECTION(questions, TT_RECORD_QUESTIONS);
    SECTION(slots, TT_RECORD_SLOTS);
    SECTION(hidden, TT_RECORD_HIDDEN);
    image->text = section_copy(record, TT_RECORD_TEXT, 1, &image->text_bytes);
    char *const maps = section_copy(record, TT_RECORD_MAPS, 1, &maps_bytes);
    FILE *const lines = maps ? fmemopen(maps, maps_bytes, "r") : NULL;
    if (lines) {
        analyse_maps_read(lines, &image->maps);
        fclose(lines);
    }
}

/* Is all of it mapped? Mappings are in the order of addresses. */
static bool is_mapped(const struct analyse_image *image, uint64_t start,
                      uint64_t end)
{
    const struct analyse_input *const maps = &image->maps;
    size_t low = 0, high = maps->mappings_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (maps->mappings[middle].end <= start)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < maps->mappings_count && start < end; low++) {
        if (maps->mappings[low].start > start)
            return false;
        start = maps->mappings[low].end;
    }
    return start >= end;
}

/* Leaves out what cannot be: it would be looked for for ever. */
static void record_check(struct analyse_image *image)
{
    size_t kept = 0;
    for (size_t i = 0; i < image->blocks_count; i++) {
        const struct tt_record_block *const block = &image->blocks[i];
        const uint64_t end = block->address + block->size;
        if (end >= block->address && is_mapped(image, block->address, end))
            image->blocks[kept++] = *block;
    }
    image->blocks_count = kept;
    for (size_t i = 0; i < image->roots_count; i++) {
        struct tt_record_root *const root = &image->roots[i];
        /* Their numbers are known elsewhere: an empty one keeps its place. */
        if (root->kind != TT_ROOT_KEPT &&
            !is_mapped(image, root->start, root->end))
            root->end = root->start;
        if (root->module >= (int64_t)image->modules_count)
            root->module = -1;
    }
}

const char *analyse_image_record(struct analyse_image *image, int memory_fd,
                                 int record_fd)
{
    struct stat status;
    struct record record;
    if (fstat(record_fd, &status) != 0 ||
        (size_t)status.st_size < sizeof *record.header)
        return "there is no record";
    record.size = (size_t)status.st_size;
    record.bytes = mmap(NULL, record.size, PROT_READ, MAP_SHARED, record_fd, 0);
    if (record.bytes == MAP_FAILED)
        return "the record cannot be mapped";
    record.header = (const void *)record.bytes;
    if (record.header->magic != TT_RECORD_MAGIC ||
        record.header->version != TT_RECORD_VERSION)
        return "the record is of another version of Tether";
    image->memory_fd = memory_fd;
    image->pid = (pid_t)record.header->pid;
    image->maps.pid = image->pid;
    image->verbose = record.header->verbose != 0;
    sections_read(image, &record);
    record_check(image);
    munmap((void *)record.bytes, record.size);
    return NULL;
}
