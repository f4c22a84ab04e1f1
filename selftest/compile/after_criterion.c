/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* The header after all of Criterion's. */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/logging.h>
#include <criterion/parameterized.h>
#include <criterion/redirect.h>
#include <criterion/theories.h>
#include <tether/criterion.h>

Test(order, after, HEAP_BUDGET(NO_LEAKS), .init = cr_redirect_stdout)
{
    cr_assert(1);
    cr_expect_eq(1, 1);
}
