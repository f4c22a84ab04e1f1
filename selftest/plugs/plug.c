/* SPDX-License-Identifier: MIT */
/*
 * A library that comes and goes: it allocates in its constructor and its
 * destructor, and leaves one block of each behind. Built several times, with
 * other frames and other names at the same places.
 */
#include <stdlib.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define NAMED(what) JOIN(JOIN(PLUG, _), what)

static void *volatile kept, *volatile left;

/* Frames of different sizes, so that stale rules would walk astray. */
__attribute__((noinline)) static void *NAMED(block)(size_t bytes)
{
    volatile char pad[FRAME_PAD];
    memset((char *)pad, 1, sizeof pad);
    void *const block = malloc(bytes);
    pad[0] = 2;
    return block;
}

__attribute__((constructor, noinline)) static void NAMED(comes)(void)
{
    kept = NAMED(block)(1000);
    left = NAMED(block)(11);
}

__attribute__((destructor, noinline)) static void NAMED(goes)(void)
{
    free(kept);
    free(NAMED(block)(500));
    left = NAMED(block)(13);
}

/* By which the suite calls it. */
void *plug_leak(size_t bytes)
{
    void *const block = NAMED(block)(bytes);
    __asm__ volatile("" ::"r"(block) : "memory");
    return block;
}
