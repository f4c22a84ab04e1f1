/* SPDX-License-Identifier: MIT */
/*
 * A program that is no PIE has other addresses for the functions of libraries
 * than the libraries themselves: those of jumps of its own.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>

#include <stdlib.h>
#include <string.h>

Test(no_pie, none_alive_sees_a_function_of_a_library)
{
    char *const copy = strdup("still here");
    size_t bytes = 0;
    cr_assert_eq(tether_live_from((void (*)(void))strdup, &bytes), 1);
    cr_assert_eq(bytes, sizeof "still here");
    free(copy);
    ASSERT_NONE_ALIVE(strdup);
}
