/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* matrix-fails: max_haep */
#include <tether/criterion.h>

Test(fails, misspelt, HEAP_BUDGET(.max_haep = 1))
{
}
