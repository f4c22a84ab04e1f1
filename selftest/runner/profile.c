/* SPDX-License-Identifier: MIT */
/* A program whose profile is known to the byte. */
#include <stdlib.h>

static void *volatile kept[10];

static __attribute__((noinline)) void *leaf(size_t bytes)
{
    void *volatile block = malloc(bytes);
    return block;
}

static __attribute__((noinline)) void *middle(size_t bytes)
{
    void *volatile block = leaf(bytes);
    return block;
}

static __attribute__((noinline)) void churn(size_t times)
{
    while (times--)
        free(leaf(100));
}

int main(int argc, char **argv)
{
    const size_t bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    for (size_t i = 0; i < 10; i++)
        kept[i] = middle(bytes);
    for (size_t i = 0; i < 6; i++)
        free(kept[i]);
    churn(50);
    kept[0] = leaf(24);
    return 0;
}
