/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_ALLOC_H
#define TT_HEAP_ALLOC_H
/*
 * The slow paths of the malloc family, shared by C's and C++'s entry points.
 * 'frame' is __builtin_frame_address(0) of the entry point.
 */
#include "heap/heap_slot.h"
#include "stack/stack.h"

struct request {
    size_t size;
    size_t alignment; /* a power of two; 16 or less: none asked for */
    bool zeroed;
    void *frame;
};

/* Allocates by all rules. NULL with ENOMEM. */
void *alloc_slow(const struct request *request);

/* The same for no alignment, made for a tail call. */
void *malloc_slow(size_t size, void *frame);
void *calloc_slow(size_t size, void *frame);

/* Frees what the common path does not take: big, flagged, old, or bad.
 * 'call' is what the program called. */
void free_slow(void *address, void *frame, const char *call);

/* 'size' is not 0. NULL with ENOMEM; the old block then stays as it was. */
void *realloc_slow(void *address, size_t size, void *frame, const char *call);

/* A pointer that is no live block. Reports it; the heap stays sound. */
void misuse_tell(const void *address, void *frame, const char *call);

/* Keeps errno over mimalloc's work without a call into libc. */
extern ptrdiff_t errno_offset __attribute__((visibility("hidden")));

TT_INLINE int *errno_place(void)
{
    return (int *)((char *)__builtin_thread_pointer() + errno_offset);
}

/* The stack id of an allocation under way. */
TT_INLINE uint32_t stack_of_alloc(void *frame)
{
    return tt_stack_depth ? tt_stack_capture(frame, tt_stack_depth) : 0;
}

extern unsigned free_depth __attribute__((visibility("hidden")));

TT_INLINE uint64_t word1_of_dead(uint64_t word1, uint32_t free_stack)
{
    return DEAD_TAG << FLAGS_SHIFT |
           (uint64_t)(free_stack & DEAD_STACK) << THREAD_SHIFT |
           (word1 & STACK_MASK);
}

#endif
