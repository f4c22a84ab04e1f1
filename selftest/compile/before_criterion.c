/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* The header before all of Criterion's. */
#include <tether/criterion.h>
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/logging.h>
#include <criterion/parameterized.h>
#include <criterion/redirect.h>
#include <criterion/theories.h>

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
    (void)tests;
}

Test(order, before, HEAP_BUDGET(NO_LEAKS), .init = cr_redirect_stdout)
{
    cr_assert(1);
    cr_expect_eq(1, 1);
}
