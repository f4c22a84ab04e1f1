/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_IMAGE_H
#define TT_ANALYSE_IMAGE_H
/*
 * The image: a program that stands still, whatever it comes from. Its facts
 * have the form of the record (reach/reach_record.h), which one back end reads
 * and the others make: a snapshot's record, a living process, a core file.
 *
 * Words. A slot is the address of a word that holds a pointer. A node is the
 * index of a block in the image.
 */
#include "analyse/analyse.h"

#include "reach/reach_record.h"

#define NONE ((uint32_t)-1)

struct analyse_code;   /* a module with its file, analyse_code.h */
struct analyse_memory; /* what was read of it, analyse_memory.c */

struct analyse_image {
    pid_t pid; /* 0: not a process of this machine */
    bool verbose;
    int memory_fd;
    /* A core file's segments; NULL: an address is an offset in memory_fd. */
    const struct analyse_segment *segments;
    size_t segments_count;
    struct analyse_memory *memory;
    struct analyse_input maps; /* mappings alone */

    char *text; /* of the record's strings */
    size_t text_bytes;
    struct tt_record_module *modules;
    size_t modules_count;
    struct tt_record_block *blocks; /* lowest address first */
    size_t blocks_count;
    struct tt_record_stack *stacks; /* smallest id first */
    size_t stacks_count;
    uint64_t *frames;
    size_t frames_count;
    struct tt_record_thread *threads;
    size_t threads_count;
    struct tt_record_root *roots;
    size_t roots_count;
    struct tt_record_question *questions;
    size_t questions_count;
    uint64_t *slots;
    size_t slots_count;
    struct tt_record_range *hidden;
    size_t hidden_count;

    struct analyse_code *codes; /* one for each module */
    const char **troubles;      /* sentences, each once */
    size_t troubles_count;
    const char *debug_root;
};

/* A stretch of a core file. */
struct analyse_segment {
    uint64_t start, end; /* addresses */
    uint64_t offset;     /* in the file */
    uint64_t file_bytes; /* what follows reads as not there */
};

/* Each fills an image; returns NULL or what is wrong, a sentence. */
const char *analyse_image_record(struct analyse_image *image, int memory_fd,
                                 int record_fd);
const char *analyse_image_pid(struct analyse_image *image, pid_t pid);
const char *analyse_image_core(struct analyse_image *image, const char *path);

/* Lets a process go on that analyse_image_pid stopped. */
void analyse_image_pid_end(struct analyse_image *image);

/* What both a process and a core file need, once memory, mappings and threads
 * (with registers and tcb) are there: modules, TLS, keys, stacks, globals, and
 * the blocks that Tether's library in it knows. */
const char *analyse_image_complete(struct analyse_image *image);

/* Reads the blocks and stacks out of the tables of the Tether that is loaded
 * in the image. NULL, or why that is not possible. */
const char *analyse_heap_read(struct analyse_image *image);

/* Adds the closures and regions that this Tether knows. */
void analyse_roots_read(struct analyse_image *image);

/* Offers each place in that Tether's data where a magic of 16 bytes stands,
 * until one is taken; then true. */
bool analyse_tables_search(struct analyse_image *image, const char *magic,
                           bool (*take)(struct analyse_image *image,
                                        uint64_t at, void *ctx),
                           void *ctx);

/* Adds a string to the image's text; its place. */
uint32_t analyse_text_add(struct analyse_image *image, const char *text);

/* Adds a root of whole words; NULL if nothing is left of it. */
struct tt_record_root *analyse_root_add(struct analyse_image *image,
                                        enum tt_root_kind kind, uint64_t start,
                                        uint64_t end);

/* Reads memory. False: not all of it is there. */
bool analyse_read(struct analyse_image *image, uint64_t at, void *to,
                  size_t bytes);

/* The same of one word; 0 if it is not there. */
uint64_t analyse_word(struct analyse_image *image, uint64_t at);

/* Reads a string of at most 4095 bytes; NULL if it is not there. */
char *analyse_string(struct analyse_image *image, uint64_t at);

/* The node that an address is in; NONE. Built at the first call. */
uint32_t analyse_node_of(struct analyse_image *image, uint64_t address);

/* The frames of a stack, innermost first. */
size_t analyse_stack_frames(const struct analyse_image *image, uint32_t id,
                            const uint64_t **frames);

/* The module that an address is in; NONE. */
uint32_t analyse_module_at(const struct analyse_image *image, uint64_t address);

/* Tells once what stands in the way of a better answer. */
void analyse_trouble(struct analyse_image *image, const char *sentence);

/* Formats into memory of its own. */
char *analyse_text(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
