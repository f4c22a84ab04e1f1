/* SPDX-License-Identifier: MIT */
/*
 * Words for what a collection did, and for what a domain says of an object:
 *
 *   `shape` is still alive: 40 B, allocated by shape_new (shape.c:12)
 *     called by  draw (drawing.c:31)
 *     of the domain `shapes`, which says that it is held by
 *       the drawing
 *       the clipboard
 *   a collection reclaimed 3 objects, 96 B, but not this one:
 *     `caches`      3 objects, 96 B in 2 rounds
 *     `shapes`      nothing in 2 rounds
 */
#include "collect/collect.h"
#include "report/report_check.h"
#include "report/report_sites.h"

#include <string.h>

#define ROWS_MAX 5

void tt_check_holder_lines(struct tt_text *text,
                           const struct tt_ref_about *about)
{
    struct tt_domain_about domain;
    if (!about->domain)
        return;
    tt_domain_about(about, &domain);
    tt_text_add(text, "  of the domain `%s`%s\n", domain.name,
                domain.holders[0] ? ", which says that it is held by" : "");
    const char *line = domain.holders;
    while (*line) {
        const size_t len = strcspn(line, "\n");
        tt_text_add(text, "    %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

static void reclaimed_words(struct tt_text *text, size_t objects, size_t bytes)
{
    if (!objects && !bytes) {
        tt_text_add(text, "nothing");
        return;
    }
    if (objects)
        tt_text_count(text, (int64_t)objects, "object");
    if (objects && bytes)
        tt_text_add(text, ", ");
    if (bytes)
        tt_text_size(text, bytes);
}

struct rows {
    struct tt_text *text;
    size_t told;
};

static void row_add(const struct tether_collector_row *row, void *ctx)
{
    struct rows *const rows = ctx;
    if (rows->told++ >= ROWS_MAX)
        return;
    const int room = 12 - (int)strlen(row->name);
    tt_text_add(rows->text, "  `%s`%*s", row->name, room > 1 ? room : 1, "");
    reclaimed_words(rows->text, row->objects, row->bytes);
    tt_text_add(rows->text, " in ");
    tt_text_count(rows->text, (int64_t)row->rounds, "round");
    tt_text_add(rows->text, "\n");
}

void tt_check_collection(struct tt_text *text,
                         const struct tether_collection *all)
{
    if (all->status == TETHER_BUSY) {
        tt_text_add(text, "no collection was run for it: one is under way "
                          "further up the stack\n");
        return;
    }
    if (!all->rounds)
        return;
    if (!all->collectors) {
        tt_text_add(text, "a collection found no collector with anything to "
                          "do\n");
        return;
    }
    struct rows rows = { .text = text };
    tt_text_add(text, "a collection reclaimed ");
    reclaimed_words(text, all->objects, all->bytes);
    tt_text_add(text,
                all->objects || all->bytes ? ", but not this one:\n" : ":\n");
    tether_collect_visit(row_add, &rows);
    if (rows.told > ROWS_MAX)
        tt_text_add(text, "  and %zu more\n", rows.told - ROWS_MAX);
    if (all->unsettled)
        tt_text_add(text,
                    "  it was not done after %u rounds, the most there "
                    "are\n",
                    all->rounds);
}
