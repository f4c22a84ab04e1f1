/* SPDX-License-Identifier: MIT */
/*
 * Setting up, the control block, and children.
 *
 * Around fork all locks of Tether's are taken, highest layer first, so that
 * the child finds everything whole; there it leaves the runner's board and
 * counts nothing, for the child is not the test. A child that comes another
 * way finds an empty page (heap_slot.h) and does the same at its first call;
 * what the parent's other threads had locked is as they left it, so such a
 * child of several threads is sound as far as it is in libc.
 */
#include "heap/heap_alloc.h"
#include "heap/heap_asan.h"

#include "base/base_mem.h"
#include "os/os.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

static struct {
    void *(*malloc)(size_t);
    void (*free)(void *);
} program; /* as the program reaches them */

bool tt_heap_sees(void)
{
    if (!program.malloc || !program.free)
        return false;
    /* Not the program's: a check must break no limit. */
    tt_enter();
    void *const control = program.malloc(24);
    struct tt_block block;
    uint8_t kind;
    const bool born = block_at(control, &block, &kind) && block.size == 24;
    program.free(control);
    const bool gone = !block_at(control, &block, &kind);
    tt_leave();
    return born && gone && (!heap_sanitized || tt_heap_is_sanitized());
}

void tt_heap_lock(void)
{
    ledger_lock();
    slot_lock();
    shadow_lock();
    tt_stack_lock();
    tt_mem_lock();
}

void tt_heap_unlock(void)
{
    tt_mem_unlock();
    tt_stack_unlock();
    shadow_unlock();
    slot_unlock();
    ledger_unlock();
}

union heap_process heap_process;

TT_COLD void heap_process_enter(void)
{
    static bool set_up; /* here or in a parent */
    const bool is_child = set_up;
    ledger_epoch_set(ledger_epoch);
    set_up = true;
    if (is_child && tt_heap_news.child)
        tt_heap_news.child();
    else if (!is_child)
        tt_os_wipe_in_children(&heap_process, sizeof heap_process);
}

void tt_heap_child(void)
{
    ledger_epoch_set(0);
    tt_heap_unlock();
    slot_leave_board();
    ledger_child();
}

void tt_heap_setup(void)
{
    program.malloc = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "malloc");
    program.free = (void (*)(void *))dlsym(RTLD_DEFAULT, "free");
    tt_heap_threads_setup();
    sanitizer_setup();
    /* The main thread's slot, so that a row of the board is taken early. */
    slot_home();
}
