/* SPDX-License-Identifier: MIT */
/*
 * Asks tether-analyse and remembers the answers.
 *
 * The idea: an answer is asked for once in a process and never taken back, so
 * names are handed out as plain pointers and need no owner.
 *
 * Locks: one, held while the analyser runs; below it only lib/base's.
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "os/os.h"
#include "os/os_maps.h"
#include "report/report_analyser.h"
#include "stack/stack.h"
#include "stack/stack_gone.h"

#define FUNCTION_MAX 200
#define BUCKETS      4096
#define QUESTION_MAX 20000
#define KEY_VARIABLE ((uintptr_t)1 << 63) /* no address of code */

/* A question that is put: what it is remembered by, and its line. */
struct asked {
    uintptr_t key;
    char kind; /* as the analyser has it: r, d, l */
    uint64_t link;
};

struct known {
    struct known *next;
    uintptr_t address;
    struct tt_name *first, *last;
};

static struct {
    struct tt_lock lock;
    struct known *buckets[BUCKETS];
    struct tt_name_module *modules;
    bool told, depth_told;
} names;

/* Of code in no module. */
static struct tt_name_module no_module = { .name = "" };
static const struct tt_name no_name = { .kind = TT_NAME_NONE,
                                        .module = &no_module };

void tt_names_lock(void)
{
    tt_lock_take(&names.lock);
}

void tt_names_unlock(void)
{
    tt_lock_give(&names.lock);
}

void tt_names_forget(void)
{
    tt_names_lock();
    memset(names.buckets, 0, sizeof names.buckets);
    tt_names_unlock();
}

bool tt_report_verbose(void)
{
    const char *const value = tt_os_env("TETHER_VERBOSE");
    return value && value[0] && strcmp(value, "0") != 0;
}

/* ---- what is known ---- */

static struct known **bucket_of(uintptr_t address)
{
    return &names.buckets[(address * 0x9e3779b97f4a7c15u) >> 52];
}

static struct known *known_find(uintptr_t address)
{
    struct known *known = *bucket_of(address);
    while (known && known->address != address)
        known = known->next;
    return known;
}

static struct known *known_make(uintptr_t address)
{
    struct known *const known = tt_mem_take(sizeof *known);
    if (!known)
        return NULL;
    struct known **const bucket = bucket_of(address);
    *known = (struct known){ .next = *bucket, .address = address };
    *bucket = known;
    return known;
}

static const char *text_keep(const char *bytes, size_t len)
{
    char *const copy = tt_mem_take(len + 1);
    if (copy)
        memcpy(copy, bytes, len);
    return copy;
}

static bool module_is_libc(const char *name)
{
    static const char *const starts[] = { "libc.so",   "libc-2.", "ld-linux",
                                          "ld-2.",     "libm.so", "libpthread",
                                          "libasan.so" };
    for (size_t i = 0; i < TT_COUNT(starts); i++)
        if (strncmp(name, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static struct tt_name_module *module_get(const char *name, size_t len)
{
    struct tt_name_module *module = names.modules;
    if (len == 0)
        return &no_module;
    for (; module; module = module->next)
        if (strlen(module->name) == len && !memcmp(module->name, name, len))
            return module;
    module = tt_mem_take(sizeof *module);
    const char *const copy = text_keep(name, len);
    if (!module || !copy)
        return &no_module;
    *module = (struct tt_name_module){ .next = names.modules,
                                       .name = copy,
                                       .is_libc = module_is_libc(copy) };
    names.modules = module;
    return module;
}

/* ---- the answer ---- */

static enum tt_name_kind kind_of(char letter)
{
    return letter == 'i' || letter == 'd' ? TT_NAME_DEBUG
           : letter == 's'                ? TT_NAME_SYMBOL
                                          : TT_NAME_MODULE;
}

/* 'f INDEX KIND FUNCTION PATH LINE MODULE OFFSET' */
static void frame_take(const struct tt_field *fields, const struct asked *asked,
                       size_t count)
{
    const uint64_t index = tt_field_number(fields[1], 10);
    if (index >= count || fields[2].len != 1)
        return;
    struct known *known = known_find(asked[index].key);
    struct tt_name *const name = tt_mem_take(sizeof *name);
    if (!known)
        known = known_make(asked[index].key);
    if (!known || !name)
        return;
    name->address = asked[index].key;
    name->kind = kind_of(fields[2].start[0]);
    name->inlined = fields[2].start[0] == 'i';
    if (fields[3].len)
        name->function =
            text_keep(fields[3].start, TT_MIN(fields[3].len, FUNCTION_MAX));
    if (fields[4].len)
        name->path = text_keep(fields[4].start, fields[4].len);
    name->line = (unsigned)tt_field_number(fields[5], 10);
    name->module = module_get(fields[6].start, fields[6].len);
    name->offset = tt_field_number(fields[7], 16);
    if (name->module == &no_module)
        name->kind = TT_NAME_NONE;
    if (known->last)
        known->last->outer = name;
    else
        known->first = name;
    known->last = name;
}

static void answer_take(const struct tt_text *answer, const struct asked *asked,
                        size_t count)
{
    const char *at = answer->data;
    while (*at) {
        struct tt_field fields[8];
        const size_t len = strcspn(at, "\n");
        const size_t got = tt_fields_split(at, len, fields, TT_COUNT(fields));
        if (got == 8 && at[0] == 'f')
            frame_take(fields, asked, count);
        else if (got == 3 && at[0] == 'm')
            module_get(fields[1].start, fields[1].len)->lacks_debug =
                fields[2].len == 7 && !memcmp(fields[2].start, "nodebug", 7);
        at += len + (at[len] != '\0');
    }
}

/* ---- the question ---- */

static void question_line(struct tt_text *question, const struct asked *asked)
{
    const unsigned long long key = asked->key & ~KEY_VARIABLE;
    if (asked->kind == 'r')
        tt_text_add(question, "r %llx\n", key);
    else
        tt_text_add(question, "%c %llx %llx\n", asked->kind,
                    (unsigned long long)asked->link, key - asked->link);
}

static void ask(const struct tt_text *maps, const struct asked *asked,
                size_t count)
{
    struct tt_text items, answer;
    tt_text_make(&items);
    tt_text_make(&answer);
    for (size_t i = 0; i < count; i++)
        question_line(&items, &asked[i]);
    if (tt_analyser_ask("names", maps, &items, &answer))
        answer_take(&answer, asked, count);
    tt_text_drop(&items);
    tt_text_drop(&answer);
}

/* Without the analyser: the module, and where in it. */
static void name_plainly(const struct tt_text *maps, const struct asked *asked)
{
    struct tt_map map;
    const bool is_code = asked->kind == 'r';
    const uintptr_t address =
        is_code ? asked->key : (asked->key & ~KEY_VARIABLE) - asked->link;
    struct known *const known = known_find(asked->key);
    struct tt_name *const name = tt_mem_take(sizeof *name);
    if (!name)
        return;
    known->first = known->last = name;
    *name = no_name;
    name->address = address;
    if (!tt_maps_find(maps, address - is_code, &map) || map.path_len == 0 ||
        map.path[0] != '/')
        return;
    const char *base = map.path + map.path_len;
    while (base > map.path && base[-1] != '/')
        base--;
    name->kind = TT_NAME_MODULE;
    name->module = module_get(base, (size_t)(map.path + map.path_len - base));
    name->offset = is_code ? address - map.start + map.offset : asked->link;
}

/* Keeps those that are not known yet, each once. */
static size_t unknown_keep(struct asked *asked, size_t count)
{
    size_t unknown = 0;
    for (size_t i = 0; i < count; i++) {
        if (known_find(asked[i].key))
            continue;
        if (!known_make(asked[i].key))
            break;
        asked[unknown++] = asked[i];
    }
    return unknown;
}

/* A placeholder of unknown_keep that no answer filled. */
static void unanswered_name(const struct tt_text *maps,
                            const struct asked *asked, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!known_find(asked[i].key)->first)
            name_plainly(maps, &asked[i]);
}

static void resolve(struct asked *asked, size_t count)
{
    tt_names_lock();
    const size_t unknown = unknown_keep(asked, count);
    if (unknown > 0) {
        struct tt_text maps;
        tt_text_make(&maps);
        tt_maps_read(&maps);
        tt_stack_gone_maps(&maps);
        ask(&maps, asked, unknown);
        unanswered_name(&maps, asked, unknown);
        tt_text_drop(&maps);
    }
    tt_names_unlock();
}

void tt_names_resolve(const uintptr_t *returns, size_t count)
{
    const size_t max = TT_MIN(count, QUESTION_MAX);
    struct asked *const asked = count ? tt_mem_take(max * sizeof *asked) : NULL;
    if (!asked)
        return;
    for (size_t i = 0; i < max; i++)
        asked[i] = (struct asked){ .key = returns[i], .kind = 'r' };
    resolve(asked, max);
    tt_mem_give(asked, max * sizeof *asked);
}

static struct asked variable_asked(const struct tt_variable *variable)
{
    return (struct asked){ .key =
                               (variable->code + variable->link) | KEY_VARIABLE,
                           .kind = variable->is_tls ? 'l' : 'd',
                           .link = variable->link };
}

void tt_names_resolve_variables(const struct tt_variable *variables,
                                size_t count)
{
    struct asked *const asked =
        count ? tt_mem_take(count * sizeof *asked) : NULL;
    if (!asked)
        return;
    for (size_t i = 0; i < count; i++)
        asked[i] = variable_asked(&variables[i]);
    resolve(asked, count);
    tt_mem_give(asked, count * sizeof *asked);
}

const struct tt_name *tt_names_variable(const struct tt_variable *variable)
{
    tt_names_resolve_variables(variable, 1);
    tt_names_lock();
    const struct known *const known = known_find(variable_asked(variable).key);
    const struct tt_name *const name =
        known && known->first ? known->first : &no_name;
    tt_names_unlock();
    return name;
}

const struct tt_name *tt_names_get(uintptr_t return_address)
{
    tt_names_resolve(&return_address, 1);
    tt_names_lock();
    const struct known *const known = known_find(return_address);
    const struct tt_name *const name =
        known && known->first ? known->first : &no_name;
    tt_names_unlock();
    return name;
}

/* ---- words ---- */

static const char *path_shown(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash && !tt_report_verbose() ? slash + 1 : path;
}

void tt_name_text(struct tt_text *text, const struct tt_name *name)
{
    const unsigned long long offset = name->offset;
    if (name->function)
        tt_text_add(text, "%s", name->function);
    if (name->kind != TT_NAME_DEBUG)
        name->module->shown = true;
    switch (name->kind) {
    case TT_NAME_DEBUG:
        if (!name->function)
            tt_text_add(text, "a function without a name");
        if (name->path && name->line)
            tt_text_add(text, " (%s:%u)", path_shown(name->path), name->line);
        break;
    case TT_NAME_SYMBOL:
        tt_text_add(text, "+0x%llx (%s)", offset, name->module->name);
        break;
    case TT_NAME_MODULE:
        tt_text_add(text, "%s+0x%llx", name->module->name, offset);
        break;
    case TT_NAME_NONE:
        tt_text_add(text, "unknown code");
        break;
    }
    if (tt_report_verbose() && name->address &&
        !tt_stack_gone_is(name->address))
        tt_text_add(text, " at %#llx", (unsigned long long)name->address);
}

static void depth_tell(struct tt_text *text)
{
    const struct tt_name_module *module = names.modules;
    while (module && !module->cut)
        module = module->next;
    if (!module || names.depth_told)
        return;
    names.depth_told = true;
    tt_text_add(text,
                "stacks end after %u frames; TETHER_STACK_DEPTH=%u shows ",
                tt_stack_depth, TT_MIN(tt_stack_depth * 4, TT_STACK_DEPTH_MAX));
    if (module->lacks_debug)
        tt_text_add(text, "who called\n%s\n", module->name);
    else
        tt_text_add(text, "more\n");
}

void tt_names_tell_trouble(struct tt_text *text)
{
    tt_names_lock();
    if (tt_analyser_trouble() && !names.told) {
        names.told = true;
        tt_text_add(text, "names are missing: %s\n", tt_analyser_trouble());
    }
    depth_tell(text);
    for (struct tt_name_module *module = names.modules; module;
         module = module->next) {
        if (!module->shown || !module->lacks_debug || module->told)
            continue;
        module->told = true;
        tt_text_add(text,
                    "no debug information in %s:\n"
                    "build it with -g, or install its -dbgsym package\n",
                    module->name);
    }
    tt_names_unlock();
}
