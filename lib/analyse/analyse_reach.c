/* SPDX-License-Identifier: MIT */
/*
 * One question after the other, on one graph. Whether something holds is
 * decided by the class of the best path; what cutting frees is proved by a
 * search without it.
 */
#include "analyse/analyse_reach.h"

#include <stdlib.h>
#include <string.h>

#define PATHS_COUNTED 32 /* more than these are 'at least' */

void analyse_reach_begin(struct analyse_reach *reach,
                         struct analyse_image *image)
{
    *reach = (struct analyse_reach){ .image = image };
    reach->types = analyse_types_make(image);
    reach->graph = analyse_graph_make(image);
    analyse_origin_registers(reach->graph, reach->types);
}

/* ---- cutting ---- */

static const char *bridge_text(struct analyse_search *search,
                               const struct analyse_found *found,
                               const struct analyse_path *path, size_t holders,
                               bool doubtful)
{
    const int bridge = analyse_search_bridge(search, found);
    if (bridge < 0)
        return NULL;
    const char *const rest = doubtful ? " leaves only words that may be dead"
                             : holders == 1 ? " frees it; no other holder"
                                            : " frees it";
    return analyse_text("cutting `%s`%s", path->steps[bridge], rest);
}

/* The last words of all paths together, if that is proved to be enough. */
static const char *set_text(struct analyse_search *search,
                            const struct analyse_found *found,
                            const struct analyse_path *paths, size_t count,
                            bool doubtful)
{
    if (count < 2 || !analyse_search_cut_all(search, found, count))
        return NULL;
    const char *text = "cutting";
    for (size_t i = 0; i < count; i++)
        text = analyse_text("%s%s `%s`", text,
                            i == 0           ? ""
                            : i + 1 == count ? " and"
                                             : ",",
                            paths[i].expression);
    return analyse_text("%s together%s", text,
                        doubtful ? " leaves only words that may be dead"
                                 : " frees it");
}

/* ---- the answer ---- */

struct gather {
    struct analyse_found found[PATHS_COUNTED];
    struct analyse_path paths[PATHS_COUNTED];
    size_t count, holders;
};

static void paths_gather(struct analyse_search *search, size_t wanted,
                         struct gather *gather)
{
    while (gather->count < PATHS_COUNTED &&
           analyse_search_next(search, &gather->found[gather->count])) {
        const struct analyse_origin *origin;
        struct analyse_found *const found = &gather->found[gather->count];
        const bool holds =
            analyse_class_holds(analyse_search_class(search, found, &origin));
        if (gather->count < wanted || holds)
            analyse_path_make(search, found, &gather->paths[gather->count]);
        gather->holders += holds;
        gather->count++;
    }
}

static const char *own_text(const struct analyse_search *search)
{
    if (!search->has_own)
        return NULL;
    const struct analyse_origin *const own = &search->own_origin;
    const char *const name = own->name ? own->name : own->expression;
    const char *const place = strchr(own->where, ',');
    return analyse_text("your own variable `%s`%s, still points to it",
                        own->expression ? own->expression : name,
                        place ? place : "");
}

/* The thread that ran main has the smallest number. */
static bool thread_is_first(const struct analyse_image *image, size_t thread)
{
    for (size_t i = 0; i < image->threads_count; i++)
        if (image->threads[i].tid < image->threads[thread].tid)
            return false;
    return true;
}

/* Of a thread that is named as a holder: what is lost when it ends? */
static const char *thread_text(struct analyse_search *search,
                               const struct analyse_found *found)
{
    const struct analyse_image *const image = search->graph->image;
    const struct analyse_start *const start = &search->starts[found->start];
    const int32_t thread = image->roots[start->root].thread;
    uint64_t bytes, blocks;
    if (search->origins[found->start].is_inside || thread < 0 ||
        (size_t)thread >= image->threads_count || image->threads_count < 2 ||
        image->threads[thread].flags & TT_THREAD_ASKER ||
        thread_is_first(image, (size_t)thread))
        return NULL;
    analyse_graph_of_thread(search->graph, thread, &bytes, &blocks);
    if (blocks == 0)
        return NULL;
    const char *const name =
        image->threads[thread].name[0]
            ? analyse_text("`%s`", image->threads[thread].name)
            : analyse_text("%d", (int)thread + 1);
    return analyse_text("thread %s alone keeps %s in %llu block%s alive", name,
                        analyse_size_text(bytes), (unsigned long long)blocks,
                        blocks == 1 ? "" : "s");
}

void analyse_reach_why(struct analyse_reach *reach,
                       const struct tt_record_question *question,
                       struct analyse_answer *answer)
{
    struct gather *const gather = analyse_alloc(sizeof *gather);
    const size_t wanted = question->paths_max ? question->paths_max : 1;
    const uint32_t target = analyse_node_of(reach->image, question->target);
    *answer = (struct analyse_answer){ .type = "", .verdict = "lost" };
    if (target == NONE)
        return;
    struct analyse_search *const search =
        analyse_search_make(reach->graph, reach->types, question, target);
    paths_gather(search, wanted, gather);
    answer->type = analyse_target_type(search);
    answer->own = own_text(search);
    answer->verdict = gather->holders ? "held"
                      : gather->count ? "ambiguous"
                                      : "lost";
    answer->paths = gather->paths;
    answer->paths_count = gather->count < wanted ? gather->count : wanted;
    /* Words that may be dead say little beside holders. */
    if (gather->holders && answer->paths_count > gather->holders)
        answer->paths_count = gather->holders;
    const size_t all = gather->holders ? gather->holders : gather->count;
    answer->more = all - answer->paths_count;
    if (gather->holders) {
        const bool doubtful = gather->count > gather->holders;
        answer->cut = bridge_text(search, &gather->found[0], &gather->paths[0],
                                  gather->holders, doubtful);
        if (!answer->cut)
            answer->cut = set_text(search, gather->found, gather->paths,
                                   gather->holders, doubtful);
        answer->thread = thread_text(search, &gather->found[0]);
    }
}

/* ---- referrers ---- */

static bool start_at(const struct analyse_image *image, uint64_t slot,
                     struct analyse_start *start)
{
    for (uint32_t i = 0; i < image->roots_count; i++)
        if (slot >= image->roots[i].start && slot < image->roots[i].end) {
            *start = (struct analyse_start){ .slot = slot, .root = i };
            return true;
        }
    return false;
}

void analyse_reach_slot(struct analyse_reach *reach, uint64_t slot,
                        const struct tt_record_question *question,
                        const char **expression, const char **where)
{
    struct analyse_start start;
    struct analyse_found found;
    *expression = "";
    *where = "a word that nothing leads to";
    if (start_at(reach->image, slot, &start)) {
        const struct analyse_origin origin =
            analyse_origin_of(reach->image, reach->types, &start, NULL);
        *expression = origin.expression;
        *where = origin.where;
        return;
    }
    const uint32_t node = analyse_node_of(reach->image, slot);
    if (node == NONE)
        return;
    struct tt_record_question inner = { .kind = TT_QUESTION_WHY,
                                        .roots = question->roots };
    struct analyse_search *const search =
        analyse_search_make(reach->graph, reach->types, &inner, node);
    if (!analyse_search_next(search, &found))
        return;
    analyse_path_slot(search, &found, slot, expression, where);
}
