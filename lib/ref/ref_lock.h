/* SPDX-License-Identifier: MIT */
#ifndef TT_REF_LOCK_H
#define TT_REF_LOCK_H
/*
 * The lock of a shard: it belongs to the first thread that takes it, which
 * from then on needs no atomic operation, until another thread comes. Most
 * programs make, drop and free what has references in one thread.
 *
 * The owner says that it is inside, then looks whether the lock is shared.
 * Another thread says that it is shared, then looks whether the owner is
 * inside. A fence on all processors between the two of the other thread makes
 * up for the one that the owner leaves out: at least one of them sees what the
 * other said. A lock that is shared stays so, and is a plain one. After D.
 * Dice, M. Moir, W. Scherer, 'Quickly Reacquirable Locks', 2003.
 *
 * Hook: both calls may be made inside free. Not by a signal handler that
 * interrupts them: it waits for ever, as with any lock.
 */
#include "base/base.h"
#include "base/base_lock.h"

struct shard_lock {
    struct tt_lock lock;   /* taken by all but the owner */
    _Atomic uint32_t busy; /* the owner is inside */
    _Atomic uint32_t shared;
    struct tt_thread *_Atomic owner; /* set once, with 'lock' held */
};

void tt_shard_take_slowly(struct shard_lock *lock);

/* In a forked child, with one thread: nobody is inside. */
void tt_shard_reset(struct shard_lock *lock);

TT_INLINE uint32_t shard_word(_Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

TT_INLINE bool shard_is_mine(struct shard_lock *lock)
{
    return TT_LIKELY(atomic_load_explicit(&lock->owner, memory_order_relaxed) ==
                     &tt_self);
}

TT_INLINE void tt_shard_take(struct shard_lock *lock)
{
    if (shard_is_mine(lock) && !shard_word(&lock->shared) &&
        !shard_word(&lock->busy)) {
        atomic_store_explicit(&lock->busy, 1, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        if (TT_LIKELY(!shard_word(&lock->shared)))
            return;
        atomic_store_explicit(&lock->busy, 0, memory_order_release);
    }
    tt_shard_take_slowly(lock);
}

TT_INLINE void tt_shard_give(struct shard_lock *lock)
{
    if (shard_is_mine(lock) && TT_LIKELY(shard_word(&lock->busy)))
        atomic_store_explicit(&lock->busy, 0, memory_order_release);
    else
        tt_lock_give(&lock->lock);
}

#endif
