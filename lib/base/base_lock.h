/* SPDX-License-Identifier: MIT */
#ifndef TT_BASE_LOCK_H
#define TT_BASE_LOCK_H
/*
 * A mutex of one word that may be taken inside malloc: no allocation, no
 * registration, valid when zero. It spins a little, then sleeps in the
 * kernel; after U. Drepper, 'Futexes Are Tricky', 2011, mutex 2.
 */
#include "base/base.h"

#include <stdatomic.h>

struct tt_lock {
    _Atomic uint32_t word; /* 0 free, 1 taken, 2 taken and waited for */
};

void tt_lock_wait(struct tt_lock *lock);
void tt_lock_wake(struct tt_lock *lock);

TT_INLINE void tt_lock_take(struct tt_lock *lock)
{
    uint32_t free_word = 0;
    if (TT_UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &lock->word, &free_word, 1, memory_order_acquire,
            memory_order_relaxed)))
        tt_lock_wait(lock);
}

TT_INLINE void tt_lock_give(struct tt_lock *lock)
{
    if (TT_UNLIKELY(atomic_exchange_explicit(&lock->word, 0,
                                             memory_order_release) == 2))
        tt_lock_wake(lock);
}

/* In a forked child: the lock's holder does not exist here. */
TT_INLINE void tt_lock_reset(struct tt_lock *lock)
{
    atomic_store_explicit(&lock->word, 0, memory_order_relaxed);
}

/* Implemented by lib/os. errno is put back: free() may not change it.
 * Sleeps while *word is 'seen', until woken or 'ns' nanoseconds have passed
 * (negative: for ever). Spurious returns happen. */
void tt_futex_wait(_Atomic uint32_t *word, uint32_t seen, int64_t ns);
void tt_futex_wake(_Atomic uint32_t *word, int sleepers_max);

#endif
