/* SPDX-License-Identifier: MIT */
/*
 * Names the words of roots. What has no name is told by its distance from
 * something that has one.
 */
#include "analyse/analyse_origin.h"

#include "analyse/analyse_globals.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHT_POINTER 1
#define WEIGHT_WORD    3
#define WEIGHT_NUMBER  7
#define WEIGHT_UNNAMED 8

bool analyse_class_holds(enum analyse_class class)
{
    return class < CLASS_REGISTERS;
}

const char *analyse_class_name(enum analyse_class class)
{
    static const char *const names[CLASSES] = {
        [CLASS_GLOBALS] = "globals", [CLASS_TLS] = "tls",
        [CLASS_KEYS] = "keys",       [CLASS_CLOSURES] = "closures",
        [CLASS_REGIONS] = "regions", [CLASS_KEPT] = "regions",
        [CLASS_LOCALS] = "stacks",   [CLASS_ASKER] = "stacks",
        [CLASS_THREADS] = "threads", [CLASS_REGISTERS] = "registers",
        [CLASS_STALE] = "stacks",    [CLASS_WORDS] = "stacks",
    };
    return names[class];
}

static bool thread_is_there(const struct analyse_image *image,
                            const struct tt_record_root *root)
{
    return root->thread >= 0 && (size_t)root->thread < image->threads_count;
}

/* ---- variables ---- */

/* The word at 'offset' of a variable: its expression, type and weight. */
static void word_of(struct analyse_origin *origin, const char *name,
                    struct analyse_type *type, uint64_t offset)
{
    char path[PATH_BYTES];
    struct analyse_leaf leaf;
    if (type &&
        analyse_type_leaf(type, offset, type->size, origin->want, &leaf,
                          path) &&
        leaf.inside == 0 && leaf.type->size == 8) {
        origin->expression = analyse_text("%s%s", name, path);
        origin->type = leaf.type;
        origin->weight =
            leaf.type->kind == TYPE_POINTER ? WEIGHT_POINTER : WEIGHT_NUMBER;
        return;
    }
    origin->weight = type ? WEIGHT_NUMBER : WEIGHT_WORD;
    if (offset == 0)
        origin->expression = analyse_text("*(void **)&%s", name);
    else
        origin->expression = analyse_text("*(void **)((char *)&%s+%llu)", name,
                                          (unsigned long long)offset);
}

static const char *declared_text(const char *file, int line)
{
    return file && line > 0 ? analyse_text(", %s:%d", file, line) : "";
}

static void of_module(struct analyse_image *image, struct analyse_types *types,
                      const struct analyse_start *start, bool is_tls,
                      struct analyse_origin *origin)
{
    const struct tt_record_root *const root = &image->roots[start->root];
    struct analyse_variable variable;
    const uint32_t module = (uint32_t)root->module;
    if (module >= image->modules_count)
        return;
    const uint64_t link = is_tls ? start->slot - root->start
                                 : start->slot - image->modules[module].bias;
    const char *const thread =
        is_tls ? analyse_thread_text(image, types, (uint32_t)root->thread) : "";
    if (!analyse_variable_at(types, image, module, link, is_tls, &variable)) {
        origin->weight = WEIGHT_UNNAMED;
        origin->expression = analyse_text(
            "*(void **)(%s %s+0x%llx)", analyse_code_name(image, module),
            is_tls ? "TLS" : "data", (unsigned long long)link);
        origin->where = analyse_text("a word of %s that has no name%s",
                                     analyse_code_name(image, module), thread);
        return;
    }
    const char *const name = analyse_variable_expression(image, &variable);
    word_of(origin, name, variable.type, link - variable.at + variable.offset);
    origin->name = name;
    const char *const kind = is_tls              ? "thread-local"
                             : variable.function ? "static"
                                                 : "global";
    const char *const of =
        variable.function ? analyse_text(" of %s", variable.function) : "";
    origin->where = analyse_text(
        "%s `%s`%s%s%s%s", kind, variable.name, of,
        variable.type ? declared_text(variable.file, variable.line)
                      : analyse_text(", %s", analyse_code_name(image, module)),
        variable.type ? "" : ", no debug information", thread);
}

/* ---- other roots ---- */

static const char *code_text(struct analyse_image *image, uint64_t address,
                             bool is_return)
{
    struct analyse_place places[4];
    if (!address)
        return NULL;
    const size_t count =
        analyse_code_places(image, address - is_return, places, 4);
    if (count == 0 || !places[0].function)
        return NULL;
    return is_return ? analyse_text("%s%s", places[0].function,
                                    analyse_place_text(&places[0]))
                     : places[count - 1].function;
}

static void of_key(struct analyse_image *image, struct analyse_types *types,
                   const struct tt_record_root *root,
                   struct analyse_origin *origin)
{
    const char *const made = code_text(image, root->made, true);
    origin->expression = analyse_text("pthread_getspecific(%llu)",
                                      (unsigned long long)root->what);
    origin->where =
        analyse_text("key %llu%s%s%s", (unsigned long long)root->what,
                     made ? ", made at " : "", made ? made : "",
                     analyse_thread_text(image, types, (uint32_t)root->thread));
    origin->weight = WEIGHT_WORD;
}

static void of_closure(struct analyse_image *image,
                       const struct tt_record_root *root,
                       struct analyse_origin *origin)
{
    const char *const calls = code_text(image, root->what, false);
    const char *const made = code_text(image, root->made, true);
    origin->expression = "closure->user_data";
    origin->where = analyse_text("libffi closure that calls %s%s%s%s",
                                 calls ? "`" : "a function",
                                 calls ? analyse_text("%s`", calls) : "",
                                 made ? ", made at " : "", made ? made : "");
    origin->weight = WEIGHT_WORD;
}

static const char *text_at(const struct analyse_image *image, uint32_t at)
{
    return at && at < image->text_bytes ? image->text + at : NULL;
}

static void of_region(struct analyse_image *image,
                      const struct analyse_start *start,
                      struct analyse_origin *origin)
{
    const struct tt_record_root *const root = &image->roots[start->root];
    const char *const told = text_at(image, root->name);
    const char *const name = told ? told : "region";
    const char *const made = code_text(image, root->made, true);
    origin->expression =
        analyse_text("((void **)%s)[%llu]", name,
                     (unsigned long long)((start->slot - root->start) / 8));
    origin->where = analyse_text("registered region `%s`%s%s", name,
                                 made ? ", made at " : "", made ? made : "");
    origin->name = name;
    origin->weight = WEIGHT_WORD;
}

static void of_kept(struct analyse_image *image,
                    const struct tt_record_root *root,
                    struct analyse_origin *origin)
{
    const char *const holder = text_at(image, root->name);
    origin->class = CLASS_KEPT;
    origin->expression = holder ? "it" : "kept_block";
    origin->where = holder ? holder
                           : "block that is meant to stay (tether_keep, "
                             "ONE_TIME)";
    origin->weight = WEIGHT_WORD;
}

/* ---- stacks ---- */

const char *analyse_thread_text(struct analyse_image *image,
                                struct analyse_types *types, uint32_t index)
{
    if (index >= image->threads_count ||
        image->threads[index].flags & TT_THREAD_ASKER)
        return "";
    const struct tt_record_thread *const thread = &image->threads[index];
    const struct analyse_walk *const walk =
        analyse_walk_of(image, types, index);
    const char *const name = image->threads_count < 2 ? ""
                             : thread->name[0]
                                 ? analyse_text(", thread `%s`", thread->name)
                                 : analyse_text(", thread %u", index + 1);
    for (size_t i = 0; i < walk->count; i++) {
        const struct analyse_walk_frame *const frame = &walk->frames[i];
        if (!frame->has_debug)
            continue;
        const char *waits = i > 0 ? walk->frames[i - 1].function : NULL;
        /* libc's own name for what it exports. */
        while (waits && waits[0] == '_')
            waits++;
        const char *const place =
            frame->file ? analyse_text(" (%s:%d)", frame->file, frame->line)
                        : "";
        if (!waits || image->threads_count < 2)
            return name;
        return analyse_text("%s, which waits in %s, called by %s%s", name,
                            waits, frame->function, place);
    }
    return name;
}

static const struct analyse_local *local_at(const struct analyse_walk *walk,
                                            const struct analyse_start *start,
                                            bool live)
{
    for (size_t i = 0; i < walk->locals_count; i++) {
        const struct analyse_local *const local = &walk->locals[i];
        if (local->live != live)
            continue;
        if (start->slot
                ? start->slot >= local->start &&
                      start->slot - local->start < local->size
                : local->reg == start->reg &&
                      (walk->asker == NONE ? local->start == WHERE_REGISTER
                                           : local->frame == walk->asker))
            return local;
    }
    return NULL;
}

static uint32_t frame_at(const struct analyse_walk *walk, uint64_t slot)
{
    for (uint32_t i = 0; i < walk->count; i++)
        if (slot < walk->frames[i].cfa)
            return i;
    return NONE;
}

static void of_local(struct analyse_image *image, struct analyse_types *types,
                     const struct analyse_start *start,
                     const struct analyse_walk *walk,
                     const struct analyse_local *local,
                     struct analyse_origin *origin)
{
    const uint32_t thread = (uint32_t)image->roots[start->root].thread;
    const uint64_t offset =
        local->offset +
        (start->slot && local->reg == NONE ? start->slot - local->start : 0);
    word_of(origin, local->name, local->type, offset);
    origin->name = local->name;
    const char *const in_register =
        local->reg == NONE
            ? ""
            : analyse_text(", in %%%s", register_names[local->reg]);
    origin->where = analyse_text(
        "%s%s `%s` of %s%s%s%s", local->live ? "" : "out-of-scope ",
        local->is_parameter ? "parameter" : "variable", local->name,
        local->function ? local->function : "a function",
        declared_text(local->file, local->line), in_register,
        analyse_thread_text(image, types, thread));
    if (!local->live)
        origin->class = CLASS_STALE;
    else
        origin->class =
            walk->asker == local->frame ? CLASS_ASKER : CLASS_LOCALS;
}

static void of_word(struct analyse_image *image, struct analyse_types *types,
                    const struct analyse_start *start,
                    const struct analyse_walk *walk,
                    struct analyse_origin *origin)
{
    const uint32_t thread = (uint32_t)image->roots[start->root].thread;
    const uint32_t at = start->slot ? frame_at(walk, start->slot) : 0;
    const struct analyse_walk_frame *const frame =
        at < walk->count ? &walk->frames[at] : NULL;
    const char *const function =
        frame && frame->function ? frame->function : "a function";
    const char *const text = analyse_thread_text(image, types, thread);
    origin->weight = WEIGHT_UNNAMED;
    if (!start->slot) {
        origin->class = CLASS_REGISTERS;
        origin->expression = analyse_text(
            "$%s",
            start->reg < REGISTERS ? register_names[start->reg] : "register");
        origin->where = analyse_text("register %%%s in %s%s",
                                     origin->expression + 1, function, text);
        return;
    }
    origin->class = CLASS_WORDS;
    origin->expression =
        frame ? analyse_text("*(void **)($sp+%lld)",
                             (long long)(start->slot - frame->sp))
              : "*(void **)stack";
    origin->where = analyse_text("a word of the frame of %s%s", function, text);
}

static void of_stack(struct analyse_image *image, struct analyse_types *types,
                     const struct analyse_start *start,
                     struct analyse_origin *origin)
{
    const uint32_t thread = (uint32_t)image->roots[start->root].thread;
    if (thread >= image->threads_count)
        return;
    const struct analyse_walk *const walk =
        analyse_walk_of(image, types, thread);
    const struct analyse_local *local = local_at(walk, start, true);
    if (!local)
        local = local_at(walk, start, false);
    if (local)
        of_local(image, types, start, walk, local, origin);
    else
        of_word(image, types, start, walk, origin);
}

struct analyse_origin analyse_origin_of(struct analyse_image *image,
                                        struct analyse_types *types,
                                        const struct analyse_start *start,
                                        const struct analyse_type *want)
{
    const struct tt_record_root *const root = &image->roots[start->root];
    struct analyse_origin origin = { .class = CLASS_WORDS,
                                     .weight = WEIGHT_UNNAMED,
                                     .want = want,
                                     .expression = "*(void **)word",
                                     .where = "a word" };
    switch (root->kind) {
    case TT_ROOT_GLOBALS:
        origin.class = CLASS_GLOBALS;
        of_module(image, types, start, false, &origin);
        break;
    case TT_ROOT_TLS:
        origin.class = CLASS_TLS;
        of_module(image, types, start, true, &origin);
        break;
    case TT_ROOT_KEY:
        origin.class = CLASS_KEYS;
        of_key(image, types, root, &origin);
        break;
    case TT_ROOT_CLOSURE:
        origin.class = CLASS_CLOSURES;
        of_closure(image, root, &origin);
        break;
    case TT_ROOT_REGION:
        origin.class = CLASS_REGIONS;
        of_region(image, start, &origin);
        break;
    case TT_ROOT_KEPT:
        of_kept(image, root, &origin);
        break;
    case TT_ROOT_THREAD:
        origin.class = CLASS_THREADS;
        if (thread_is_there(image, root))
            origin.expression = analyse_text(
                "*(void **)($fs_base+%llu)",
                (unsigned long long)(start->slot -
                                     image->threads[root->thread].tcb));
        origin.where = analyse_text(
            "argument or result of a thread, which libc keeps%s",
            analyse_thread_text(image, types, (uint32_t)root->thread));
        break;
    default:
        of_stack(image, types, start, &origin);
        break;
    }
    return origin;
}

void analyse_origin_registers(struct analyse_graph *graph,
                              struct analyse_types *types)
{
    struct analyse_image *const image = graph->image;
    for (uint32_t i = 0; i < image->roots_count; i++) {
        const struct tt_record_root *const root = &image->roots[i];
        if (root->kind != TT_ROOT_REGISTERS || !thread_is_there(image, root) ||
            !(image->threads[root->thread].flags & TT_THREAD_ASKER))
            continue;
        const struct analyse_walk *const walk =
            analyse_walk_of(image, types, (uint32_t)root->thread);
        if (walk->asker == NONE)
            continue;
        const struct analyse_walk_frame *const frame =
            &walk->frames[walk->asker];
        for (uint32_t reg = 0; reg < REGISTERS; reg++)
            if (frame->where[reg] != WHERE_LOST && reg != REGISTER_SP &&
                reg != REGISTER_PC)
                analyse_graph_start(graph, i, 0, reg, frame->values[reg]);
    }
}
