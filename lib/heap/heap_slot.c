/* SPDX-License-Identifier: MIT */
/*
 * Threads and their slots. A thread says good-bye in the last round of its
 * key destructors, but may still free after that; so its slot is handed on
 * only when the kernel says that the thread is gone.
 *
 * Locks: slots.lock, before base_mem's. Hook: all but heap_slot_setup.
 */
#include "heap/heap_slot.h"
#include "heap/heap_cache.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "os/os.h"
#include "stack/stack.h"

#include <limits.h>
#include <pthread.h>

#define PRE_THREADS_MAX 64

static struct {
    struct tt_lock lock;
    struct tt_slot *first;
    uint32_t numbers; /* threads numbered so far */
    pthread_key_t key;
    bool has_key;
    pid_t ignored[PRE_THREADS_MAX]; /* threads that are not the test's */
    size_t ignored_count;
} slots;

struct tt_slot *slot_first(void)
{
    return __atomic_load_n(&slots.first, __ATOMIC_ACQUIRE);
}

static bool thread_is_ignored(pid_t thread)
{
    for (size_t i = 0; i < slots.ignored_count; i++)
        if (slots.ignored[i] == thread)
            return true;
    return false;
}

/* A slot whose thread is gone for certain. */
static struct tt_slot *slot_adopt(pid_t self)
{
    for (struct tt_slot *slot = slots.first; slot; slot = slot->next)
        if (slot->orphan &&
            (slot->thread_id == self || tt_os_thread_gone(slot->thread_id)))
            return slot;
    return NULL;
}

static struct tt_slot *slot_new(void)
{
    struct tt_slot *slot = board_slot();
    if (!slot)
        slot = tt_mem_take(sizeof *slot);
    if (!slot)
        return NULL;
    slot->next = slots.first;
    __atomic_store_n(&slots.first, slot, __ATOMIC_RELEASE);
    return slot;
}

static void slot_greet(struct tt_slot *slot, pid_t self)
{
    const uint32_t next = ++slots.numbers;
    const uint32_t number = TT_MIN(next, THREAD_MAX);
    slot->thread_id = self;
    slot->orphan = 0;
    slot->thread_bits = (uint64_t)number << THREAD_SHIFT;
    slot->ignored = thread_is_ignored(self);
}

static TT_COLD struct tt_slot *slot_make(void)
{
    const pid_t self = tt_os_thread_id();
    tt_enter();
    tt_lock_take(&slots.lock);
    struct tt_slot *slot = slot_adopt(self);
    if (!slot)
        slot = slot_new();
    if (slot)
        slot_greet(slot, self);
    tt_lock_give(&slots.lock);
    if (slot) {
        tt_self.home = slot;
        cache_open();
        if (!tt_self.stack_top)
            tt_self.stack_top = tt_os_stack_top();
        ledger_enter(slot);
        if (slots.has_key)
            pthread_setspecific(slots.key, slot);
    }
    tt_leave();
    return slot;
}

struct tt_slot *slot_home(void)
{
    heap_process_look();
    return TT_LIKELY(tt_self.home != NULL) ? tt_self.home : slot_make();
}

/* Other keys' destructors may still free: the last round is ours. */
static void slot_goodbye(void *value)
{
    static _Thread_local int round __attribute__((tls_model("initial-exec")));
    struct tt_slot *const slot = value;
    if (++round < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(slots.key, slot);
        return;
    }
    tt_stack_thread_end();
    cache_close();
    tt_self.is_ending = true;
    tt_self.fast = NULL;
    __atomic_store_n(&slot->orphan, 1, __ATOMIC_RELEASE);
}

void tt_heap_threads_setup(void)
{
    slots.has_key = pthread_key_create(&slots.key, slot_goodbye) == 0;
    if (slots.has_key && tt_self.home)
        pthread_setspecific(slots.key, tt_self.home);
}

uint32_t tt_thread_number(void)
{
    const struct tt_slot *const slot = slot_home();
    return slot ? (uint32_t)(slot->thread_bits >> THREAD_SHIFT) : 0;
}

bool tt_thread_ignored(pid_t thread)
{
    tt_lock_take(&slots.lock);
    const bool ignored = thread_is_ignored(thread);
    tt_lock_give(&slots.lock);
    return ignored;
}

void tt_threads_ignore_others(void)
{
    pid_t threads[PRE_THREADS_MAX];
    const pid_t self = tt_os_thread_id();
    const size_t found = tt_os_threads(threads, PRE_THREADS_MAX);
    tt_lock_take(&slots.lock);
    slots.ignored_count = 0;
    for (size_t i = 0; i < TT_MIN(found, PRE_THREADS_MAX); i++)
        if (threads[i] != self)
            slots.ignored[slots.ignored_count++] = threads[i];
    for (struct tt_slot *slot = slots.first; slot; slot = slot->next)
        slot->ignored = thread_is_ignored(slot->thread_id);
    tt_lock_give(&slots.lock);
}

void slot_lock(void)
{
    tt_lock_take(&slots.lock);
}

void slot_unlock(void)
{
    tt_lock_give(&slots.lock);
}

/* The child has one thread, and its counters must not be the parent's. */
void slot_leave_board(void)
{
    struct tt_slot *const old = tt_self.home;
    slots.ignored_count = 0;
    if (old && board_has(old)) {
        struct tt_slot *const own = tt_mem_take(sizeof *own);
        if (own) {
            *own = *old;
            own->next = NULL;
        }
        tt_self.home = own;
        if (tt_self.fast)
            tt_self.fast = own;
        slots.first = own;
        if (slots.has_key)
            pthread_setspecific(slots.key, own);
    } else if (old) {
        slots.first = old;
        old->next = NULL;
    }
    board_leave();
}
