/* SPDX-License-Identifier: MIT */
/*
 * The slow half of a shard's lock.
 */
#include "ref/ref_lock.h"

#include "os/os.h"

#define LOOK_AGAIN_NS 50000 /* the owner wakes nobody: it must stay cheap */

TT_COLD void tt_shard_take_slowly(struct shard_lock *lock)
{
    tt_lock_take(&lock->lock);
    if (!atomic_load_explicit(&lock->owner, memory_order_relaxed)) {
        atomic_store_explicit(&lock->owner, &tt_self, memory_order_relaxed);
        return; /* inside by the plain lock, this once */
    }
    if (!shard_word(&lock->shared)) {
        atomic_store_explicit(&lock->shared, 1, memory_order_relaxed);
        tt_os_fence_all();
    }
    while (atomic_load_explicit(&lock->busy, memory_order_acquire))
        tt_futex_wait(&lock->busy, 1, LOOK_AGAIN_NS);
}

void tt_shard_reset(struct shard_lock *lock)
{
    atomic_store_explicit(&lock->busy, 0, memory_order_relaxed);
    tt_lock_reset(&lock->lock);
}
