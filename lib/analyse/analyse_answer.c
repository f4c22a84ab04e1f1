/* SPDX-License-Identifier: MIT */
/*
 * Answers as lines: for the library by the record's rules, for people as the
 * library lays them out.
 */
#include "analyse/analyse_reach.h"

#include <stdlib.h>
#include <string.h>

#define FIELD_MAX   790
#define TARGETS_MAX 20

/* ---- for the library ---- */

static void field_put(FILE *to, const char *text)
{
    size_t len = 0;
    putc('\t', to);
    for (; text && *text && len < FIELD_MAX; text++, len++)
        putc((unsigned char)*text < ' ' ? ' ' : *text, to);
}

static void path_put(FILE *to, const struct analyse_path *path)
{
    fprintf(to, "p\t%08x\t%s", path->id, path->kind);
    field_put(to, path->expression);
    field_put(to, path->where);
    putc('\n', to);
    for (size_t i = 0; i < path->hops_count; i++) {
        const struct analyse_hop *const hop = &path->hops[i];
        putc('h', to);
        field_put(to, hop->step);
        field_put(to, hop->type);
        fprintf(to, "\t%llu\t%u", (unsigned long long)hop->size, hop->stack);
        field_put(to, hop->note);
        putc('\n', to);
    }
}

static void line_put(FILE *to, char letter, const char *text)
{
    if (!text || !text[0])
        return;
    putc(letter, to);
    field_put(to, text);
    putc('\n', to);
}

static void why_put(struct analyse_reach *reach,
                    const struct tt_record_question *question, FILE *to)
{
    struct analyse_answer answer;
    analyse_reach_why(reach, question, &answer);
    line_put(to, 'y', answer.type);
    line_put(to, 'v', answer.verdict);
    line_put(to, 'o', answer.own);
    for (size_t i = 0; i < answer.paths_count; i++)
        path_put(to, &answer.paths[i]);
    line_put(to, 'c', answer.cut);
    line_put(to, 'c', answer.thread);
    if (answer.more)
        fprintf(to, "n\t%zu\n", answer.more);
}

static void referrers_put(struct analyse_reach *reach,
                          const struct tt_record_question *question, FILE *to)
{
    const struct analyse_image *const image = reach->image;
    for (uint32_t i = 0;
         i < question->slots_count && question->slots + i < image->slots_count;
         i++) {
        const char *expression, *where;
        analyse_reach_slot(reach, image->slots[question->slots + i], question,
                           &expression, &where);
        putc('r', to);
        field_put(to, expression);
        field_put(to, where);
        putc('\n', to);
    }
}

void analyse_reach_record(struct analyse_reach *reach, FILE *to)
{
    const struct analyse_image *const image = reach->image;
    fputs(TT_REACH_HELLO "\n", to);
    for (size_t i = 0; i < image->questions_count; i++) {
        fprintf(to, "q\t%zu\n", i);
        if (image->questions[i].kind == TT_QUESTION_REFERRERS)
            referrers_put(reach, &image->questions[i], to);
        else
            why_put(reach, &image->questions[i], to);
        fflush(to);
    }
    for (size_t i = 0; i < image->troubles_count; i++)
        line_put(to, 't', image->troubles[i]);
    fputs("end\n", to);
}

/* ---- for people ---- */

const char *analyse_size_text(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;
    uint64_t whole = bytes;
    while (whole >= 1024 && unit < 4) {
        whole /= 1024;
        unit++;
    }
    const uint64_t one = 1ull << 10 * unit;
    if (bytes % one == 0)
        return analyse_text("%llu %s", (unsigned long long)whole, units[unit]);
    return analyse_text("%.1f %s", (double)bytes / (double)one, units[unit]);
}

/* Where a block was allocated: the first frame that is no wrapper. */
static const char *site_text(struct analyse_image *image, uint32_t stack)
{
    struct analyse_place places[4];
    const uint64_t *frames;
    const size_t count = analyse_stack_frames(image, stack, &frames);
    for (size_t i = 0; i < count; i++) {
        const size_t found =
            analyse_code_places(image, frames[i] - 1, places, 4);
        for (size_t j = 0; j < found; j++)
            if (places[j].function &&
                !analyse_source_is_wrapper(places[j].function))
                return analyse_text(", allocated by %s%s", places[j].function,
                                    analyse_place_text(&places[j]));
    }
    return "";
}

static const char *block_text(struct analyse_image *image, const char *type,
                              uint64_t size, uint32_t stack)
{
    return analyse_text("%s%s%s%s", type, type[0] ? ", " : "",
                        analyse_size_text(size), site_text(image, stack));
}

static void path_show(struct analyse_image *image,
                      const struct analyse_path *path, FILE *to)
{
    fprintf(to, "  %s %s\n      (%s)\n",
            path->holds ? "held by  " : "perhaps by", path->expression,
            path->where);
    for (size_t i = 0; i < path->hops_count; i++) {
        const struct analyse_hop *const hop = &path->hops[i];
        fprintf(to, "    %-18s -> %s\n", hop->step,
                block_text(image, hop->type, hop->size, hop->stack));
        if (hop->note[0])
            fprintf(to, "      (%s)\n", hop->note);
    }
    fprintf(to, "    path id %08x\n", path->id);
}

static void node_show(struct analyse_reach *reach, uint32_t node,
                      uint64_t pointer, FILE *to)
{
    struct analyse_image *const image = reach->image;
    const struct tt_record_block *const block = &image->blocks[node];
    const struct tt_record_question question = { .kind = TT_QUESTION_WHY,
                                                 .target = block->address,
                                                 .pointer = pointer,
                                                 .paths_max = 3 };
    struct analyse_answer answer;
    uint64_t bytes, blocks;
    analyse_reach_why(reach, &question, &answer);
    analyse_graph_retained(reach->graph, node, &bytes, &blocks);
    fprintf(to, "0x%llx is %s: %s\n", (unsigned long long)pointer,
            answer.verdict,
            block_text(image, answer.type, block->size, block->stack));
    for (size_t i = 0; i < answer.paths_count; i++)
        path_show(image, &answer.paths[i], to);
    if (answer.more)
        fprintf(to, "  %zu further disjoint paths\n", answer.more);
    if (answer.cut)
        fprintf(to, "  %s.\n", answer.cut);
    if (answer.thread)
        fprintf(to, "  %s.\n", answer.thread);
    fprintf(to, "  It keeps %s in %llu block%s alive.\n",
            analyse_size_text(bytes), (unsigned long long)blocks,
            blocks == 1 ? "" : "s");
}

/* Was it allocated by this function? */
static bool stack_is_of(struct analyse_image *image, uint32_t stack,
                        const char *function)
{
    struct analyse_place places[4];
    const uint64_t *frames;
    const size_t count = analyse_stack_frames(image, stack, &frames);
    for (size_t i = 0; i < count && i < 4; i++) {
        const size_t found =
            analyse_code_places(image, frames[i] - 1, places, 4);
        for (size_t j = 0; j < found; j++) {
            if (places[j].function && !strcmp(places[j].function, function))
                return true;
            if (places[j].function &&
                !analyse_source_is_wrapper(places[j].function))
                return false;
        }
    }
    return false;
}

static size_t function_show(struct analyse_reach *reach, const char *function,
                            FILE *to)
{
    struct analyse_image *const image = reach->image;
    size_t shown = 0, found = 0;
    uint32_t last = 0;
    bool last_is = false;
    for (uint32_t i = 0; i < image->blocks_count; i++) {
        const struct tt_record_block *const block = &image->blocks[i];
        if (i == 0 || block->stack != last)
            last_is = stack_is_of(image, block->stack, function);
        last = block->stack;
        if (!last_is)
            continue;
        if (found++ < TARGETS_MAX) {
            node_show(reach, i, block->address, to);
            shown++;
        }
    }
    if (found > shown)
        fprintf(to, "%zu more blocks allocated by %s\n", found - shown,
                function);
    return found;
}

int analyse_reach_show(struct analyse_reach *reach, const char *text, FILE *to)
{
    char *end;
    struct analyse_image *const image = reach->image;
    const uint64_t address = strtoull(text, &end, 16);
    if (*end == '\0' && address >= 4096) {
        const uint32_t node = analyse_node_of(image, address);
        if (node == NONE) {
            fprintf(stderr,
                    "tether-analyse: %s is in no live block of its heap\n",
                    text);
            return EXIT_FAILURE;
        }
        node_show(reach, node, address, to);
    } else if (function_show(reach, text, to) == 0) {
        fprintf(stderr,
                "tether-analyse: no live block was allocated by a function "
                "`%s`\n",
                text);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < image->troubles_count; i++)
        fprintf(to, "  note: %s\n", image->troubles[i]);
    return EXIT_SUCCESS;
}
