/* SPDX-License-Identifier: MIT */
/* A library whose functions allocate; one of them is chosen when it is loaded
 * (an IFUNC). */
#include "live.h"

#include <stdlib.h>

void *library_make(size_t bytes)
{
    void *block = malloc(bytes);
    KEEP(block);
    return block;
}

static void *make_in_a_way(size_t bytes)
{
    void *block = malloc(bytes);
    KEEP(block);
    return block;
}

/* clang does not see that the attribute below uses it. */
__attribute__((used)) static void *(*choose(void))(size_t)
{
    return make_in_a_way;
}

void *library_chosen(size_t bytes) __attribute__((ifunc("choose")));

void *library_calls_chosen(size_t bytes)
{
    void *block = library_chosen(bytes);
    KEEP(block);
    return block;
}
