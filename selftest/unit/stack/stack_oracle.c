/* SPDX-License-Identifier: MIT */
#include "stack_oracle.h"

#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <stdio.h>

#define FRAMES_MAX 64

/* Of code that a signal interrupted libunwind gives the program counter, and
 * a capture one more. */
static bool frame_agrees(struct oracle *oracle, uintptr_t frame, void *theirs)
{
    oracle->signals += frame == (uintptr_t)theirs + 1;
    return frame == (uintptr_t)theirs || frame == (uintptr_t)theirs + 1;
}

static bool stack_agrees(struct oracle *oracle, uint32_t id, unsigned depth,
                         void *const *theirs, unsigned count)
{
    const uintptr_t *frames;
    const unsigned ours = tt_stack_frames(id, &frames);
    bool same = ours == (count < depth ? count : depth);
    for (unsigned i = 0; same && i < ours; i++)
        same = frame_agrees(oracle, frames[i], theirs[i]);
    if (!same) {
        fprintf(stderr, "depth %u: %u frames, oracle %u\n", depth, ours, count);
        for (unsigned i = 0; i < ours || i < count; i++)
            fprintf(stderr, "  %#lx %p\n", i < ours ? frames[i] : 0,
                    i < count ? theirs[i] : NULL);
    }
    return same;
}

/* Walks without libunwind's cache, which outlives the code that it is about.
 * Returns the number of frames outside this one. */
static __attribute__((noinline)) unsigned theirs_walk(void **theirs)
{
    unw_context_t context;
    unw_cursor_t cursor;
    unsigned count = 0;
    unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_NONE);
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    while (count <= FRAMES_MAX && unw_step(&cursor) > 0) {
        unw_word_t pc = 0;
        unw_get_reg(&cursor, UNW_REG_IP, &pc);
        if (pc == 0)
            break;
        theirs[count++] = (void *)pc;
    }
    return count;
}

__attribute__((noinline)) void oracle_compare(void *ctx)
{
    static const unsigned depths[] = { 1, 2, 8, 16, FRAMES_MAX };
    struct oracle *const oracle = ctx;
    void *const frame = __builtin_frame_address(0);
    void *theirs[FRAMES_MAX + 1];
    const unsigned count = theirs_walk(theirs) - 1;
    for (size_t i = 0; i < TT_COUNT(depths); i++) {
        const uint32_t id = tt_stack_capture(frame, depths[i]);
        const uint32_t again = tt_stack_capture(frame, depths[i]);
        oracle->seen++;
        oracle->wrong +=
            id == 0 || id != again ||
            !stack_agrees(oracle, id, depths[i], theirs + 1, count);
        oracle->last = id;
    }
    if (count > oracle->deepest)
        oracle->deepest = count;
}
