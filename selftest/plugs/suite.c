/* SPDX-License-Identifier: MIT */
/* Libraries that come and go: what they allocate on the way, what they leave,
 * and code that comes to lie where other code was. */
#include <criterion/criterion.h>
#include <tether/criterion.h>
#include <tether/window.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMES 100

static const char *const plugs[] = { PLUG_ONE, PLUG_TWO };
static char told[65536];

static void keep(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    snprintf(told, sizeof told, "%s", failure->message);
}

/* Every leak of what 'run' does, in words. */
static const char *leaks_of(void (*run)(void))
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    tether_on_failure(keep, NULL);
    tether_budget_set(&budget, TETHER_MAX_LEAKED, 0);
    told[0] = '\0';
    tether_budget_begin(&budget);
    run();
    tether_budget_end(&budget);
    return told;
}

typedef void *(*leak_fn)(size_t bytes);

static void *plug_open(int which, leak_fn *leak)
{
    void *const plug = dlopen(plugs[which], RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(plug, "%s", dlerror());
    *leak = (leak_fn)dlsym(plug, "plug_leak");
    cr_assert_not_null(*leak);
    return plug;
}

/* Opens and closes a library, of which a block of 'bytes' stays. */
static void comes_and_goes(int which, size_t bytes)
{
    leak_fn leak;
    void *const plug = plug_open(which, &leak);
    leak(bytes);
    dlclose(plug);
}

/* The part of the message about one site: '100 B in 1 block'. */
static const char *about(const char *message, const char *site)
{
    static char part[2048];
    char start[64];
    snprintf(start, sizeof start, "\n  %s, ", site);
    const char *const from = strstr(message, start);
    cr_assert_not_null(from, "no leak of %s in:\n%s", site, message);
    size_t end = strcspn(from + 1, "\n") + 1;
    while (strncmp(from + end, "\n    ", 5) == 0)
        end += strcspn(from + end + 1, "\n") + 1;
    snprintf(part, sizeof part, "%.*s", (int)end, from);
    return part;
}

static void expect_in(const char *text, const char *part)
{
    cr_expect_not_null(strstr(text, part), "no '%s' in:\n%s", part, text);
}

static void expect_not_in(const char *text, const char *part)
{
    cr_expect_null(strstr(text, part), "'%s' in:\n%s", part, text);
}

/* --- names ---------------------------------------------------------------- */

static void one_alone(void)
{
    comes_and_goes(0, 100);
}

Test(plugs, what_went_is_still_named)
{
    const char *const message = leaks_of(one_alone);
    expect_in(message, "3 blocks, 124 B leaked");
    expect_in(about(message, "100 B in 1 block"), "one_block (plug.c:");
    expect_in(about(message, "100 B in 1 block"), "plug_leak (plug.c:");
    expect_in(about(message, "100 B in 1 block"), "comes_and_goes (suite.c:");
    expect_in(about(message, "11 B in 1 block"), "one_comes (plug.c:");
    expect_in(about(message, "13 B in 1 block"), "one_goes (plug.c:");
}

static leak_fn newest;

/* The second library comes to lie where the first one was, and stays. */
static void other_code_in_its_place(void)
{
    leak_fn first;
    void *const plug = plug_open(0, &first);
    first(100);
    dlclose(plug);
    plug_open(1, &newest);
    cr_assert_eq((uintptr_t)first & ~(uintptr_t)0xffff,
                 (uintptr_t)newest & ~(uintptr_t)0xffff,
                 "the loader did not use the addresses again");
    newest(101);
}

Test(plugs, other_code_in_its_place_is_not_blamed)
{
    const char *const message = leaks_of(other_code_in_its_place);
    expect_in(about(message, "100 B in 1 block"), "one_block (plug.c:");
    expect_not_in(about(message, "100 B in 1 block"), "two_");
    expect_in(about(message, "101 B in 1 block"), "two_block (plug.c:");
    expect_not_in(about(message, "101 B in 1 block"), "one_");
    size_t bytes = 0;
    cr_expect_eq(tether_live_from((void (*)(void))newest, &bytes), 1);
    cr_expect_eq(bytes, 101u);
}

static void in_turn(void)
{
    for (int i = 0; i < 6; i++)
        comes_and_goes(i % 2, 100 + (size_t)i);
}

Test(plugs, each_of_many_is_named)
{
    const char *const message = leaks_of(in_turn);
    expect_in(about(message, "306 B in 3 blocks"), "one_block");
    expect_in(about(message, "309 B in 3 blocks"), "two_block");
}

/* --- files that change ---------------------------------------------------- */

static char copy_path[64];

static void copy(const char *from, const char *to)
{
    char bytes[65536];
    FILE *const in = fopen(from, "rb"), *const out = fopen(to, "wb");
    cr_assert(in && out);
    for (size_t got; (got = fread(bytes, 1, sizeof bytes, in)) > 0;)
        fwrite(bytes, 1, got, out);
    fclose(in);
    fclose(out);
}

static void copy_comes_and_goes(void)
{
    void *const plug = dlopen(copy_path, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(plug, "%s", dlerror());
    ((leak_fn)dlsym(plug, "plug_leak"))(100);
    dlclose(plug);
}

static void copy_is_replaced(void)
{
    char other[80];
    copy_comes_and_goes();
    snprintf(other, sizeof other, "%s.new", copy_path);
    copy(PLUG_TWO, other);
    cr_assert_eq(rename(other, copy_path), 0);
}

static void copy_is_removed(void)
{
    copy_comes_and_goes();
    cr_assert_eq(remove(copy_path), 0);
}

static const char *leaks_of_copy(void (*run)(void))
{
    strcpy(copy_path, "/tmp/tether-plug-XXXXXX");
    const int fd = mkstemp(copy_path);
    cr_assert_geq(fd, 0);
    close(fd);
    copy(PLUG_ONE, copy_path);
    return leaks_of(run);
}

Test(plugs, a_file_that_was_replaced_names_nothing)
{
    const char *const message = leaks_of_copy(copy_is_replaced);
    expect_not_in(message, "two_");
    expect_in(about(message, "100 B in 1 block"), "tether-plug-");
    expect_in(about(message, "100 B in 1 block"),
              "copy_comes_and_goes (suite.c:");
    remove(copy_path);
}

Test(plugs, a_file_that_was_removed_is_named_as_a_module)
{
    const char *const message = leaks_of_copy(copy_is_removed);
    expect_in(about(message, "100 B in 1 block"), "tether-plug-");
    expect_in(about(message, "100 B in 1 block"),
              "copy_comes_and_goes (suite.c:");
}

/* --- counts --------------------------------------------------------------- */

static void a_thousand_times(void)
{
    for (int i = 0; i < 1000; i++)
        comes_and_goes(i % 2, i % 2 ? 101 : 100);
}

Test(plugs, a_thousand_times_are_counted_and_named, .timeout = 60)
{
    const char *const message = leaks_of(a_thousand_times);
    expect_in(message, "3000 blocks, 121.6 KiB leaked");
    expect_in(about(message, "48.8 KiB in 500 blocks"), "one_block (plug.c:");
    expect_in(about(message, "49.3 KiB in 500 blocks"), "two_block (plug.c:");
    expect_in(about(message, "6.3 KiB in 500 blocks"), "_goes (plug.c:");
}

/* --- threads -------------------------------------------------------------- */

static _Atomic bool over;

static void *allocates(void *ctx)
{
    while (!over)
        for (size_t bytes = 1; bytes < 2000; bytes += 100)
            free(malloc(bytes));
    return ctx;
}

static void *comes_and_goes_often(void *ctx)
{
    const int which = *(int *)ctx;
    for (int i = 0; i < TIMES; i++) {
        void *const plug = dlopen(plugs[which], RTLD_NOW | RTLD_LOCAL);
        ((leak_fn)dlsym(plug, "plug_leak"))(77);
        dlclose(plug);
    }
    return NULL;
}

static void in_threads(void)
{
    static int which[] = { 0, 1 };
    pthread_t comers[2], workers[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&workers[i], NULL, allocates, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&comers[i], NULL, comes_and_goes_often, &which[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(comers[i], NULL);
    over = true;
    for (int i = 0; i < 4; i++)
        pthread_join(workers[i], NULL);
}

Test(plugs, in_threads_while_others_allocate, .timeout = 60)
{
    char wanted[64];
    const char *const message = leaks_of(in_threads);
    snprintf(wanted, sizeof wanted, "%d blocks, ", 2 * TIMES * 3);
    expect_in(message, wanted);
    /* Names may be missing here, but none is of what lay there later. */
    expect_not_in(message, "_fini");
    expect_not_in(message, "_init");
    expect_not_in(message, "plug.c:22");
}
