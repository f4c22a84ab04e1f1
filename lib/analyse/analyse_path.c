/* SPDX-License-Identifier: MIT */
/*
 * From words to C. The expression grows from the left: what is there is a
 * value of a known static type, and each step adds a field, an element or, if
 * the static type is not that of the block, a cast or container_of.
 *
 * Steps that repeat are folded: 'head{->next x3}'. A step is text that is put
 * behind, or text around what is there; only those of one kind are folded
 * together.
 */
#include "analyse/analyse_path.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define FOLD_MIN       3 /* repetitions */
#define PERIOD_MAX     3 /* steps that repeat together */
#define EXPRESSION_MAX 780

/* One step: 'before' what is there, and 'behind' it. */
struct piece {
    const char *before;
    const char *behind;
    const char *note;
};

struct writer {
    struct analyse_search *search;
    struct analyse_type *to; /* what the value points to by its static type */
    struct piece *pieces;
};

static const char *node_type(const struct analyse_search *search, uint32_t node)
{
    const struct analyse_typed *const typed = &search->typing->typed[node];
    struct analyse_type *const type = typed->type;
    const uint64_t size = search->graph->image->blocks[node].size;
    if (!type)
        return "";
    const char *const text = analyse_type_text(type);
    if (type->size && size >= 2 * type->size && size % type->size == 0 &&
        !analyse_type_is_flexible(type))
        return analyse_text(type->kind == TYPE_POINTER ? "%s[%llu]"
                                                       : "%s [%llu]",
                            text, (unsigned long long)(size / type->size));
    return text;
}

const char *analyse_target_type(const struct analyse_search *search)
{
    return node_type(search, search->target);
}

/* ---- one step ---- */

/* A step that no type explains: so many bytes from where the value points. */
static struct piece piece_raw(int64_t at)
{
    if (at == 0)
        return (struct piece){ "*(void **)", "", "" };
    return (struct piece){ "*(void **)((char *)",
                           analyse_text("%+lld)", (long long)at), "" };
}

/* '.a.b' behind a pointer is '->a.b', '[1].a' stays. */
static const char *path_behind(const char *path)
{
    return path[0] == '.' ? analyse_text("->%s", path + 1) : path;
}

static struct piece piece_cast(const struct analyse_type *type, int64_t back,
                               const char *path)
{
    const char *const name = analyse_type_text(type);
    const char *const star = type->kind == TYPE_POINTER ? "*" : " *";
    if (back == 0)
        return (struct piece){ analyse_text("((%s%s)", name, star),
                               analyse_text(")%s", path_behind(path)), "" };
    return (struct piece){
        analyse_text("((%s%s)((char *)", name, star),
        analyse_text("%+lld))%s", (long long)-back, path_behind(path)), ""
    };
}

static struct piece piece_container(const struct analyse_type *type,
                                    const char *member, const char *path)
{
    return (struct piece){ "container_of(",
                           analyse_text(", %s, %s)%s", analyse_type_text(type),
                                        member + 1, path_behind(path)),
                           "" };
}

/* The value points to a part of the block: a link in a list, a base class. */
static bool piece_of_part(struct writer *writer, struct analyse_type *type,
                          uint64_t delta, uint64_t offset, const char *path,
                          struct piece *piece)
{
    char member[PATH_BYTES], inner[PATH_BYTES];
    struct analyse_type *const part = writer->to;
    struct analyse_leaf leaf;
    if (!part || !analyse_type_is_aggregate(part) ||
        !analyse_type_part(type, delta, part, member))
        return false;
    if (offset >= delta && offset - delta < part->size &&
        analyse_type_leaf(part, offset - delta, part->size, NULL, &leaf,
                          inner) &&
        leaf.inside == 0) {
        *piece = (struct piece){ "", path_behind(inner), "" };
        return true;
    }
    *piece = member[0] == '.' ? piece_container(type, member, path)
                              : piece_cast(type, (int64_t)delta, path);
    return true;
}

static const char *element_path(int64_t element, const char *path)
{
    return element == 0 && path[0] == '.'
               ? path
               : analyse_text("[%lld]%s", (long long)element, path);
}

static struct piece piece_of(struct writer *writer, uint32_t node,
                             uint64_t value, uint64_t slot,
                             const struct analyse_type *want)
{
    struct analyse_search *const search = writer->search;
    const struct tt_record_block *const block =
        &search->graph->image->blocks[node];
    struct analyse_type *const type = search->typing->typed[node].type;
    const uint64_t offset = slot - block->address;
    const uint64_t delta = value - block->address;
    struct analyse_type *const to = writer->to;
    char path[PATH_BYTES];
    struct analyse_leaf leaf;
    struct piece piece;
    uint64_t index;
    writer->to = NULL;
    if (!analyse_typing_leaf(search->typing, node, offset, want, &leaf, &index,
                             path) ||
        leaf.inside || leaf.type->size != 8)
        return piece_raw((int64_t)(offset - delta));
    struct analyse_type *const next =
        leaf.type->kind == TYPE_POINTER ? leaf.type->to : NULL;
    const int64_t element = (int64_t)index - (int64_t)(delta / type->size);
    if (to == type && delta % type->size == 0) {
        piece =
            (struct piece){ "", path_behind(element_path(element, path)), "" };
    } else {
        writer->to = to;
        if (!piece_of_part(writer, type, delta, offset, path, &piece))
            piece = piece_cast(type, (int64_t)delta,
                               element_path((int64_t)index, path));
    }
    writer->to = next;
    return piece;
}

/* How the type of a block is known that a word of type 'to *' leads to. */
static const char *evidence_note(const struct analyse_search *search,
                                 uint32_t node, const struct analyse_type *to)
{
    const struct analyse_typed *const typed = &search->typing->typed[node];
    if (!typed->type || to == typed->type)
        return "";
    switch (typed->evidence) {
    case EVIDENCE_SOURCE:
        return "type from the source of its allocation";
    case EVIDENCE_STACK:
        return "type as of others allocated there";
    case EVIDENCE_POINTER:
        return "type from another pointer to it";
    default:
        return "";
    }
}

static void pieces_write(struct writer *writer,
                         const struct analyse_found *found,
                         const struct analyse_origin *origin)
{
    struct analyse_search *const search = writer->search;
    writer->to = origin->type && origin->type->kind == TYPE_POINTER
                     ? origin->type->to
                     : NULL;
    writer->pieces = analyse_alloc(found->count * sizeof *writer->pieces);
    writer->pieces[0] =
        (struct piece){ "", origin->expression,
                        evidence_note(search, found->steps[0].node,
                                      writer->to) };
    for (size_t i = 1; i < found->count; i++) {
        const struct analyse_type *const want =
            search->typing->typed[found->steps[i].node].type;
        writer->pieces[i] =
            piece_of(writer, found->steps[i - 1].node,
                     found->steps[i - 1].value, found->steps[i].slot, want);
        writer->pieces[i].note =
            evidence_note(search, found->steps[i].node, writer->to);
    }
}

/* Vectors are indexed, not looked into. */
static void vectors_shorten(struct piece *pieces, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++) {
        const char *const behind = pieces[i + 1].behind;
        const char *const vector =
            pieces[i + 1].before[0]
                ? NULL
                : analyse_cxx_vector(pieces[i].behind, behind);
        if (!vector)
            continue;
        pieces[i].behind = vector;
        if (behind[0] == '-')
            pieces[i + 1].behind = analyse_text("[0].%s", behind + 2);
    }
}

/* ---- folding ---- */

static bool pieces_are_same(const struct piece *a, const struct piece *b,
                            size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(a[i].before, b[i].before) != 0 ||
            strcmp(a[i].behind, b[i].behind) != 0)
            return false;
    return true;
}

/* How often do the pieces from 'at' on repeat? Returns the period, 0: less
 * than is worth folding. */
static size_t fold_find(const struct piece *pieces, size_t at, size_t count,
                        size_t *times)
{
    for (size_t period = 1; period <= PERIOD_MAX; period++) {
        size_t n = 1;
        while (at + (n + 1) * period <= count &&
               pieces_are_same(&pieces[at], &pieces[at + n * period], period))
            n++;
        if (n >= FOLD_MIN) {
            *times = n;
            return period;
        }
    }
    return 0;
}

/* Puts some pieces around a text. */
static const char *pieces_put(const struct piece *pieces, size_t count,
                              const char *inside)
{
    for (size_t i = 0; i < count; i++)
        inside =
            analyse_text("%s%s%s", pieces[i].before, inside, pieces[i].behind);
    return inside;
}

static bool pieces_are_behind(const struct piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pieces[i].before[0])
            return false;
    return true;
}

/* The step alone, as a hop shows it. */
static const char *step_text(const struct piece *pieces, size_t count,
                             size_t times)
{
    const bool behind = pieces_are_behind(pieces, count);
    const char *const text = pieces_put(pieces, count, behind ? "" : "_");
    return times > 1 ? analyse_text("{%s x%zu}", text, times) : text;
}

static void hop_add(struct analyse_path *path, struct analyse_search *search,
                    const char *step, uint32_t node, const char *note)
{
    path->hops = analyse_grow(path->hops, path->hops_count, sizeof *path->hops);
    path->hops[path->hops_count++] = (struct analyse_hop){
        .step = step,
        .type = node_type(search, node),
        .note = note,
        .size = search->graph->image->blocks[node].size,
        .stack = search->graph->image->blocks[node].stack,
    };
}

static void fold(struct writer *writer, const struct analyse_found *found,
                 struct analyse_path *path)
{
    const struct piece *const pieces = writer->pieces;
    const char *text = pieces[0].behind;
    hop_add(path, writer->search, text, found->steps[0].node, pieces[0].note);
    for (size_t i = 1; i < found->count;) {
        size_t times = 1;
        size_t period = fold_find(pieces, i, found->count, &times);
        if (period == 0)
            period = 1;
        const bool behind = pieces_are_behind(&pieces[i], period);
        if (times == 1)
            text = pieces_put(&pieces[i], 1, text);
        else if (behind)
            text = analyse_text("%s%s", text,
                                step_text(&pieces[i], period, times));
        else
            text =
                analyse_text("{%s x%zu, from %s}",
                             pieces_put(&pieces[i], period, "_"), times, text);
        const size_t last = i + period * times - 1;
        hop_add(path, writer->search, step_text(&pieces[i], period, times),
                found->steps[last].node, pieces[last].note);
        i = last + 1;
    }
    path->expression = text;
}

/* ---- the id ---- */

/* Names alone: neither how often a step repeats nor which element it is. */
static uint32_t path_hash(const char *text)
{
    uint32_t hash = 0x811c9dc5u;
    bool number = false;
    for (const char *at = text; *at; at++) {
        /* A digit is part of a name behind a letter, else it counts. */
        const bool starts =
            isdigit((unsigned char)*at) &&
            (at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_') ||
             (at[-1] == 'x' && at > text + 1 && at[-2] == ' '));
        number = isdigit((unsigned char)*at) && (number || starts);
        if (!number)
            hash = (hash ^ (unsigned char)*at) * 0x01000193u;
    }
    return hash;
}

/* A record's field may be no longer than this. */
static const char *expression_cut(const char *text)
{
    const size_t len = strlen(text);
    if (len <= EXPRESSION_MAX)
        return text;
    const size_t part = EXPRESSION_MAX / 2 - 4;
    return analyse_text("%.*s ... %s", (int)part, text, text + len - part);
}

void analyse_path_make(struct analyse_search *search,
                       const struct analyse_found *found,
                       struct analyse_path *path)
{
    const struct analyse_origin *origin;
    struct writer writer = { .search = search };
    const enum analyse_class class =
        analyse_search_class(search, found, &origin);
    *path = (struct analyse_path){ .where = origin->where,
                                   .kind = analyse_class_name(class),
                                   .holds = analyse_class_holds(class) };
    pieces_write(&writer, found, origin);
    writer.pieces[found->count - 1].note = ""; /* no step relies on it */
    vectors_shorten(writer.pieces, found->count);
    path->steps = analyse_alloc(found->count * sizeof *path->steps);
    for (size_t i = 0; i < found->count; i++)
        path->steps[i] = step_text(&writer.pieces[i], 1, 1);
    fold(&writer, found, path);
    path->id = path_hash(path->expression);
    path->expression = expression_cut(path->expression);
}

void analyse_path_slot(struct analyse_search *search,
                       const struct analyse_found *found, uint64_t slot,
                       const char **expression, const char **where)
{
    struct analyse_found longer = { .start = found->start,
                                    .count = found->count + 1 };
    struct analyse_path path;
    longer.steps = analyse_alloc(longer.count * sizeof *longer.steps);
    memcpy(longer.steps, found->steps, found->count * sizeof *longer.steps);
    /* What the slot leads to does not matter: only its name is wanted. */
    longer.steps[found->count] =
        (struct analyse_step){ .slot = slot,
                               .node = found->steps[found->count - 1].node };
    analyse_path_make(search, &longer, &path);
    *expression = path.expression;
    *where = path.where;
}
