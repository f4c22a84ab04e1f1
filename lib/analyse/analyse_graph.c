/* SPDX-License-Identifier: MIT */
/*
 * The graph is built once by reading each block once, front to back, and kept
 * as two arrays: edges sorted by where they start, and the same sorted by
 * where they end.
 */
#include "analyse/analyse_graph.h"

#include <stdlib.h>
#include <string.h>

static bool slot_is_hidden(const struct analyse_image *image, uint64_t slot)
{
    for (size_t i = 0; i < image->hidden_count; i++)
        if (slot >= image->hidden[i].start && slot < image->hidden[i].end)
            return true;
    return false;
}

/* ---- edges ---- */

static void edge_add(struct analyse_graph *graph, uint32_t to, uint64_t word)
{
    graph->edges =
        analyse_grow(graph->edges, graph->edges_count, sizeof *graph->edges);
    graph->edges[graph->edges_count++] =
        (struct analyse_edge){ to, (uint32_t)word };
}

static void block_scan(struct analyse_graph *graph, uint32_t node)
{
    struct analyse_image *const image = graph->image;
    const struct tt_record_block *const block = &image->blocks[node];
    uint64_t words[512];
    for (uint64_t at = 0; at + 8 <= block->size;) {
        uint64_t bytes = block->size - at;
        /* Up to the end of a page, so that one that is not there costs only
         * itself. */
        const uint64_t rest = 4096 - (block->address + at) % 4096;
        bytes = (bytes < rest ? bytes : rest) & ~(uint64_t)7;
        if (bytes == 0)
            break;
        if (analyse_read(image, block->address + at, words, bytes))
            for (uint64_t i = 0; i < bytes / 8; i++) {
                const uint32_t to =
                    words[i] < 4096 ? NONE : analyse_node_of(image, words[i]);
                if (to != NONE)
                    edge_add(graph, to, at / 8 + i);
            }
        at += bytes;
    }
}

static void edges_build(struct analyse_graph *graph)
{
    const size_t nodes = graph->image->blocks_count;
    graph->first = analyse_alloc((nodes + 1) * sizeof *graph->first);
    for (size_t i = 0; i < nodes; i++) {
        graph->first[i] = graph->edges_count;
        block_scan(graph, (uint32_t)i);
    }
    graph->first[nodes] = graph->edges_count;
}

static void back_build(struct analyse_graph *graph)
{
    const size_t nodes = graph->image->blocks_count;
    uint64_t *const at = analyse_alloc((nodes + 2) * sizeof *at);
    graph->back = analyse_alloc((graph->edges_count + 1) * sizeof(uint32_t));
    for (size_t i = 0; i < graph->edges_count; i++)
        at[graph->edges[i].to + 2]++;
    for (size_t i = 2; i < nodes + 2; i++)
        at[i] += at[i - 1];
    for (uint32_t node = 0; node < nodes; node++)
        for (uint64_t i = graph->first[node]; i < graph->first[node + 1]; i++)
            graph->back[at[graph->edges[i].to + 1]++] = node;
    graph->back_first = at;
}

/* ---- starts ---- */

void analyse_graph_start(struct analyse_graph *graph, uint32_t root,
                         uint64_t slot, uint32_t reg, uint64_t value)
{
    const uint32_t to =
        value < 4096 ? NONE : analyse_node_of(graph->image, value);
    if (to == NONE)
        return;
    graph->starts =
        analyse_grow(graph->starts, graph->starts_count, sizeof *graph->starts);
    graph->starts[graph->starts_count++] = (struct analyse_start){
        .slot = slot, .value = value, .to = to, .root = root, .reg = reg
    };
}

static void root_scan(struct analyse_graph *graph, uint32_t index)
{
    struct analyse_image *const image = graph->image;
    const struct tt_record_root *const root = &image->roots[index];
    if (root->kind == TT_ROOT_REGISTERS) {
        const struct tt_record_thread *const thread =
            root->thread >= 0 && (size_t)root->thread < image->threads_count
                ? &image->threads[root->thread]
                : NULL;
        /* Those of the asker are the query's: the walk over its frames finds
         * them again. */
        if (!thread || thread->flags & TT_THREAD_ASKER)
            return;
        for (uint32_t i = 0;
             i < thread->registers_count && i < TT_RECORD_REGISTERS; i++)
            analyse_graph_start(graph, index, 0, i, thread->registers[i]);
        return;
    }
    if (root->kind == TT_ROOT_KEPT) {
        analyse_graph_start(graph, index, 0, 0, root->start);
        return;
    }
    for (uint64_t at = root->start; at < root->end; at += 8) {
        uint64_t word;
        if (!analyse_read(image, at, &word, sizeof word)) {
            at = (at | 4095) - 7; /* the page is not there */
            continue;
        }
        if (word >= 4096 && !slot_is_hidden(image, at))
            analyse_graph_start(graph, index, at, 0, word);
    }
}

struct analyse_graph *analyse_graph_make(struct analyse_image *image)
{
    struct analyse_graph *const graph = analyse_alloc(sizeof *graph);
    graph->image = image;
    edges_build(graph);
    back_build(graph);
    for (uint32_t i = 0; i < image->roots_count; i++)
        root_scan(graph, i);
    return graph;
}

/* ---- questions ---- */

uint8_t *analyse_graph_near(struct analyse_graph *graph, uint32_t target,
                            size_t *count)
{
    const size_t nodes = graph->image->blocks_count;
    uint8_t *const near = analyse_alloc(nodes + 1);
    uint32_t *const queue = analyse_alloc((nodes + 1) * sizeof *queue);
    size_t head = 0, tail = 0;
    near[target] = 1;
    queue[tail++] = target;
    while (head < tail) {
        const uint32_t node = queue[head++];
        for (uint64_t i = graph->back_first[node];
             i < graph->back_first[node + 1]; i++)
            if (!near[graph->back[i]]) {
                near[graph->back[i]] = 1;
                queue[tail++] = graph->back[i];
            }
    }
    free(queue);
    *count = tail;
    return near;
}

/* Marks what can be reached from the queue's nodes, which are marked. */
static void spread(const struct analyse_graph *graph, uint8_t *marks,
                   uint32_t *queue, size_t tail, uint32_t barrier)
{
    for (size_t head = 0; head < tail; head++)
        for (uint64_t i = graph->first[queue[head]];
             i < graph->first[queue[head] + 1]; i++) {
            const uint32_t to = graph->edges[i].to;
            if (to != barrier && !marks[to]) {
                marks[to] = 1;
                queue[tail++] = to;
            }
        }
}

struct retained {
    uint8_t *others, *mine; /* marks of each node */
    uint32_t *queue;
    size_t tail;
};

static struct retained retained_make(const struct analyse_graph *graph)
{
    const size_t nodes = graph->image->blocks_count;
    return (struct retained){
        .others = analyse_alloc(nodes + 1),
        .mine = analyse_alloc(nodes + 1),
        .queue = analyse_alloc((nodes + 1) * sizeof(uint32_t)),
    };
}

static void retained_see(struct retained *retained, uint8_t *marks,
                         uint32_t node)
{
    if (marks[node])
        return;
    marks[node] = 1;
    retained->queue[retained->tail++] = node;
}

/* Adds up what is mine and nobody else's. */
static void retained_count(struct retained *retained,
                           const struct analyse_image *image, uint64_t *bytes,
                           uint64_t *blocks)
{
    *bytes = *blocks = 0;
    for (size_t i = 0; i < image->blocks_count; i++)
        if (retained->mine[i] && !retained->others[i]) {
            *bytes += image->blocks[i].size;
            (*blocks)++;
        }
    free(retained->queue);
    free(retained->mine);
    free(retained->others);
}

void analyse_graph_retained(struct analyse_graph *graph, uint32_t target,
                            uint64_t *bytes, uint64_t *blocks)
{
    struct retained retained = retained_make(graph);
    for (size_t i = 0; i < graph->starts_count; i++)
        if (graph->starts[i].to != target)
            retained_see(&retained, retained.others, graph->starts[i].to);
    spread(graph, retained.others, retained.queue, retained.tail, target);
    retained.tail = 0;
    retained_see(&retained, retained.mine, target);
    spread(graph, retained.mine, retained.queue, retained.tail, NONE);
    retained_count(&retained, graph->image, bytes, blocks);
}

void analyse_graph_of_thread(struct analyse_graph *graph, int32_t thread,
                             uint64_t *bytes, uint64_t *blocks)
{
    struct retained retained = retained_make(graph);
    const struct tt_record_root *const roots = graph->image->roots;
    for (int pass = 0; pass < 2; pass++) {
        uint8_t *const marks = pass ? retained.mine : retained.others;
        retained.tail = 0;
        for (size_t i = 0; i < graph->starts_count; i++) {
            const struct tt_record_root *const root =
                &roots[graph->starts[i].root];
            /* libc's own blocks for the thread are nobody's concern. */
            if ((root->thread == thread) == pass &&
                root->kind != TT_ROOT_THREAD)
                retained_see(&retained, marks, graph->starts[i].to);
        }
        spread(graph, marks, retained.queue, retained.tail, NONE);
    }
    retained_count(&retained, graph->image, bytes, blocks);
}
