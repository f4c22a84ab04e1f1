/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <tether/criterion.h>
#include <string.h>

Test(first, copy_is_freed, HEAP_BUDGET(.max_count = 1, NO_LEAKS))
{
    char *copy = strdup("hello");
    cr_assert_str_eq(copy, "hello");
    free(copy); /* take this line away, and see who leaks */
}
