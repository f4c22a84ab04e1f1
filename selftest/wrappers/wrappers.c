/* SPDX-License-Identifier: MIT */
/*
 * TETHER_WRAPPERS: two callers of one wrapper stay below a limit each, and
 * are together above it. So the limit breaks exactly when the wrapper is taken
 * for the function that allocates.
 */
#include "code.h"

#include <tether/budget.h>
#include <tether/window.h>

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PART  60
#define LIMIT 100

static int told;
static char message[4000];

static void tell(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    told++;
    snprintf(message, sizeof message, "%s", failure->message);
}

static struct tether_budget budget = { TETHER_BUDGET_INIT };

static void begin(const char *wrappers)
{
    if (wrappers)
        setenv("TETHER_WRAPPERS", wrappers, 1);
    tether_on_failure(tell, NULL);
    cr_assert_eq(tether_window_begin("test"), TETHER_OK);
    tether_budget_set(&budget, TETHER_MAX_SITE, LIMIT);
    cr_assert_eq(tether_budget_begin(&budget), TETHER_OK);
}

static void end(void)
{
    tether_budget_end(&budget);
    tether_window_end(TETHER_CHECK_NOTHING);
}

/* Criterion's own assertions allocate: nothing is asserted in between. */
static int told_after(caller from, void **block)
{
    *block = from(PART);
    return told;
}

/* The limit must hold for both, and break when one of them takes more: which
 * shows that the callers are looked at. */
static void expect_callers(const char *wrappers, caller one, caller two)
{
    void *blocks[3];
    begin(wrappers);
    const int first = told_after(one, &blocks[0]);
    const int second = told_after(two, &blocks[1]);
    const int third = told_after(one, &blocks[2]);
    end();
    cr_expect_eq(first, 0);
    cr_expect_eq(second, 0, "%s: %s", wrappers, message);
    cr_expect_eq(third, 1, "%s", wrappers);
    for (int i = 0; i < 3; i++)
        free(blocks[i]);
}

/* The wrapper itself is the function that allocates. */
static void expect_wrapper(const char *wrappers, caller one, caller two)
{
    void *blocks[2];
    begin(wrappers);
    const int first = told_after(one, &blocks[0]);
    const int second = told_after(two, &blocks[1]);
    end();
    cr_expect_eq(first, 0);
    cr_expect_eq(second, 1, "%s", wrappers);
    free(blocks[0]);
    free(blocks[1]);
}

Test(wrappers, without_names_a_wrapper_is_the_site)
{
    expect_wrapper(NULL, plain_one, plain_two);
}

Test(wrappers, another_name_changes_nothing)
{
    expect_wrapper("make", plain_one, plain_two);
}

#define CALLERS(test, names, callers)                        \
    Test(wrappers, test)                                     \
    {                                                        \
        expect_callers(names, callers##_one, callers##_two); \
    }

CALLERS(static_at_O0, "xmalloc", plain)
CALLERS(static_at_O2, "xmalloc", fast)
CALLERS(among_others, " make , xmalloc,make_zeroed", fast)
CALLERS(part_for_what_is_seldom, "xmalloc_seldom", fast_cold)
CALLERS(copy_for_a_constant, "xmalloc_array", fast_constant)
CALLERS(inlined, "xmalloc_inlined", fast_inlined)
CALLERS(chain_of_two, "make,make_zeroed", chain)
CALLERS(member, "ns::pool::take", cxx)
CALLERS(member_with_its_parameters, "ns::pool::take(unsigned long)", cxx)
CALLERS(member_mangled, "_ZN2ns4pool4takeEm", cxx)
CALLERS(template_of_any_type, "ns::make", cxx_template)
CALLERS(template_of_one_type, "ns::make<char>", cxx_template)
CALLERS(template_as_the_compiler_has_it, "char* ns::make<char>(unsigned long)",
        cxx_template)
CALLERS(operator_, "ns::taker::operator()", cxx_operator)
CALLERS(comma_among_parameters, "ns::taker::operator()(unsigned long, int)",
        cxx_operator)

Test(wrappers, the_inner_of_two_is_not_enough)
{
    expect_wrapper("make", chain_one, chain_two);
}

static __attribute__((noinline)) void *of_library(size_t bytes)
{
    void *block = shared_make(bytes);
    KEEP(block);
    return block;
}

static __attribute__((noinline)) void *of_library_too(size_t bytes)
{
    void *block = shared_make(bytes);
    KEEP(block);
    return block;
}

static __attribute__((noinline)) void *of_library_hidden(size_t bytes)
{
    void *block = shared_make_hidden(bytes);
    KEEP(block);
    return block;
}

Test(wrappers, function_of_a_library)
{
    expect_callers("shared_make", of_library, of_library_too);
}

Test(wrappers, library)
{
    expect_callers("libwrappers_shared.so", of_library, of_library_hidden);
}

Test(wrappers, static_function_of_a_library)
{
    void *blocks[3];
    begin("hidden_make");
    const int own = told_after(shared_make, &blocks[0]);
    const int first = told_after(shared_make_hidden, &blocks[1]);
    const int second = told_after(shared_make_hidden, &blocks[2]);
    end();
    cr_expect_eq(own, 0);
    cr_expect_eq(first, 0);
    cr_expect_eq(second, 1, "by shared_make_hidden");
    for (int i = 0; i < 3; i++)
        free(blocks[i]);
}

/* ---- libraries that come and go ---- */

static caller opened;

static __attribute__((noinline)) void *of_opened(size_t bytes)
{
    void *block = opened(bytes);
    KEEP(block);
    return block;
}

static __attribute__((noinline)) void *of_opened_too(size_t bytes)
{
    void *block = opened(bytes);
    KEEP(block);
    return block;
}

static void *library_open(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", WRAPPERS_DIR, name);
    void *const library = dlopen(path, RTLD_NOW);
    cr_assert_not_null(library, "%s", dlerror());
    opened = (caller)dlsym(library, "shared_make");
    return library;
}

static void expect_opened(int after_second)
{
    void *blocks[3];
    const int first = told_after(of_opened, &blocks[0]);
    const int second = told_after(of_opened_too, &blocks[1]);
    const int third = told_after(of_opened, &blocks[2]);
    end();
    cr_expect_eq(first, 0);
    cr_expect_eq(second, after_second, "%s", message);
    cr_expect_eq(third, 1);
    for (int i = 0; i < 3; i++)
        free(blocks[i]);
}

Test(wrappers, function_of_a_library_opened_later)
{
    begin("shared_make");
    library_open("libwrappers_opened.so");
    expect_opened(0);
}

Test(wrappers, library_opened_later)
{
    begin("libwrappers_opened.so");
    library_open("libwrappers_opened.so");
    expect_opened(0);
}

/* Both libraries are linked to lie at the same place. */
static void opened_then_other(void)
{
    void *const first = library_open("libwrappers_opened.so");
    const caller was = opened;
    free(of_opened(PART));
    free(of_opened_too(PART));
    cr_assert_eq(dlclose(first), 0);
    library_open("libwrappers_other.so");
    cr_assert(opened == was);
}

Test(wrappers, a_library_in_the_place_of_another)
{
    begin("shared_make");
    opened_then_other();
    expect_opened(0);
}

Test(wrappers, no_wrapper_in_the_place_of_one)
{
    begin("libwrappers_opened.so");
    opened_then_other();
    expect_opened(1);
}

Test(wrappers, a_wrapper_in_the_place_of_none)
{
    begin("libwrappers_other.so");
    opened_then_other();
    expect_opened(0);
}

/* ---- all at once ---- */

static _Atomic int going;

static void *allocates(void *arg)
{
    (void)arg;
    while (going) {
        free(plain_one(10));
        free(fast_two(20));
    }
    return NULL;
}

/* Names are looked up again and again, inside of malloc, in the middle of
 * everything. Whoever waits for itself is ended by the alarm. */
Test(wrappers, threads_and_forks_while_libraries_come_and_go)
{
    pthread_t threads[3];
    int bad_children = 0, status = 0;
    begin("xmalloc,shared_make");
    alarm(60);
    going = 1;
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, allocates, NULL);
    for (int i = 0; i < 8; i++) {
        void *const library = library_open("libwrappers_opened.so");
        void *const one = of_opened(PART), *const two = of_opened_too(PART);
        const pid_t child = fork();
        if (child == 0) {
            free(of_opened(LIMIT + 1));
            _exit(told ? 1 : 0);
        }
        bad_children += waitpid(child, &status, 0) != child || status != 0;
        free(one);
        free(two);
        dlclose(library);
    }
    going = 0;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    const int before = told;
    void *blocks[2];
    told_after(plain_one, &blocks[0]);
    const int after = told_after(plain_one, &blocks[1]);
    end();
    alarm(0);
    cr_expect_eq(bad_children, 0);
    cr_expect_eq(before, 0, "%s", message);
    cr_expect_eq(after, 1);
    free(blocks[0]);
    free(blocks[1]);
}

/* ---- what is wrong with the names ---- */

static void expect_trouble(const char *wrappers, const char *line)
{
    expect_wrapper(wrappers, plain_one, plain_two);
    const char *const found = strstr(message, line);
    cr_expect_not_null(found, "%s", message);
    cr_expect_null(found ? strstr(found + 1, line) : NULL, "%s", message);
}

Test(wrappers, a_slip_of_the_pen_is_told_with_the_breach)
{
    expect_trouble("xmaloc", "TETHER_WRAPPERS: there is no `xmaloc`; did you "
                             "mean `xmalloc`?");
}

Test(wrappers, a_slip_in_cxx)
{
    expect_trouble("ns::pool::tke", "TETHER_WRAPPERS: there is no "
                                    "`ns::pool::tke`; did you mean "
                                    "`ns::pool::take`?");
}

Test(wrappers, a_name_like_none)
{
    expect_trouble("no_such_thing_anywhere",
                   "TETHER_WRAPPERS: there is no function or module "
                   "`no_such_thing_anywhere`");
}

Test(wrappers, a_library_that_is_not_there)
{
    expect_trouble("libnothing.so.3",
                   "TETHER_WRAPPERS: no module `libnothing.so.3` is loaded");
}

Test(wrappers, without_the_analyser)
{
    setenv("TETHER_ANALYSE", "/no/such/analyser", 1);
    expect_trouble("xmalloc", "TETHER_WRAPPERS: functions cannot be found by "
                              "name: there is no program /no/such/analyser");
}

Test(wrappers, a_library_needs_no_analyser)
{
    setenv("TETHER_ANALYSE", "/no/such/analyser", 1);
    expect_callers("libwrappers_shared.so", of_library, of_library_too);
}

/* What a limit that held says on stderr, where no runner is. */
static const char *stderr_of(const char *wrappers)
{
    static char text[1000];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    const int before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    unsetenv("TETHER_BOARD");
    for (int i = 0; i < 2; i++) {
        budget = (struct tether_budget){ TETHER_BUDGET_INIT };
        begin(wrappers);
        free(plain_one(PART));
        end();
    }
    dup2(before, STDERR_FILENO);
    close(ends[1]);
    const ssize_t got = read(ends[0], text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

Test(wrappers, a_wrong_name_is_told_once_when_the_limit_holds)
{
    cr_expect_str_eq(stderr_of("xmaloc"),
                     "TETHER_WRAPPERS: there is no `xmaloc`; did you mean "
                     "`xmalloc`?\n");
    cr_expect_eq(told, 0);
}

Test(wrappers, right_names_say_nothing)
{
    cr_expect_str_eq(stderr_of("xmalloc,libwrappers_shared.so"), "");
}
