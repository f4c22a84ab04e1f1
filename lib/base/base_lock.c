/* SPDX-License-Identifier: MIT */
/*
 * The slow half of the lock. The futex itself is lib/os's.
 */
#include "base/base_lock.h"

TT_COLD void tt_lock_wait(struct tt_lock *lock)
{
    for (int spin = 0; spin < 100; spin++) {
        uint32_t free_word = 0;
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&lock->word, &free_word, 1,
                                                    memory_order_acquire,
                                                    memory_order_relaxed))
            return;
    }
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        tt_futex_wait(&lock->word, 2, -1);
}

TT_COLD void tt_lock_wake(struct tt_lock *lock)
{
    tt_futex_wake(&lock->word, 1);
}
