/* SPDX-License-Identifier: MIT */
/* matrix: c */
/* matrix-fails: array */
/* The function takes one argument. */
#include <stdlib.h>
#include <tether/criterion.h>

Test(spies, other_type)
{
    tether_spy_make_typed(free, "void (ptr:dies)", void, void *, size_t);
}
