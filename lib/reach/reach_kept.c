/* SPDX-License-Identifier: MIT */
/*
 * Blocks that are meant to stay are roots, and those that something above
 * holds (soft references): whatever they hold stays with them. A small block
 * with flags says so in its shadow byte, so that only those, and the few big
 * ones, have their headers read.
 */
#include "reach/reach_inside.h"

#include "base/base_mem.h"
#include "heap/heap_find.h"

#include <string.h>

#define LOOK_8 \
    ((SHADOW_FLAGGED | SHADOW_BIG | SHADOW_SIDE) * 0x0101010101010101ull)

static void kept_add(struct reach_state *state, uintptr_t address)
{
    struct tt_block block;
    uint8_t kind;
    const char *holder = NULL;
    if (!block_at((const void *)address, &block, &kind))
        return;
    if (block.flags & TT_BLOCK_REF && tt_reach_more.holds)
        holder = tt_reach_more.holds((const void *)address);
    if (!holder && !(block.flags & TT_BLOCK_KEEP))
        return;
    struct tt_record_root *const root = reach_array_add(&state->roots);
    if (root)
        *root = (struct tt_record_root){ .kind = TT_ROOT_KEPT,
                                         .thread = -1,
                                         .module = -1,
                                         .start = address,
                                         .end = address + block.size };
    if (root && holder)
        root->name = reach_text_add(state, holder, strlen(holder));
}

static void region_look(struct reach_state *state, uint32_t index)
{
    const uintptr_t first = (uintptr_t)index << REGION_SHIFT;
    const struct region *const region = region_of(first);
    for (size_t byte = 0; byte < SHADOW_BYTES; byte += 8) {
        uint64_t eight;
        memcpy(&eight, &region->shadow[byte], 8);
        if (!(eight & LOOK_8))
            continue;
        for (size_t i = byte; i < byte + 8; i++)
            if (region->shadow[i] & (LOOK_8 & 0xff))
                kept_add(state, first + (i << GRANULE_SHIFT));
    }
}

void reach_kept_gather(struct reach_state *state)
{
    size_t count;
    uint32_t *const index = regions_sorted(&count);
    for (size_t i = 0; i < count; i++)
        region_look(state, index[i]);
    if (index)
        tt_mem_give(index, count * sizeof *index);
}
