/* SPDX-License-Identifier: MIT */
/*
 * Each block that is found is kept with the slot it was found by, and the
 * path is read backwards from the target: the slot is in a block, which was
 * found by a slot, until one is in a root. Roots are scanned in the order of
 * their kinds, and what one kind leads to is followed to its end first, so
 * that a path from a global is told even where a shorter one starts on a
 * stack.
 */
#include "reach/reach_search.h"

#include "base/base_mem.h"
#include "heap/heap_find.h"

#include <string.h>

struct reach_entry {
    uintptr_t block; /* 0: free */
    uintptr_t slot;
    int32_t root;  /* whose word it is, -1: a block's */
    uint32_t what; /* the register's number */
};

void reach_search_end(struct reach_search *search)
{
    if (search->table)
        tt_unmap(search->table, search->table_bytes);
    if (search->queue)
        tt_unmap(search->queue, search->queue_bytes);
    search->table = NULL;
    search->queue = NULL;
}

static struct reach_entry *entry_of(const struct reach_search *search,
                                    uintptr_t block)
{
    size_t at = (size_t)((block >> 4) * 0x9e3779b97f4a7c15u >> 20);
    for (;; at++) {
        struct reach_entry *const entry = &search->table[at & search->mask];
        if (entry->block == block || entry->block == 0)
            return entry;
    }
}

static bool ranges_meet(const struct tt_record_range *range, uintptr_t start,
                        uintptr_t end)
{
    return range->start < end && range->end > start;
}

static bool slot_counts(const struct reach_search *search, uintptr_t slot)
{
    const struct reach_filter *const filter = &search->filter;
    if (ranges_meet(&filter->not_words, slot, slot + 8))
        return false;
    for (size_t i = 0; i < filter->not_slots_count; i++)
        if (filter->not_slots[i] == slot)
            return false;
    return true;
}

/* Is it a word of the asking function's that points to the target itself? */
static bool is_own(const struct reach_search *search,
                   const struct tt_record_root *root, uintptr_t slot,
                   uintptr_t block)
{
    return root && root->thread == 0 && block == search->filter.target &&
           (root->kind == TT_ROOT_REGISTERS ||
            (root->kind == TT_ROOT_STACK && slot >= search->state->from.low &&
             slot < search->state->from.high));
}

static void word_follow(struct reach_search *search, uintptr_t word,
                        uintptr_t slot, int32_t root, uint32_t what)
{
    const struct region *const region = region_of(word);
    const uintptr_t block = region ? block_start(region, word) : 0;
    if (!block)
        return;
    struct reach_entry *const entry = entry_of(search, block);
    if (entry->block || (slot && !slot_counts(search, slot)))
        return;
    const struct tt_record_root *const roots = search->state->roots.items;
    if (is_own(search, root >= 0 ? &roots[root] : NULL, slot, block)) {
        search->own_seen = true;
        return;
    }
    if (search->tail * sizeof *search->queue >= search->queue_bytes) {
        search->broken = true;
        return;
    }
    *entry = (struct reach_entry){ block, slot, root, what };
    search->queue[search->tail++] = block;
}

static void words_follow(struct reach_search *search, uintptr_t start,
                         uintptr_t end, int32_t root)
{
    for (uintptr_t slot = (start + 7) & ~(uintptr_t)7; slot + 8 <= end;
         slot += 8)
        word_follow(search, *(const uintptr_t *)slot, slot, root, 0);
}

static void registers_follow(struct reach_search *search, int32_t index,
                             const struct tt_record_root *root)
{
    const struct tt_record_thread *const thread =
        (const struct tt_record_thread *)search->state->threads.items +
        root->thread;
    const bool asks = thread->flags & TT_THREAD_ASKER;
    for (uint32_t i = 0; i < thread->registers_count; i++)
        word_follow(search,
                    asks ? search->state->from.registers[i]
                         : thread->registers[i],
                    0, index, i);
}

/* The words of a root, or of the part of it that alone counts. */
static void root_follow(struct reach_search *search, int32_t index)
{
    const struct tt_record_root *const root =
        (const struct tt_record_root *)search->state->roots.items + index;
    const struct tt_record_range *const only = &search->filter.only;
    if (only->end > only->start) {
        if (root->kind != TT_ROOT_REGISTERS &&
            ranges_meet(only, root->start, root->end))
            words_follow(search, TT_MAX(only->start, root->start),
                         TT_MIN(only->end, root->end), index);
        return;
    }
    if (!(search->filter.kinds & 1u << root->kind))
        return;
    if (root->kind == TT_ROOT_KEPT)
        word_follow(search, root->start, 0, index, 0);
    else if (root->kind == TT_ROOT_REGISTERS)
        registers_follow(search, index, root);
    else
        words_follow(search, root->start, root->end, index);
}

static void block_follow(struct reach_search *search, uintptr_t block)
{
    uintptr_t at = block, piece_end;
    const uintptr_t end = block + block_extent(region_of(block), block);
    for (; reach_maps_piece(search->state, &at, end, &piece_end);
         at = piece_end)
        words_follow(search, at, piece_end, -1);
}

/* The words that alone count may lie in a block and not in a root. */
static void only_in_block(struct reach_search *search)
{
    const struct tt_record_range *const only = &search->filter.only;
    const struct region *const region = region_of(only->start);
    if (only->end > only->start && region && block_start(region, only->start))
        words_follow(search, only->start, only->end, -1);
}

bool reach_search_begin(struct reach_search *search, struct reach_state *state,
                        const struct reach_filter *filter, size_t blocks)
{
    size_t capacity = 1024;
    while (capacity < blocks * 2)
        capacity *= 2;
    *search = (struct reach_search){
        .state = state,
        .filter = *filter,
        .mask = capacity - 1,
        .table_bytes = capacity * sizeof(struct reach_entry),
        .queue_bytes = (blocks + 16) * sizeof(uintptr_t),
    };
    search->table = tt_map_sparse(search->table_bytes);
    search->queue = tt_map_sparse(search->queue_bytes);
    if (!search->table || !search->queue) {
        reach_search_end(search);
        return false;
    }
    only_in_block(search);
    return true;
}

/* All roots of the next kind. */
static void kind_follow(struct reach_search *search)
{
    const struct tt_record_root *const roots = search->state->roots.items;
    const uint32_t kind = roots[search->root].kind;
    while (search->root < search->state->roots.count &&
           roots[search->root].kind == kind)
        root_follow(search, (int32_t)search->root++);
}

bool reach_search_find(struct reach_search *search, uintptr_t target)
{
    while (!entry_of(search, target)->block && !search->broken) {
        if (search->head < search->tail)
            block_follow(search, search->queue[search->head++]);
        else if (search->root < search->state->roots.count)
            kind_follow(search);
        else
            return false;
    }
    return entry_of(search, target)->block != 0;
}

/* The block whose slot led to the block; 0: a root's did, or a word that
 * alone counts. */
static uintptr_t parent_of(const struct reach_search *search,
                           const struct reach_entry *entry)
{
    const uintptr_t block =
        entry->root >= 0 ? 0 : block_start(region_of(entry->slot), entry->slot);
    return block && entry_of(search, block)->block ? block : 0;
}

static void hop_write(const struct reach_entry *entry,
                      struct tt_record_hop *hop, const uintptr_t *registers)
{
    *hop = (struct tt_record_hop){
        .slot = entry->slot,
        .value = entry->slot ? *(const uintptr_t *)entry->slot
                 : registers ? registers[entry->what]
                             : entry->block,
        .block = entry->block,
        .root = entry->root,
        .what = entry->what,
    };
}

static const uintptr_t *registers_of(const struct reach_search *search,
                                     const struct reach_entry *entry)
{
    const struct tt_record_root *const roots = search->state->roots.items;
    if (entry->root < 0 || roots[entry->root].kind != TT_ROOT_REGISTERS)
        return NULL;
    const struct tt_record_thread *const thread =
        (const struct tt_record_thread *)search->state->threads.items +
        roots[entry->root].thread;
    return thread->flags & TT_THREAD_ASKER
               ? search->state->from.registers
               : (const uintptr_t *)thread->registers;
}

size_t reach_search_path(const struct reach_search *search, uintptr_t target,
                         struct tt_record_hop *hops, size_t max)
{
    size_t length = 0;
    for (uintptr_t at = target; at;
         at = parent_of(search, entry_of(search, at)))
        length++;
    const size_t skipped = length > max ? length - max : 0;
    const size_t count = length - skipped;
    uintptr_t at = target;
    for (size_t i = length; i-- > 0;) {
        const struct reach_entry *const entry = entry_of(search, at);
        /* The first half from the root on, and the end. */
        if (i < count / 2)
            hop_write(entry, &hops[i], registers_of(search, entry));
        else if (i >= count / 2 + skipped)
            hop_write(entry, &hops[i - skipped], registers_of(search, entry));
        at = parent_of(search, entry);
    }
    return count;
}
