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

/*
 * What a capture came to, by the state that it began with. Its checks are
 * those of all its steps, so that a capture that would go the same way as the
 * last one from here costs a comparison of words.
 */
#define TT_MEMOS           64
#define TT_MEMO_CHECKS_MAX 20

struct tt_memo {
    uintptr_t sp, value; /* 0: unused */
    uint32_t generation;
    uint32_t depth;
    uint32_t id;
    uint32_t count;
    struct tt_shadow_check checks[TT_MEMO_CHECKS_MAX];
};

TT_INLINE struct tt_memo *tt_memo_of(struct tt_memo *memos, uintptr_t sp,
                                     uintptr_t value)
{
    return &memos[(sp / 8 + value) * 0x9e3779b97f4a7c15u >> 58];
}

/* Gets the id of a capture that begins like this, 0 when it is not known.
 * A signal handler may write the memo meanwhile, for another state: that of a
 * frame which still stands cannot come up in a handler. */
TT_INLINE uint32_t tt_memo_get(const struct tt_memo *memo, uint32_t generation,
                               uintptr_t sp, uintptr_t value, unsigned depth)
{
    if (memo->sp != sp || memo->value != value ||
        memo->generation != generation || memo->depth != depth)
        return 0;
    const uint32_t id = memo->id;
    const struct tt_shadow_check *check = memo->checks;
    const struct tt_shadow_check *const end = check + memo->count;
    uintptr_t differs = 0;
    for (; check < end; check++)
        differs |= *(const uintptr_t *)check->at ^ check->word;
    atomic_signal_fence(memory_order_seq_cst);
    return differs == 0 && memo->sp == sp && memo->value == value ? id : 0;
}

/* Keeps what the capture that the shadow has just made came to, if its checks
 * prove it. 'frame' is the frame record that the capture began with. */
void tt_memo_put(struct tt_memo *memos, const struct tt_shadow *shadow,
                 uintptr_t frame, unsigned depth);

/* Unwinds from 'walk', which has been started in the thread's own stack,
 * through the shadow where it holds and by rules where not, and brings the
 * shadow up to date. Returns the stack's id, 0 when it cannot be kept. */
uint32_t tt_shadow_capture(struct tt_shadow *shadow, struct tt_walk *walk,
                           unsigned depth);

#endif
