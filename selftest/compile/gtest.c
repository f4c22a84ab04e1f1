/* SPDX-License-Identifier: MIT */
/* matrix: c++ */
/* matrix-needs: gtest */
/* gtest.h first: after Criterion's header, with or without Tether, its classes
 * Test and TestSuite meet macros of the same names. */
#include <gtest/gtest.h>
#include <tether/criterion.h>

Test(gtest, first, HEAP_BUDGET(.max_heap = MiB(1)))
{
    ASSERT_EVENTUALLY(true, .within_ms = 1);
}

TEST(gtest, is_whole)
{
    ASSERT_EQ(1, 1);
    EXPECT_TRUE(true);
}
