/* SPDX-License-Identifier: MIT */
/*
 * Paths without types, as the snapshot child found them: the root's symbol and
 * offset, then for each step the offset in the block. What is printed as an
 * expression can be pasted into a debugger.
 *
 *   held by    *(void **)((char *)&by_age + 16)
 *              (global `by_age`)
 *     by_age + 16      -> 32 B, allocated by age_push (cache.c:77)
 *     + 0 (3 times)    -> 32 B, allocated by age_push (cache.c:77)
 *     + 24             -> the object
 */
#include "report/report_path.h"

#include "os/os_maps.h"
#include "report/report_names.h"
#include "report/report_stack.h"
#include "stack/stack_machine.h"

#include <string.h>

#define STEPS_SHOWN    12
#define EXPRESSION_MAX 160 /* bytes; a longer one is not shown */

static const char *text_at(const struct tt_snap *snap, uint32_t at)
{
    size_t count;
    const char *const all = tt_reach_section(snap, TT_RECORD_TEXT, &count);
    return at < count ? all + at : "";
}

static const struct tt_record_module *module_at(const struct tt_snap *snap,
                                                int32_t index)
{
    size_t count;
    const struct tt_record_module *const all =
        tt_reach_section(snap, TT_RECORD_MODULES, &count);
    return index >= 0 && (size_t)index < count ? &all[index] : NULL;
}

static const struct tt_record_root *root_at(const struct tt_snap *snap,
                                            int32_t index)
{
    size_t count;
    const struct tt_record_root *const all =
        tt_reach_section(snap, TT_RECORD_ROOTS, &count);
    return index >= 0 && (size_t)index < count ? &all[index] : NULL;
}

/* Where code of the module is mapped. */
static uintptr_t module_code(const struct tt_snap *snap,
                             const struct tt_record_module *module)
{
    size_t count;
    struct tt_map map;
    const char *at = tt_reach_section(snap, TT_RECORD_MAPS, &count);
    while (tt_maps_next(&at, &map))
        if (map.executable && map.start >= module->start &&
            map.start < module->end)
            return map.start;
    return 0;
}

/* Names a word of a global or thread-local variable. */
static const struct tt_name *variable_name(const struct tt_snap *snap,
                                           const struct tt_record_root *root,
                                           uint64_t slot)
{
    const struct tt_record_module *const module = module_at(snap, root->module);
    const bool is_tls = root->kind == TT_ROOT_TLS;
    const struct tt_variable variable = {
        .link = is_tls ? slot - root->start : slot - module->bias,
        .code = module_code(snap, module),
        .is_tls = is_tls,
    };
    return tt_names_variable(&variable);
}

/* ' of thread 2 (worker)', or nothing for the one that asks. */
static void thread_text(struct tt_text *text, const struct tt_snap *snap,
                        int32_t index)
{
    size_t count;
    const struct tt_record_thread *const all =
        tt_reach_section(snap, TT_RECORD_THREADS, &count);
    if (index <= 0 || (size_t)index >= count)
        return;
    tt_text_add(text, " of thread ");
    if (all[index].number)
        tt_text_add(text, "%u ", all[index].number);
    tt_text_add(text, "`%s`", all[index].name);
}

static void code_text(struct tt_text *text, uint64_t returns)
{
    tt_name_text(text, tt_names_get((uintptr_t)returns));
}

/* 'registry' and 16, or 'libfoo.so' and a link address. */
static void place_text(struct tt_text *text, const struct tt_name *name)
{
    if (name->function)
        tt_text_add(text, "%s", name->function);
    else
        tt_text_add(text, "%s", name->module->name);
    if (name->offset)
        tt_text_add(text, name->function ? " + %llu" : " + 0x%llx",
                    (unsigned long long)name->offset);
}

/* What the first step's line begins with. */
static void root_step(struct tt_text *text, const struct tt_snap *snap,
                      const struct tt_record_root *root,
                      const struct tt_record_hop *hop)
{
    static const char *const registers[] = TT_MACHINE_REGISTERS;
    switch (root->kind) {
    case TT_ROOT_GLOBALS:
    case TT_ROOT_TLS:
        place_text(text, variable_name(snap, root, hop->slot));
        break;
    case TT_ROOT_KEY:
        tt_text_add(text, "key %llu", (unsigned long long)root->what);
        break;
    case TT_ROOT_CLOSURE:
        tt_text_add(text, "user_data");
        break;
    case TT_ROOT_REGION:
        tt_text_add(text, "%s + %llu", text_at(snap, root->name),
                    (unsigned long long)(hop->slot - root->start));
        break;
    case TT_ROOT_KEPT:
        tt_text_add(text, root->name ? "it" : "kept block");
        break;
    case TT_ROOT_REGISTERS:
        if (hop->what < TT_COUNT(registers))
            tt_text_add(text, "%s", registers[hop->what]);
        break;
    default:
        tt_text_add(text, "a word");
        break;
    }
}

static void variable_words(struct tt_text *text, const struct tt_snap *snap,
                           const struct tt_record_root *root, uint64_t slot)
{
    const struct tt_name *const name = variable_name(snap, root, slot);
    const char *const what =
        root->kind == TT_ROOT_TLS ? "thread-local" : "global";
    if (!name->function)
        tt_text_add(text, "%s data of %s", what, name->module->name);
    else
        tt_text_add(text, "%s `%s`", what, name->function);
    if (name->function &&
        !(module_at(snap, root->module)->flags & TT_MODULE_MAIN))
        tt_text_add(text, " of %s", name->module->name);
    thread_text(text, snap, root->thread);
}

/* What the root is, for a reader. */
static void root_words(struct tt_text *text, const struct tt_snap *snap,
                       const struct tt_record_root *root, uint64_t slot)
{
    switch (root->kind) {
    case TT_ROOT_GLOBALS:
    case TT_ROOT_TLS:
        variable_words(text, snap, root, slot);
        return;
    case TT_ROOT_KEY:
        tt_text_add(text, "value of pthread key %llu",
                    (unsigned long long)root->what);
        break;
    case TT_ROOT_CLOSURE:
        tt_text_add(text, "live libffi closure that calls ");
        code_text(text, root->what + 1);
        tt_text_add(text, ", made by ");
        code_text(text, root->made);
        return;
    case TT_ROOT_REGION:
        tt_text_add(text, "region that was added by ");
        code_text(text, root->made);
        return;
    case TT_ROOT_KEPT:
        tt_text_add(text, "%s",
                    root->name ? text_at(snap, root->name)
                               : "block that is meant to stay (tether_keep, "
                                 "ONE_TIME)");
        return;
    case TT_ROOT_THREAD:
        tt_text_add(text, "argument or result");
        break;
    case TT_ROOT_STACK:
        tt_text_add(text, "word on the stack");
        break;
    default:
        tt_text_add(text, "register");
        break;
    }
    if (root->thread == 0)
        tt_text_add(text, " of this thread");
    thread_text(text, snap, root->thread);
}

/* The first word as an expression; nothing where there is none. */
static void root_expression(struct tt_text *text, const struct tt_snap *snap,
                            const struct tt_record_root *root,
                            const struct tt_record_hop *hop)
{
    if (root->kind == TT_ROOT_KEY)
        tt_text_add(text, "pthread_getspecific(%llu)",
                    (unsigned long long)root->what);
    if (root->kind != TT_ROOT_GLOBALS && root->kind != TT_ROOT_TLS)
        return;
    const struct tt_name *const name = variable_name(snap, root, hop->slot);
    if (name->function && name->offset)
        tt_text_add(text, "*(void **)((char *)&%s + %llu)", name->function,
                    (unsigned long long)name->offset);
    else if (name->function)
        tt_text_add(text, "*(void **)&%s", name->function);
}

/* Where in its block the slot of a step is. */
static uint64_t step_offset(const struct tt_record_hop *before,
                            const struct tt_record_hop *hop)
{
    return hop->slot - before->block;
}

static void expression_text(struct tt_text *text, const struct tt_snap *snap,
                            const struct tt_record_hop *hops, size_t count)
{
    struct tt_text root;
    char bytes[EXPRESSION_MAX];
    tt_text_fixed(&root, bytes, sizeof bytes);
    if (hops[0].root >= 0)
        root_expression(&root, snap, root_at(snap, hops[0].root), &hops[0]);
    if (!root.len || root.len + (count - 1) * 30 > EXPRESSION_MAX)
        return;
    for (size_t i = 1; i < count; i++)
        tt_text_add(text, "*(void **)((char *)");
    tt_text_add(text, "%s", root.data);
    for (size_t i = 1; i < count; i++)
        tt_text_add(text, " + %llu)",
                    (unsigned long long)step_offset(&hops[i - 1], &hops[i]));
}

/* ---- steps ---- */

void tt_path_block(struct tt_text *text, struct tt_field type, uint64_t size,
                   uint32_t stack, struct tt_field note)
{
    tt_text_add(text, "-> ");
    if (type.len)
        tt_text_add(text, "%.*s, ", (int)type.len, type.start);
    tt_text_size(text, size);
    if (stack) {
        tt_text_add(text, ", allocated by ");
        tt_stack_who(text, stack);
    }
    if (note.len)
        tt_text_add(text, " (%.*s)", (int)note.len, note.start);
    tt_text_add(text, "\n");
}

static void step_pad(struct tt_text *text, size_t start)
{
    const size_t len = text->len - start;
    tt_text_add(text, "%*s", len < TT_PATH_STEP ? (int)(TT_PATH_STEP - len) : 0,
                "");
    tt_text_add(text, " ");
}

static void block_text(struct tt_text *text, const struct tt_snap *snap,
                       const struct tt_record_hop *hop, bool is_target)
{
    const struct tt_record_block *const block =
        tt_reach_block(snap, hop->block);
    char note[64] = "";
    struct tt_text inside;
    tt_text_fixed(&inside, note, sizeof note);
    if (hop->value != hop->block)
        tt_text_add(&inside, "%llu bytes into it",
                    (unsigned long long)(hop->value - hop->block));
    if (is_target)
        tt_text_add(text, "-> the object%s%s\n", note[0] ? ", " : "", note);
    else if (block)
        tt_path_block(text, (struct tt_field){ "", 0 }, block->size,
                      block->stack, (struct tt_field){ note, inside.len });
    else
        tt_text_add(text, "-> a block of Tether's\n");
}

static uint32_t stack_of(const struct tt_snap *snap, uint64_t address)
{
    const struct tt_record_block *const block = tt_reach_block(snap, address);
    return block ? block->stack : 0;
}

/* Does the step after 'i' say what step 'i' says? */
static bool step_repeats(const struct tt_snap *snap,
                         const struct tt_record_hop *hops, size_t i,
                         size_t count)
{
    return i > 0 && i + 2 < count &&
           step_offset(&hops[i - 1], &hops[i]) ==
               step_offset(&hops[i], &hops[i + 1]) &&
           stack_of(snap, hops[i].block) == stack_of(snap, hops[i + 1].block);
}

static void steps_text(struct tt_text *text, const struct tt_snap *snap,
                       const struct tt_record_hop *hops, size_t count)
{
    size_t shown = 0;
    for (size_t i = 0; i < count; i++) {
        size_t times = 1;
        while (step_repeats(snap, hops, i, count)) {
            times++;
            i++;
        }
        if (++shown == STEPS_SHOWN && i + 1 < count) {
            tt_text_add(text, "    ... %zu more steps ...\n", count - 1 - i);
            i = count - 1;
        }
        tt_text_add(text, "    ");
        const size_t start = text->len;
        if (hops[i].root >= 0)
            root_step(text, snap, root_at(snap, hops[i].root), &hops[i]);
        else if (i > 0)
            tt_text_add(
                text, "+ %llu",
                (unsigned long long)step_offset(&hops[i - 1], &hops[i]));
        else
            tt_text_add(text, "the block");
        if (times > 1)
            tt_text_add(text, " (%zu times)", times);
        step_pad(text, start);
        block_text(text, snap, &hops[i], i + 1 == count);
    }
}

static void path_text(struct tt_text *text, const struct tt_snap *snap,
                      const struct tt_record_hop *hops, size_t count,
                      const char *first)
{
    tt_text_add(text, "%s", first);
    const size_t start = text->len;
    expression_text(text, snap, hops, count);
    if (text->len > start)
        tt_text_add(text, "\n%s(", TT_PATH_BLANK);
    if (hops[0].root >= 0)
        root_words(text, snap, root_at(snap, hops[0].root), hops[0].slot);
    else
        tt_text_add(text, "the block that was asked about");
    tt_text_add(text,
                text->len > start && text->data[start] == '*' ? ")\n" : "\n");
}

/* FNV-1a, 32 bits. */
static uint32_t hash_of(const char *bytes, size_t len)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * 16777619u;
    return hash;
}

size_t tt_path_plain(struct tt_text *text, const struct tt_snap *snap,
                     const struct tt_record_question *question, bool brief,
                     uint32_t *id)
{
    size_t all, paths = 0;
    const struct tt_record_hop *const hops =
        (const struct tt_record_hop *)tt_reach_section(snap, TT_RECORD_HOPS,
                                                       &all) +
        question->hops;
    const size_t count = question->hops_count;
    for (size_t first = 0; first < count; paths++) {
        size_t next = first + 1;
        while (next < count && hops[next].root < 0)
            next++;
        const size_t start = text->len;
        path_text(text, snap, &hops[first], next - first,
                  paths == 0 ? TT_PATH_FIRST : TT_PATH_OTHER);
        if (brief)
            return 1;
        steps_text(text, snap, &hops[first], next - first);
        if (paths == 0)
            *id = hash_of(text->data + start, text->len - start);
        first = next;
    }
    return paths;
}

bool tt_path_slot(struct tt_text *text, const struct tt_snap *snap,
                  uint64_t slot)
{
    size_t count;
    const struct tt_record_root *const roots =
        tt_reach_section(snap, TT_RECORD_ROOTS, &count);
    const struct tt_record_hop hop = { .slot = slot };
    for (size_t i = 0; i < count; i++) {
        if (slot < roots[i].start || slot >= roots[i].end ||
            roots[i].kind == TT_ROOT_KEPT)
            continue;
        root_step(text, snap, &roots[i], &hop);
        tt_text_add(text, "  (");
        root_words(text, snap, &roots[i], slot);
        tt_text_add(text, ")");
        return true;
    }
    const struct tt_record_block *const block = tt_reach_block(snap, slot);
    if (!block)
        return false;
    tt_text_add(text, "%llu bytes into a block of ",
                (unsigned long long)(slot - block->address));
    tt_text_size(text, block->size);
    tt_text_add(text, ", allocated by ");
    tt_stack_who(text, block->stack);
    return true;
}
