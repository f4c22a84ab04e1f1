/* SPDX-License-Identifier: MIT */
/*
 * Reads and matches suppressions. The file is read once, at the first leak
 * that needs it. A bad line suppresses nothing and is told with the leak, so
 * that a typing mistake cannot hide one.
 */
#include "report/report_suppress.h"

#include <string.h>
#include <tether/board.h>

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "base/base_word.h"
#include "heap/heap.h"
#include "os/os.h"
#include "report/report_stack.h"

#define ENTRIES_MAX  1024
#define NAMED_UNUSED 5

enum key { KEY_SITE, KEY_MODULE };

struct entry {
    enum key key;
    const char *pattern;
    unsigned line;
    uint64_t bytes, blocks; /* it covered */
};

static struct {
    struct tt_lock lock;
    bool read;
    struct entry *entries;
    size_t count;
    struct tt_text errors;
    const char *file;
} table;

bool tt_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* ---- reading ---- */

static void bad_line(unsigned line, const char *key)
{
    tt_text_add(&table.errors, "%s:%u: ", table.file, line);
    if (!key) {
        tt_text_add(&table.errors,
                    "this is no 'site: PATTERN' or 'module: PATTERN'\n");
        return;
    }
    const bool site =
        tt_word_distance(key, "site") <= tt_word_distance(key, "module");
    tt_text_add(&table.errors, "unknown key '%.40s'; the nearest is '%s'\n",
                key, site ? "site" : "module");
}

static char *blanks_cut(char *text)
{
    text += strspn(text, " \t\r");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r", text[len - 1]))
        text[--len] = '\0';
    return text;
}

static void line_take(char *bytes, unsigned number)
{
    char *const line = blanks_cut(bytes);
    if (line[0] == '\0' || line[0] == '#')
        return;
    char *const colon = strchr(line, ':');
    if (!colon) {
        bad_line(number, NULL);
        return;
    }
    *colon = '\0';
    const char *const key = blanks_cut(line);
    const char *const pattern = blanks_cut(colon + 1);
    const bool site = strcmp(key, "site") == 0;
    if (!site && strcmp(key, "module") != 0)
        bad_line(number, key);
    else if (pattern[0] == '\0')
        bad_line(number, NULL);
    else if (table.count < ENTRIES_MAX)
        table.entries[table.count++] = (struct entry){
            .key = site ? KEY_SITE : KEY_MODULE,
            .pattern = pattern,
            .line = number,
        };
}

/* With the lock held. 'lines' are kept. */
static void lines_take(const char *file, const char *lines)
{
    const size_t bytes = strlen(lines) + 1;
    char *copy = tt_mem_take(bytes);
    table.read = true;
    table.file = file;
    table.count = 0;
    tt_text_drop(&table.errors);
    tt_text_make(&table.errors);
    if (!table.entries)
        table.entries = tt_mem_take(ENTRIES_MAX * sizeof *table.entries);
    if (!copy || !table.entries)
        return;
    memcpy(copy, lines, bytes);
    for (unsigned number = 1; copy; number++) {
        char *const end = strchr(copy, '\n');
        if (end)
            *end = '\0';
        line_take(copy, number);
        copy = end ? end + 1 : NULL;
    }
}

void tt_suppress_read(const char *file, const char *lines)
{
    tt_lock_take(&table.lock);
    lines_take(file, lines);
    tt_lock_give(&table.lock);
}

static void table_read_once(void)
{
    const char *const file = tt_os_env("TETHER_SUPPRESS");
    struct tt_text lines;
    if (table.read)
        return;
    table.read = true;
    tt_text_make(&table.errors);
    if (!file || !file[0])
        return;
    tt_text_make(&lines);
    if (tt_os_read_file(file, &lines))
        lines_take(file, lines.data);
    else
        tt_text_add(&table.errors, "TETHER_SUPPRESS: %.200s cannot be read\n",
                    file);
    tt_text_drop(&lines);
}

bool tt_suppress_any(void)
{
    tt_lock_take(&table.lock);
    table_read_once();
    const bool any = table.count > 0;
    tt_lock_give(&table.lock);
    return any;
}

/* ---- matching ---- */

static const char *base_name(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool place_matches(const char *pattern, const struct tt_name *name)
{
    char bytes[1024];
    struct tt_text place;
    if (!name->path)
        return false;
    tt_text_fixed(&place, bytes, sizeof bytes);
    tt_text_add(&place, "%s:%u",
                strchr(pattern, '/') ? name->path : base_name(name->path),
                name->line);
    return tt_glob(pattern, place.data);
}

static bool entry_matches(const struct entry *entry,
                          const struct tt_name **frames, size_t count)
{
    if (entry->key == KEY_MODULE)
        return count > 0 &&
               tt_glob(
                   entry->pattern,
                   frames[tt_stack_first_user(frames, count)]->module->name);
    for (size_t i = 0; i < count; i++)
        if ((frames[i]->function &&
             tt_glob(entry->pattern, frames[i]->function)) ||
            place_matches(entry->pattern, frames[i]))
            return true;
    return false;
}

bool tt_suppress_covers(uint32_t stack, int64_t bytes, int64_t blocks)
{
    const struct tt_name *frames[TT_STACK_SHOWN_MAX];
    const size_t count = tt_stack_shown(stack, frames, TT_COUNT(frames));
    bool covered = false;
    tt_lock_take(&table.lock);
    table_read_once();
    for (size_t i = 0; i < table.count && !covered; i++) {
        struct entry *const entry = &table.entries[i];
        covered = entry_matches(entry, frames, count);
        if (covered) {
            entry->bytes += (uint64_t)bytes;
            entry->blocks += (uint64_t)blocks;
            tt_board_rule_needed(i);
        }
    }
    tt_lock_give(&table.lock);
    return covered;
}

/* ---- words ---- */

static void entry_text(struct tt_text *text, const struct entry *entry)
{
    tt_text_add(text, "%s: %.100s", entry->key == KEY_SITE ? "site" : "module",
                entry->pattern);
}

static void unused_tell(struct tt_text *text)
{
    size_t unused = 0;
    for (size_t i = 0; i < table.count; i++) {
        if (table.entries[i].blocks > 0)
            continue;
        if (unused < NAMED_UNUSED) {
            tt_text_add(text, unused ? ", '" : "unused suppressions: '");
            entry_text(text, &table.entries[i]);
            tt_text_add(text, "'");
        }
        unused++;
    }
    if (unused > NAMED_UNUSED)
        tt_text_add(text, " and %zu more", unused - NAMED_UNUSED);
    if (unused > 0)
        tt_text_add(text, "\n");
}

static void used_tell(struct tt_text *text)
{
    for (size_t i = 0; i < table.count; i++) {
        if (table.entries[i].blocks == 0)
            continue;
        tt_text_add(text, "suppressed by '");
        entry_text(text, &table.entries[i]);
        tt_text_add(text, "': ");
        tt_text_size(text, table.entries[i].bytes);
        tt_text_add(text, " in %llu\n",
                    (unsigned long long)table.entries[i].blocks);
    }
}

void tt_suppress_tell(struct tt_text *text)
{
    tt_lock_take(&table.lock);
    table_read_once();
    tt_text_bytes(text, table.errors.data, table.errors.len);
    if (tt_report_verbose())
        used_tell(text);
    /* What one test does not need another may: the runner tells. */
    if (!tt_board_is_there())
        unused_tell(text);
    for (size_t i = 0; i < table.count; i++)
        table.entries[i].bytes = table.entries[i].blocks = 0;
    tt_lock_give(&table.lock);
}

size_t tether_board_unneeded(void (*see)(const char *rule, void *ctx),
                             void *ctx)
{
    char bytes[256];
    size_t unneeded = 0;
    if (!see)
        tt_die("tether_board_unneeded", "'see' is NULL; give it a function");
    tt_lock_take(&table.lock);
    table_read_once();
    tt_lock_give(&table.lock);
    for (size_t i = 0; i < table.count; i++) {
        struct tt_text rule;
        if (tt_board_rule_was_needed(i))
            continue;
        tt_text_fixed(&rule, bytes, sizeof bytes);
        entry_text(&rule, &table.entries[i]);
        see(bytes, ctx);
        unneeded++;
    }
    return unneeded;
}
