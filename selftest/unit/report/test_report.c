/* SPDX-License-Identifier: MIT */
/*
 * The words of reports, on real blocks of the real heap. Golden texts.
 */
#include "cache.h"

#include "report/report.h"
#include "report/report_stack.h"
#include "report/report_suppress.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <tether/heap.h>

static struct tt_scope scope;
static struct tt_text text;

static void open_scope(void)
{
    for (int i = 0; i < TT_LIMITS; i++)
        scope.limit[i] = TT_NO_LIMIT;
    tt_threads_ignore_others();
    tt_scope_begin(&scope);
    tt_text_make(&text);
}

static void close_scope(void)
{
    tt_text_drop(&text);
    tt_scope_end(&scope);
}

/* The scope is inside the body: Criterion allocates before and after it. */
#define REPORT_TEST(name)                   \
    static void report_##name##_body(void); \
    Test(report, name)                      \
    {                                       \
        open_scope();                       \
        report_##name##_body();             \
        close_scope();                      \
    }                                       \
    static void __attribute__((noinline)) report_##name##_body(void)

static uint32_t stack_of(const void *object)
{
    struct tt_block block = { .stack = 0 };
    tt_block_find(object, &block);
    return block.stack;
}

/* Cuts the test's own frames out, whose lines move. */
static void own_frames_cut(void)
{
    char *from = text.data, *to = text.data;
    while (*from) {
        const size_t len = strcspn(from, "\n") + 1;
        char *const own = memmem(from, len, " from report_", 13);
        if (own) {
            memmove(to, from, (size_t)(own - from));
            to += own - from;
            *to++ = '\n';
        } else if (!memmem(from, len, "report_", 7)) {
            memmove(to, from, len);
            to += len;
        }
        from += from[len - 1] ? len : len - 1;
    }
    *to = '\0';
    text.len = (size_t)(to - text.data);
}

static void expect_text(const char *expected)
{
    own_frames_cut();
    cr_expect_str_eq(text.data, expected);
}

REPORT_TEST(a_stack_names_function_file_and_line)
{
    void *const session = cache_login();
    tt_stack_lines(&text, "  allocated by  ", stack_of(session), 2);
    cr_expect_eq(strncmp(text.data,
                         "  allocated by  session_new (cache.c:41)\n"
                         "                cache_login (cache.c:60)\n",
                         82),
                 0, "%s", text.data);
    free(session);
}

REPORT_TEST(public_stack_text_is_one_frame_a_line)
{
    char bytes[1024];
    void *const session = cache_login();
    const unsigned frames =
        tether_stack_text(stack_of(session), bytes, sizeof bytes);
    cr_expect_geq(frames, 3);
    cr_expect_eq(strncmp(bytes,
                         "session_new (cache.c:41)\n"
                         "cache_login (cache.c:60)\n",
                         49),
                 0, "%s", bytes);
    cr_expect_null(strstr(bytes, "criterion"));
    char small[10];
    tether_stack_text(stack_of(session), small, sizeof small);
    cr_expect_str_eq(small, "session_n");
    free(session);
}

REPORT_TEST(breach_of_max_heap)
{
    void *nodes[13];
    for (int i = 0; i < 13; i++)
        nodes[i] = cache_put(1024);
    void *const session = cache_login();
    const struct tt_breach_facts facts = {
        .limit = TETHER_MAX_HEAP,
        .written = ".max_heap = KiB(16)",
        .bound = 16384,
        .value = 13 * 1024 + 96 + 65536,
        .at_allocation = true,
        .bytes = 65536,
        .stack = stack_of(nodes[0]),
        .epoch = scope.epoch,
    };
    tt_report_breach(&facts, &text);
    expect_text(
        "max_heap broken: 77.1 KiB live, limit `.max_heap = KiB(16)`\n"
        "  61.1 KiB too much, by a request of 64 KiB\n"
        "  requested by  node_new (cache.c:77)\n"
        "                cache_put (cache.c:90)\n"
        "live at that instant, without the request: 13.1 KiB in 14 blocks, by "
        "site:\n"
        "     13 KiB   99 %     13 blocks  node_new (cache.c:77) from "
        "cache_put "
        "(cache.c:90)\n"
        "       96 B    1 %       1 block  session_new (cache.c:41) from "
        "cache_login (cache.c:60)\n");
    for (int i = 0; i < 13; i++)
        free(nodes[i]);
    free(session);
}

REPORT_TEST(breach_close_to_the_bound_is_exact)
{
    const struct tt_breach_facts facts = { .limit = TETHER_MAX_HEAP,
                                           .bound = 8 << 20,
                                           .value = (8 << 20) + 1,
                                           .scope = "WITHIN_BUDGET (t.c:4)",
                                           .at_allocation = true,
                                           .bytes = 1,
                                           .denied = true,
                                           .epoch = scope.epoch };
    tt_report_breach(&facts, &text);
    expect_text("max_heap broken: 8388609 B live, limit 8 MiB of "
                "WITHIN_BUDGET (t.c:4)\n"
                "  1 B too much, by a request of 1 B, which was denied\n"
                "  requested by  an unknown place\n");
}

REPORT_TEST(breach_of_counts)
{
    struct tt_breach_facts facts = { .limit = TETHER_MAX_COUNT,
                                     .written = ".max_count = 0",
                                     .value = 1,
                                     .stopped = true,
                                     .epoch = scope.epoch };
    tt_report_breach(&facts, &text);
    facts = (struct tt_breach_facts){
        .limit = TETHER_MIN_COUNT, .bound = 3, .value = 2, .epoch = scope.epoch
    };
    tt_report_breach(&facts, &text);
    expect_text("max_count broken: 1 allocation, limit `.max_count = 0`\n"
                "the test stops here\n"
                "min_count broken: 2 allocations, limit 3\n"
                "  the code under test was to allocate more; did it run at "
                "all?\n");
}

REPORT_TEST(more_than_five_sites_are_summed_up)
{
    void *blocks[7] = { malloc(700), malloc(600), malloc(500), malloc(400),
                        malloc(300), malloc(200), malloc(100) };
    struct tt_sites sites;
    tt_sites_gather(&sites, scope.epoch, NULL, NULL);
    tt_sites_sort(&sites);
    tt_sites_merge(&sites);
    tt_sites_text(&text, &sites, 5);
    cr_expect_eq(sites.count, 7);
    cr_expect_not_null(
        strstr(text.data, "  and 300 B in 2 blocks at 2 other sites\n"), "%s",
        text.data);
    tt_sites_drop(&sites);
    for (int i = 0; i < 7; i++)
        free(blocks[i]);
}

REPORT_TEST(recursion_is_one_site)
{
    void *blocks[6];
    for (int i = 0; i < 6; i++)
        blocks[i] = cache_recurse(i, 100);
    struct tt_sites sites;
    tt_sites_gather(&sites, scope.epoch, NULL, NULL);
    tt_sites_sort(&sites);
    cr_expect_eq(sites.count, 6);
    tt_sites_merge(&sites);
    cr_expect_eq(sites.count, 1);
    cr_expect_eq(sites.rows[0].stacks, 6);
    cr_expect_eq(sites.rows[0].bytes, 600);
    tt_sites_drop(&sites);
    for (int i = 0; i < 6; i++)
        free(blocks[i]);
}

/* ---- leaks ---- */

static struct tt_leak_facts leak_facts(uint64_t bound)
{
    return (struct tt_leak_facts){ .epoch = scope.epoch, .bound = bound };
}

REPORT_TEST(nothing_left_is_no_leak)
{
    struct tt_leak_facts facts = leak_facts(0);
    cr_expect_not(tt_report_leak(&facts, &text));
    cr_expect_str_eq(text.data, "");
}

#define REMEDY                                                              \
    "free it, or if it is meant to stay: tether_keep(ptr), ONE_TIME { ... " \
    "},\n"                                                                  \
    "or a line 'site: FUNCTION' in the file that TETHER_SUPPRESS names\n"

REPORT_TEST(each_leaking_site_is_named_once)
{
    void *sessions[3] = { cache_login(), cache_login(), session_new() };
    char *const copy = cache_copy("twelve bytes");
    struct tt_leak_facts facts = leak_facts(0);
    cr_assert(tt_report_leak(&facts, &text));
    cr_expect_eq(facts.bytes, 3 * 96 + 13);
    cr_expect_eq(facts.blocks, 4);
    cr_expect_eq(strncmp(text.data, "4 blocks, 301 B leaked\n", 23), 0, "%s",
                 text.data);
    const char *const copied = strstr(text.data, "13 B in 1 block");
    cr_assert_not_null(copied, "%s", text.data);
    cr_expect_not_null(strstr(copied, "cache_copy (cache.c:110)"), "%s",
                       copied);
    cr_expect_not_null(strstr(text.data, REMEDY), "%s", text.data);
    for (int i = 0; i < 3; i++)
        free(sessions[i]);
    free(copy);
}

REPORT_TEST(leak_text)
{
    void *const session = cache_login();
    void *const kept = cache_put(10);
    tether_keep(kept);
    struct tt_leak_facts facts = leak_facts(0);
    cr_assert(tt_report_leak(&facts, &text));
    expect_text("1 block, 96 B leaked\n"
                "  96 B in 1 block, allocated by\n"
                "    session_new (cache.c:41)\n"
                "    cache_login (cache.c:60)\n" REMEDY
                "not counted: 1 block meant to stay\n");
    free(session);
    free(kept);
}

REPORT_TEST(a_leak_within_the_bound_is_none)
{
    void *const session = cache_login();
    struct tt_leak_facts facts = leak_facts(96);
    cr_expect_not(tt_report_leak(&facts, &text));
    cr_expect_eq(facts.bytes, 96);
    facts = leak_facts(95);
    facts.written = ".max_leaked = 95";
    cr_expect(tt_report_leak(&facts, &text));
    cr_expect_eq(strncmp(text.data,
                         "1 block, 96 B leaked, limit `.max_leaked = 95`\n",
                         47),
                 0, "%s", text.data);
    free(session);
}

REPORT_TEST(a_block_of_no_bytes_is_a_leak)
{
    void *const nothing = node_new(0);
    struct tt_leak_facts facts = leak_facts(0);
    cr_expect(tt_report_leak(&facts, &text));
    cr_expect_eq(facts.blocks, 1);
    free(nothing);
}

REPORT_TEST(suppressions_by_function_place_and_module)
{
    void *const session = cache_login();
    void *const node = cache_put(10);
    static const char *const lines[] = {
        "site: session_*\nsite: cache_put\n",
        "site: cache.c:41\nsite: cache.c:9?\n",
        "# a comment\n\n  site:cache.c:*  \r\n",
        "module: unit_rep*\n",
    };
    for (size_t i = 0; i < TT_COUNT(lines); i++) {
        struct tt_leak_facts facts = leak_facts(0);
        tt_suppress_read("known.txt", lines[i]);
        cr_expect_not(tt_report_leak(&facts, &text), "%zu: %s", i, text.data);
        cr_expect_eq(facts.suppressed_blocks, 2);
        cr_expect_eq(facts.suppressed_bytes, 106);
    }
    free(session);
    free(node);
}

REPORT_TEST(unused_and_bad_suppressions_are_named)
{
    void *const session = cache_login();
    void *const node = cache_put(10);
    tt_suppress_read("known.txt", "site: cache_put\n"
                                  "site: no_such_function\n"
                                  "sites: x\n"
                                  "modul: libfoo\n"
                                  "whatever\n"
                                  "site:\n");
    struct tt_leak_facts facts = leak_facts(0);
    cr_assert(tt_report_leak(&facts, &text));
    expect_text("1 block, 96 B leaked\n"
                "  96 B in 1 block, allocated by\n"
                "    session_new (cache.c:41)\n"
                "    cache_login (cache.c:60)\n" REMEDY
                "not counted: 1 block suppressed by TETHER_SUPPRESS\n"
                "known.txt:3: unknown key 'sites'; the nearest is 'site'\n"
                "known.txt:4: unknown key 'modul'; the nearest is 'module'\n"
                "known.txt:5: this is no 'site: PATTERN' or 'module: "
                "PATTERN'\n"
                "known.txt:6: this is no 'site: PATTERN' or 'module: "
                "PATTERN'\n"
                "unused suppressions: 'site: no_such_function'\n");
    free(session);
    free(node);
}

REPORT_TEST(globs)
{
    cr_expect(tt_glob("*", ""));
    cr_expect(tt_glob("a*c", "abbc"));
    cr_expect(tt_glob("a*b*c", "a.b.b.c"));
    cr_expect(tt_glob("?", "x"));
    cr_expect_not(tt_glob("?", ""));
    cr_expect_not(tt_glob("a*c", "abbd"));
    cr_expect_not(tt_glob("abc", "abcd"));
    cr_expect_not(tt_glob("abcd", "abc"));
}

/* ---- misuse ---- */

REPORT_TEST(double_free_has_three_stacks)
{
    void *const session = cache_login();
    void *const other = cache_put(1);
    const struct tt_misuse_report report = {
        .kind = TT_MISUSE_DOUBLE_FREE,
        .call = "free",
        .address = session,
        .block = { .size = 96, .stack = stack_of(session) },
        .freed_stack = stack_of(other),
        .now_stack = 0,
    };
    tt_report_misuse(&report, &text);
    expect_text("double free of a 96 B block\n"
                "  allocated by    session_new (cache.c:41)\n"
                "                  cache_login (cache.c:60)\n"
                "  first freed by  node_new (cache.c:77)\n"
                "                  cache_put (cache.c:90)\n"
                "  freed again by  an unknown place\n"
                "the second call was ignored; set the pointer to NULL where it "
                "is freed\n");
    free(session);
    free(other);
}

REPORT_TEST(free_inside_a_block)
{
    char *const session = cache_login();
    const struct tt_misuse_report report = {
        .kind = TT_MISUSE_INSIDE,
        .call = "free",
        .address = session + 8,
        .block = { .address = session, .size = 96, .stack = stack_of(session) },
    };
    tt_report_misuse(&report, &text);
    expect_text("free of a pointer 8 B into a block of 96 B\n"
                "  block allocated by  session_new (cache.c:41)\n"
                "                      cache_login (cache.c:60)\n"
                "  called by           an unknown place\n"
                "the call was ignored; pass the pointer that malloc "
                "returned\n");
    free(session);
}

/* ---- snapshots ---- */

REPORT_TEST(snapshots_differ_by_what_was_allocated)
{
    struct tether_snapshot *const before = tether_snapshot();
    void *const session = cache_login();
    void *const node = cache_put(500);
    struct tether_snapshot *const after = tether_snapshot();
    struct tether_site sites[8];
    cr_assert_not_null(before);
    cr_assert_eq(tether_snapshot_diff(before, after, sites, 8), 2);
    cr_expect_eq(sites[0].bytes, 500);
    cr_expect_eq(sites[0].blocks, 1);
    cr_expect_eq(sites[0].stack, stack_of(node));
    cr_expect_eq(sites[1].bytes, 96);
    cr_assert_eq(tether_snapshot_diff(after, before, sites, 1), 2);
    cr_expect_eq(sites[0].bytes, -96);
    cr_expect_eq(tether_snapshot_diff(after, after, NULL, 0), 0);
    cr_expect_geq(tether_snapshot_diff(NULL, after, sites, 8), 2);
    tether_snapshot_drop(before);
    tether_snapshot_drop(after);
    tether_snapshot_drop(NULL);
    free(session);
    free(node);
}

REPORT_TEST(live_from_counts_through_callees)
{
    void *const session = cache_login();
    void *const direct = session_new();
    size_t bytes = 0;
    cr_expect_eq(tether_live_from((void (*)(void))cache_login, &bytes), 1);
    cr_expect_eq(bytes, 96);
    cr_expect_eq(tether_live_from((void (*)(void))session_new, NULL), 2);
    cr_expect_eq(tether_live_from((void (*)(void))cache_put, NULL), 0);
    free(session);
    cr_expect_eq(tether_live_from((void (*)(void))session_new, NULL), 1);
    free(direct);
}
