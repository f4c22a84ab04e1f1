/* SPDX-License-Identifier: MIT */
/*
 * Standing in front of Criterion. Files that include <tether/criterion.h> call
 * tether_criterion_main and its like by name; files that include Criterion's
 * header only are caught because this library exports Criterion's names too
 * and comes first in the order of look-up. Both end in the same functions,
 * and those call Criterion's own by address, so no test is wrapped twice.
 */
#include "criterion_plug.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* Here Criterion's names are Criterion's. */
#undef criterion_internal_test_setup
#undef criterion_internal_test_main
#undef criterion_internal_test_teardown
#undef criterion_send_assert
#undef cri_assert_node_send
#undef criterion_abort_test
#undef criterion_skip_test
#undef criterion_test_die
#undef cr_theory_main

/* Exported by Criterion, in headers of its own that not every release has. */
EXPORT int cri_fmt_vbprintf(char **text, size_t *offset, size_t *size,
                            const char *format, va_list arguments);
EXPORT struct cri_assert_node *cri_assert_node_add(struct cri_assert_node *tree,
                                                   struct cri_assert_node *of);

EXPORT void cr_theory_main(struct criterion_datapoints *points, size_t count,
                           void (*theory)(void));

EXPORT void cri_assert_node_send(const char *file, size_t line,
                                 struct cri_assert_node *tree);

EXPORT void criterion_internal_test_setup(void)
{
    tether_criterion_setup();
}

EXPORT void criterion_internal_test_main(void (*body)(void))
{
    TETHER_KEEP_REGISTERS();
    tether_criterion_main(body);
}

EXPORT void criterion_internal_test_teardown(void)
{
    tether_criterion_teardown();
}

EXPORT void criterion_send_assert(struct criterion_assert_stats *stats)
{
    tether_criterion_send(stats);
}

EXPORT void cri_assert_node_send(const char *file, size_t line,
                                 struct cri_assert_node *tree)
{
    tether_criterion_node_send(file, line, tree);
}

EXPORT void criterion_abort_test(void)
{
    tether_criterion_abort();
}

EXPORT void criterion_skip_test(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tether_criterion_skip("%s", text);
}

EXPORT void criterion_test_die(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tether_criterion_die("%s", text);
}

EXPORT void cr_theory_main(struct criterion_datapoints *points, size_t count,
                           void (*theory)(void))
{
    tether_criterion_theory(points, count, theory);
}

EXPORT void cr_log(enum criterion_severity severity, const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    tether_uncounted_begin();
    if (vasprintf(&text, format, arguments) >= 0) {
        tt_log(severity, text);
        free(text);
    }
    tether_uncounted_end();
    va_end(arguments);
}

/* All text of an assertion's message comes from here, on the test's time. */
EXPORT int cri_fmt_vbprintf(char **text, size_t *offset, size_t *size,
                            const char *format, va_list arguments)
{
    tether_uncounted_begin();
    const int result = tt_real()->format(text, offset, size, format, arguments);
    tether_uncounted_end();
    return result;
}

EXPORT struct cri_assert_node *cri_assert_node_add(struct cri_assert_node *tree,
                                                   struct cri_assert_node *of)
{
    tether_uncounted_begin();
    struct cri_assert_node *const node = tt_real()->node_add(tree, of);
    tether_uncounted_end();
    return node;
}

static struct tt_real real;

/* Behind us in the order of look-up, or, if the program was linked the other
 * way round or with Criterion's archive, before us. */
static void *real_look(const char *name)
{
    Dl_info own, found;
    void *address = dlsym(RTLD_NEXT, name);
    if (address)
        return address;
    address = dlsym(RTLD_DEFAULT, name);
    if (address && dladdr(address, &found) && dladdr(&real, &own) &&
        found.dli_fbase == own.dli_fbase)
        address = NULL;
    return address;
}

static void *real_find(const char *name)
{
    void *const address = real_look(name);
    if (!address) {
        fprintf(stderr, "tether: this program has no %s: link libcriterion\n",
                name);
        abort();
    }
    return address;
}

const struct tt_real *tt_real(void)
{
    if (!real.setup) {
        *(void **)&real.send = real_find("criterion_send_assert");
        *(void **)&real.node_send = real_find("cri_assert_node_send");
        *(void **)&real.abort = real_find("criterion_abort_test");
        *(void **)&real.skip = real_find("criterion_skip_test");
        *(void **)&real.die = real_find("criterion_test_die");
        *(void **)&real.theory = real_find("cr_theory_main");
        *(void **)&real.theory_abort = real_find("cr_theory_abort");
        *(void **)&real.log = real_find("cr_log");
        *(void **)&real.format = real_look("cri_fmt_vbprintf");
        *(void **)&real.node_add = real_look("cri_assert_node_add");
        *(void **)&real.main = real_find("criterion_internal_test_main");
        *(void **)&real.teardown =
            real_find("criterion_internal_test_teardown");
        *(void **)&real.setup = real_find("criterion_internal_test_setup");
    }
    return &real;
}

bool tt_env_is_on(const char *name)
{
    const char *value = getenv(name);
    return value && *value && strcmp(value, "0") != 0;
}
