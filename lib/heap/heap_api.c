/* SPDX-License-Identifier: MIT */
/*
 * The public face of the heap: numbers, blocks, and marks that they stay.
 */
#include "heap/heap.h"

#include <tether/heap.h>

#include <string.h>

static void stats_fill(struct tether_stats *stats,
                       const struct tt_numbers *numbers)
{
    *stats = (struct tether_stats){
        .live_bytes = (size_t)numbers->live_bytes,
        .live_blocks = (size_t)numbers->live_blocks,
        .peak_bytes = (size_t)numbers->peak_bytes,
        .total_bytes = (uint64_t)numbers->total_bytes,
        .total_count = (uint64_t)numbers->total_count,
        .largest_bytes = (size_t)numbers->largest_bytes,
        .threads = numbers->threads,
    };
}

tether_status tether_stats(struct tether_stats *stats)
{
    struct tt_numbers numbers;
    if (!stats)
        tt_die("tether_stats", "'stats' is NULL; give it a struct to fill");
    memset(stats, 0, sizeof *stats);
    if (!tt_heap_sees())
        return TETHER_BLIND;
    tt_scope_numbers(tt_scope_outermost(), &numbers);
    stats_fill(stats, &numbers);
    return TETHER_OK;
}

tether_status tether_stats_thread(struct tether_stats *stats)
{
    struct tt_numbers numbers;
    if (!stats)
        tt_die("tether_stats_thread",
               "'stats' is NULL; give it a struct to fill");
    memset(stats, 0, sizeof *stats);
    if (!tt_heap_sees())
        return TETHER_BLIND;
    tt_thread_numbers(&numbers);
    stats_fill(stats, &numbers);
    return TETHER_OK;
}

tether_status tether_block_of(const void *address, struct tether_block *block)
{
    struct tt_block found;
    if (!block)
        tt_die("tether_block_of", "'block' is NULL; give it a struct to fill");
    memset(block, 0, sizeof *block);
    if (!tt_block_find(address, &found))
        return TETHER_NOT_AN_OBJECT;
    *block = (struct tether_block){ .address = found.address,
                                    .size = found.size,
                                    .serial = found.serial,
                                    .stack = found.stack,
                                    .thread = found.thread };
    return TETHER_OK;
}

tether_status tether_keep(const void *address)
{
    struct tt_block found;
    if (!address)
        tt_die("tether_keep", "the pointer is NULL; give it an object");
    if (!tt_block_find(address, &found))
        return TETHER_NOT_AN_OBJECT;
    tt_block_flags(found.address, TT_BLOCK_KEEP, 0);
    return TETHER_OK;
}

void tether_one_time_begin(void)
{
    tt_self.one_time++;
    tt_self.fast = NULL;
}

void tether_one_time_end(void)
{
    if (tt_self.one_time == 0)
        tt_die("tether_one_time_end",
               "no ONE_TIME stretch is open on this thread; call "
               "tether_one_time_begin first");
    tt_self.one_time--;
}
