/* SPDX-License-Identifier: MIT */
/*
 * Types flow along pointers until nothing new is learned: a block whose type
 * becomes known, or better known, tells the types of what it points to. A
 * block's score only grows, so this ends.
 */
#include "analyse/analyse_typing.h"

#include <stdlib.h>
#include <string.h>

/* Stacks whose source text is read: each may cost a file. */
#define SOURCES_MAX 256

struct analyse_typing *analyse_typing_make(struct analyse_graph *graph,
                                           struct analyse_types *types,
                                           const uint8_t *near,
                                           size_t near_count)
{
    struct analyse_typing *const typing = analyse_alloc(sizeof *typing);
    const size_t nodes = graph->image->blocks_count;
    size_t capacity = 2;
    while (capacity < near_count + 1)
        capacity *= 2;
    *typing = (struct analyse_typing){
        .image = graph->image,
        .graph = graph,
        .types = types,
        .near = near,
        .typed = analyse_alloc((nodes + 1) * sizeof *typing->typed),
        .queue = analyse_alloc(capacity * sizeof *typing->queue),
        .queue_mask = capacity - 1,
        .queued = analyse_alloc(nodes + 1),
    };
    return typing;
}

static void offer(struct analyse_typing *typing, uint32_t node,
                  struct analyse_type *type, int score,
                  enum analyse_evidence evidence)
{
    struct analyse_typed *const typed = &typing->typed[node];
    if (score <= typed->score)
        return;
    *typed = (struct analyse_typed){ type, (uint8_t)score, (uint8_t)evidence };
    if (typing->queued[node])
        return;
    typing->queued[node] = 1;
    typing->queue[typing->queue_tail++ & typing->queue_mask] = node;
}

void analyse_typing_pointer(struct analyse_typing *typing,
                            struct analyse_type *to, uint64_t value,
                            uint32_t node)
{
    const struct tt_record_block *const block = &typing->image->blocks[node];
    if (to->kind == TYPE_ARRAY)
        to = to->to;
    if (value != block->address || to->kind == TYPE_VOID ||
        (to->kind == TYPE_POINTER && to->to->kind == TYPE_FUNCTION))
        return;
    struct analyse_type *const whole = analyse_type_dynamic(
        typing->image, to, analyse_word(typing->image, block->address));
    if (whole) {
        offer(typing, node, whole,
              analyse_type_fit(whole, block->size) ? 99 : 0, EVIDENCE_TABLE);
        return;
    }
    offer(typing, node, to, analyse_type_fit(to, block->size),
          EVIDENCE_POINTER);
}

bool analyse_typing_leaf(struct analyse_typing *typing, uint32_t node,
                         uint64_t offset, const struct analyse_type *want,
                         struct analyse_leaf *leaf, uint64_t *index, char *path)
{
    struct analyse_type *const type = typing->typed[node].type;
    const uint64_t size = typing->image->blocks[node].size;
    *index = 0;
    leaf->type = NULL;
    if (!type || type->size == 0)
        return false;
    if (size >= 2 * type->size && size % type->size == 0 &&
        !analyse_type_is_flexible(type)) {
        *index = offset / type->size;
        return analyse_type_leaf(type, offset % type->size, type->size, want,
                                 leaf, path);
    }
    return analyse_type_leaf(type, offset, size, want, leaf, path);
}

/* What a block's pointers say of the blocks they point to. */
static void node_tell(struct analyse_typing *typing, uint32_t node)
{
    const struct analyse_graph *const graph = typing->graph;
    const uint64_t base = typing->image->blocks[node].address;
    for (uint64_t i = graph->first[node]; i < graph->first[node + 1]; i++) {
        const struct analyse_edge *const edge = &graph->edges[i];
        const uint64_t offset = (uint64_t)edge->word * 8;
        struct analyse_leaf leaf;
        uint64_t index;
        if (!typing->near[edge->to] ||
            !analyse_typing_leaf(typing, node, offset,
                                 typing->typed[edge->to].type, &leaf, &index,
                                 NULL) ||
            leaf.inside || leaf.type->kind != TYPE_POINTER)
            continue;
        analyse_typing_pointer(typing, leaf.type->to,
                               analyse_word(typing->image, base + offset),
                               edge->to);
    }
}

static void queue_run(struct analyse_typing *typing)
{
    while (typing->queue_head != typing->queue_tail) {
        const uint32_t node =
            typing->queue[typing->queue_head++ & typing->queue_mask];
        typing->queued[node] = 0;
        node_tell(typing, node);
    }
}

/* ---- by stack ---- */

struct by_stack {
    uint32_t stack, node;
};

static int by_stack_then_node(const void *left, const void *right)
{
    const struct by_stack *const a = left, *const b = right;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static struct by_stack *stacks_gather(struct analyse_typing *typing,
                                      size_t *count)
{
    const struct analyse_image *const image = typing->image;
    struct by_stack *const list =
        analyse_alloc((typing->queue_mask + 2) * sizeof *list);
    *count = 0;
    for (uint32_t i = 0; i < image->blocks_count; i++)
        if (typing->near[i])
            list[(*count)++] = (struct by_stack){ image->blocks[i].stack, i };
    qsort(list, *count, sizeof *list, by_stack_then_node);
    return list;
}

/* A score that says how well the text's type explains the size. */
static int source_score(struct analyse_type *type, uint64_t size)
{
    const int fit = analyse_type_fit(type, size);
    if (fit == 0)
        return 0;
    if (fit == 100)
        return 98;
    return analyse_type_is_aggregate(type) ? (fit == 40 ? 70 : 85) : 65;
}

/* Reads the source of stacks whose blocks are not well known. */
static void sources_ask(struct analyse_typing *typing,
                        const struct by_stack *list, size_t count)
{
    size_t read = 0;
    for (size_t i = 0, end; i < count; i = end) {
        bool wanted = false;
        for (end = i; end < count && list[end].stack == list[i].stack; end++)
            wanted |= typing->typed[list[end].node].score < 98;
        if (!wanted || list[i].stack == 0 || read++ >= SOURCES_MAX)
            continue;
        struct analyse_type *const type =
            analyse_source_type(typing->image, typing->types, list[i].stack);
        for (size_t j = i; type && j < end; j++) {
            const uint32_t node = list[j].node;
            offer(typing, node, type,
                  source_score(type, typing->image->blocks[node].size),
                  EVIDENCE_SOURCE);
        }
    }
}

/* What most of a stack's blocks are, the others of it are too. */
static void stacks_vote(struct analyse_typing *typing,
                        const struct by_stack *list, size_t count)
{
    for (size_t i = 0, end; i < count; i = end) {
        struct analyse_type *best = NULL;
        int score = 60;
        for (end = i; end < count && list[end].stack == list[i].stack; end++) {
            const struct analyse_typed *const typed =
                &typing->typed[list[end].node];
            if (typed->score > score) {
                best = typed->type;
                score = typed->score;
            }
        }
        for (size_t j = i; best && list[i].stack != 0 && j < end; j++) {
            const uint32_t node = list[j].node;
            const int fit =
                analyse_type_fit(best, typing->image->blocks[node].size);
            offer(typing, node, best, fit >= 55 ? fit - 5 : 0, EVIDENCE_STACK);
        }
    }
}

void analyse_typing_run(struct analyse_typing *typing)
{
    size_t count;
    queue_run(typing);
    struct by_stack *const list = stacks_gather(typing, &count);
    sources_ask(typing, list, count);
    queue_run(typing);
    stacks_vote(typing, list, count);
    queue_run(typing);
    free(list);
}
