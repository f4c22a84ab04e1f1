/* SPDX-License-Identifier: MIT */
/*
 * The words of checks, and reports when the analyser is absent, fails,
 * crashes or hangs.
 */
#include "report_help.h"

#include "report/report_names.h"

#include <stdio.h>
#include <sys/stat.h>
#include <tether/check.h>
#include <unistd.h>

/* ---- names ---- */

static const char *leak_with_analyser(const char *path)
{
    void *const session = cache_login();
    struct tt_leak_facts facts = leak_facts(0);
    setenv("TETHER_ANALYSE", path, 1);
    setenv("TETHER_TIME_SCALE", "0.05", 1);
    cr_expect(tt_report_leak(&facts, &text));
    free(session);
    return text.data;
}

static void expect_nameless(const char *report, const char *why)
{
    cr_expect_eq(strncmp(report,
                         "1 block, 96 B leaked (ambiguous)\n"
                         "  96 B in 1 block, allocated by\n"
                         "    unit_report+0x",
                         strlen("1 block, 96 B leaked (ambiguous)\n"
                                "  96 B in 1 block, allocated by\n"
                                "    unit_report+0x")),
                 0, "%s", report);
    cr_expect_not_null(strstr(report, why), "%s", report);
}

REPORT_TEST(without_the_analyser_module_and_offset)
{
    expect_nameless(leak_with_analyser("/no/such/analyser"),
                    "names are missing: there is no program "
                    "/no/such/analyser; set TETHER_ANALYSE\n");
}

REPORT_TEST(an_analyser_that_says_nothing)
{
    expect_nameless(leak_with_analyser("/bin/true"),
                    "names are missing: /bin/true gave an answer that is not "
                    "understood\n");
}

REPORT_TEST(an_analyser_that_fails)
{
    expect_nameless(leak_with_analyser("/bin/false"),
                    "names are missing: /bin/false ended with status 1\n");
}

/* Writes an analyser that is a shell script. */
static const char *script_make(char *path, const char *script)
{
    FILE *const file = fdopen(mkstemp(path), "w");
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fchmod(fileno(file), 0700);
    fclose(file);
    return path;
}

REPORT_TEST(an_analyser_that_crashes)
{
    char path[] = "/tmp/tether-analyser-XXXXXX";
    tt_threads_ignore_others();
    expect_nameless(leak_with_analyser(script_make(path, "kill -SEGV $$")),
                    " crashed\n");
    unlink(path);
}

REPORT_TEST(an_analyser_that_hangs_is_asked_once)
{
    char path[] = "/tmp/tether-analyser-XXXXXX", runs[64];
    struct stat once, now;
    script_make(path, "echo run >>$0.runs\nexec sleep 60");
    snprintf(runs, sizeof runs, "%s.runs", path);
    const char *const report = leak_with_analyser(path);
    expect_nameless(report, " gave no answer in time\n");
    cr_assert_eq(stat(runs, &once), 0);
    leak_with_analyser(path);
    cr_assert_eq(stat(runs, &now), 0);
    cr_expect_eq(now.st_size, once.st_size);
    cr_expect_null(strstr(strstr(text.data, "in time") + 7, "in time"));
    unlink(path);
    unlink(runs);
}

/* ---- checks ---- */

static struct tether_message why;

static void expect_why(const char *expected)
{
    tt_text_add(&text, "%s\n", why.text);
    expect_text(expected);
}

REPORT_TEST(collected)
{
    void *const alice = cache_login();
    const tether_weak ref = tether_weak_to(alice);
    cr_expect_eq(tether_check_alive(ref, &why), TETHER_PASSED);
    cr_assert_eq(tether_check_collected(ref, &why), TETHER_FAILED);
    expect_why(
        "`alice` is still alive: 96 B, allocated by session_new "
        "(cache.c:41)\n"
        "  called by  cache_login (cache.c:60)\n"
        "  your own variable `alice`, test_check.c:109, still points to it\n"
        "  verdict: lost\n"
        "nothing has freed it yet; if another thread will, wait with\n"
        "ASSERT_EVENTUALLY_COLLECTED\n");
    session_free(alice);
    cr_expect_eq(tether_check_collected(ref, &why), TETHER_PASSED);
    tether_weak_drop(ref);
}

REPORT_TEST(alive)
{
    void *const alice = cache_login();
    const tether_weak ref = tether_weak_to(alice);
    session_free(alice);
    cr_assert_eq(tether_check_alive(ref, &why), TETHER_FAILED);
    expect_why("`alice` is dead: 96 B, freed by session_free (cache.c:70)\n"
               "  allocated by  session_new (cache.c:41)\n"
               "                cache_login (cache.c:60)\n");
    tether_weak_drop(ref);
}

REPORT_TEST(enqueued)
{
    void *const alice = cache_login();
    tether_queue *const queue = tether_queue_make();
    const tether_phantom ref = tether_phantom_to(alice, queue, NULL);
    cr_assert_eq(tether_check_enqueued(ref, &why), TETHER_FAILED);
    cr_expect_not_null(
        strstr(why.text, "no record of `alice` entered its queue: it is still "
                         "alive\n  allocated by  session_new (cache.c:41)\n"),
        "%s", why.text);
    session_free(alice);
    cr_expect_eq(tether_check_enqueued(ref, &why), TETHER_PASSED);
    tether_phantom_drop(ref);
    tether_queue_drop(queue);
}

static int never(void *ctx)
{
    (void)ctx;
    return 0;
}

REPORT_TEST(waits)
{
    struct tether_wait wait = { .within_ms = 20 };
    cr_assert_eq(
        tether_check_eventually(never, NULL, "cache_len(c) == 0", &wait, &why),
        TETHER_FAILED);
    char expected[256];
    snprintf(expected, sizeof expected,
             "`cache_len(c) == 0` did not become true\n"
             "  within 20 ms (%u polls in %u ms)",
             wait.polls, wait.elapsed_ms);
    cr_expect_str_eq(why.text, expected);
    wait = (struct tether_wait){ .for_ms = 20 };
    cr_assert_eq(tether_check_consistently(never, NULL, "x", &wait, &why),
                 TETHER_FAILED);
    cr_expect_str_eq(why.text, "`x` did not stay true for 20 ms: it broke "
                               "after 0 ms, at poll 1");
    wait = (struct tether_wait){ .within_ms = 20, .for_ms = 10 };
    cr_assert_eq(tether_check_eventually(never, NULL, "x", &wait, &why),
                 TETHER_FAILED);
    cr_expect_str_eq(why.text, "`x` was not waited for: .for_ms is for "
                               "CONSISTENTLY");
    wait = (struct tether_wait){ .within_ms = 20, .every_ms = 30 };
    cr_assert_eq(tether_check_eventually(never, NULL, "x", &wait, &why),
                 TETHER_FAILED);
    cr_expect_str_eq(why.text, "`x` was not waited for: .every_ms exceeds "
                               "the whole wait");
    wait = (struct tether_wait){ .for_ms = 20, .text = "x, .every_ms = 0" };
    cr_assert_eq(tether_check_consistently(never, NULL, "x", &wait, &why),
                 TETHER_FAILED);
    cr_expect_str_eq(why.text, "`x` was not waited for: .every_ms is 0\n"
                               "  written as `x, .every_ms = 0`");
}
