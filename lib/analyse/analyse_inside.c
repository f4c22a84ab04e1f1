/* SPDX-License-Identifier: MIT */
/*
 * 'Does this object hold that one?' The words of the object are the starts
 * then, and how the object itself is reached names them.
 */
#include "analyse/analyse_path.h"

struct named {
    const char *expression, *where;
    enum analyse_class class;
};

/* How does C get at a word of the block? */
static struct named word_name(struct analyse_search *search, uint32_t holder,
                              uint64_t slot)
{
    static const struct tt_record_question any = { .kind = TT_QUESTION_WHY,
                                                   .own_counts = 1 };
    struct named named = { .expression = "*(void **)word",
                           .where = "a word of the object that was named",
                           .class = CLASS_GLOBALS };
    const struct analyse_origin *origin;
    struct analyse_found found;
    struct analyse_search *const outer =
        analyse_search_make(search->graph, search->types, &any, holder);
    if (analyse_search_next(outer, &found)) {
        named.class = analyse_search_class(outer, &found, &origin);
        analyse_path_slot(outer, &found, slot, &named.expression, &named.where);
    }
    /* The object was named by the one who asks: it counts, however it is
     * reached. */
    if (!analyse_class_holds(named.class))
        named.class = CLASS_ASKER;
    return named;
}

void analyse_search_inside(struct analyse_search *search)
{
    const struct analyse_graph *const graph = search->graph;
    const struct tt_record_question *const question = search->question;
    const uint32_t holder = analyse_node_of(graph->image, question->only_start);
    if (holder == NONE)
        return;
    const uint64_t base = graph->image->blocks[holder].address;
    for (uint64_t i = graph->first[holder]; i < graph->first[holder + 1]; i++) {
        const struct analyse_edge *const edge = &graph->edges[i];
        const uint64_t slot = base + (uint64_t)edge->word * 8;
        if (!search->near[edge->to] || slot < question->only_start ||
            slot >= question->only_end)
            continue;
        const struct named named = word_name(search, holder, slot);
        const struct analyse_start start = {
            .slot = slot,
            .value = analyse_word(graph->image, slot),
            .to = edge->to,
        };
        const struct analyse_origin origin = { .class = named.class,
                                               .weight = 1,
                                               .expression = named.expression,
                                               .where = named.where,
                                               .is_inside = true };
        analyse_search_start(search, &start, &origin);
    }
}
