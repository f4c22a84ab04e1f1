/* SPDX-License-Identifier: MIT */
/*
 * The words of breaches, misuse and sites, on real blocks of the real heap.
 * Golden texts.
 */
#include "report_help.h"

#include "report/report_stack.h"

#include <tether/heap.h>

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
        "live before it: 13.1 KiB in 14 blocks, by site:\n"
        "     13 KiB   99 %     13 blocks  node_new (cache.c:77)\n"
        "                                  from cache_put (cache.c:90)\n"
        "       96 B    1 %       1 block  session_new (cache.c:41)\n"
        "                                  from cache_login (cache.c:60)\n");
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
                                           .epoch = scope.epoch };
    tt_report_breach(&facts, &text);
    expect_text("max_heap broken: 8388609 B live, limit 8 MiB\n"
                "  of WITHIN_BUDGET (t.c:4)\n"
                "  1 B too much, by a request of 1 B\n"
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
    void *blocks[7];
    blocks[0] = malloc(700);
    blocks[1] = malloc(600);
    blocks[2] = malloc(500);
    blocks[3] = malloc(400);
    blocks[4] = malloc(300);
    blocks[5] = malloc(200);
    blocks[6] = malloc(100);
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

/* Two calls have two addresses, and their lines would read the same. */
REPORT_TEST(two_calls_in_one_line_are_one_site)
{
    void *volatile blocks[2] = { malloc(10), malloc(20) };
    struct tt_sites sites;
    tt_sites_gather(&sites, scope.epoch, NULL, NULL);
    tt_sites_sort(&sites);
    cr_expect_eq(sites.count, 2);
    tt_sites_merge(&sites);
    cr_expect_eq(sites.count, 1);
    cr_expect_eq(sites.rows[0].stacks, 2);
    cr_expect_eq(sites.rows[0].bytes, 30);
    tt_sites_drop(&sites);
    free(blocks[0]);
    free(blocks[1]);
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
                "the second free was ignored; set the pointer to NULL where it "
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
