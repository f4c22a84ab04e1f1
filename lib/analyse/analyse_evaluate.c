/* SPDX-License-Identifier: MIT */
/*
 * DWARF's expressions, as far as compilers use them for locations and frame
 * rules. What is not understood gives no location, never a wrong one.
 */
#include "analyse/analyse_frames.h"

#include <dwarf.h>

#define DEPTH_MAX 32

struct stack {
    uint64_t values[DEPTH_MAX];
    size_t depth;
    bool broken;
};

static void push(struct stack *stack, uint64_t value)
{
    if (stack->depth == DEPTH_MAX)
        stack->broken = true;
    else
        stack->values[stack->depth++] = value;
}

static uint64_t pop(struct stack *stack)
{
    if (stack->depth == 0) {
        stack->broken = true;
        return 0;
    }
    return stack->values[--stack->depth];
}

static void push_register(const struct analyse_machine *machine,
                          struct stack *stack, uint64_t reg, uint64_t offset)
{
    if (reg >= REGISTERS || machine->frame->where[reg] == WHERE_LOST)
        stack->broken = true;
    else
        push(stack, machine->frame->values[reg] + offset);
}

static void binary(struct stack *stack, unsigned op)
{
    const uint64_t right = pop(stack), left = pop(stack);
    switch (op) {
    case DW_OP_plus:
        push(stack, left + right);
        break;
    case DW_OP_minus:
        push(stack, left - right);
        break;
    case DW_OP_mul:
        push(stack, left * right);
        break;
    case DW_OP_and:
        push(stack, left & right);
        break;
    case DW_OP_or:
        push(stack, left | right);
        break;
    case DW_OP_xor:
        push(stack, left ^ right);
        break;
    case DW_OP_shl:
        push(stack, right < 64 ? left << right : 0);
        break;
    case DW_OP_shr:
        push(stack, right < 64 ? left >> right : 0);
        break;
    case DW_OP_ge:
        push(stack, (int64_t)left >= (int64_t)right);
        break;
    default:
        stack->broken = true;
        break;
    }
}

static void push_address(const struct analyse_machine *machine,
                         struct stack *stack, const Dwarf_Op *op)
{
    Dwarf_Attribute result;
    Dwarf_Addr address = op->number;
    if (op->atom != DW_OP_addr &&
        (!machine->attribute ||
         dwarf_getlocation_attr(machine->attribute, op, &result) != 0 ||
         dwarf_formaddr(&result, &address) != 0))
        stack->broken = true;
    else
        push(stack, address + machine->code->bias);
}

static void push_base(const struct analyse_machine *machine,
                      struct stack *stack, uint64_t offset)
{
    const struct analyse_location *const base = machine->base;
    if (!base)
        stack->broken = true;
    else if (base->kind == VALUE_REGISTER)
        push_register(machine, stack, base->reg, offset);
    else if (base->kind == VALUE_NONE)
        stack->broken = true;
    else
        push(stack, base->value + offset);
}

static void step_named(const struct analyse_machine *machine,
                       struct stack *stack, const Dwarf_Op *op)
{
    uint64_t value;
    switch (op->atom) {
    case DW_OP_addr:
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        push_address(machine, stack, op);
        break;
    case DW_OP_fbreg:
        push_base(machine, stack, op->number);
        break;
    case DW_OP_bregx:
        push_register(machine, stack, op->number, op->number2);
        break;
    case DW_OP_call_frame_cfa:
        push(stack, machine->frame->cfa);
        break;
    case DW_OP_plus_uconst:
        push(stack, pop(stack) + op->number);
        break;
    case DW_OP_deref:
        if (analyse_read(machine->image, pop(stack), &value, sizeof value))
            push(stack, value);
        else
            stack->broken = true;
        break;
    case DW_OP_dup:
        value = pop(stack);
        push(stack, value);
        push(stack, value);
        break;
    case DW_OP_neg:
        push(stack, -pop(stack));
        break;
    case DW_OP_not:
        push(stack, ~pop(stack));
        break;
    case DW_OP_nop:
        break;
    default:
        binary(stack, op->atom);
        break;
    }
}

static bool is_constant(unsigned op)
{
    return (op >= DW_OP_const1u && op <= DW_OP_consts) ||
           (op >= DW_OP_lit0 && op <= DW_OP_lit31);
}

static void step(const struct analyse_machine *machine, struct stack *stack,
                 const Dwarf_Op *op)
{
    const unsigned atom = op->atom;
    if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
        push(stack, atom - DW_OP_lit0);
    else if (is_constant(atom))
        push(stack, op->number);
    else if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
        push_register(machine, stack, atom - DW_OP_breg0, op->number);
    else
        step_named(machine, stack, op);
}

struct analyse_location analyse_evaluate(const struct analyse_machine *machine,
                                         const Dwarf_Op *ops, size_t count)
{
    struct analyse_location location = { .kind = VALUE_NONE };
    struct stack stack = { .depth = 0 };
    if (count == 1 &&
        ((ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31) ||
         ops[0].atom == DW_OP_regx)) {
        location.kind = VALUE_REGISTER;
        location.reg = ops[0].atom == DW_OP_regx
                           ? (uint32_t)ops[0].number
                           : (uint32_t)ops[0].atom - DW_OP_reg0;
        return location;
    }
    for (size_t i = 0; i < count; i++) {
        if (ops[i].atom == DW_OP_stack_value) {
            location.kind = VALUE_NUMBER;
            break;
        }
        step(machine, &stack, &ops[i]);
        if (stack.broken)
            return location;
    }
    if (location.kind == VALUE_NONE)
        location.kind = VALUE_MEMORY;
    location.value = pop(&stack);
    if (stack.broken)
        location.kind = VALUE_NONE;
    return location;
}
