/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* matrix-fails: ASSERT_COLLECTED */
/* An assertion that is named but not called is no statement. */
#include <tether/criterion.h>

Test(fails, not_called)
{
    ASSERT_COLLECTED;
}
