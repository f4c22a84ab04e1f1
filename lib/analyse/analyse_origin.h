/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_ORIGIN_H
#define TT_ANALYSE_ORIGIN_H
/*
 * Where a path begins: the word in a root, as C and as a sentence.
 */
#include "analyse/analyse_frames.h"
#include "analyse/analyse_graph.h"
#include "analyse/analyse_type.h"

/* The order in which a reader wants a holder named. From CLASS_REGISTERS on
 * words may be dead, and do not hold. */
enum analyse_class {
    CLASS_GLOBALS,
    CLASS_TLS,
    CLASS_KEYS,
    CLASS_CLOSURES,
    CLASS_REGIONS,
    CLASS_KEPT, /* blocks that are meant to stay */
    CLASS_LOCALS,
    CLASS_ASKER,   /* variables of the function that asks */
    CLASS_THREADS, /* what libc keeps of a thread: argument, result */
    CLASS_REGISTERS,
    CLASS_STALE, /* variables whose block is not active */
    CLASS_WORDS, /* words of frames that are no variables */
    CLASSES
};

struct analyse_origin {
    enum analyse_class class;
    int weight;
    const char *expression;          /* of the word's value */
    const char *where;               /* 'global `by_age`, cache.c:9' */
    const char *name;                /* of the variable; NULL: has none */
    struct analyse_type *type;       /* of the word; NULL: not known */
    const struct analyse_type *want; /* as asked */
    bool is_inside; /* a word of the block that was asked about */
};

bool analyse_class_holds(enum analyse_class class);
const char *analyse_class_name(enum analyse_class class);

/* 'want' is the type of what the word points to, NULL: not known; of a union
 * it tells the member. */
struct analyse_origin analyse_origin_of(struct analyse_image *image,
                                        struct analyse_types *types,
                                        const struct analyse_start *start,
                                        const struct analyse_type *want);

/* Adds what callee-saved registers of the asking function hold. */
void analyse_origin_registers(struct analyse_graph *graph,
                              struct analyse_types *types);

/* 'thread `worker` that waits in poll, called by serve (srv.c:31)'; empty for
 * the thread that asks. */
const char *analyse_thread_text(struct analyse_image *image,
                                struct analyse_types *types, uint32_t thread);

#endif
