/* SPDX-License-Identifier: MIT */
/* matrix: c */
/* Spies whose type is written beside the signature. */
#include <stdlib.h>
#include <tether/criterion.h>

static int none(void)
{
    return 0;
}

Test(spies, typed)
{
    void (*end)(void *) =
        tether_spy_make_typed(free, "void (ptr:dies)", void, void *);
    int (*nothing)(void) = tether_spy_make_typed(none, "int ()", int, void);
    void *(*grow)(void *, size_t) = tether_spy_make_typed(
        realloc, "ptr:born (ptr:dies, size)", void *, void *, size_t);
    end(grow(NULL, (size_t)nothing() + 1));
}
