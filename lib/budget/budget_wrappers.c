/* SPDX-License-Identifier: MIT */
/*
 * TETHER_WRAPPERS: code that allocates on behalf of its callers. Names become
 * address ranges once, when the first budget with .max_site begins; after that
 * only numbers are compared. Code that was not mapped then (dlopen), or that
 * may have taken the place of other code (dlclose), makes it be done once
 * more, by the first allocation that comes from there: so the ranges are
 * always those of the modules that a stack goes through.
 *
 * Locks: 'asking' while names are looked up, and inside it 'lock', for the
 * ranges; nothing is called while that is held.
 * Hook: all of it but wrappers_find may run inside malloc.
 */
#include "budget/budget_options.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "base/base_text.h"
#include "os/os.h"
#include "os/os_maps.h"
#include "stack/stack.h"

#include <string.h>

#define NAMES_MAX  128
#define NAME_BYTES 1024
#define RANGES_MAX 2048
#define CODES_MAX  1024

static struct {
    struct tt_lock asking, lock;
    bool read; /* the environment */
    struct tt_function_name names[NAMES_MAX];
    size_t names_count;
    bool names_cut;
    /* the newest look-up: */
    struct tt_functions found;
    struct tt_range codes[CODES_MAX]; /* what was mapped then */
    size_t codes_count;
    struct tt_text trouble;
} wrappers;

/* ---- the list ---- */

/* The length of the first item: up to a comma that is not inside of brackets,
 * which C++'s parameters and template arguments have. */
static size_t item_length(const char *list)
{
    int depth = 0;
    size_t at = 0;
    for (; list[at] && list[at] != '\n'; at++) {
        if (!strncmp(list + at, "operator", 8))
            at += 7 + strspn(list + at + 8, "<>=-");
        else if (strchr("<([", list[at]))
            depth++;
        else if (strchr(">)]", list[at]))
            depth--;
        else if (list[at] == ',' && depth <= 0)
            break;
    }
    return at;
}

static void name_add(const char *item, size_t len)
{
    while (len > 0 && strchr(" \t", item[0])) {
        item++;
        len--;
    }
    while (len > 0 && strchr(" \t", item[len - 1]))
        len--;
    if (len == 0)
        return;
    if (len >= NAME_BYTES || wrappers.names_count == NAMES_MAX) {
        wrappers.names_cut = true;
        return;
    }
    char *const name = tt_mem_take(len + 1);
    if (!name)
        return;
    memcpy(name, item, len);
    wrappers.names[wrappers.names_count++].name = name;
}

static void list_read(void)
{
    const char *list = tt_os_env("TETHER_WRAPPERS");
    if (wrappers.read)
        return;
    wrappers.read = true;
    while (list && *list) {
        const size_t len = item_length(list);
        name_add(list, len);
        list += len + (list[len] != '\0');
    }
}

/* ---- looking up ---- */

static void codes_note(const struct tt_text *maps)
{
    const char *at = maps->data;
    struct tt_map map;
    wrappers.codes_count = 0;
    while (tt_maps_next(&at, &map) && wrappers.codes_count < CODES_MAX)
        if (map.executable)
            wrappers.codes[wrappers.codes_count++] =
                (struct tt_range){ map.start, map.end };
}

/* What looks like a library's file is no function. */
static bool name_is_library(const char *name)
{
    return strstr(name, ".so") != NULL;
}

/* Modules are found here; the rest is 'asked' for. */
static size_t modules_take(const struct tt_text *maps,
                           struct tt_functions *found,
                           struct tt_function_name **asked,
                           struct tt_text *trouble)
{
    size_t rest = 0;
    for (size_t i = 0; i < wrappers.names_count; i++) {
        struct tt_function_name *const name = &wrappers.names[i];
        const size_t ranges =
            module_find(maps, name->name, found->ranges + found->count,
                        found->max - found->count);
        found->count += ranges;
        name->known = name->known || ranges > 0;
        if (!name_is_library(name->name)) {
            if (!ranges)
                asked[rest++] = name;
        } else if (!name->known) {
            tt_text_add(trouble,
                        "TETHER_WRAPPERS: no module `%.200s` is loaded\n",
                        name->name);
        }
    }
    return rest;
}

static void publish(const struct tt_text *maps, struct tt_functions *found,
                    const struct tt_text *trouble)
{
    tt_lock_take(&wrappers.lock);
    const struct tt_functions old = wrappers.found;
    wrappers.found = *found;
    codes_note(maps);
    tt_text_drop(&wrappers.trouble);
    wrappers.trouble = *trouble;
    tt_lock_give(&wrappers.lock);
    if (old.ranges)
        tt_unmap(old.ranges, RANGES_MAX * sizeof *old.ranges);
}

static void look_up(void)
{
    struct tt_function_name *asked[NAMES_MAX];
    struct tt_functions found = {
        .ranges = tt_map(RANGES_MAX * sizeof *found.ranges),
        .max = RANGES_MAX,
    };
    struct tt_text maps, trouble;
    tt_text_make(&maps);
    tt_text_make(&trouble);
    if (found.ranges && tt_maps_read(&maps)) {
        const size_t count = modules_take(&maps, &found, asked, &trouble);
        if (count && tt_budget_words.find_functions)
            tt_budget_words.find_functions(asked, count, &maps, &found,
                                           &trouble);
    }
    if (found.cut || wrappers.names_cut)
        tt_text_add(&trouble, "TETHER_WRAPPERS: there are too many names, or "
                              "too long ones; not all were taken\n");
    publish(&maps, &found, &trouble);
    tt_text_drop(&maps);
}

/* Was this code there when names were looked up? With more modules than there
 * is room for it counts as such: nothing is looked up at each turn. */
static bool code_is_known(uintptr_t pc)
{
    tt_lock_take(&wrappers.lock);
    const bool known = wrappers.codes_count == CODES_MAX ||
                       ranges_have(wrappers.codes, wrappers.codes_count, pc);
    tt_lock_give(&wrappers.lock);
    return known;
}

/* Code of no module, made at run time, has no name to be looked up. */
static void look_up_for(uintptr_t pc)
{
    if (code_is_known(pc) || !tt_stack_module(pc))
        return;
    tt_lock_take(&wrappers.asking);
    if (!code_is_known(pc))
        look_up();
    tt_lock_give(&wrappers.asking);
}

void wrappers_find(void)
{
    tt_lock_take(&wrappers.asking);
    list_read();
    if (wrappers.names_count > 0 && wrappers.codes_count == 0)
        look_up();
    tt_lock_give(&wrappers.asking);
}

bool wrapper_has(uintptr_t pc)
{
    if (wrappers.names_count == 0)
        return false;
    look_up_for(pc);
    tt_lock_take(&wrappers.lock);
    const bool has =
        ranges_have(wrappers.found.ranges, wrappers.found.count, pc);
    tt_lock_give(&wrappers.lock);
    return has;
}

void wrappers_trouble(struct tt_text *text)
{
    tt_lock_take(&wrappers.lock);
    if (wrappers.trouble.len)
        tt_text_bytes(text, wrappers.trouble.data, wrappers.trouble.len);
    tt_lock_give(&wrappers.lock);
}

/* A limit that holds says nothing, and may hold only because a name is wrong:
 * the caller's own bytes and those that a wrapper took for it were then
 * counted apart. */
void wrappers_note(void)
{
    static bool noted;
    char bytes[512];
    struct tt_text text;
    tt_text_fixed(&text, bytes, sizeof bytes);
    wrappers_trouble(&text);
    if (text.len == 0 || noted)
        return;
    noted = true;
    tt_note(bytes);
}

void wrappers_forget(void)
{
    tt_lock_take(&wrappers.lock);
    wrappers.codes_count = 0;
    tt_lock_give(&wrappers.lock);
}

/* The lock's holder, who may have been changing what it guards, does not
 * exist here. */
void wrappers_child(void)
{
    tt_lock_reset(&wrappers.asking);
    tt_lock_reset(&wrappers.lock);
    wrappers.codes_count = 0;
}
