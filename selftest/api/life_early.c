/* SPDX-License-Identifier: MIT */
/* The heap before the first constructor, and while the program is relocated. */
#include <criterion/criterion.h>
#include <tether/criterion.h>

#include <stdlib.h>

static void *volatile by_resolver, *volatile by_preinit, *volatile by_first;

static void preinit(void)
{
    by_preinit = malloc(111);
    by_preinit = realloc(by_preinit, 5111);
    free(malloc(10));
}
__attribute__((section(".preinit_array"),
               used)) static void (*preinit_entry)(void) = preinit;

__attribute__((constructor(101))) static void first(void)
{
    by_first = calloc(3, 111);
}

static int resolved_to(void)
{
    return 42;
}

/* Runs while the program is being relocated. */
__attribute__((used)) static int (*resolver(void))(void)
{
    by_resolver = malloc(222);
    return resolved_to;
}
int resolved(void) __attribute__((ifunc("resolver")));

static void expect_block(const void *address, size_t size)
{
    struct tether_block block;
    cr_assert_eq(tether_block_of((const char *)address + size / 2, &block),
                 TETHER_OK);
    cr_expect_eq(block.address, address);
    cr_expect_eq(block.size, size);
    cr_expect_leq(block.thread, 1u);
}

Test(life, blocks_from_before_the_constructors)
{
    cr_assert_eq(resolved(), 42);
    expect_block(by_resolver, 222);
    expect_block(by_preinit, 5111);
    expect_block(by_first, 333);
    /* Older than the window: they make no room in it. */
    struct tether_stats before, after;
    tether_stats(&before);
    free(by_resolver);
    free(by_preinit);
    free(by_first);
    tether_stats(&after);
    cr_expect_eq(before.live_bytes, after.live_bytes);
    cr_expect_eq(before.live_blocks, after.live_blocks);
}
