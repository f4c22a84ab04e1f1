/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of the heap by site, their difference, and what a function has
 * allocated: the public functions of tether/heap.h that add up blocks.
 */
#include "base/base_mem.h"
#include "report/report.h"
#include "report/report_sites.h"
#include "os/os.h"
#include "stack/stack.h"
#include "stack/stack_gone.h"

#include <string.h>
#include <tether/heap.h>

/* The rows in ascending order of their stacks. */
struct tether_snapshot {
    struct tt_sites sites;
};

static bool stack_before(const struct tt_site_row *a,
                         const struct tt_site_row *b)
{
    return a->stack < b->stack;
}

struct tether_snapshot *tether_snapshot(void)
{
    struct tether_snapshot *snapshot = NULL;
    tt_enter();
    if (tt_heap_sees())
        snapshot = tt_mem_take(sizeof *snapshot);
    if (snapshot) {
        tt_sites_gather(&snapshot->sites, 0, NULL, NULL);
        tt_sites_sort(&snapshot->sites);
        tt_site_rows_sort(snapshot->sites.rows, snapshot->sites.count,
                          stack_before);
        if (snapshot->sites.cut) {
            tether_snapshot_drop(snapshot);
            snapshot = NULL;
        }
    }
    tt_leave();
    return snapshot;
}

void tether_snapshot_drop(struct tether_snapshot *snapshot)
{
    if (!snapshot)
        return;
    tt_sites_drop(&snapshot->sites);
    tt_mem_give(snapshot, sizeof *snapshot);
}

/* Is 'site' to stand before 'other'? */
static bool site_before(const struct tether_site *site,
                        const struct tether_site *other)
{
    if (site->bytes != other->bytes)
        return site->bytes > other->bytes;
    if (site->blocks != other->blocks)
        return site->blocks > other->blocks;
    return site->stack < other->stack;
}

/* Keeps the 'max' first ones in order. */
static void site_insert(struct tether_site *sites, size_t *kept, size_t max,
                        struct tether_site site)
{
    size_t at = *kept;
    if (at == max) {
        if (max == 0 || !site_before(&site, &sites[max - 1]))
            return;
        at--;
    } else {
        ++*kept;
    }
    for (; at > 0 && site_before(&site, &sites[at - 1]); at--)
        sites[at] = sites[at - 1];
    sites[at] = site;
}

size_t tether_snapshot_diff(const struct tether_snapshot *before,
                            const struct tether_snapshot *after,
                            struct tether_site *sites, size_t max)
{
    if (!after)
        tt_die("tether_snapshot_diff", "'after' is NULL; pass a snapshot");
    const size_t before_count = before ? before->sites.count : 0;
    const struct tt_site_row *const old = before ? before->sites.rows : NULL;
    const struct tt_site_row *const new = after->sites.rows;
    size_t at = 0, to = 0, differing = 0, kept = 0;
    while (at < before_count || to < after->sites.count) {
        const bool has_old =
            at < before_count &&
            (to == after->sites.count || old[at].stack <= new[to].stack);
        const bool has_new =
            to < after->sites.count &&
            (at == before_count || new[to].stack <= old[at].stack);
        struct tether_site site = { 0 };
        if (has_old) {
            site.stack = old[at].stack;
            site.bytes -= old[at].bytes;
            site.blocks -= old[at++].blocks;
        }
        if (has_new) {
            site.stack = new[to].stack;
            site.bytes += new[to].bytes;
            site.blocks += new[to++].blocks;
        }
        if (site.bytes == 0 && site.blocks == 0)
            continue;
        differing++;
        site_insert(sites, &kept, max, site);
    }
    return differing;
}

/* ---- by function ---- */

struct from {
    uintptr_t start, end;
    size_t blocks, bytes;
};

static bool stack_passes(uint32_t stack, const struct from *from)
{
    const uintptr_t *frames;
    const unsigned depth = tt_stack_frames(stack, &frames);
    for (unsigned i = 0; i < depth; i++) {
        const uintptr_t pc = tt_stack_gone_place(stack, frames[i]) - 1;
        if (pc >= from->start && pc < from->end)
            return true;
    }
    return false;
}

static bool from_counts(const struct tt_block *block, void *ctx)
{
    return stack_passes(block->stack, ctx);
}

uint32_t tt_report_window_epoch(void)
{
    const struct tt_scope *const scope = tt_scope_outermost();
    return scope ? scope->epoch : 0;
}

bool tt_report_live_from(void (*function)(void), struct tt_sites *sites)
{
    struct from from = { 0 };
    memset(sites, 0, sizeof *sites);
    if (!tt_stack_function(tt_os_code_target((uintptr_t)function), &from.start,
                           &from.end))
        return false;
    tt_sites_gather(sites, tt_report_window_epoch(), from_counts, &from);
    return true;
}

size_t tether_live_from(void (*function)(void), size_t *bytes)
{
    struct tt_sites sites;
    if (!function)
        tt_die("tether_live_from", "the function is NULL; pass its name");
    tt_enter();
    tt_report_live_from(function, &sites);
    const size_t blocks = (size_t)sites.blocks;
    if (bytes)
        *bytes = (size_t)sites.bytes;
    tt_sites_drop(&sites);
    tt_leave();
    return blocks;
}
