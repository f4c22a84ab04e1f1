/* SPDX-License-Identifier: MIT */
/* A wrapper that calls a wrapper. */
#include "code.h"

#include <stdlib.h>
#include <string.h>

#define FRAME __attribute__((noinline))

FRAME void *make(size_t bytes);
FRAME void *make(size_t bytes)
{
    void *block = malloc(bytes);
    KEEP(block);
    return block;
}

FRAME void *make_zeroed(size_t bytes);
FRAME void *make_zeroed(size_t bytes)
{
    void *block = make(bytes);
    KEEP(block);
    return memset(block, 0, bytes);
}

FRAME void *chain_one(size_t bytes)
{
    void *block = make_zeroed(bytes);
    KEEP(block);
    return block;
}

FRAME void *chain_two(size_t bytes)
{
    void *block = make_zeroed(bytes);
    KEEP(block);
    return block;
}
