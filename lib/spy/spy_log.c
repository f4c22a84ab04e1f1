/* SPDX-License-Identifier: MIT */
/*
 * The calls of one spy. A record stays where it is, so that the call which it
 * is of can complete it when it returns.
 *
 * Locks: all of this under that of spies.
 */
#include "spy/spy_log.h"

#include "base/base_mem.h"

#define RECORDS_MAX (UINT64_C(1) << 20)

struct spy_chunk {
    struct spy_chunk *next;
    uint64_t unused; /* records stay aligned to 16 bytes */
    uint64_t words[];
};

static size_t chunk_bytes(const struct spy_log *log)
{
    return sizeof(struct spy_chunk) + TT_SPY_CHUNK * log->stride;
}

static struct spy_record *record_at(const struct spy_log *log,
                                    struct spy_chunk *chunk, uint64_t n)
{
    return (void *)((char *)chunk->words + n % TT_SPY_CHUNK * log->stride);
}

struct spy_record *spy_log_add(struct spy_log *log, unsigned args)
{
    if (!log->stride)
        log->stride = sizeof(struct spy_record) + args * sizeof(uint64_t);
    if (log->kept == RECORDS_MAX)
        return NULL;
    if (log->kept % TT_SPY_CHUNK == 0) {
        struct spy_chunk *const chunk = tt_mem_take(chunk_bytes(log));
        if (!chunk)
            return NULL;
        if (log->last)
            log->last->next = chunk;
        else
            log->first = chunk;
        log->last = chunk;
    }
    return record_at(log, log->last, log->kept++);
}

struct spy_record *spy_log_next(const struct spy_log *log,
                                struct spy_walk *walk)
{
    if (walk->at == log->kept)
        return NULL;
    if (walk->at % TT_SPY_CHUNK == 0)
        walk->chunk = walk->chunk ? walk->chunk->next : log->first;
    return record_at(log, walk->chunk, walk->at++);
}

void spy_log_drop(struct spy_log *log)
{
    while (log->first) {
        struct spy_chunk *const chunk = log->first;
        log->first = chunk->next;
        tt_mem_give(chunk, chunk_bytes(log));
    }
    *log = (struct spy_log){ .stride = log->stride };
}
