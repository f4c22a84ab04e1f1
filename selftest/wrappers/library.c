/* SPDX-License-Identifier: MIT */
/* A shared library that hands out memory. */
#include "code.h"

#include <stdlib.h>

#define FRAME __attribute__((noinline))

FRAME void *shared_make(size_t bytes)
{
    void *block = malloc(bytes);
    KEEP(block);
    return block;
}

static FRAME void *hidden_make(size_t bytes)
{
    void *block = malloc(bytes);
    KEEP(block);
    return block;
}

FRAME void *shared_make_hidden(size_t bytes)
{
    void *block = hidden_make(bytes);
    KEEP(block);
    return block;
}
