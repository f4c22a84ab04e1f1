/* SPDX-License-Identifier: MIT */
#ifndef TT_SPY_LOG_H
#define TT_SPY_LOG_H
/*
 * The calls of one spy: chunks of records that never move, oldest first.
 */
#include "spy/spy_parts.h"

#define TT_SPY_CHUNK 128u

struct spy_record {
    uint64_t order;
    uint64_t time_ns;
    uint64_t object; /* number of the first that has a role; 0: none */
    uint64_t result;
    uint32_t thread;
    uint32_t stack;
    uint64_t returned;
    uint64_t arg[]; /* as many as the signature has */
};

struct spy_chunk;

struct spy_log {
    struct spy_chunk *first;
    struct spy_chunk *last;
    uint64_t kept;
    size_t stride; /* bytes of a record */
};

/* Adds a zeroed record. NULL: no memory, or there are too many. */
struct spy_record *spy_log_add(struct spy_log *log, unsigned args);

/* A walk through the log, from its start where all is zero. The log may grow
 * between two steps. NULL: that was the last. */
struct spy_walk {
    struct spy_chunk *chunk;
    uint64_t at; /* of the next record */
};
struct spy_record *spy_log_next(const struct spy_log *log,
                                struct spy_walk *walk);

void spy_log_drop(struct spy_log *log);

#endif
