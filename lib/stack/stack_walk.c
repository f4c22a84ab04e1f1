/* SPDX-License-Identifier: MIT */
/*
 * One step of the unwinder, and the bounds of stacks. A step computes the
 * caller's registers by the rule of the program counter; each word that it
 * reads lies in a range known to be mapped, or is read through the kernel.
 * So a corrupted chain, or a table that lies, ends the walk and nothing else.
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
    const struct tt_frame_record *const record = (const void *)frame;
    walk->own = own;
    walk->now = (struct tt_range){ 0 };
    if (!range_choose(walk, frame))
        return false;
    walk->pc = record->return_address - 1;
    walk->fp = record->caller_fp;
    walk->sp = tt_machine_cfa(frame);
    return true;
}

static bool frame_pointer_of_caller(struct tt_walk *walk, tt_rule rule,
                                    uintptr_t base, uintptr_t cfa)
{
    switch (TT_RULE_FP(rule)) {
    case TT_FP_SAME:
        return true;
    case TT_FP_AT_CFA:
        return tt_walk_read(walk, cfa + (uintptr_t)TT_RULE_FP_OFF(rule),
                            &walk->fp);
    case TT_FP_AT_BASE:
        return tt_walk_read(walk, base + (uintptr_t)TT_RULE_FP_OFF(rule),
                            &walk->fp);
    default:
        walk->fp = 0; /* a rule that needs it stops there */
        return true;
    }
}

bool tt_walk_step(struct tt_walk *walk, tt_rule *rule_out, uintptr_t *frame)
{
    const tt_rule rule = tt_rule_get(walk->pc);
    *rule_out = rule;
    if (TT_RULE_KIND(rule) != TT_RULE_STEP)
        return false;
    const uintptr_t base = TT_RULE_BASE_IS_FP(rule) ? walk->fp : walk->sp;
    uintptr_t cfa = base + (uintptr_t)TT_RULE_CFA_OFF(rule);
    if (TT_RULE_POINTED(rule) && !tt_walk_read(walk, cfa, &cfa))
        return false;
    /* Callers lie further up; only a signal may come from another stack. */
    if (cfa <= walk->sp && !TT_RULE_SIGNAL(rule))
        return false;
    uintptr_t ra;
    const uintptr_t from = TT_RULE_RA_AT_BASE(rule) ? base : cfa;
    if (!tt_walk_read(walk, from + (uintptr_t)TT_RULE_RA_OFF(rule), &ra) ||
        ra == 0 || !frame_pointer_of_caller(walk, rule, base, cfa))
        return false;
    walk->sp = cfa;
    walk->pc = TT_RULE_SIGNAL(rule) ? ra : ra - 1;
    *frame = walk->pc + 1;
    return true;
}
