/* SPDX-License-Identifier: MIT */
/*
 * The words of leaks, suppressions, and what is none: libc's caches.
 */
#include "report_help.h"

#include "report/report_builtin.h"
#include "report/report_suppress.h"

#include <dirent.h>
#include <iconv.h>
#include <netdb.h>
#include <regex.h>
#include <stdio.h>
#include <tether/heap.h>
#include <time.h>

/* ---- leaks ---- */

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
    cr_expect_eq(strncmp(text.data, "4 blocks, 301 B leaked (ambiguous)\n", 35),
                 0, "%s", text.data);
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
    expect_text("1 block, 96 B leaked (ambiguous)\n"
                "  96 B in 1 block, allocated by\n"
                "    session_new (cache.c:41)\n"
                "    cache_login (cache.c:60)\n"
                "    held by    session\n" REMEDY
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
                         "1 block, 96 B leaked (ambiguous), limit "
                         "`.max_leaked = 95`\n",
                         59),
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
    expect_text("1 block, 96 B leaked (ambiguous)\n"
                "  96 B in 1 block, allocated by\n"
                "    session_new (cache.c:41)\n"
                "    cache_login (cache.c:60)\n"
                "    held by    session\n" REMEDY
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

/* ---- what libc allocates ---- */

static int compiled(regex_t *expression)
{
    return regcomp(expression, "a(b|c)*d", REG_EXTENDED);
}

REPORT_TEST(what_libc_allocates_for_its_caller_is_the_callers)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found = NULL;
    char *printed = NULL, *line = NULL;
    size_t capacity = 0;
    regex_t expression;
    FILE *const file = fopen("/proc/self/maps", "r");
    void *const given[] = { strdup("x"), realpath("/", NULL), opendir("/"),
                            iconv_open("UTF-16", "UTF-8") };
    cr_assert_gt(asprintf(&printed, "%d", 12), 0);
    cr_assert_gt(getline(&line, &capacity, file), 0);
    cr_assert_eq(compiled(&expression), 0);
    cr_assert_eq(getaddrinfo("127.0.0.1", "80", &hints, &found), 0);
    fclose(file);
    for (size_t i = 0; i < TT_COUNT(given); i++)
        cr_assert_not_null(given[i]);
    void *const objects[] = { given[0], given[1], given[2],          given[3],
                              printed,  line,     expression.buffer, found };
    for (size_t i = 0; i < TT_COUNT(objects); i++)
        cr_expect_not(tt_builtin_covers(stack_of(objects[i]), 1, 1), "%zu", i);
    struct tt_leak_facts facts = leak_facts(0);
    cr_expect(tt_report_leak(&facts, &text));
}

REPORT_TEST(what_libc_keeps_is_known)
{
    setvbuf(stdout, NULL, _IOFBF, 0);
    time_t now = 0;
    localtime(&now);
    setenv("TETHER_SELFTEST", "x", 1);
    struct tt_leak_facts facts = leak_facts(0);
    cr_expect_not(tt_report_leak(&facts, &text), "%s", text.data);
    cr_expect_gt(facts.known_blocks, 0);
    tt_builtin_tell(&text);
    cr_expect_not_null(strstr(text.data, "function localtime (time zone "
                                         "data): "),
                       "%s", text.data);
}
