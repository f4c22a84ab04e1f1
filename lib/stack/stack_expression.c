/* SPDX-License-Identifier: MIT */
/*
 * DWARF expressions, evaluated before the registers are known: each value on
 * the stack is a constant, or one register plus a constant. That is enough
 * for what compilers and libc write (the PLT's, which depends on the program
 * counter alone; signal frames; frames that realign their stack); the rest
 * is refused.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "stack/stack_dwarf.h"

#include "stack/stack_machine.h"

#define VALUES_MAX 16
#define STEPS_MAX  256 /* an expression may loop */

enum {
    OP_ADDR = 0x03,
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST8S = 0x0f,
    OP_CONSTU = 0x10,
    OP_CONSTS = 0x11,
    OP_DUP = 0x12,
    OP_DROP = 0x13,
    OP_OVER = 0x14,
    OP_PICK = 0x15,
    OP_SWAP = 0x16,
    OP_ROT = 0x17,
    OP_ABS = 0x19,
    OP_AND = 0x1a,
    OP_DIV = 0x1b,
    OP_MINUS = 0x1c,
    OP_MOD = 0x1d,
    OP_MUL = 0x1e,
    OP_NEG = 0x1f,
    OP_NOT = 0x20,
    OP_OR = 0x21,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_SHR = 0x25,
    OP_SHRA = 0x26,
    OP_XOR = 0x27,
    OP_BRA = 0x28,
    OP_EQ = 0x29,
    OP_GE = 0x2a,
    OP_GT = 0x2b,
    OP_LE = 0x2c,
    OP_LT = 0x2d,
    OP_NE = 0x2e,
    OP_SKIP = 0x2f,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_BREGX = 0x92,
    OP_NOP = 0x96,
};

struct machine {
    struct tt_dwarf code;
    const uint8_t *start;
    uintptr_t pc;
    struct tt_dwarf_value values[VALUES_MAX];
    unsigned count;
};

static bool push(struct machine *m, struct tt_dwarf_value value)
{
    if (m->count == VALUES_MAX)
        return false;
    m->values[m->count++] = value;
    return true;
}

static bool push_number(struct machine *m, int64_t number)
{
    return push(m, (struct tt_dwarf_value){ .offset = number });
}

static bool push_register(struct machine *m, uint64_t number, int64_t offset)
{
    struct tt_dwarf_value value = { .offset = offset };
    if (number == TT_MACHINE_SP)
        value.base = TT_VALUE_SP;
    else if (number == TT_MACHINE_FP)
        value.base = TT_VALUE_FP;
    else if (number == TT_MACHINE_RA)
        value.offset += (int64_t)m->pc;
    else
        return false;
    return push(m, value);
}

static bool is_number(const struct tt_dwarf_value *value)
{
    return value->base == TT_VALUE_NUMBER && !value->pointed;
}

static bool add(struct tt_dwarf_value *to, const struct tt_dwarf_value *more)
{
    if (to->pointed || more->pointed || (!is_number(to) && !is_number(more)))
        return false;
    if (is_number(to))
        to->base = more->base;
    to->offset = (int64_t)((uint64_t)to->offset + (uint64_t)more->offset);
    return true;
}

/* Operators on two constants. */
static bool two_numbers(unsigned op, int64_t a, int64_t b, int64_t *result)
{
    const uint64_t u = (uint64_t)a, by = (uint64_t)b;
    switch (op) {
    case OP_AND:
        *result = a & b;
        return true;
    case OP_OR:
        *result = a | b;
        return true;
    case OP_XOR:
        *result = a ^ b;
        return true;
    case OP_MUL:
        *result = (int64_t)(u * by);
        return true;
    case OP_SHL:
        *result = by < 64 ? (int64_t)(u << by) : 0;
        return true;
    case OP_SHR:
        *result = by < 64 ? (int64_t)(u >> by) : 0;
        return true;
    case OP_SHRA:
        *result = a >> (by < 64 ? by : 63);
        return true;
    case OP_EQ:
        *result = a == b;
        return true;
    case OP_GE:
        *result = a >= b;
        return true;
    case OP_GT:
        *result = a > b;
        return true;
    case OP_LE:
        *result = a <= b;
        return true;
    case OP_LT:
        *result = a < b;
        return true;
    case OP_NE:
        *result = a != b;
        return true;
    default:
        return false; /* DIV and MOD too: nobody writes them */
    }
}

static bool binary(struct machine *m, unsigned op)
{
    if (m->count < 2)
        return false;
    struct tt_dwarf_value *const a = &m->values[m->count - 2];
    struct tt_dwarf_value b = m->values[m->count - 1];
    m->count--;
    if (op == OP_PLUS)
        return add(a, &b);
    if (op == OP_MINUS && is_number(&b)) {
        b.offset = -b.offset;
        return add(a, &b);
    }
    return is_number(a) && is_number(&b) &&
           two_numbers(op, a->offset, b.offset, &a->offset);
}

static bool unary(struct machine *m, unsigned op)
{
    if (m->count < 1)
        return false;
    struct tt_dwarf_value *const top = &m->values[m->count - 1];
    if (op == OP_DEREF) {
        if (top->pointed || top->base == TT_VALUE_NUMBER)
            return false;
        top->pointed = true;
        return true;
    }
    if (op == OP_PLUS_UCONST) {
        const struct tt_dwarf_value more = { .offset = (int64_t)tt_dwarf_uleb(
                                                 &m->code) };
        return add(top, &more);
    }
    if (!is_number(top))
        return false;
    if (op == OP_NEG)
        top->offset = -top->offset;
    else if (op == OP_NOT)
        top->offset = ~top->offset;
    else
        top->offset = top->offset < 0 ? -top->offset : top->offset;
    return true;
}

static bool shuffle(struct machine *m, unsigned op)
{
    static const uint8_t needs[] = {
        [OP_DUP - OP_DUP] = 1,  [OP_DROP - OP_DUP] = 1, [OP_OVER - OP_DUP] = 2,
        [OP_PICK - OP_DUP] = 1, [OP_SWAP - OP_DUP] = 2, [OP_ROT - OP_DUP] = 3
    };
    if (m->count < needs[op - OP_DUP])
        return false;
    struct tt_dwarf_value *const top = &m->values[m->count - 1];
    const struct tt_dwarf_value first = *top;
    uint64_t index = op == OP_OVER;
    switch (op) {
    case OP_DROP:
        m->count--;
        return true;
    case OP_SWAP:
        top[0] = top[-1];
        top[-1] = first;
        return true;
    case OP_ROT:
        top[0] = top[-1];
        top[-1] = top[-2];
        top[-2] = first;
        return true;
    case OP_PICK:
        index = tt_dwarf_fixed(&m->code, 1);
        break;
    default:
        break;
    }
    return index < m->count && push(m, m->values[m->count - 1 - index]);
}

static bool jump(struct machine *m, unsigned op)
{
    const int64_t offset = tt_dwarf_signed(&m->code, 2);
    if (op == OP_BRA) {
        if (m->count < 1 || !is_number(&m->values[m->count - 1]))
            return false;
        if (m->values[--m->count].offset == 0)
            return true;
    }
    if (offset < m->start - m->code.at || offset > m->code.end - m->code.at)
        return false;
    m->code.at += offset;
    return true;
}

static bool constant(struct machine *m, unsigned op)
{
    if (op == OP_ADDR)
        return push_number(m, (int64_t)tt_dwarf_fixed(&m->code, 8));
    if (op == OP_CONSTU)
        return push_number(m, (int64_t)tt_dwarf_uleb(&m->code));
    if (op == OP_CONSTS)
        return push_number(m, tt_dwarf_sleb(&m->code));
    const unsigned width = 1u << ((op - OP_CONST1U) / 2);
    return push_number(m, (op - OP_CONST1U) % 2
                              ? tt_dwarf_signed(&m->code, width)
                              : (int64_t)tt_dwarf_fixed(&m->code, width));
}

static bool step(struct machine *m)
{
    const unsigned op = (unsigned)tt_dwarf_fixed(&m->code, 1);
    if (op >= OP_LIT0 && op <= OP_LIT31)
        return push_number(m, op - OP_LIT0);
    if (op >= OP_BREG0 && op <= OP_BREG31)
        return push_register(m, op - OP_BREG0, tt_dwarf_sleb(&m->code));
    if (op == OP_BREGX) {
        const uint64_t number = tt_dwarf_uleb(&m->code);
        return push_register(m, number, tt_dwarf_sleb(&m->code));
    }
    if (op == OP_ADDR || (op >= OP_CONST1U && op <= OP_CONSTS))
        return constant(m, op);
    if (op >= OP_DUP && op <= OP_ROT)
        return shuffle(m, op);
    if (op == OP_BRA || op == OP_SKIP)
        return jump(m, op);
    if (op == OP_DEREF || op == OP_ABS || op == OP_NEG || op == OP_NOT ||
        op == OP_PLUS_UCONST)
        return unary(m, op);
    return op == OP_NOP || (op >= OP_AND && op <= OP_NE && binary(m, op));
}

bool tt_dwarf_evaluate(struct tt_dwarf expression, uintptr_t pc, bool cfa_first,
                       struct tt_dwarf_value *value)
{
    struct machine m = { .code = expression, .start = expression.at, .pc = pc };
    if (cfa_first)
        push(&m, (struct tt_dwarf_value){ .base = TT_VALUE_CFA });
    for (unsigned steps = 0; m.code.at < m.code.end; steps++)
        if (steps == STEPS_MAX || !step(&m) || m.code.bad)
            return false;
    if (m.count == 0)
        return false;
    *value = m.values[m.count - 1];
    return true;
}
