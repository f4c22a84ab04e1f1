/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* matrix-needs: glib-2.0 */
#include <glib.h>
#include <tether/criterion.h>

Test(glib, before, HEAP_BUDGET(.max_heap = MiB(1)))
{
    cr_assert(g_ascii_isalpha('a'));
    ASSERT_EVENTUALLY(MAX(1, 2) == 2, .within_ms = 1);
}
