/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_RULE_H
#define TT_STACK_RULE_H
/*
 * Unwinding rules: how to get from a frame to its caller, for one program
 * counter, in one word. Whatever the unwind table says that does not fit the
 * word makes a rule that stops: a walk may end early, it never guesses.
 *
 * Words. The base is the register that the CFA is reckoned from: the stack
 * pointer or the frame pointer. The CFA is the value of the stack pointer in
 * the caller. A plain rule is that of code with a frame pointer in use.
 *
 * Hook: no lock in the common path, private memory only.
 */
#include "stack/stack_machine.h"

#include <stdatomic.h>

typedef uint64_t tt_rule; /* 0: not known yet */

enum tt_rule_kind {
    TT_RULE_STEP = 1, /* the caller can be found */
    TT_RULE_END = 2,  /* the outermost frame: there is no caller */
    TT_RULE_STOP = 3, /* no table, or one that says more than a rule can */
};

enum tt_rule_fp {
    TT_FP_SAME,    /* the frame does not change it */
    TT_FP_AT_CFA,  /* saved at CFA + fp_off */
    TT_FP_AT_BASE, /* saved at base + fp_off */
    TT_FP_LOST,    /* not known in the caller */
};

/* A rule taken apart. Offsets are in bytes, multiples of 8. */
struct tt_rule_parts {
    enum tt_rule_kind kind;
    bool base_is_fp;     /* the base is the frame pointer */
    bool cfa_is_pointed; /* CFA = *(base + cfa_off), not base + cfa_off */
    enum tt_rule_fp fp;
    bool ra_at_base; /* return address at base + ra_off, not CFA + ra_off */
    bool is_signal;  /* the caller was interrupted, it did not call */
    int64_t cfa_off, ra_off, fp_off;
};

/* Where a rule keeps what. */
#define TT_RULE_KIND(rule)       ((unsigned)(rule)&3)
#define TT_RULE_BASE_IS_FP(rule) ((rule) >> 2 & 1)
#define TT_RULE_POINTED(rule)    ((rule) >> 3 & 1)
#define TT_RULE_FP(rule)         ((unsigned)((rule) >> 4) & 3)
#define TT_RULE_RA_AT_BASE(rule) ((rule) >> 6 & 1)
#define TT_RULE_SIGNAL(rule)     ((rule) >> 7 & 1)
#define TT_RULE_RA_OFF(rule)     (((int64_t)((rule) << 40) >> 48) * 8)
#define TT_RULE_FP_OFF(rule)     (((int64_t)((rule) << 24) >> 48) * 8)
#define TT_RULE_CFA_OFF(rule)    (((int64_t)(rule) >> 40) * 8)

/* The plain rule. */
#define TT_RULE_PLAIN                                                       \
    ((tt_rule)TT_RULE_STEP | (tt_rule)1 << 2 | (tt_rule)TT_FP_AT_CFA << 4 | \
     (tt_rule)((TT_MACHINE_RA_OFF / 8) & 0xffff) << 8 |                     \
     (tt_rule)((TT_MACHINE_FP_OFF / 8) & 0xffff) << 24 |                    \
     (tt_rule)(TT_MACHINE_CFA_OFF / 8) << 40)

/* Puts a rule into its word; what does not fit becomes TT_RULE_STOP. */
tt_rule tt_rule_pack(const struct tt_rule_parts *parts);

/* Makes the rule of a program counter from the unwind table. */
tt_rule tt_rule_make(uintptr_t pc);

/* Finds the entry of the unwind table that covers 'pc'. */
bool tt_rule_function(uintptr_t pc, uintptr_t *start, uintptr_t *end);

/* The cache of rules: its array of slots, NULL at first. */
struct tt_rule_slot {
    _Atomic uintptr_t pc; /* set once, never changed; 0: free */
    _Atomic tt_rule rule; /* 0 after tt_rules_forget */
};
struct tt_rule_table {
    size_t mask;
    size_t used; /* under the lock */
    struct tt_rule_slot slots[];
};
extern struct tt_rule_table *_Atomic tt_rule_table;

tt_rule tt_rule_get_slowly(uintptr_t pc);

TT_INLINE size_t tt_rule_hash(uintptr_t pc)
{
    return (size_t)(pc * 0x9e3779b97f4a7c15u >> 32);
}

/* Gets the rule of a program counter. For a return address pass the address
 * of the call's last byte, address - 1. */
TT_INLINE tt_rule tt_rule_get(uintptr_t pc)
{
    struct tt_rule_table *const table =
        atomic_load_explicit(&tt_rule_table, memory_order_acquire);
    if (TT_LIKELY(table != NULL)) {
        const struct tt_rule_slot *const slot =
            &table->slots[tt_rule_hash(pc) & table->mask];
        if (TT_LIKELY(atomic_load_explicit(&slot->pc, memory_order_acquire) ==
                      pc)) {
            const tt_rule rule =
                atomic_load_explicit(&slot->rule, memory_order_relaxed);
            if (TT_LIKELY(rule != 0))
                return rule;
        }
    }
    return tt_rule_get_slowly(pc);
}

/* Forgets all rules; grows by one with each call, from 1. */
void tt_rules_forget(void);
extern _Atomic uint32_t tt_rules_generation;

/* For the fork handlers. */
void tt_rules_lock(void);
void tt_rules_unlock(void);

#endif
