/* SPDX-License-Identifier: MIT */
/*
 * What is left at a window's end: judged cheaply first (counted, built-in
 * list), named only when something is left over.
 *
 *   3 blocks, 96 B leaked
 *     96 B in 3 blocks, allocated by
 *       session_new (cache.c:41)
 *       cache_login (cache.c:60)
 *   free it, or if it is meant to stay: tether_keep(ptr), ONE_TIME { ... },
 *   or a line 'site: FUNCTION' in the file that TETHER_SUPPRESS names
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report.h"

#include "report/report_builtin.h"
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

static void verdict(const struct tt_leak_facts *facts, struct tt_text *text)
{
    tt_text_count(text, (int64_t)facts->blocks, "block");
    tt_text_add(text, ", ");
    tt_text_size(text, facts->bytes);
    tt_text_add(text, " leaked");
    if (facts->bound > 0) {
        tt_text_add(text, ", limit ");
        if (facts->written)
            tt_text_add(text, "`%.200s`", facts->written);
        else
            tt_text_size(text, facts->bound);
    }
    tt_text_add(text, "\n");
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

static void leak_text(const struct tt_leak_facts *facts, struct tt_sites *sites,
                      struct tt_text *text)
{
    tt_sites_merge(sites);
    verdict(facts, text);
    tt_sites_stacks(text, sites, SITES_MAX);
    tt_text_add(text, "free it, or if it is meant to stay: tether_keep(ptr), "
                      "ONE_TIME { ... },\nor a line "
                      "'site: FUNCTION' in the file that TETHER_SUPPRESS "
                      "names\n");
    uncounted_text(text, facts);
    tt_suppress_tell(text);
    if (tt_report_verbose())
        tt_builtin_tell(text);
    tt_names_tell_trouble(text);
}

bool tt_report_leak(struct tt_leak_facts *facts, struct tt_text *text)
{
    struct leak_visit visit = { facts };
    struct tt_sites sites;
    uint64_t known_bytes = 0;
    tt_sites_gather(&sites, facts->epoch, leak_counts, &visit);
    tt_sites_sort(&sites);
    rows_filter(&sites, tt_builtin_covers, &known_bytes, &facts->known_blocks);
    if (sites.blocks > 0)
        suppress(facts, &sites);
    facts->bytes = (uint64_t)sites.bytes;
    facts->blocks = (uint64_t)sites.blocks;
    const bool failed = too_much(facts);
    if (failed)
        leak_text(facts, &sites, text);
    tt_sites_drop(&sites);
    return failed;
}
