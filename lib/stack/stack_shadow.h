/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_SHADOW_H
#define TT_STACK_SHADOW_H
/*
 * A thread's shadow: the frames of its own stack that were unwound before and
 * may still be there, outermost first. Frames are unwound once while they
 * live and not once for each capture.
 *
 * Words. A state is what the unwinder knows of a frame: stack pointer, frame
 * value (the return address into it) and frame pointer. A step leads from a
 * frame's state to its caller's. A check is a word of the stack that a step
 * has read, with what it held. A step is a function of its state and of its
 * checks: while the checks hold, unwinding again would give the same again.
 * So a shadow is never guessed right, it is proved right word by word.
 *
 * A frame pointer that no later step of the shadow uses is not checked: code
 * that uses the register for its own ends changes it all the time.
 */
#include "stack/stack_table.h"
#include "stack/stack_walk.h"

#define TT_SHADOW_FRAMES_MAX 192 /* at least twice TT_STACK_DEPTH_MAX */

struct tt_shadow_frame {
    uintptr_t sp;
    uintptr_t value;   /* as tt_stack_frames gives it */
    uintptr_t fp;      /* compared only if needs_fp */
    uint64_t sum;      /* of the hash, over this frame and all outer ones */
    uint32_t id;       /* of the stack from here, 'id_depth' deep */
    uint32_t id_depth; /* 0: not known */
    uint32_t checks;   /* number of checks of this and all outer steps */
    uint16_t plain;    /* number of plain steps from here outward */
    bool needs_fp;     /* some step from here on uses fp as it is here */
};

struct tt_shadow_check {
    uintptr_t at;
    uintptr_t word;
};

struct tt_shadow {
    unsigned count;
    bool whole;          /* frame 0 is the outermost one */
    uint32_t generation; /* of the rules it was made by */
    uint64_t outer_sum;  /* of frames outside frame 0, dropped by now */
    struct tt_shadow_frame frames[TT_SHADOW_FRAMES_MAX];
    struct tt_shadow_check checks[2 * TT_SHADOW_FRAMES_MAX];
};

/* Do the steps from frame 'inner' out to frame 'outer' still hold? */
TT_INLINE bool tt_shadow_holds(const struct tt_shadow *shadow, unsigned inner,
                               unsigned outer)
{
    const struct tt_shadow_check *check =
        &shadow->checks[shadow->frames[outer].checks];
    const struct tt_shadow_check *const end =
        &shadow->checks[shadow->frames[inner].checks];
    uintptr_t differs = 0;
    for (; check < end; check++)
        differs |= *(const uintptr_t *)check->at ^ check->word;
    return differs == 0;
}

/* Is the innermost frame this state, and is its stack known and unchanged?
 * Then gets the id; 0: not known. */
TT_INLINE uint32_t tt_shadow_top(const struct tt_shadow *shadow,
                                 uint32_t generation, uintptr_t sp,
                                 uintptr_t value, uintptr_t fp, unsigned depth)
{
    const unsigned count = shadow->count;
    if (count == 0 || shadow->generation != generation)
        return 0;
    const struct tt_shadow_frame *const top = &shadow->frames[count - 1];
    if (top->sp != sp || top->value != value || top->id_depth != depth ||
        (top->needs_fp && top->fp != fp))
        return 0;
    const unsigned outer = count > depth ? count - depth : 0;
    return tt_shadow_holds(shadow, count - 1, outer) ? top->id : 0;
}

/* Unwinds from 'walk', which has been started in the thread's own stack,
 * through the shadow where it holds and by rules where not, and brings the
 * shadow up to date. Returns the stack's id, 0 when it cannot be kept. */
uint32_t tt_shadow_capture(struct tt_shadow *shadow, struct tt_walk *walk,
                           unsigned depth);

#endif
