/* SPDX-License-Identifier: MIT */
/*
 * What is left at a window's end: judged cheaply first (counted, built-in
 * list), named only when something is left over.
 *
 *   3 blocks, 96 B leaked (64 B held, 32 B lost)
 *     64 B in 2 blocks, allocated by
 *       session_new (cache.c:41)
 *       cache_login (cache.c:60)
 *       held by    *(void **)&registry
 *                  (global `registry`)
 *   free it, or if it is meant to stay: tether_keep(ptr), ONE_TIME { ... },
 *   or a line 'site: FUNCTION' in the file that TETHER_SUPPRESS names
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report.h"

#include <tether/check.h>

#include "report/report_builtin.h"
#include "report/report_lost.h"
#include "report/report_stack.h"
#include "report/report_suppress.h"

#define SITES_MAX    5
#define RESOLVED_MAX 1024 /* rows whose names suppressions look at */

/* What the visit needs. */
struct leak_visit {
    struct tt_leak_facts *facts;
};

static bool leak_counts(const struct tt_block *block, void *ctx)
{
    struct tt_leak_facts *const facts = ((struct leak_visit *)ctx)->facts;
    if (facts->counts && !facts->counts(block, facts->ctx))
        return false;
    if (block->flags & TT_BLOCK_OLD)
        return false;
    if (block->flags & TT_BLOCK_KEEP) {
        facts->kept_blocks++;
        return false;
    }
    return true;
}

/* Takes rows out for which 'covers' says yes. */
static void rows_filter(struct tt_sites *sites,
                        bool (*covers)(uint32_t, int64_t, int64_t),
                        uint64_t *bytes, uint64_t *blocks)
{
    size_t kept = 0;
    for (size_t i = 0; i < sites->count; i++) {
        const struct tt_site_row row = sites->rows[i];
        if (covers(row.stack, row.bytes, row.blocks)) {
            sites->bytes -= row.bytes;
            sites->blocks -= row.blocks;
            *bytes += (uint64_t)row.bytes;
            *blocks += (uint64_t)row.blocks;
        } else {
            sites->rows[kept++] = row;
        }
    }
    sites->count = kept;
}

static void suppress(struct tt_leak_facts *facts, struct tt_sites *sites)
{
    uint32_t stacks[RESOLVED_MAX];
    const size_t count = TT_MIN(sites->count, (size_t)RESOLVED_MAX);
    if (!tt_suppress_any())
        return;
    for (size_t i = 0; i < count; i++)
        stacks[i] = sites->rows[i].stack;
    tt_stacks_resolve(stacks, count);
    rows_filter(sites, tt_suppress_covers, &facts->suppressed_bytes,
                &facts->suppressed_blocks);
}

static bool too_much(const struct tt_leak_facts *facts)
{
    return facts->bytes > facts->bound ||
           (facts->bound == 0 && facts->blocks > 0);
}

static void limit_text(const struct tt_leak_facts *facts, struct tt_text *text)
{
    if (facts->bound == 0)
        return;
    tt_text_add(text, ", limit ");
    if (facts->written)
        tt_text_add(text, "`%.200s`", facts->written);
    else
        tt_text_size(text, facts->bound);
}

static void verdict(const struct tt_leak_facts *facts,
                    const struct tt_lost *lost, struct tt_text *text)
{
    tt_text_count(text, (int64_t)facts->blocks, "block");
    tt_text_add(text, ", ");
    tt_text_size(text, facts->bytes);
    tt_text_add(text, facts->lost ? " lost" : " leaked");
    if (!facts->lost)
        tt_lost_total_text(text, lost);
    limit_text(facts, text);
    tt_text_add(text, "\n");
}

/* What else is known of a site. */
static void site_more(struct tt_text *text, const struct tt_site_row *row,
                      void *ctx)
{
    tt_lost_site_text(text, ctx, row);
}

/* 'not counted: 2 blocks kept, 3 suppressed (TETHER_SUPPRESS)' */
static void uncounted_text(struct tt_text *text,
                           const struct tt_leak_facts *facts)
{
    const char *comma = "not counted: ";
    if (facts->kept_blocks > 0) {
        tt_text_add(text, "%s", comma);
        tt_text_count(text, (int64_t)facts->kept_blocks, "block");
        tt_text_add(text, " meant to stay");
        comma = ", ";
    }
    if (facts->suppressed_blocks > 0) {
        tt_text_add(text, "%s", comma);
        tt_text_count(text, (int64_t)facts->suppressed_blocks, "block");
        tt_text_add(text, " suppressed by TETHER_SUPPRESS");
        comma = ", ";
    }
    if (facts->known_blocks > 0 && tt_report_verbose()) {
        tt_text_add(text, "%s", comma);
        tt_text_count(text, (int64_t)facts->known_blocks, "block");
        tt_text_add(text, " of libc and the framework");
        comma = ", ";
    }
    if (comma[0] == ',')
        tt_text_add(text, "\n");
}

static void remedy_text(const struct tt_leak_facts *facts, struct tt_text *text)
{
    tt_text_add(text,
                facts->lost
                    ? "nobody can free it any more; free it before the last "
                      "pointer to it goes\n"
                    : "free it, or if it is meant to stay: tether_keep(ptr), "
                      "ONE_TIME { ... },\nor a line "
                      "'site: FUNCTION' in the file that TETHER_SUPPRESS "
                      "names\n");
}

static void leak_text(const struct tt_leak_facts *facts, struct tt_sites *sites,
                      struct tt_lost *lost, struct tt_text *text)
{
    tt_sites_merge(sites);
    tt_lost_ask(lost, sites, SITES_MAX);
    verdict(facts, lost, text);
    tt_sites_stacks_and(text, sites, SITES_MAX, site_more, lost);
    remedy_text(facts, text);
    if (lost->why)
        tt_text_add(text, "%s\n", lost->why);
    uncounted_text(text, facts);
    tt_suppress_tell(text);
    if (tt_report_verbose())
        tt_builtin_tell(text);
    tt_names_tell_trouble(text);
}

/* Leaves of each row what is lost, and takes rows out of which nothing is. */
static void lost_keep(const struct tt_leak_facts *facts, struct tt_sites *sites)
{
    size_t kept = 0;
    sites->bytes = sites->blocks = 0;
    for (size_t i = 0; i < sites->count; i++) {
        struct tt_site_row row = sites->rows[i];
        const struct tt_site_reach *const reach = row.reach;
        const enum tt_reach last =
            facts->ambiguous_lost ? TT_REACH_AMBIGUOUS : TT_REACH_LOST;
        row.bytes = row.blocks = 0;
        for (size_t class = TT_REACH_LOST; class <= (size_t)last; class ++) {
            row.bytes += reach->bytes[class];
            row.blocks += reach->blocks[class];
        }
        row.stack_bytes = row.bytes;
        if (!row.blocks)
            continue;
        sites->bytes += row.bytes;
        sites->blocks += row.blocks;
        sites->rows[kept++] = row;
    }
    sites->count = kept;
}

/* What is left of a window that no list covers. */
static void left_gather(struct tt_leak_facts *facts, struct tt_sites *sites)
{
    struct leak_visit visit = { facts };
    uint64_t known_bytes = 0;
    tt_sites_gather(sites, facts->epoch, leak_counts, &visit);
    tt_sites_sort(sites);
    rows_filter(sites, tt_builtin_covers, &known_bytes, &facts->known_blocks);
    if (sites->blocks > 0)
        suppress(facts, sites);
}

/* Nothing is told to be no loss that nobody could look at. */
static bool lost_unknown(const struct tt_leak_facts *facts,
                         const struct tt_lost *lost, struct tt_text *text)
{
    tt_text_add(text, "what is lost is not known: %s\n", lost->why);
    tt_text_count(text, (int64_t)facts->blocks, "block");
    tt_text_add(text, ", ");
    tt_text_size(text, facts->bytes);
    tt_text_add(text, " are left\n");
    return true;
}

static bool lost_judge(struct tt_leak_facts *facts, struct tt_sites *sites,
                       struct tt_lost *lost, struct tt_text *text)
{
    if (!lost->snap)
        return lost_unknown(facts, lost, text);
    lost_keep(facts, sites);
    facts->bytes = (uint64_t)sites->bytes;
    facts->blocks = (uint64_t)sites->blocks;
    if (!too_much(facts))
        return false;
    leak_text(facts, sites, lost, text);
    return true;
}

bool tt_report_leak(struct tt_leak_facts *facts, struct tt_text *text)
{
    TETHER_KEEP_REGISTERS();
    struct tt_sites sites;
    struct tt_lost lost;
    left_gather(facts, &sites);
    facts->bytes = (uint64_t)sites.bytes;
    facts->blocks = (uint64_t)sites.blocks;
    bool failed = facts->lost ? facts->blocks > 0 : too_much(facts);
    if (failed) {
        tt_lost_begin(&lost, &sites, facts->epoch,
                      tt_report_roots_of(facts->roots),
                      __builtin_frame_address(0));
        if (facts->lost)
            failed = lost_judge(facts, &sites, &lost, text);
        else
            leak_text(facts, &sites, &lost, text);
        tt_lost_end(&lost);
    }
    tt_sites_drop(&sites);
    return failed;
}
