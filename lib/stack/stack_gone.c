/* SPDX-License-Identifier: MIT */
/*
 * What went away, and how many stacks there were when it was last known to be
 * there. A stack has a number, and numbers only grow: of all that was at an
 * address, a stack was in what was seen there next after the stack was made.
 * Looks at what is there have an order of their own, because code may come and
 * go without a new stack.
 *
 * Stacks that came while the loader was at work may be of destructors of the
 * old code or, if another thread loaded something meanwhile, of new code in
 * its place. Only the loader could tell, so they are of unknown code then.
 *
 * Bound: a program that loads and unloads for ever repeats itself, makes no
 * new stacks and so no new entries. When the entries are used up the rest is
 * of unknown code.
 *
 * Locks: one, innermost but for base_mem's.
 * Hook: all but _before and _after may run inside malloc.
 */
#include "stack/stack_gone.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "os/os_maps.h"
#include "stack/stack.h"

#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define ENTRIES_MAX 1024
#define FILES_MAX   256
/* No address of a process is so high. */
#define PLACE_FIRST ((uintptr_t)1 << 62)
#define PLACE_BYTES ((uintptr_t)1 << 36)
#define NO_FILE     FILES_MAX       /* for which there was no room */
#define NOT_SURE    (FILES_MAX + 1) /* which one */

/* The code of a file at the addresses where it was. */
struct file {
    uintptr_t start, end;
    const char *tail; /* 'r-xp ... dev inode path', as maps has it */
};

/* 'file' was there when stack 'newest' was made. What is not sure is only the
 * stacks after 'oldest' up to 'newest'. */
struct entry {
    uintptr_t start, end;
    uint32_t oldest, newest;
    uint32_t file; /* index, NO_FILE, NOT_SURE */
    uint32_t turn; /* when that was seen */
};

static struct {
    struct tt_lock lock;
    struct file files[FILES_MAX];
    struct entry entries[ENTRIES_MAX];
    size_t files_count;
    _Atomic uint32_t turns;
    _Atomic size_t count;
} gone;

void tt_stack_gone_lock(void)
{
    tt_lock_take(&gone.lock);
}

void tt_stack_gone_unlock(void)
{
    tt_lock_give(&gone.lock);
}

static bool entry_covers(const struct entry *entry, uint32_t id, uintptr_t pc)
{
    return id <= entry->newest && pc >= entry->start && pc < entry->end;
}

static bool entry_is_before(const struct entry *a, const struct entry *b)
{
    return a->newest != b->newest ? a->newest < b->newest : a->turn < b->turn;
}

static const struct entry *entry_of(uint32_t id, uintptr_t pc)
{
    const struct entry *found = NULL;
    for (size_t i = 0; i < gone.count; i++) {
        const struct entry *const entry = &gone.entries[i];
        if (!entry_covers(entry, id, pc))
            continue;
        if (entry->file == NOT_SURE && id > entry->oldest)
            return entry;
        if (entry->file != NOT_SURE &&
            (!found || entry_is_before(entry, found)))
            found = entry;
    }
    return found;
}

bool tt_stack_gone_is(uintptr_t place)
{
    return place >= PLACE_FIRST;
}

uintptr_t tt_stack_gone_place(uint32_t id, uintptr_t frame)
{
    if (TT_LIKELY(gone.count == 0))
        return frame;
    tt_stack_gone_lock();
    const struct entry *const entry = entry_of(id, frame - 1);
    if (entry)
        frame = PLACE_FIRST + entry->file * PLACE_BYTES + frame - entry->start;
    tt_stack_gone_unlock();
    return frame;
}

/* The part of a line of maps behind its addresses. */
static const char *tail_of(const struct tt_map *map, size_t *len)
{
    const char *const blank = memchr(map->line, ' ', map->line_len);
    const char *const tail = blank ? blank + 1 : map->line + map->line_len;
    *len = (size_t)(map->line + map->line_len - tail);
    return tail;
}

static bool file_is(const struct file *file, const struct tt_map *map)
{
    size_t len;
    const char *const tail = tail_of(map, &len);
    return file->start == map->start && file->end == map->end &&
           strlen(file->tail) == len && memcmp(file->tail, tail, len) == 0;
}

static uint32_t file_get(const struct tt_map *map)
{
    size_t i = 0, len;
    while (i < gone.files_count && !file_is(&gone.files[i], map))
        i++;
    if (i < gone.files_count)
        return (uint32_t)i;
    const char *const tail = tail_of(map, &len);
    char *const copy =
        gone.files_count < FILES_MAX ? tt_mem_take(len + 1) : NULL;
    if (!copy)
        return NO_FILE;
    memcpy(copy, tail, len);
    gone.files[gone.files_count++] =
        (struct file){ map->start, map->end, copy };
    return (uint32_t)i;
}

/* The same was seen before: the earliest look counts. */
static bool entry_is_known(const struct entry *entry)
{
    for (size_t i = 0; i < gone.count; i++) {
        struct entry *const known = &gone.entries[i];
        if (known->start != entry->start || known->end != entry->end ||
            known->newest != entry->newest || known->file != entry->file)
            continue;
        known->turn = TT_MIN(known->turn, entry->turn);
        return true;
    }
    return false;
}

static uint32_t newest_of_all(void)
{
    uint32_t newest = 0;
    for (size_t i = 0; i < gone.count; i++)
        newest = TT_MAX(newest, gone.entries[i].newest);
    return newest;
}

/* When there is no more room the last entry takes all that follows. */
static void entry_add(const struct entry *entry)
{
    struct entry *const rest = &gone.entries[ENTRIES_MAX - 1];
    if (entry_is_known(entry))
        return;
    if (gone.count < ENTRIES_MAX - 1) {
        gone.entries[gone.count++] = *entry;
        return;
    }
    if (gone.count < ENTRIES_MAX) {
        *rest = *entry;
        rest->oldest = newest_of_all();
        rest->file = NOT_SURE;
        gone.count = ENTRIES_MAX;
    }
    rest->start = TT_MIN(rest->start, entry->start);
    rest->end = TT_MAX(rest->end, entry->end);
    rest->newest = TT_MAX(rest->newest, entry->newest);
}

static bool is_code_of_a_file(const struct tt_map *map)
{
    return map->executable && map->path_len > 0 && map->path[0] == '/';
}

static bool is_still_there(const struct tt_text *maps, const struct tt_map *was)
{
    struct tt_map now;
    return tt_maps_find(maps, was->start, &now) && now.executable &&
           now.line_len == was->line_len &&
           memcmp(now.line, was->line, now.line_len) == 0;
}

static int loads_get(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    *(unsigned long long *)ctx = info->dlpi_adds;
    return 1;
}

static unsigned long long loads_now(void)
{
    unsigned long long loads = 0;
    dl_iterate_phdr(loads_get, &loads);
    return loads;
}

void tt_stack_gone_before(struct tt_stack_gone *before)
{
    tt_text_make(&before->maps);
    before->newest = (uint32_t)tt_stack_count();
    before->turn = atomic_fetch_add(&gone.turns, 1);
    if (before->newest == 0)
        return;
    before->loads = loads_now();
    tt_maps_read(&before->maps);
}

static void gone_note(const struct tt_stack_gone *before,
                      const struct tt_text *now, uint32_t newest)
{
    const bool sure = loads_now() == before->loads;
    const char *at = before->maps.data;
    struct tt_map was;
    tt_stack_gone_lock();
    while (tt_maps_next(&at, &was)) {
        if (!is_code_of_a_file(&was) || is_still_there(now, &was))
            continue;
        struct entry entry = { was.start,      was.end,
                               before->newest, sure ? newest : before->newest,
                               file_get(&was), before->turn };
        entry_add(&entry);
        if (sure || newest == before->newest)
            continue;
        entry.newest = newest;
        entry.file = NOT_SURE;
        entry_add(&entry);
    }
    tt_stack_gone_unlock();
}

void tt_stack_gone_after(struct tt_stack_gone *before)
{
    struct tt_text now;
    if (before->maps.len > 0) {
        const uint32_t newest = (uint32_t)tt_stack_count();
        tt_text_make(&now);
        if (tt_maps_read(&now))
            gone_note(before, &now, newest);
        tt_text_drop(&now);
    }
    tt_text_drop(&before->maps);
}

/* Is the file still the one that was loaded? */
static bool file_is_there(const struct file *file)
{
    struct stat now;
    char line[128];
    const char *const path = strchr(file->tail, '/');
    struct tt_text text;
    tt_text_fixed(&text, line, sizeof line);
    if (!path || stat(path, &now) != 0)
        return false;
    tt_text_add(&text, " %02x:%02x %llu ", major(now.st_dev), minor(now.st_dev),
                (unsigned long long)now.st_ino);
    return strstr(file->tail, line) != NULL;
}

void tt_stack_gone_maps(struct tt_text *maps)
{
    if (gone.count == 0)
        return;
    tt_stack_gone_lock();
    for (size_t i = 0; i < gone.files_count; i++) {
        const struct file *const file = &gone.files[i];
        const uintptr_t start = PLACE_FIRST + i * PLACE_BYTES;
        tt_text_add(maps, "%llx-%llx %s%s\n", (unsigned long long)start,
                    (unsigned long long)(start + file->end - file->start),
                    file->tail, file_is_there(file) ? "" : " (deleted)");
    }
    tt_stack_gone_unlock();
}
