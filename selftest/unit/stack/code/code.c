/* SPDX-License-Identifier: MIT */
/* See code.h. CODE names the table; FRAME_PAD makes frames differ. */
#include "code.h"

#include <alloca.h>
#include <stdlib.h>

#ifndef FRAME_PAD
#    define FRAME_PAD 0
#endif
#ifdef __clang__ /* makes no clones */
#    define KEEP __attribute__((noinline))
#else
#    define KEEP __attribute__((noinline, noclone))
#endif

extern const struct code CODE;
static volatile int sink;

static KEEP void recurse(int levels, see_fn see, void *ctx)
{
    volatile char pad[16 + FRAME_PAD];
    pad[0] = (char)levels;
    if (levels > 0)
        recurse(levels - 1, see, ctx);
    else
        see(ctx);
    sink += pad[0];
}

static KEEP void either(int levels, see_fn see, void *ctx)
{
    if (levels == 0) {
        see(ctx);
    } else {
        either(levels - 1, see, ctx);
        sink++;
        either(levels - 1, see, ctx);
    }
    sink++;
}

static see_fn see_now;
static void *ctx_now;

static KEEP int compare(const void *a, const void *b)
{
    see_now(ctx_now);
    return *(const int *)a - *(const int *)b;
}

static KEEP void sort(see_fn see, void *ctx)
{
    int numbers[] = { 5, 3, 8, 1, 9, 2 };
    see_now = see;
    ctx_now = ctx;
    qsort(numbers, 6, sizeof *numbers, compare);
    sink += numbers[0];
}

static KEEP void search(see_fn see, void *ctx)
{
    const int numbers[] = { 1, 3, 5, 7, 9 }, key = 3;
    see_now = see;
    ctx_now = ctx;
    sink += bsearch(&key, numbers, 5, sizeof key, compare) != NULL;
}

static KEEP void vla(int words, see_fn see, void *ctx)
{
    volatile long *const area = alloca((size_t)words * sizeof *area);
    area[0] = words;
    see(ctx);
    sink += (int)area[0];
}

static KEEP void realign(int words, see_fn see, void *ctx)
{
    volatile _Alignas(64) char wide[64];
    volatile long *const area = alloca((size_t)words * sizeof *area);
    area[0] = wide[0] = 1;
    see(ctx);
    sink += wide[0] + (int)area[0];
}

static KEEP void big(see_fn see, void *ctx)
{
    volatile char bytes[200000 + FRAME_PAD];
    bytes[0] = 1;
    see(ctx);
    sink += bytes[0];
}

static KEEP void tail_target(see_fn see, void *ctx)
{
    see(ctx);
    sink++;
}

static KEEP void tail_middle(see_fn see, void *ctx)
{
    sink++;
    tail_target(see, ctx);
}

static KEEP void tail(see_fn see, void *ctx)
{
    tail_middle(see, ctx);
    sink++;
}

static KEEP long many(long a, long b, long c, long d, long e, long f, long g,
                      long h, see_fn see, void *ctx)
{
    see(ctx);
    return a + b + c + d + e + f + g + h + sink;
}

static KEEP void arguments(see_fn see, void *ctx)
{
    sink += (int)many(1, 2, 3, 4, 5, 6, 7, sink, see, ctx);
    sink += (int)many(sink, 2, 3, 4, 5, 6, 7, 8, see, ctx);
}

/* So many values live across the call that the frame pointer is one of the
 * registers they are in, where that is allowed. */
static KEEP void registers(int seed, see_fn see, void *ctx)
{
    long a = seed * 3L, b = a ^ 5, c = a * b, d = c - 7, e = d ^ a, f = e + b;
    for (int i = 0; i < 3; i++) {
        see(ctx);
        a += b;
        b ^= c;
        c += d;
        d ^= e;
        e += f;
        f ^= a;
    }
    sink += (int)(a + b + c + d + e + f);
}

const struct code CODE = { recurse, either, sort, search,    vla,
                           realign, big,    tail, arguments, registers };
