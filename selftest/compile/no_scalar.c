/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* matrix-fails: value */
/* A struct is no scalar. */
#include <tether/criterion.h>

struct pair {
    int a, b;
};

Test(fails, no_scalar)
{
    struct pair pair = { 1, 2 };
    ASSERT_EVENTUALLY_IS(pair, ==, pair);
}
