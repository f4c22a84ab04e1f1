/* SPDX-License-Identifier: MIT */
/* Compiled twice: as plain_* at -O0 and as fast_* at -O2. */
#include "code.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_(way, name)  way##_##name
#define NAME__(way, name) NAME_(way, name)
#define NAME(name)        NAME__(WAY, name)
#define FRAME             __attribute__((noinline))

/* A tail call would leave no frame: the pointer is used once more. */
#define CALLER(name, call)         \
    FRAME void *name(size_t bytes) \
    {                              \
        void *block = call;        \
        KEEP(block);               \
        return block;              \
    }

static FRAME void *xmalloc(size_t bytes)
{
    void *block = malloc(bytes);
    KEEP(block);
    if (!block)
        abort();
    return block;
}

CALLER(NAME(one), xmalloc(bytes))
CALLER(NAME(two), xmalloc(bytes))

static __attribute__((cold, noinline)) void seldom(size_t bytes)
{
    KEEP(bytes);
}

static FRAME void *xmalloc_seldom(size_t bytes)
{
    if (bytes == 0)
        return NULL;
    seldom(bytes);
    void *block = malloc(bytes);
    KEEP(block);
    seldom(bytes);
    return block;
}

CALLER(NAME(cold_one), xmalloc_seldom(bytes))
CALLER(NAME(cold_two), xmalloc_seldom(bytes))

static __attribute__((noinline)) void *xmalloc_array(size_t bytes, size_t count)
{
    void *block = calloc(bytes, count);
    KEEP(block);
    if (!block)
        fprintf(stderr, "no memory for %zu\n", count);
    return block;
}

CALLER(NAME(constant_one), xmalloc_array(bytes, 1))
CALLER(NAME(constant_two), xmalloc_array(bytes, 1))

static inline __attribute__((always_inline)) void *xmalloc_inlined(size_t bytes)
{
    void *block = malloc(bytes);
    KEEP(block);
    return block;
}

CALLER(NAME(inlined_one), xmalloc_inlined(bytes))
CALLER(NAME(inlined_two), xmalloc_inlined(bytes))
