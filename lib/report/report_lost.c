/* SPDX-License-Identifier: MIT */
/*
 * Sorts what is left at sites into held, ambiguous and lost, from one
 * snapshot, and asks for one holder a site: of its oldest block among those
 * that are held most surely.
 *
 * Hook: not inside malloc; guarded, so that nothing of it is counted.
 */
#include "report/report_lost.h"

#include <string.h>

#include "base/base_mem.h"
#include "report/report_path.h"

/* From a stack to the row that has it. */
struct row_table {
    uint32_t *rows; /* index + 1; 0: free */
    size_t mask;
};

static bool table_make(struct row_table *table, const struct tt_sites *sites)
{
    size_t capacity = 16;
    while (capacity < sites->count * 2)
        capacity *= 2;
    table->mask = capacity - 1;
    table->rows = tt_mem_take(capacity * sizeof *table->rows);
    if (!table->rows)
        return false;
    for (size_t i = 0; i < sites->count; i++) {
        size_t at = sites->rows[i].stack * 0x9e3779b1u;
        while (table->rows[at & table->mask])
            at++;
        table->rows[at & table->mask] = (uint32_t)i + 1;
    }
    return true;
}

static struct tt_site_row *row_of(const struct row_table *table,
                                  struct tt_sites *sites, uint32_t stack)
{
    for (size_t at = stack * 0x9e3779b1u;; at++) {
        const uint32_t row = table->rows[at & table->mask];
        if (row == 0)
            return NULL;
        if (sites->rows[row - 1].stack == stack)
            return &sites->rows[row - 1];
    }
}

static bool has_sample(const struct tt_site_reach *reach)
{
    return reach->sample.address != 0;
}

/* The surer one, then the older. */
static void sample_take(struct tt_site_reach *reach,
                        const struct tt_record_block *block)
{
    const struct tt_record_block *const have = &reach->sample;
    const bool better =
        !has_sample(reach) || block->reach > have->reach ||
        (block->reach == have->reach &&
         (block->thread < have->thread ||
          (block->thread == have->thread && block->serial < have->serial)));
    if (better && block->reach != TT_REACH_LOST)
        reach->sample = *block;
}

static void reach_add(struct tt_site_reach *reach,
                      const struct tt_record_block *block)
{
    reach->blocks[block->reach]++;
    reach->bytes[block->reach] += (int64_t)block->size;
    sample_take(reach, block);
}

void tt_site_reach_join(struct tt_site_reach *into,
                        const struct tt_site_reach *from)
{
    for (size_t i = 0; i <= TT_REACH_HELD; i++) {
        into->blocks[i] += from->blocks[i];
        into->bytes[i] += from->bytes[i];
    }
    if (has_sample(from))
        sample_take(into, &from->sample);
}

static bool block_counts(const struct tt_record_block *block, uint32_t epoch)
{
    return block->epoch >= epoch &&
           !(block->flags &
             (TT_BLOCK_TOOL | TT_BLOCK_SKIP | TT_BLOCK_KEEP | TT_BLOCK_OLD));
}

static bool rows_fill(struct tt_lost *lost, struct tt_sites *sites,
                      uint32_t epoch)
{
    struct row_table table;
    size_t count;
    const struct tt_record_block *const blocks =
        tt_reach_blocks(lost->snap, &count);
    if (!table_make(&table, sites))
        return false;
    for (size_t i = 0; i < sites->count; i++)
        sites->rows[i].reach = &lost->reaches[i];
    for (size_t i = 0; i < count; i++) {
        struct tt_site_row *const row =
            block_counts(&blocks[i], epoch)
                ? row_of(&table, sites, blocks[i].stack)
                : NULL;
        if (!row)
            continue;
        reach_add(row->reach, &blocks[i]);
        reach_add(&lost->total, &blocks[i]);
    }
    tt_mem_give(table.rows, (table.mask + 1) * sizeof *table.rows);
    return true;
}

bool tt_lost_begin(struct tt_lost *lost, struct tt_sites *sites, uint32_t epoch,
                   uint32_t roots, void *frame)
{
    memset(lost, 0, sizeof *lost);
    tt_text_make(&lost->types);
    lost->roots = roots;
    lost->reaches_count = sites->count;
    lost->why = "there was no memory to ask who holds what";
    lost->reaches =
        tt_mem_take(TT_MAX(sites->count, 1) * sizeof *lost->reaches);
    if (!lost->reaches)
        return false;
    lost->snap = tt_reach_take(frame, roots, &lost->why);
    if (!lost->snap || !rows_fill(lost, sites, epoch))
        return false;
    lost->why = NULL;
    return true;
}

void tt_lost_ask(struct tt_lost *lost, const struct tt_sites *sites, size_t max)
{
    for (size_t i = 0; i < sites->count && i < max; i++) {
        struct tt_site_reach *const reach = sites->rows[i].reach;
        if (!lost->snap || !has_sample(reach) ||
            lost->questions_count == TT_REACH_QUESTIONS)
            continue;
        lost->questions[lost->questions_count++] = (struct tt_record_question){
            .kind = TT_QUESTION_WHY,
            .roots = lost->roots,
            .target = reach->sample.address,
            .pointer = reach->sample.address,
            .size = reach->sample.size,
            .stack = reach->sample.stack,
            .paths_max = 1,
            .own_counts = 1,
        };
        reach->question = lost->questions_count;
    }
    if (!lost->questions_count)
        return;
    if (!tt_reach_ask(lost->snap, lost->questions, lost->questions_count,
                      &lost->why))
        lost->questions_count = 0;
    else
        lost->why = tt_types_ask(lost->snap, &lost->types);
}

static size_t classes_count(const struct tt_site_reach *reach)
{
    size_t count = 0;
    for (size_t i = 0; i <= TT_REACH_HELD; i++)
        count += reach->blocks[i] != 0;
    return count;
}

/* '64 B held, 32 B lost', or 'held' where all are. */
static void classes_text(struct tt_text *text,
                         const struct tt_site_reach *reach)
{
    static const char *const names[] = {
        [TT_REACH_LOST] = "lost",
        [TT_REACH_AMBIGUOUS] = "ambiguous",
        [TT_REACH_HELD] = "held",
    };
    const char *comma = "";
    const bool mixed = classes_count(reach) > 1;
    for (size_t i = TT_REACH_HELD + 1; i-- > 0;) {
        if (!reach->blocks[i])
            continue;
        tt_text_add(text, "%s", comma);
        if (mixed)
            tt_text_size(text, (uint64_t)reach->bytes[i]);
        tt_text_add(text, "%s%s", mixed ? " " : "", names[i]);
        comma = ", ";
    }
}

void tt_lost_total_text(struct tt_text *text, const struct tt_lost *lost)
{
    if (!lost->snap)
        return;
    tt_text_add(text, " (");
    classes_text(text, &lost->total);
    tt_text_add(text, ")");
}

/* Adds lines with two more blanks before each. */
static void lines_indent(struct tt_text *text, const char *lines)
{
    while (*lines) {
        const size_t len = strcspn(lines, "\n");
        tt_text_add(text, "  %.*s\n", (int)len, lines);
        lines += len + (lines[len] != '\0');
    }
}

static void holder_text(struct tt_text *text, const struct tt_lost *lost,
                        uint32_t index)
{
    struct tt_text lines;
    uint32_t id;
    struct tt_told told = { false, false };
    tt_text_make(&lines);
    if (!tt_path_typed(&lines, lost->types.data, index, true, &id, &told))
        tt_path_plain(&lines, lost->snap, &lost->questions[index], true, &id);
    lines_indent(text, lines.data);
    tt_text_drop(&lines);
}

void tt_lost_site_text(struct tt_text *text, const struct tt_lost *lost,
                       const struct tt_site_row *row)
{
    const struct tt_site_reach *const reach = row->reach;
    if (!lost->snap || !reach)
        return;
    if (!has_sample(reach))
        tt_text_add(text, "    lost: nothing points to %s\n",
                    row->blocks == 1 ? "it" : "them");
    else if (classes_count(reach) > 1) {
        tt_text_add(text, "    ");
        classes_text(text, reach);
        tt_text_add(text, "\n");
    }
    if (reach->question && reach->question <= lost->questions_count)
        holder_text(text, lost, reach->question - 1);
}

void tt_lost_end(struct tt_lost *lost)
{
    if (lost->snap)
        tt_reach_drop(lost->snap);
    if (lost->reaches)
        tt_mem_give(lost->reaches,
                    TT_MAX(lost->reaches_count, 1) * sizeof *lost->reaches);
    tt_text_drop(&lost->types);
}
