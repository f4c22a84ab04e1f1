/* SPDX-License-Identifier: MIT */
/*
 * The table of sites: open addressing by stack id, in private memory, grown
 * while blocks are visited; then sorted in place and merged.
 *
 * Order is part of the contract: bytes, blocks, then the oldest block, never
 * an address or a stack id, so that the same heap prints the same text.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report_sites.h"

#include <string.h>

#include "base/base_mem.h"
#include "report/report_reach.h"
#include "report/report_stack.h"

#define ROWS_FIRST      256
#define MERGE_MAX       256 /* the largest rows; smaller ones stay so */
#define NEIGHBOURS      2   /* frames that make a site */
#define STACK_LINES_MAX 6

#define COLUMNS         71 /* 80 without what a framework puts before a line */
#define COLUMNS_NUMBERS 34 /* of them, those before a row's names */
#define COLUMNS_BELOW   4  /* before names that stand below the numbers */

struct gather {
    struct tt_sites *sites;
    uint32_t epoch;
    tt_site_counts counts;
    void *ctx;
};

static struct tt_site_row *row_slot(struct tt_site_row *rows, size_t capacity,
                                    uint32_t stack)
{
    size_t at = (stack * 0x9e3779b1u) & (capacity - 1);
    while (rows[at].used && rows[at].stack != stack)
        at = (at + 1) & (capacity - 1);
    return &rows[at];
}

/* Makes the table twice as large, or the first one. */
static bool table_grow(struct tt_sites *sites)
{
    const size_t capacity = sites->capacity ? sites->capacity * 2 : ROWS_FIRST;
    struct tt_site_row *const rows = tt_mem_take(capacity * sizeof *rows);
    if (!rows)
        return false;
    for (size_t i = 0; i < sites->capacity; i++)
        if (sites->rows[i].used)
            *row_slot(rows, capacity, sites->rows[i].stack) = sites->rows[i];
    if (sites->capacity)
        tt_mem_give(sites->rows, sites->capacity * sizeof *rows);
    sites->rows = rows;
    sites->capacity = capacity;
    return true;
}

static bool older(const struct tt_site_row *row, uint32_t thread,
                  uint64_t serial)
{
    return row->thread < thread ||
           (row->thread == thread && row->serial < serial);
}

static void row_add(struct tt_sites *sites, const struct tt_block *block)
{
    sites->bytes += (int64_t)block->size;
    sites->blocks++;
    if (sites->count * 4 >= sites->capacity * 3 && !table_grow(sites) &&
        sites->count + 1 >= sites->capacity) {
        sites->cut = true;
        return;
    }
    struct tt_site_row *const row =
        row_slot(sites->rows, sites->capacity, block->stack);
    if (!row->used) {
        *row = (struct tt_site_row){ .stack = block->stack,
                                     .thread = block->thread,
                                     .serial = block->serial,
                                     .stacks = 1,
                                     .used = true };
        sites->count++;
    } else if (!older(row, block->thread, block->serial)) {
        row->thread = block->thread;
        row->serial = block->serial;
    }
    row->bytes += (int64_t)block->size;
    row->stack_bytes = row->bytes;
    row->blocks++;
}

static bool block_see(const struct tt_block *block, void *ctx)
{
    const struct gather *const gather = ctx;
    if (block->epoch < gather->epoch ||
        (block->flags & (TT_BLOCK_TOOL | TT_BLOCK_SKIP)))
        return true;
    if (!gather->counts || gather->counts(block, gather->ctx))
        row_add(gather->sites, block);
    return true;
}

void tt_sites_gather(struct tt_sites *sites, uint32_t epoch,
                     tt_site_counts counts, void *ctx)
{
    struct gather gather = { sites, epoch, counts, ctx };
    memset(sites, 0, sizeof *sites);
    tt_blocks_visit(block_see, &gather);
}

void tt_sites_drop(struct tt_sites *sites)
{
    if (sites->capacity)
        tt_mem_give(sites->rows, sites->capacity * sizeof *sites->rows);
    memset(sites, 0, sizeof *sites);
}

/* ---- order ---- */

static bool row_before(const struct tt_site_row *a, const struct tt_site_row *b)
{
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes;
    if (a->blocks != b->blocks)
        return a->blocks > b->blocks;
    return older(a, b->thread, b->serial);
}

static void heap_sift(struct tt_site_row *rows, size_t root, size_t count,
                      tt_site_before before)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && before(&rows[child], &rows[child + 1]))
            child++;
        if (!before(&rows[root], &rows[child]))
            return;
        const struct tt_site_row row = rows[root];
        rows[root] = rows[child];
        rows[child] = row;
        root = child;
    }
}

/* Heapsort: libc's qsort allocates. */
void tt_site_rows_sort(struct tt_site_row *rows, size_t count,
                       tt_site_before before)
{
    for (size_t i = count / 2; i-- > 0;)
        heap_sift(rows, i, count, before);
    for (size_t end = count; end > 1; end--) {
        const struct tt_site_row row = rows[0];
        rows[0] = rows[end - 1];
        rows[end - 1] = row;
        heap_sift(rows, 0, end - 1, before);
    }
}

void tt_sites_sort(struct tt_sites *sites)
{
    size_t count = 0;
    for (size_t i = 0; i < sites->capacity; i++)
        if (sites->rows[i].used)
            sites->rows[count++] = sites->rows[i];
    for (size_t i = count; i < sites->capacity; i++)
        sites->rows[i].used = false;
    tt_site_rows_sort(sites->rows, count, row_before);
    sites->count = count;
}

/* ---- merging ---- */

/* The runs that make the site of a stack. */
struct neighbours {
    struct tt_run runs[NEIGHBOURS];
};

static void neighbours_get(uint32_t stack, struct neighbours *pair)
{
    struct tt_run runs[TT_STACK_SHOWN_MAX];
    const size_t count = tt_stack_runs(stack, runs, TT_COUNT(runs));
    const size_t first = tt_runs_first_user(runs, count);
    memset(pair, 0, sizeof *pair);
    for (size_t i = 0; i < NEIGHBOURS && first + i < count; i++)
        pair->runs[i] = runs[first + i];
}

static bool neighbours_same(const struct neighbours *a,
                            const struct neighbours *b)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (!tt_run_same(&a->runs[i], &b->runs[i]))
            return false;
    return true;
}

static void row_join(struct tt_site_row *into, const struct tt_site_row *row)
{
    into->bytes += row->bytes;
    into->blocks += row->blocks;
    into->stacks += row->stacks;
    if (into->reach && row->reach)
        tt_site_reach_join(into->reach, row->reach);
    if (older(row, into->thread, into->serial)) {
        into->thread = row->thread;
        into->serial = row->serial;
    }
}

void tt_sites_merge(struct tt_sites *sites)
{
    const size_t most = TT_MIN(sites->count, (size_t)MERGE_MAX);
    struct neighbours sites_of[MERGE_MAX];
    uint32_t stacks[MERGE_MAX] = { 0 };
    size_t kept = 0;
    for (size_t i = 0; i < most; i++)
        stacks[i] = sites->rows[i].stack;
    tt_stacks_resolve(stacks, most);
    for (size_t i = 0; i < most; i++) {
        const struct tt_site_row row = sites->rows[i];
        struct neighbours pair;
        size_t same = 0;
        neighbours_get(row.stack, &pair);
        while (same < kept && !neighbours_same(&sites_of[same], &pair))
            same++;
        if (same < kept) {
            row_join(&sites->rows[same], &row);
        } else {
            sites_of[kept] = pair;
            sites->rows[kept++] = row;
        }
    }
    for (size_t i = most; i < sites->count; i++)
        sites->rows[kept++] = sites->rows[i];
    sites->count = kept;
    tt_site_rows_sort(sites->rows, kept, row_before);
}

/* ---- words ---- */

void tt_text_count(struct tt_text *text, int64_t count, const char *one)
{
    tt_text_add(text, "%lld %s%s", (long long)count, one,
                count == 1 ? "" : "s");
}

/* Writes the two places of a site, the second one, with its 'from', empty
 * where it is not known. */
static void site_places(uint32_t stack, struct tt_text places[NEIGHBOURS])
{
    struct neighbours pair;
    neighbours_get(stack, &pair);
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        tt_text_make(&places[i]);
        if (pair.runs[i].inner) {
            tt_text_add(&places[i], "%s", i == 0 ? "" : "from ");
            tt_run_text(&places[i], &pair.runs[i]);
        } else if (i == 0) {
            tt_text_add(&places[i], "%s", tt_stack_nowhere());
        }
    }
}

static void places_drop(struct tt_text places[NEIGHBOURS])
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        tt_text_drop(&places[i]);
}

static bool row_fits(uint32_t stack)
{
    bool fits = true;
    struct tt_text places[NEIGHBOURS];
    site_places(stack, places);
    for (size_t i = 0; i < NEIGHBOURS; i++)
        fits = fits && places[i].len <= COLUMNS - COLUMNS_NUMBERS;
    places_drop(places);
    return fits;
}

/* 'a from b', in two lines where one is too long. */
static void row_who(struct tt_text *text, uint32_t stack, int indent)
{
    struct tt_text places[NEIGHBOURS];
    site_places(stack, places);
    tt_text_add(text, "%s", places[0].data);
    if (places[1].len > 0 &&
        places[0].len + 1 + places[1].len <= (size_t)(COLUMNS - indent))
        tt_text_add(text, " %s", places[1].data);
    else if (places[1].len > 0)
        tt_text_add(text, "\n%*s%s", indent, "", places[1].data);
    tt_text_add(text, "\n");
    places_drop(places);
}

static int percent(int64_t part, int64_t total)
{
    return total > 0 ? (int)((double)part * 100.0 / (double)total + 0.5) : 0;
}

/* In columns: numbers, and the names beside them. */
static void row_text(struct tt_text *text, const struct tt_site_row *row,
                     int64_t total)
{
    char bytes[2][64];
    struct tt_text size, blocks;
    tt_text_fixed(&size, bytes[0], sizeof bytes[0]);
    tt_text_size(&size, (uint64_t)row->bytes);
    tt_text_fixed(&blocks, bytes[1], sizeof bytes[1]);
    tt_text_count(&blocks, row->blocks, "block");
    tt_text_add(text, "  %9s  %3d %%  %12s  ", size.data,
                percent(row->bytes, total), blocks.data);
    row_who(text, row->stack, COLUMNS_NUMBERS);
}

/* The same in lines, for names that are long. */
static void row_lines(struct tt_text *text, const struct tt_site_row *row,
                      int64_t total)
{
    tt_text_add(text, "  ");
    tt_text_size(text, (uint64_t)row->bytes);
    tt_text_add(text, ", %d %%, in ", percent(row->bytes, total));
    tt_text_count(text, row->blocks, "block");
    tt_text_add(text, ", allocated by\n%*s", COLUMNS_BELOW, "");
    row_who(text, row->stack, COLUMNS_BELOW);
}

void tt_sites_rest(struct tt_text *text, const struct tt_sites *sites,
                   size_t max)
{
    int64_t bytes = sites->bytes, blocks = sites->blocks;
    for (size_t i = 0; i < sites->count && i < max; i++) {
        bytes -= sites->rows[i].bytes;
        blocks -= sites->rows[i].blocks;
    }
    if (blocks <= 0)
        return;
    tt_text_add(text, "  and ");
    tt_text_size(text, (uint64_t)bytes);
    tt_text_add(text, " in ");
    tt_text_count(text, blocks, "block");
    if (sites->count > max) {
        tt_text_add(text, " at ");
        tt_text_count(text, (int64_t)(sites->count - max), "other site");
    }
    tt_text_add(text, "\n");
}

void tt_sites_text(struct tt_text *text, const struct tt_sites *sites,
                   size_t max)
{
    bool fits = true;
    for (size_t i = 0; i < sites->count && i < max; i++)
        fits = fits && row_fits(sites->rows[i].stack);
    for (size_t i = 0; i < sites->count && i < max; i++)
        (fits ? row_text : row_lines)(text, &sites->rows[i], sites->bytes);
    tt_sites_rest(text, sites, max);
}

static void site_text(struct tt_text *text, const struct tt_site_row *row)
{
    tt_text_add(text, "  ");
    tt_text_size(text, (uint64_t)row->bytes);
    tt_text_add(text, " in ");
    tt_text_count(text, row->blocks, "block");
    tt_text_add(text, ", allocated by\n");
    tt_stack_lines(text, "    ", row->stack, STACK_LINES_MAX);
    if (row->stacks > 1)
        tt_text_add(text, "    ... and by %u other %s to the same place\n",
                    row->stacks - 1, row->stacks == 2 ? "path" : "paths");
}

void tt_sites_stacks(struct tt_text *text, const struct tt_sites *sites,
                     size_t max)
{
    tt_sites_stacks_and(text, sites, max, NULL, NULL);
}

void tt_sites_stacks_and(struct tt_text *text, const struct tt_sites *sites,
                         size_t max, tt_site_more more, void *ctx)
{
    for (size_t i = 0; i < sites->count && i < max; i++) {
        site_text(text, &sites->rows[i]);
        if (more)
            more(text, &sites->rows[i], ctx);
    }
    tt_sites_rest(text, sites, max);
}
