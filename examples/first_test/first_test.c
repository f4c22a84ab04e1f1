/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>

Test(first, greeting_dies, HEAP_BUDGET(.max_heap = KiB(4), NO_LEAKS))
{
    char *greeting = strdup("hello");
    tether_weak ref = tether_weak_to(greeting);

    ASSERT_ALIVE(ref);
    free(greeting);
    ASSERT_COLLECTED(ref);
}
