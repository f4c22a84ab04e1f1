/* SPDX-License-Identifier: MIT */
/*
 * The cache of rules. A slot's program counter is set once and never changed;
 * its rule is one word, written whole, and always the same for the same code.
 * So a reader needs no lock and no retry: it sees the counter it looks for
 * and then a rule that is right, or 0, and makes the rule itself.
 *
 * When the table is a quarter full a larger one takes its place; the old one
 * stays mapped for readers that are still in it (all of them together are
 * smaller than the newest).
 *
 * Locks: one, for writers; base_mem's inside it. Making a rule holds none.
 * Hook: everything here may run inside malloc and free.
 */
#include "stack/stack_rule.h"

#include "stack/stack_dwarf.h"

#include "base/base_lock.h"
#include "base/base_mem.h"

#define SLOTS_FIRST ((size_t)2048)
#define SLOTS_MAX   ((size_t)1 << 22)

struct tt_rule_table *_Atomic tt_rule_table;
_Atomic uint32_t tt_rules_generation = 1;
static struct tt_lock rules_lock;

static bool fits(int64_t offset, unsigned bits)
{
    const int64_t limit = (int64_t)1 << (bits + 2);
    return offset % 8 == 0 && offset >= -limit && offset < limit;
}

tt_rule tt_rule_pack(const struct tt_rule_parts *parts)
{
    if (parts->kind != TT_RULE_STEP || !fits(parts->cfa_off, 24) ||
        !fits(parts->ra_off, 16))
        return parts->kind == TT_RULE_END ? TT_RULE_END : TT_RULE_STOP;
    const bool fp_fits = fits(parts->fp_off, 16);
    const enum tt_rule_fp fp = fp_fits ? parts->fp : TT_FP_LOST;
    const int64_t fp_off = fp_fits ? parts->fp_off : 0;
    return (tt_rule)TT_RULE_STEP | (tt_rule)parts->base_is_fp << 2 |
           (tt_rule)parts->cfa_is_pointed << 3 | (tt_rule)fp << 4 |
           (tt_rule)parts->ra_at_base << 6 | (tt_rule)parts->is_signal << 7 |
           ((tt_rule)(parts->ra_off / 8) & 0xffff) << 8 |
           ((tt_rule)(fp_off / 8) & 0xffff) << 24 |
           (tt_rule)(parts->cfa_off / 8) << 40;
}

bool tt_rule_function(uintptr_t pc, uintptr_t *start, uintptr_t *end)
{
    struct tt_dwarf_entry entry;
    *start = *end = 0;
    if (!tt_dwarf_find(pc, &entry))
        return false;
    *start = entry.start;
    *end = entry.end;
    return true;
}

/* Finds the slot of a program counter, or the free one where it belongs. */
static struct tt_rule_slot *slot_find(struct tt_rule_table *table, uintptr_t pc)
{
    size_t at = tt_rule_hash(pc) & table->mask;
    for (;; at = (at + 1) & table->mask) {
        const uintptr_t there =
            atomic_load_explicit(&table->slots[at].pc, memory_order_acquire);
        if (there == pc || there == 0)
            return &table->slots[at];
    }
}

static void slot_fill(struct tt_rule_table *table, uintptr_t pc, tt_rule rule)
{
    struct tt_rule_slot *const slot = slot_find(table, pc);
    table->used += slot->pc == 0;
    atomic_store_explicit(&slot->rule, rule, memory_order_relaxed);
    atomic_store_explicit(&slot->pc, pc, memory_order_release);
}

/* Replaces the table by one of twice the size. Under the lock. */
static struct tt_rule_table *table_grow(struct tt_rule_table *old)
{
    const size_t count = old ? (old->mask + 1) * 2 : SLOTS_FIRST;
    if (count > SLOTS_MAX)
        return old;
    struct tt_rule_table *const table =
        tt_map(sizeof *table + count * sizeof *table->slots);
    if (!table)
        return old;
    table->mask = count - 1;
    for (size_t i = 0; old && i <= old->mask; i++)
        if (old->slots[i].pc && old->slots[i].rule)
            slot_fill(table, old->slots[i].pc, old->slots[i].rule);
    atomic_store_explicit(&tt_rule_table, table, memory_order_release);
    return table;
}

static void rule_keep(uintptr_t pc, tt_rule rule, uint32_t generation)
{
    tt_lock_take(&rules_lock);
    struct tt_rule_table *table = tt_rule_table;
    if (!table || table->used >= table->mask / 4)
        table = table_grow(table);
    if (table && table->used < table->mask / 2 &&
        generation == tt_rules_generation)
        slot_fill(table, pc, rule);
    tt_lock_give(&rules_lock);
}

TT_NOINLINE tt_rule tt_rule_get_slowly(uintptr_t pc)
{
    struct tt_rule_table *const table =
        atomic_load_explicit(&tt_rule_table, memory_order_acquire);
    if (table && pc) {
        const struct tt_rule_slot *const slot = slot_find(table, pc);
        const tt_rule rule =
            atomic_load_explicit(&slot->pc, memory_order_acquire) == pc
                ? atomic_load_explicit(&slot->rule, memory_order_relaxed)
                : 0;
        if (rule)
            return rule;
    }
    if (pc == 0)
        return TT_RULE_STOP;
    const uint32_t generation = tt_rules_generation;
    const tt_rule rule = tt_rule_make(pc);
    rule_keep(pc, rule, generation);
    return rule;
}

void tt_rules_forget(void)
{
    tt_lock_take(&rules_lock);
    struct tt_rule_table *const table = tt_rule_table;
    for (size_t i = 0; table && i <= table->mask; i++)
        atomic_store_explicit(&table->slots[i].rule, 0, memory_order_relaxed);
    tt_rules_generation++;
    tt_lock_give(&rules_lock);
}

void tt_rules_lock(void)
{
    tt_lock_take(&rules_lock);
}

void tt_rules_unlock(void)
{
    tt_lock_give(&rules_lock);
}
