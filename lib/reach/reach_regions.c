/* SPDX-License-Identifier: MIT */
/*
 * Regions that the program says hold pointers: a list, newest last, in
 * private memory. What is registered twice is removed twice.
 *
 * Locks: one; held over the stop of the world, so that the snapshot child
 * finds the list whole.
 */
#include "reach/reach_inside.h"
#include "reach/reach_regions.h"
#include "reach/reach_tables.h"

#include <string.h>
#include <tether/reach.h>

#include "base/base_lock.h"
#include "base/base_mem.h"

struct region_entry {
    uintptr_t start, end;
    const char *name; /* constant, as the program wrote it */
    uintptr_t made;   /* return address of who added it */
};

static struct {
    struct tt_lock lock;
    struct reach_array entries;
} regions = { .entries.size = sizeof(struct region_entry) };

extern const struct tt_reach_table tt_reach_regions;

const struct tt_reach_table tt_reach_regions __attribute__((used)) = {
    .magic = TT_REACH_TABLE_MAGIC,
    .items = &regions.entries.items,
    .count = &regions.entries.count,
    .kind = TT_ROOT_REGION,
    .entry_bytes = sizeof(struct region_entry),
    .start_at = offsetof(struct region_entry, start),
    .end_at = offsetof(struct region_entry, end),
    .made_at = offsetof(struct region_entry, made),
    .name_at = offsetof(struct region_entry, name),
    .calls_at = TT_REACH_NOWHERE,
    .data_at = TT_REACH_NOWHERE,
};

tether_status reach_region_add(uintptr_t start, size_t bytes, const char *name,
                               uintptr_t made)
{
    tt_lock_take(&regions.lock);
    struct region_entry *const entry = reach_array_add(&regions.entries);
    if (entry)
        *entry = (struct region_entry){ start, start + bytes, name, made };
    tt_lock_give(&regions.lock);
    return entry ? TETHER_OK : TETHER_NO_MEMORY;
}

static bool region_cut(uintptr_t start, uintptr_t end)
{
    struct region_entry *const all = regions.entries.items;
    for (size_t i = regions.entries.count; i-- > 0;)
        if (all[i].start == start && all[i].end == end) {
            memmove(&all[i], &all[i + 1],
                    (--regions.entries.count - i) * sizeof *all);
            return true;
        }
    return false;
}

tether_status reach_region_remove(uintptr_t start, size_t bytes)
{
    tt_lock_take(&regions.lock);
    const bool found = region_cut(start, start + bytes);
    tt_lock_give(&regions.lock);
    return found ? TETHER_OK : TETHER_NOT_FOUND;
}

tether_status tether_root_add_at(const void *start, size_t bytes,
                                 const char *name)
{
    if (!start)
        tt_die("tether_root_add", "the start is NULL; pass the first word of "
                                  "the memory that holds pointers");
    return reach_region_add((uintptr_t)start, bytes, name,
                            (uintptr_t)__builtin_return_address(0));
}

#undef tether_root_add
tether_status tether_root_add(const void *start, size_t bytes)
{
    return tether_root_add_at(start, bytes, "");
}

tether_status tether_root_remove(const void *start, size_t bytes)
{
    return reach_region_remove((uintptr_t)start, bytes);
}

void reach_regions_gather(struct reach_state *state)
{
    const struct region_entry *const all = regions.entries.items;
    for (size_t i = 0; i < regions.entries.count; i++) {
        struct tt_record_root *const root =
            reach_root_add(state, TT_ROOT_REGION, all[i].start, all[i].end);
        if (!root)
            continue;
        root->name = reach_text_add(state, all[i].name, strlen(all[i].name));
        root->made = all[i].made;
    }
}

void reach_regions_lock(void)
{
    tt_lock_take(&regions.lock);
}

void reach_regions_unlock(void)
{
    tt_lock_give(&regions.lock);
}
