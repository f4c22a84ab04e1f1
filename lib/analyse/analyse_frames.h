/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_FRAMES_H
#define TT_ANALYSE_FRAMES_H
/*
 * The frames of a thread that stands still, and what its words and registers
 * are: a variable that is live, one whose block is not active, or no variable.
 *
 * A register of an outer frame that an inner one saved is where it was saved.
 */
#include "analyse/analyse_type.h"
#include "analyse/analyse_x86_64.h"

#define WHERE_REGISTER 0              /* it is still in the register */
#define WHERE_LOST     ((uint64_t)-1) /* nobody knows its value */

struct analyse_local {
    const char *name;
    const char *function;
    const char *file;
    int line;
    bool live; /* in scope; else its block is not active */
    bool is_parameter;
    uint32_t frame;
    uint64_t start; /* memory; 0: a register that is in no memory */
    uint64_t size;
    uint64_t offset; /* of this piece in the variable */
    uint32_t reg;    /* NONE: memory */
    struct analyse_type *type;
};

struct analyse_walk_frame {
    uint64_t pc; /* address; a return address but for the innermost */
    uint64_t sp, cfa;
    uint64_t values[REGISTERS];
    uint64_t where[REGISTERS]; /* slot, WHERE_REGISTER or WHERE_LOST */
    bool has_debug;            /* variables are known */
    bool is_signal;            /* of a handler: pc is exact */
    const char *function;      /* NULL: not known */
    const char *file;
    int line;
};

struct analyse_walk {
    struct analyse_walk_frame *frames; /* innermost first */
    size_t count;
    struct analyse_local *locals;
    size_t locals_count;
    uint32_t asker; /* the frame that asks, NONE */
};

/* Walks a thread's stack, once. */
const struct analyse_walk *analyse_walk_of(struct analyse_image *image,
                                           struct analyse_types *types,
                                           uint32_t thread);

/* Evaluates a location or a frame's rule. */
enum analyse_value { VALUE_NONE, VALUE_MEMORY, VALUE_REGISTER, VALUE_NUMBER };
struct analyse_location {
    enum analyse_value kind;
    uint64_t value; /* address, or number */
    uint32_t reg;
};

struct analyse_machine {
    struct analyse_image *image;
    struct analyse_code *code;
    const struct analyse_walk_frame *frame;
    Dwarf_Attribute *attribute;          /* NULL: a frame's rule */
    const struct analyse_location *base; /* DW_OP_fbreg; NULL: none */
};
struct analyse_location analyse_evaluate(const struct analyse_machine *machine,
                                         const Dwarf_Op *ops, size_t count);

#endif
