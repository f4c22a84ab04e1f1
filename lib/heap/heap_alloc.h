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

/* Frees what the common path does not take: big, flagged, old, or bad.
 * 'call' is what the program called. */
void free_slow(void *address, void *frame, const char *call);

/* 'size' is not 0. NULL with ENOMEM; the old block then stays as it was. */
void *realloc_slow(void *address, size_t size, void *frame, const char *call);

/* A pointer that is no live block. Reports it; the heap stays sound. */
void misuse_tell(const void *address, void *frame, const char *call);

/* The stack id of an allocation under way. */
TT_INLINE uint32_t stack_of_alloc(void *frame)
{
    return tt_stack_depth ? tt_stack_capture(frame, tt_stack_depth) : 0;
}

/* Leaves word in a dead small block of who freed it. */
TT_INLINE void small_bury(uint64_t *words, uint64_t tag, uint64_t who)
{
    words[1] = (words[1] & ~FLAGS_MASK) | tag;
    words[2] = who;
}

#endif
