/* SPDX-License-Identifier: MIT */
/*
 * The bounds of stacks. Each word that a step reads lies in a range that is
 * known to be mapped, so a corrupted chain, or a table that lies, ends the walk
 * and nothing else.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "stack/stack_walk.h"

#include "os/os.h"

#define PAGE_BYTES   ((uintptr_t)4096)
#define OWN_BYTES    ((uintptr_t)1 << 30) /* no stack is larger */
#define FOREIGN_STEP (16 * PAGE_BYTES)    /* a frame larger than this stops */

static uintptr_t page_of(uintptr_t address)
{
    return address & ~(PAGE_BYTES - 1);
}

static bool is_readable(uintptr_t low, uintptr_t high)
{
    return tt_os_readable((const void *)low, high - low);
}

bool tt_range_widen(struct tt_range *own, uintptr_t address)
{
    if (own->high == 0) {
        own->high = tt_os_stack_top();
        own->low = own->high;
    }
    if (address >= own->low && address < own->high)
        return true;
    if (address >= own->high || own->high - address > OWN_BYTES ||
        !is_readable(page_of(address), own->low))
        return false;
    own->low = page_of(address);
    return true;
}

/* Makes 'now' the stack that 'address' is in; a foreign one starts with the
 * page of the address. */
static bool range_choose(struct tt_walk *walk, uintptr_t address)
{
    if (tt_range_widen(walk->own, address)) {
        walk->now = *walk->own;
        return true;
    }
    const uintptr_t page = page_of(address);
    struct tt_range *const now = &walk->now;
    if (now->low != now->high && page >= now->high &&
        page - now->high < FOREIGN_STEP &&
        is_readable(now->high, page + PAGE_BYTES)) {
        now->high = page + PAGE_BYTES;
        return true;
    }
    if (!is_readable(page, page + PAGE_BYTES))
        return false;
    *now = (struct tt_range){ page, page + PAGE_BYTES };
    return true;
}

TT_NOINLINE bool tt_walk_read_slowly(struct tt_walk *walk, uintptr_t at,
                                     uintptr_t *word)
{
    *word = 0;
    if (at % 8 != 0 || at < PAGE_BYTES || !range_choose(walk, at))
        return false;
    *word = *(const uintptr_t *)at;
    return true;
}

bool tt_walk_start(struct tt_walk *walk, uintptr_t frame, struct tt_range *own)
{
    walk->own = own;
    walk->now = (struct tt_range){ 0 };
    if (!range_choose(walk, frame))
        return false;
    tt_walk_begin(walk, frame);
    return true;
}
