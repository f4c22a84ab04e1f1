/* SPDX-License-Identifier: MIT */
/*
 * Words for a broken limit: what was limited and what happened to it, by how
 * much, who asked, who holds.
 *
 *   max_heap broken: 8.1 MiB live, limit `.max_heap = MiB(8)`
 *     64 KiB too much, by a request of 64 KiB
 *     requested by  parse_array (parse.c:88)
 *                   parse_value (parse.c:120)
 *   live before it: 8.0 MiB in 21 blocks, by site:
 *       4.2 MiB   52 %   13 blocks  node_new (cache.c:77)
 *                                   from put (cache.c:9)
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report.h"

#include <string.h>

#include "pressure/pressure.h"
#include "report/report_stack.h"

#include <tether/budget.h>

#define STACK_LINES_MAX 8
#define SITES_MAX       5
#define FUNCTION_SHORT  24

static const struct limit_words {
    const char *name;
    const char *reached; /* after a size; NULL: a number of allocations */
    bool holds;          /* live blocks explain it */
} limits[TETHER_LIMITS] = {
    [TETHER_MAX_HEAP] = { "max_heap", "live", true },
    [TETHER_MAX_ALLOC] = { "max_alloc", "in one allocation", false },
    [TETHER_MAX_SITE] = { "max_site", "live", true },
    [TETHER_MAX_TOTAL] = { "max_total", "allocated in all", false },
    [TETHER_MAX_COUNT] = { "max_count", NULL, false },
    [TETHER_MIN_COUNT] = { "min_count", NULL, false },
    [TETHER_MAX_LEAKED] = { "max_leaked", "leaked", true },
    [TETHER_MAX_LOST] = { "max_lost", "lost", true },
};

/* A size that does not read like the bound: 8 MiB + 1 is no '8.0 MiB'. */
static void value_text(struct tt_text *text, uint64_t value, uint64_t bound)
{
    char bytes[2][64];
    struct tt_text rounded[2];
    tt_text_fixed(&rounded[0], bytes[0], sizeof bytes[0]);
    tt_text_fixed(&rounded[1], bytes[1], sizeof bytes[1]);
    tt_text_size(&rounded[0], value);
    tt_text_size(&rounded[1], bound);
    const uint64_t apart = value > bound ? value - bound : bound - value;
    if (apart > 0 && apart < bound / 20)
        tt_text_add(text, "%llu B", (unsigned long long)value);
    else
        tt_text_add(text, "%s", rounded[0].data);
}

/* The function whose limit it is, as itself and not as what was inlined into
 * it. A long name gets a line of its own. */
static void function_add(const struct tt_breach_facts *facts,
                         struct tt_text *text, bool own_line)
{
    const struct tt_name *name = tt_names_get(facts->site);
    while (name->outer)
        name = name->outer;
    const char *const function = name->function;
    const bool is_long = function && strlen(function) > FUNCTION_SHORT;
    if (!own_line)
        tt_text_add(text, " from %s",
                    function && !is_long ? function : "one function");
    else if (is_long)
        tt_text_add(text, "  the function is %.200s\n", function);
}

static void verdict(const struct tt_breach_facts *facts,
                    const struct limit_words *words, struct tt_text *text)
{
    tt_text_add(text, "%s broken: ", words->name);
    if (words->reached) {
        value_text(text, facts->value, facts->bound);
        tt_text_add(text, " %s", words->reached);
        if (facts->site)
            function_add(facts, text, false);
    } else {
        tt_text_count(text, (int64_t)facts->value, "allocation");
    }
    tt_text_add(text, ", limit ");
    if (facts->written) {
        tt_text_add(text, "`%.200s`", facts->written);
    } else if (words->reached) {
        tt_text_size(text, facts->bound);
    } else {
        tt_text_add(text, "%llu", (unsigned long long)facts->bound);
    }
    if (facts->scope)
        tt_text_add(text, "\n  of %.200s", facts->scope);
    tt_text_add(text, "\n");
    if (facts->site)
        function_add(facts, text, true);
}

/* '64 KiB too much, by a request of 64 KiB' */
static void excess(const struct tt_breach_facts *facts,
                   const struct limit_words *words, struct tt_text *text)
{
    if (!facts->at_allocation)
        return;
    tt_text_add(text, "  ");
    if (words->reached && facts->value > facts->bound) {
        tt_text_size(text, facts->value - facts->bound);
        tt_text_add(text, " too much, ");
    }
    tt_text_add(text, "by a request of ");
    tt_text_size(text, facts->bytes);
    tt_text_add(text, "\n");
}

static void holders(const struct tt_breach_facts *facts, struct tt_text *text)
{
    struct tt_sites sites;
    tt_sites_gather(&sites, facts->epoch, facts->counts, facts->ctx);
    tt_sites_sort(&sites);
    tt_sites_merge(&sites);
    if (sites.count > 0) {
        tt_text_add(text, facts->site ? "live from there before it: "
                                      : "live before it: ");
        tt_text_size(text, (uint64_t)sites.bytes);
        tt_text_add(text, " in ");
        tt_text_count(text, sites.blocks, "block");
        tt_text_add(text, ", by site:\n");
        tt_sites_text(text, &sites, SITES_MAX);
    }
    tt_sites_drop(&sites);
}

/* '3 softly held objects, 12 KiB, and the trim callback `cache_trim`' */
static void waiting_words(struct tt_text *text,
                          const struct tt_pressure_waiting *waiting)
{
    if (waiting->soft_count) {
        tt_text_count(text, (int64_t)waiting->soft_count, "softly held object");
        tt_text_add(text, " (");
        tt_text_size(text, waiting->soft_bytes);
        tt_text_add(text, ")");
    }
    if (waiting->soft_count && waiting->trims)
        tt_text_add(text, "\n  and ");
    if (waiting->trims)
        tt_text_add(text, "the trim callback `%s`", waiting->trim_name);
    if (waiting->trims > 1)
        tt_text_add(text, " and %zu more", waiting->trims - 1);
}

/* What would have been given up had there been a safe point. */
static void waiting(const struct tt_breach_facts *facts, struct tt_text *text)
{
    struct tt_pressure_waiting waiting;
    if (facts->limit != TETHER_MAX_HEAP || !facts->at_allocation)
        return;
    tt_pressure_waiting(&waiting);
    if (waiting.pinned) {
        tt_text_count(text, (int64_t)waiting.pinned, "softly held object");
        tt_text_add(text, waiting.pinned == 1
                              ? " could not be given up: it is pinned\n"
                              : " could not be given up: they are pinned\n");
    }
    if (!waiting.soft_count && !waiting.trims)
        return;
    tt_text_add(text, "still waiting for a safe point: ");
    waiting_words(text, &waiting);
    tt_text_add(text,
                "\n  call tether_safepoint() in between, or register with "
                ".in_malloc\n  = true what may run inside malloc\n");
}

void tt_report_breach(const struct tt_breach_facts *facts, struct tt_text *text)
{
    const struct limit_words *const words = &limits[facts->limit];
    verdict(facts, words, text);
    excess(facts, words, text);
    if (facts->at_allocation)
        tt_stack_lines(text, "  requested by  ", facts->stack, STACK_LINES_MAX);
    if (facts->limit == TETHER_MIN_COUNT)
        tt_text_add(text, "  the code under test was to allocate more; did it "
                          "run at all?\n");
    else
        holders(facts, text);
    waiting(facts, text);
    if (facts->stopped)
        tt_text_add(text, "the test stops here\n");
    tt_names_tell_trouble(text);
}

bool tt_report_where(uint32_t stack, const char **file, unsigned *line)
{
    const struct tt_name *frames[TT_STACK_SHOWN_MAX];
    const size_t count = tt_stack_shown(stack, frames, TT_COUNT(frames));
    *file = NULL;
    *line = 0;
    for (size_t i = tt_stack_first_user(frames, count); i < count; i++) {
        if (!frames[i]->path || !frames[i]->line)
            continue;
        *file = frames[i]->path;
        *line = frames[i]->line;
        return true;
    }
    return false;
}

void tt_report_lock(void)
{
    tt_names_lock();
}

void tt_report_unlock(void)
{
    tt_names_unlock();
}
