/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* A program's own KiB and MiB stay its own; the prefixed ones are Tether's. */
#define KiB(n) ((n) << 10)
#define MiB    1048576

#include <tether/criterion.h>

Test(sizes, own, HEAP_BUDGET(.max_heap = 3 * MiB, .max_alloc = GiB(1)))
{
    cr_assert_eq(KiB(3), 3072);
    cr_assert_eq(TETHER_KiB(3), 3072u);
    cr_assert_eq(TETHER_MiB(3), 3145728u);
    cr_assert_eq(GiB(3), 3221225472u);
}
