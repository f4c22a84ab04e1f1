/* SPDX-License-Identifier: MIT */
/*
 * Dijkstra's search, one class of roots after the other, over what is near the
 * target. The weight of a step says how much a reader believes it: a pointer
 * whose type is that of the block is 1, a word that its type says is a number
 * 7. E. W. Dijkstra, 'A note on two problems in connexion with graphs', 1959,
 * with buckets instead of a heap, as weights are small (R. Dial, 1969).
 *
 * Ties are broken by the order of roots and of words in blocks, so that the
 * same heap gives the same path.
 */
#include "analyse/analyse_search.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHT_MAX 16

/* ---- which words count ---- */

static bool slot_counts(const struct tt_record_question *question,
                        uint64_t slot)
{
    return question->kind != TT_QUESTION_BESIDE || slot < question->not_start ||
           slot >= question->not_end;
}

static bool start_counts(const struct analyse_search *search,
                         const struct analyse_start *start)
{
    const struct tt_record_question *const question = search->question;
    const struct tt_record_root *const root =
        &search->graph->image->roots[start->root];
    if (!search->near[start->to] || !slot_counts(question, start->slot))
        return false;
    if (question->roots && !(question->roots & 1u << root->kind))
        return false;
    return question->kind != TT_QUESTION_FROM ||
           (start->slot >= question->only_start &&
            start->slot < question->only_end);
}

void analyse_search_start(struct analyse_search *search,
                          const struct analyse_start *start,
                          const struct analyse_origin *origin)
{
    search->starts = analyse_grow(search->starts, search->starts_count,
                                  sizeof *search->starts);
    search->origins = analyse_grow(search->origins, search->starts_count,
                                   sizeof *search->origins);
    search->starts[search->starts_count] = *start;
    search->origins[search->starts_count++] = *origin;
}

static void starts_gather(struct analyse_search *search)
{
    const struct analyse_graph *const graph = search->graph;
    for (uint32_t i = 0; i < graph->starts_count; i++) {
        const struct analyse_start *const start = &graph->starts[i];
        if (!start_counts(search, start))
            continue;
        const struct analyse_origin origin =
            analyse_origin_of(graph->image, search->types, start, NULL);
        if (origin.class != CLASS_ASKER || start->to != search->target ||
            search->question->own_counts) {
            analyse_search_start(search, start, &origin);
        } else if (!search->has_own) {
            search->has_own = true;
            search->own_origin = origin;
        }
    }
}

/* Members of unions, now that the types are known of what they point to. */
static void origins_refine(struct analyse_search *search)
{
    for (size_t i = 0; i < search->starts_count; i++) {
        const struct analyse_start *const start = &search->starts[i];
        struct analyse_type *const want = search->typing->typed[start->to].type;
        const enum analyse_class class = search->origins[i].class;
        if (!want || search->origins[i].is_inside)
            continue;
        search->origins[i] =
            analyse_origin_of(search->graph->image, search->types, start, want);
        search->origins[i].class = class;
    }
}

struct analyse_search *
analyse_search_make(struct analyse_graph *graph, struct analyse_types *types,
                    const struct tt_record_question *question, uint32_t target)
{
    struct analyse_search *const search = analyse_alloc(sizeof *search);
    const size_t nodes = graph->image->blocks_count;
    size_t near_count;
    *search = (struct analyse_search){
        .graph = graph,
        .types = types,
        .question = question,
        .target = target,
        .near = analyse_graph_near(graph, target, &near_count),
        .blocked = analyse_alloc(nodes + 1),
    };
    search->typing =
        analyse_typing_make(graph, types, search->near, near_count);
    starts_gather(search);
    if (question->kind == TT_QUESTION_FROM)
        analyse_search_inside(search);
    search->used = analyse_alloc(search->starts_count + 1);
    for (size_t i = 0; i < search->starts_count; i++) {
        const struct analyse_start *const start = &search->starts[i];
        const struct analyse_type *const type = search->origins[i].type;
        if (type && type->kind == TYPE_POINTER)
            analyse_typing_pointer(search->typing, type->to, start->value,
                                   start->to);
    }
    analyse_typing_run(search->typing);
    origins_refine(search);
    return search;
}

/* ---- weights ---- */

/* How well does a pointer of this type explain its value? */
static int pointer_weight(struct analyse_search *search,
                          struct analyse_type *to, uint64_t value,
                          uint32_t node)
{
    struct analyse_type *const type = search->typing->typed[node].type;
    const uint64_t delta = value - search->graph->image->blocks[node].address;
    if (to->kind == TYPE_VOID || to->kind == TYPE_NUMBER)
        return delta == 0 ? 2 : 5;
    if (to == type && type->size && delta % type->size == 0)
        return 1;
    if (!type || to->is_opaque)
        return delta == 0 ? 1 : 3;
    if (analyse_type_part(type, delta, to, NULL))
        return 1;
    return 4;
}

static int edge_weight(struct analyse_search *search, uint32_t node,
                       const struct analyse_edge *edge, uint64_t value)
{
    const uint64_t offset = (uint64_t)edge->word * 8;
    const struct analyse_image *const image = search->graph->image;
    struct analyse_leaf leaf;
    uint64_t index;
    if (!search->typing->typed[node].type)
        return value == image->blocks[edge->to].address ? 3 : 5;
    if (!analyse_typing_leaf(search->typing, node, offset,
                             search->typing->typed[edge->to].type, &leaf,
                             &index, NULL) ||
        leaf.inside)
        return 7;
    if (leaf.type->kind == TYPE_POINTER)
        return pointer_weight(search, leaf.type->to, value, edge->to);
    return leaf.type->size == 8 ? 5 : 7;
}

/* ---- the search ---- */

struct came {
    uint32_t from; /* node, or NONE: a start */
    uint32_t via;  /* word, or index in search->starts */
};

struct queue {
    uint32_t *nodes;
    size_t count, at;
};

struct run {
    uint32_t *distance;
    struct came *came;
    struct queue buckets[WEIGHT_MAX];
    size_t queued;
};

static void reach(struct run *run, uint32_t node, uint32_t distance,
                  struct came came)
{
    if (distance >= run->distance[node])
        return;
    run->distance[node] = distance;
    run->came[node] = came;
    struct queue *const queue = &run->buckets[distance % WEIGHT_MAX];
    queue->nodes =
        analyse_grow(queue->nodes, queue->count, sizeof *queue->nodes);
    queue->nodes[queue->count++] = node;
    run->queued++;
}

static void node_expand(struct analyse_search *search, struct run *run,
                        uint32_t node)
{
    const struct analyse_graph *const graph = search->graph;
    const uint64_t base = graph->image->blocks[node].address;
    for (uint64_t i = graph->first[node]; i < graph->first[node + 1]; i++) {
        const struct analyse_edge *const edge = &graph->edges[i];
        const uint64_t slot = base + (uint64_t)edge->word * 8;
        if (!search->near[edge->to] || search->blocked[edge->to] ||
            run->distance[edge->to] <= run->distance[node] ||
            !slot_counts(search->question, slot))
            continue;
        const uint64_t value = analyse_word(graph->image, slot);
        reach(run, edge->to,
              run->distance[node] +
                  (uint32_t)edge_weight(search, node, edge, value),
              (struct came){ node, edge->word });
    }
}

/* Runs from the starts of one class; true: the target was reached. */
static bool class_run(struct analyse_search *search, struct run *run,
                      enum analyse_class class)
{
    const size_t nodes = search->graph->image->blocks_count;
    memset(run->distance, 0xff, nodes * sizeof *run->distance);
    run->queued = 0;
    for (size_t i = 0; i < WEIGHT_MAX; i++)
        run->buckets[i].count = run->buckets[i].at = 0;
    for (uint32_t i = 0; i < search->starts_count; i++) {
        const struct analyse_start *const start = &search->starts[i];
        if (search->origins[i].class == class && !search->used[i] &&
            !search->blocked[start->to])
            reach(run, start->to, (uint32_t)search->origins[i].weight,
                  (struct came){ NONE, i });
    }
    for (uint32_t distance = 0; run->queued > 0; distance++) {
        struct queue *const queue = &run->buckets[distance % WEIGHT_MAX];
        while (queue->at < queue->count) {
            const uint32_t node = queue->nodes[queue->at++];
            run->queued--;
            if (run->distance[node] != distance)
                continue; /* reached earlier */
            if (node == search->target)
                return true;
            node_expand(search, run, node);
        }
        queue->count = queue->at = 0;
    }
    return false;
}

static void path_read(struct analyse_search *search, const struct run *run,
                      struct analyse_found *found)
{
    const struct analyse_graph *const graph = search->graph;
    size_t count = 1;
    for (uint32_t node = search->target; run->came[node].from != NONE;
         node = run->came[node].from)
        count++;
    found->count = count;
    found->steps = analyse_alloc(count * sizeof *found->steps);
    uint32_t node = search->target;
    for (size_t i = count; i-- > 0;) {
        struct analyse_step *const step = &found->steps[i];
        const struct came *const came = &run->came[node];
        step->node = node;
        if (i == 0) {
            found->start = came->via;
            step->slot = search->starts[came->via].slot;
            step->value = search->starts[came->via].value;
            break;
        }
        step->slot =
            graph->image->blocks[came->from].address + (uint64_t)came->via * 8;
        step->value = analyse_word(graph->image, step->slot);
        node = came->from;
    }
}

bool analyse_search_next(struct analyse_search *search,
                         struct analyse_found *found)
{
    static struct run run;
    const size_t nodes = search->graph->image->blocks_count;
    if (!run.distance) {
        run.distance = analyse_alloc((nodes + 1) * sizeof *run.distance);
        run.came = analyse_alloc((nodes + 1) * sizeof *run.came);
    }
    for (int class = 0; class < CLASSES; class ++) {
        bool any = false;
        for (size_t i = 0; i < search->starts_count && !any; i++)
            any = (int)search->origins[i].class == class && !search->used[i];
        if (!any || !class_run(search, &run, (enum analyse_class) class))
            continue;
        path_read(search, &run, found);
        search->used[found->start] = 1;
        for (size_t i = 0; i + 1 < found->count; i++)
            search->blocked[found->steps[i].node] = 1;
        return true;
    }
    return false;
}

enum analyse_class analyse_search_class(const struct analyse_search *search,
                                        const struct analyse_found *found,
                                        const struct analyse_origin **origin)
{
    *origin = &search->origins[found->start];
    return (*origin)->class;
}
