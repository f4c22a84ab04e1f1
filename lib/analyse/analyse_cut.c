/* SPDX-License-Identifier: MIT */
/*
 * Proofs about cutting: a step of a path is a bridge if no holder reaches the
 * target without it. All bridges of a path are found in one walk: from what
 * the path's first steps reach by other ways, the furthest node of the path is
 * kept; where the walk stands still at a step, nothing leads around it.
 */
#include "analyse/analyse_search.h"

#include <stdlib.h>
#include <string.h>

struct walk {
    struct analyse_search *search;
    uint8_t *seen;
    uint32_t *queue;
    size_t head, tail;
    uint32_t *place; /* of each node on the path, plus 1 */
    size_t furthest; /* number of path nodes that are reached */
    uint64_t *cut;   /* slots, sorted */
    size_t cut_count;
};

static struct walk walk_make(struct analyse_search *search)
{
    const size_t nodes = search->graph->image->blocks_count;
    return (struct walk){
        .search = search,
        .seen = analyse_alloc(nodes + 1),
        .queue = analyse_alloc((nodes + 1) * sizeof(uint32_t)),
        .place = analyse_alloc((nodes + 1) * sizeof(uint32_t)),
    };
}

static void walk_drop(struct walk *walk)
{
    free(walk->seen);
    free(walk->queue);
    free(walk->place);
}

static void see(struct walk *walk, uint32_t node)
{
    if (walk->seen[node] || !walk->search->near[node])
        return;
    walk->seen[node] = 1;
    walk->queue[walk->tail++] = node;
    if (walk->place[node] > walk->furthest)
        walk->furthest = walk->place[node];
}

static int by_slot(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static bool slot_is_cut(const struct walk *walk, uint64_t slot)
{
    const struct tt_record_question *const question = walk->search->question;
    if (question->kind == TT_QUESTION_BESIDE && slot >= question->not_start &&
        slot < question->not_end)
        return true;
    return bsearch(&slot, walk->cut, walk->cut_count, sizeof slot, by_slot) !=
           NULL;
}

static void cut_set(struct walk *walk, uint64_t *cut, size_t count)
{
    qsort(cut, count, sizeof *cut, by_slot);
    walk->cut = cut;
    walk->cut_count = count;
}

static void spread(struct walk *walk)
{
    const struct analyse_graph *const graph = walk->search->graph;
    while (walk->head < walk->tail) {
        const uint32_t node = walk->queue[walk->head++];
        const uint64_t base = graph->image->blocks[node].address;
        for (uint64_t i = graph->first[node]; i < graph->first[node + 1]; i++)
            if (!slot_is_cut(walk, base + (uint64_t)graph->edges[i].word * 8))
                see(walk, graph->edges[i].to);
    }
}

static void holders_see(struct walk *walk, uint32_t but)
{
    const struct analyse_search *const search = walk->search;
    for (uint32_t i = 0; i < search->starts_count; i++)
        if (i != but && analyse_class_holds(search->origins[i].class)) {
            const struct analyse_start *const start = &search->starts[i];
            if (!start->slot || !slot_is_cut(walk, start->slot))
                see(walk, start->to);
        }
}

int analyse_search_bridge(struct analyse_search *search,
                          const struct analyse_found *found)
{
    struct walk walk = walk_make(search);
    uint64_t *const cut = analyse_alloc(found->count * sizeof *cut);
    int bridge = -1;
    for (size_t i = 0; i < found->count; i++) {
        cut[i] = found->steps[i].slot;
        walk.place[found->steps[i].node] = (uint32_t)i + 1;
    }
    cut_set(&walk, cut, found->count);
    holders_see(&walk, found->start);
    spread(&walk);
    for (size_t i = 0; i < found->count; i++) {
        if (walk.furthest <= i)
            bridge = (int)i;
        see(&walk, found->steps[i].node);
        spread(&walk);
    }
    free(cut);
    walk_drop(&walk);
    return bridge;
}

bool analyse_search_cut_all(struct analyse_search *search,
                            const struct analyse_found *found, size_t count)
{
    struct walk walk = walk_make(search);
    uint64_t *const cut = analyse_alloc((count + 1) * sizeof *cut);
    for (size_t i = 0; i < count; i++)
        cut[i] = found[i].steps[found[i].count - 1].slot;
    cut_set(&walk, cut, count);
    uint32_t but = NONE;
    for (size_t i = 0; i < count; i++)
        if (found[i].count == 1 && !found[i].steps[0].slot)
            but = found[i].start; /* a register has no slot */
    holders_see(&walk, but);
    spread(&walk);
    const bool gone = !walk.seen[search->target];
    free(cut);
    walk_drop(&walk);
    return gone;
}
