/* SPDX-License-Identifier: MIT */
/*
 * Runs the call frame program of a function up to a program counter and makes
 * a rule of what it says there of three registers: the CFA, the frame pointer
 * and the return address. All others are followed by nobody.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "stack/stack_dwarf.h"
#include "stack/stack_rule.h"

#define SAVED_ROWS_MAX 16

enum {
    CFA_ADVANCE = 0x40, /* with the operand in the low six bits */
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
    CFA_NOP = 0x00,
    CFA_SET_LOC = 0x01,
    CFA_ADVANCE1 = 0x02,
    CFA_ADVANCE2 = 0x03,
    CFA_ADVANCE4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET = 0x2f,
};

enum where { SAME, UNDEFINED, AT_OFFSET, BY_EXPRESSION, ELSEWHERE };

/* Where one register of the caller is. */
struct column {
    enum where where;
    int64_t offset;             /* AT_OFFSET: from the CFA */
    struct tt_dwarf expression; /* BY_EXPRESSION: of its address */
};

struct row {
    bool cfa_by_expression;
    uint64_t cfa_register;
    int64_t cfa_offset;
    struct tt_dwarf cfa_expression;
    struct column fp, ra, sp;
};

struct run {
    const struct tt_dwarf_entry *entry;
    uintptr_t pc, at; /* the row that is sought, the one that is made */
    struct row row, first;
    struct row saved[SAVED_ROWS_MAX];
    unsigned saved_count;
    bool bad;
};

static struct column *column_of(struct run *run, struct row *row,
                                uint64_t number)
{
    if (number == run->entry->ra_column)
        return &row->ra;
    if (number == TT_MACHINE_FP)
        return &row->fp;
    return number == TT_MACHINE_SP ? &row->sp : NULL;
}

static void column_set(struct run *run, uint64_t number, enum where where,
                       int64_t offset)
{
    struct column *const column = column_of(run, &run->row, number);
    if (column)
        *column = (struct column){ .where = where, .offset = offset };
}

static void column_restore(struct run *run, uint64_t number)
{
    struct column *const column = column_of(run, &run->row, number);
    if (column)
        *column = *column_of(run, &run->first, number);
}

static struct tt_dwarf expression_read(struct tt_dwarf *code)
{
    const uint64_t length = tt_dwarf_uleb(code);
    struct tt_dwarf expression = { .at = code->at };
    tt_dwarf_skip(code, length);
    expression.end = code->at;
    return expression;
}

static void column_expression(struct run *run, struct tt_dwarf *code,
                              bool is_address)
{
    const uint64_t number = tt_dwarf_uleb(code);
    const struct tt_dwarf expression = expression_read(code);
    struct column *const column = column_of(run, &run->row, number);
    if (column)
        *column =
            (struct column){ .where = is_address ? BY_EXPRESSION : ELSEWHERE,
                             .expression = expression };
}

static void state_save(struct run *run)
{
    if (run->saved_count == SAVED_ROWS_MAX)
        run->bad = true;
    else
        run->saved[run->saved_count++] = run->row;
}

static void state_restore(struct run *run)
{
    if (run->saved_count == 0)
        run->bad = true;
    else
        run->row = run->saved[--run->saved_count];
}

/* Instructions that define the CFA. False: it is none of them. */
static bool run_cfa(struct run *run, struct tt_dwarf *code, unsigned op)
{
    const int64_t align = run->entry->data_align;
    struct row *const row = &run->row;
    switch (op) {
    case CFA_DEF_CFA:
        row->cfa_register = tt_dwarf_uleb(code);
        row->cfa_offset = (int64_t)tt_dwarf_uleb(code);
        row->cfa_by_expression = false;
        return true;
    case CFA_DEF_CFA_SF:
        row->cfa_register = tt_dwarf_uleb(code);
        row->cfa_offset = tt_dwarf_sleb(code) * align;
        row->cfa_by_expression = false;
        return true;
    case CFA_DEF_CFA_REGISTER:
        row->cfa_register = tt_dwarf_uleb(code);
        run->bad |= row->cfa_by_expression;
        return true;
    case CFA_DEF_CFA_OFFSET:
        row->cfa_offset = (int64_t)tt_dwarf_uleb(code);
        run->bad |= row->cfa_by_expression;
        return true;
    case CFA_DEF_CFA_OFFSET_SF:
        row->cfa_offset = tt_dwarf_sleb(code) * align;
        run->bad |= row->cfa_by_expression;
        return true;
    case CFA_DEF_CFA_EXPRESSION:
        row->cfa_expression = expression_read(code);
        row->cfa_by_expression = true;
        return true;
    default:
        return false;
    }
}

/* Instructions that say where a register is. False: it is none of them. */
static bool run_column(struct run *run, struct tt_dwarf *code, unsigned op)
{
    const int64_t align = run->entry->data_align;
    uint64_t number;
    switch (op) {
    case CFA_OFFSET_EXTENDED:
        number = tt_dwarf_uleb(code);
        column_set(run, number, AT_OFFSET,
                   (int64_t)tt_dwarf_uleb(code) * align);
        return true;
    case CFA_OFFSET_EXTENDED_SF:
        number = tt_dwarf_uleb(code);
        column_set(run, number, AT_OFFSET, tt_dwarf_sleb(code) * align);
        return true;
    case CFA_GNU_NEGATIVE_OFFSET:
        number = tt_dwarf_uleb(code);
        column_set(run, number, AT_OFFSET,
                   -(int64_t)tt_dwarf_uleb(code) * align);
        return true;
    case CFA_RESTORE_EXTENDED:
        column_restore(run, tt_dwarf_uleb(code));
        return true;
    case CFA_UNDEFINED:
        column_set(run, tt_dwarf_uleb(code), UNDEFINED, 0);
        return true;
    case CFA_SAME_VALUE:
        column_set(run, tt_dwarf_uleb(code), SAME, 0);
        return true;
    case CFA_REGISTER:
    case CFA_VAL_OFFSET:
    case CFA_VAL_OFFSET_SF:
        column_set(run, tt_dwarf_uleb(code), ELSEWHERE, 0);
        tt_dwarf_uleb(code);
        return true;
    case CFA_EXPRESSION:
    case CFA_VAL_EXPRESSION:
        column_expression(run, code, op == CFA_EXPRESSION);
        return true;
    default:
        return false;
    }
}

/* Instructions that go on to a later row, and the rest. */
static void run_other(struct run *run, struct tt_dwarf *code, unsigned op)
{
    const uint64_t align = run->entry->code_align;
    switch (op) {
    case CFA_NOP:
        break;
    case CFA_SET_LOC:
        run->at = tt_dwarf_pointer(code, run->entry->pointer_encoding, 0);
        break;
    case CFA_ADVANCE1:
        run->at += tt_dwarf_fixed(code, 1) * align;
        break;
    case CFA_ADVANCE2:
        run->at += tt_dwarf_fixed(code, 2) * align;
        break;
    case CFA_ADVANCE4:
        run->at += tt_dwarf_fixed(code, 4) * align;
        break;
    case CFA_REMEMBER:
        state_save(run);
        break;
    case CFA_RESTORE_STATE:
        state_restore(run);
        break;
    case CFA_GNU_ARGS_SIZE:
        tt_dwarf_uleb(code);
        break;
    default:
        run->bad = true;
    }
}

static void run_program(struct run *run, struct tt_dwarf code)
{
    while (code.at < code.end && run->at <= run->pc && !run->bad) {
        const unsigned op = (unsigned)tt_dwarf_fixed(&code, 1);
        const unsigned operand = op & 0x3f;
        if ((op & 0xc0) == CFA_ADVANCE)
            run->at += operand * run->entry->code_align;
        else if ((op & 0xc0) == CFA_OFFSET)
            column_set(run, operand, AT_OFFSET,
                       (int64_t)tt_dwarf_uleb(&code) * run->entry->data_align);
        else if ((op & 0xc0) == CFA_RESTORE)
            column_restore(run, operand);
        else if (!run_cfa(run, &code, op) && !run_column(run, &code, op))
            run_other(run, &code, op);
        run->bad |= code.bad;
    }
}

static bool cfa_parts(const struct run *run, struct tt_rule_parts *parts)
{
    const struct row *const row = &run->row;
    struct tt_dwarf_value value = { .offset = row->cfa_offset };
    if (row->cfa_by_expression) {
        if (!tt_dwarf_evaluate(row->cfa_expression, run->pc, false, &value))
            return false;
    } else if (row->cfa_register == TT_MACHINE_SP) {
        value.base = TT_VALUE_SP;
    } else if (row->cfa_register == TT_MACHINE_FP) {
        value.base = TT_VALUE_FP;
    }
    parts->base_is_fp = value.base == TT_VALUE_FP;
    parts->cfa_is_pointed = value.pointed;
    parts->cfa_off = value.offset;
    return value.base == TT_VALUE_SP || value.base == TT_VALUE_FP;
}

/* Finds where a column is saved: from the CFA or from the rule's base. */
static bool column_place(const struct run *run, const struct column *column,
                         const struct tt_rule_parts *parts, bool *at_base,
                         int64_t *offset)
{
    struct tt_dwarf_value value;
    *at_base = false;
    *offset = column->offset;
    if (column->where == AT_OFFSET)
        return true;
    if (column->where != BY_EXPRESSION ||
        !tt_dwarf_evaluate(column->expression, run->pc, true, &value) ||
        value.pointed)
        return false;
    *offset = value.offset;
    *at_base = value.base != TT_VALUE_CFA;
    return !*at_base ||
           value.base == (parts->base_is_fp ? TT_VALUE_FP : TT_VALUE_SP);
}

static void fp_parts(const struct run *run, struct tt_rule_parts *parts)
{
    bool at_base;
    if (run->row.fp.where == SAME)
        parts->fp = TT_FP_SAME;
    else if (column_place(run, &run->row.fp, parts, &at_base, &parts->fp_off))
        parts->fp = at_base ? TT_FP_AT_BASE : TT_FP_AT_CFA;
    else
        parts->fp = TT_FP_LOST;
}

tt_rule tt_rule_make(uintptr_t pc)
{
    struct tt_dwarf_entry entry;
    struct tt_rule_parts parts = { .kind = TT_RULE_STOP };
    if (!tt_dwarf_find(pc, &entry))
        return tt_rule_pack(&parts);
    struct run run = { .entry = &entry, .pc = pc };
    run_program(&run, entry.common_program);
    run.first = run.row;
    run.at = entry.start;
    run_program(&run, entry.program);
    parts.is_signal = entry.is_signal;
    /* The caller's stack pointer is the CFA; a signal frame says the same
     * once more, by an expression. */
    const bool sp_is_cfa = run.row.sp.where == SAME || entry.is_signal;
    if (!run.bad && run.row.ra.where == UNDEFINED) {
        parts.kind = TT_RULE_END;
    } else if (!run.bad && sp_is_cfa && cfa_parts(&run, &parts) &&
               column_place(&run, &run.row.ra, &parts, &parts.ra_at_base,
                            &parts.ra_off)) {
        fp_parts(&run, &parts);
        parts.kind = TT_RULE_STEP;
    }
    return tt_rule_pack(&parts);
}
