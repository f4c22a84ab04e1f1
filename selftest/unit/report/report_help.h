/* SPDX-License-Identifier: MIT */
#ifndef REPORT_HELP_H
#define REPORT_HELP_H
/*
 * What the tests of reports share: a window inside the test's body, the text
 * under test, and the comparison with a golden one.
 */
#include "cache.h"

#include "os/os.h"
#include "report/report.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

extern struct tt_scope scope;
extern struct tt_text text;

void open_scope(void);
void close_scope(void);

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

/* The stack of a live block. */
uint32_t stack_of(const void *object);

/* Compares 'text' without the test's own frames, whose lines move. */
void expect_text(const char *expected);

struct tt_leak_facts leak_facts(uint64_t bound);

#endif
