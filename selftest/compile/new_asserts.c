/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* Criterion's new-style assertions, included before Tether's header. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <tether/criterion.h>

Test(order, new_style, HEAP_BUDGET(NO_LEAKS))
{
    cr_assert(eq(int, 1, 1));
    cr_expect(all(eq(int, 1, 1), ne(int, 1, 2)));
}
