/* SPDX-License-Identifier: MIT */
/*
 * Weak and phantom references as users see them.
 */
#include "ref/ref_life.h"
#include "ref/ref_queue.h"

#include <tether/ref.h>

#undef tether_weak_to
#undef tether_phantom_to
#undef tether_weak_in_queue

tether_weak tether_weak_to_at(const void *object, const char *name,
                              const char *file, unsigned line)
{
    const struct ref_ask ask = {
        .call = "tether_weak_to",
        .object = object,
        .name = name,
        .file = file,
        .line = line,
    };
    return (tether_weak){ tt_ref_make(&ask) };
}

tether_weak tether_weak_to(const void *object)
{
    return tether_weak_to_at(object, NULL, NULL, 0);
}

tether_weak tether_weak_in_queue_at(const void *object, tether_queue *queue,
                                    void *tag, const char *name,
                                    const char *file, unsigned line)
{
    const struct ref_ask ask = {
        .call = "tether_weak_in_queue",
        .object = object,
        .queue = queue,
        .tag = tag,
        .with_queue = true,
        .kind = TETHER_REF_WEAK,
        .name = name,
        .file = file,
        .line = line,
    };
    return (tether_weak){ tt_ref_make(&ask) };
}

tether_weak tether_weak_in_queue(const void *object, tether_queue *queue,
                                 void *tag)
{
    return tether_weak_in_queue_at(object, queue, tag, NULL, NULL, 0);
}

void *tt_ref_get(const char *call, tether_weak ref)
{
    if (TT_UNLIKELY(!(ref.bits & REF_TAG))) {
        if (tt_ref_blind(ref.bits))
            return NULL;
        tt_slot_die(call, ref.bits);
    }
    struct ref_slot *const slot = slot_find(bits_index(ref.bits));
    if (TT_UNLIKELY(!slot))
        tt_slot_die(call, ref.bits);
    const uintptr_t object =
        atomic_load_explicit(&slot->object, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    const uint64_t after =
        atomic_load_explicit(&slot->state, memory_order_relaxed);
    if (TT_UNLIKELY(!state_is_of(after, ref.bits)))
        tt_slot_die(call, ref.bits);
    return after & SLOT_DEAD ? NULL : (void *)object;
}

void *tether_weak_get(tether_weak ref)
{
    return tt_ref_get("tether_weak_get", ref);
}

void tether_weak_drop(tether_weak ref)
{
    tt_ref_drop("tether_weak_drop", ref.bits);
}

tether_status tether_weak_last_words(tether_weak ref,
                                     struct tether_last_words *words)
{
    static const char call[] = "tether_weak_last_words";
    if (!words)
        tt_die(call, "'words' is NULL; give it a struct to fill");
    *words = (struct tether_last_words){ .name = "" };
    if (tt_ref_blind(ref.bits))
        return TETHER_BLIND;
    struct tt_ref_about about;
    tt_ref_about(call, ref.bits, &about);
    *words = about.words;
    if (!about.alive)
        (void)tether_block_of(about.base, &words->now);
    return about.alive ? TETHER_STILL_ALIVE : TETHER_OK;
}

tether_status tether_quarantine_with(tether_weak ref,
                                     struct tether_quarantine_how how)
{
    if (tt_ref_blind(ref.bits) || tt_heap_is_sanitized())
        return TETHER_BLIND;
    return tt_ref_keep("tether_quarantine", ref.bits, how.trap);
}

size_t tether_quarantine_check(void)
{
    return tt_quarantine_tell();
}

tether_phantom tether_phantom_to_at(const void *object, tether_queue *queue,
                                    void *tag, const char *name,
                                    const char *file, unsigned line)
{
    const struct ref_ask ask = {
        .call = "tether_phantom_to",
        .object = object,
        .queue = queue,
        .tag = tag,
        .with_queue = true,
        .kind = TETHER_REF_PHANTOM,
        .name = name,
        .file = file,
        .line = line,
    };
    return (tether_phantom){ tt_ref_make(&ask) };
}

tether_phantom tether_phantom_to(const void *object, tether_queue *queue,
                                 void *tag)
{
    return tether_phantom_to_at(object, queue, tag, NULL, NULL, 0);
}

static int ref_enqueued(const char *call, uint64_t bits)
{
    if (tt_ref_blind(bits))
        return 0;
    const struct ref_slot *const slot = tt_slot_of(call, bits);
    return (atomic_load(&slot->state) & SLOT_ENQUEUED) != 0;
}

int tether_phantom_enqueued(tether_phantom ref)
{
    return ref_enqueued("tether_phantom_enqueued", ref.bits);
}

int tether_weak_enqueued(tether_weak ref)
{
    return ref_enqueued("tether_weak_enqueued", ref.bits);
}

void tether_phantom_drop(tether_phantom ref)
{
    tt_ref_drop("tether_phantom_drop", ref.bits);
}
