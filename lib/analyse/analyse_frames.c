/* SPDX-License-Identifier: MIT */
/*
 * Walks a stack by the modules' unwind tables, and follows where each register
 * of each frame is: still in the register, or in the slot where an inner frame
 * saved it.
 */
#include "analyse/analyse_frames.h"

#include "analyse/analyse_locals.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 512

static Dwarf_Frame *rules_find(struct analyse_code *code, uint64_t link)
{
    if (!code->cfi_known) {
        code->cfi_known = true;
        if (code->file.elf)
            code->cfi[0] = dwarf_getcfi_elf(code->file.elf);
        if (code->file.dwarf)
            code->cfi[1] = dwarf_getcfi(code->file.dwarf);
    }
    for (size_t i = 0; i < 2; i++) {
        Dwarf_Frame *frame;
        if (code->cfi[i] &&
            dwarf_cfi_addrframe(code->cfi[i], link, &frame) == 0)
            return frame;
    }
    return NULL;
}

/* Finds the caller's register by the callee's rule. */
static void register_restore(const struct analyse_machine *machine,
                             Dwarf_Frame *rules, unsigned reg,
                             struct analyse_walk_frame *caller)
{
    const struct analyse_walk_frame *const callee = machine->frame;
    Dwarf_Op memory[3], *ops;
    size_t count;
    caller->values[reg] = 0;
    caller->where[reg] = WHERE_LOST;
    if (dwarf_frame_register(rules, (int)reg, memory, &ops, &count) != 0)
        return;
    if (count == 0) {
        if (ops == NULL) { /* the same value */
            caller->values[reg] = callee->values[reg];
            caller->where[reg] = callee->where[reg];
        }
        return;
    }
    const struct analyse_location from = analyse_evaluate(machine, ops, count);
    if (from.kind == VALUE_MEMORY) {
        if (analyse_read(machine->image, from.value, &caller->values[reg], 8))
            caller->where[reg] = from.value;
    } else if (from.kind == VALUE_REGISTER && from.reg < REGISTERS) {
        caller->values[reg] = callee->values[from.reg];
        caller->where[reg] = callee->where[from.reg];
    } else if (from.kind == VALUE_NUMBER) {
        caller->values[reg] = from.value;
        caller->where[reg] = WHERE_REGISTER;
    }
}

/* Registers that a call leaves as they are; of the others nobody knows. */
static bool is_kept(unsigned reg)
{
    return reg == 3 || reg == 6 || reg == REGISTER_SP || reg == REGISTER_PC ||
           (reg >= 12 && reg <= 15);
}

/* From a frame to its caller. False: the walk ends here. */
static bool frame_up(struct analyse_image *image,
                     struct analyse_walk_frame *frame,
                     struct analyse_walk_frame *caller, bool innermost)
{
    const bool exact = innermost || frame->is_signal;
    const uint64_t at = frame->pc - !exact;
    const uint32_t module = analyse_module_at(image, at);
    if (module == NONE)
        return false;
    struct analyse_code *const code = analyse_code_of(image, module);
    Dwarf_Frame *const rules = rules_find(code, at - code->bias);
    struct analyse_machine machine = { .image = image,
                                       .code = code,
                                       .frame = frame };
    Dwarf_Op *ops;
    size_t count;
    bool is_signal = false;
    if (!rules || dwarf_frame_cfa(rules, &ops, &count) != 0)
        return false;
    dwarf_frame_info(rules, NULL, NULL, &is_signal);
    const struct analyse_location cfa = analyse_evaluate(&machine, ops, count);
    if (cfa.kind == VALUE_NONE || cfa.kind == VALUE_REGISTER)
        return false;
    frame->cfa = cfa.value;
    for (unsigned reg = 0; reg < REGISTERS; reg++) {
        register_restore(&machine, rules, reg, caller);
        if (!is_signal && !is_kept(reg) &&
            caller->where[reg] == frame->where[reg])
            caller->where[reg] = WHERE_LOST;
    }
    if (!is_signal) {
        caller->values[REGISTER_SP] = frame->cfa;
        caller->where[REGISTER_SP] = WHERE_REGISTER;
    }
    caller->is_signal = is_signal;
    caller->pc = caller->values[REGISTER_PC];
    caller->sp = caller->values[REGISTER_SP];
    return caller->where[REGISTER_PC] != WHERE_LOST && caller->pc > 4096 &&
           (is_signal || caller->sp > frame->sp);
}

static void frame_name(struct analyse_image *image,
                       struct analyse_walk_frame *frame, bool innermost)
{
    struct analyse_place place[4];
    const uint64_t at = frame->pc - !(innermost || frame->is_signal);
    const size_t count = analyse_code_places(image, at, place, 4);
    if (count == 0)
        return;
    /* The function proper; what was inlined into it has its own locals. */
    frame->function = place[count - 1].function;
    frame->file = place[count - 1].file;
    frame->line = place[count - 1].line;
}

static void frames_walk(struct analyse_image *image, struct analyse_walk *walk,
                        const struct tt_record_thread *thread)
{
    struct analyse_walk_frame *const frames =
        analyse_alloc((FRAMES_MAX + 1) * sizeof *frames);
    for (unsigned reg = 0; reg < REGISTERS; reg++) {
        frames[0].values[reg] = thread->registers[reg];
        frames[0].where[reg] =
            reg < thread->registers_count ? WHERE_REGISTER : WHERE_LOST;
    }
    frames[0].pc = thread->registers[REGISTER_PC];
    frames[0].sp = thread->registers[REGISTER_SP];
    walk->frames = frames;
    while (walk->count < FRAMES_MAX) {
        const size_t i = walk->count++;
        const bool more = frame_up(image, &frames[i], &frames[i + 1], i == 0);
        if (frames[i].cfa == 0)
            frames[i].cfa = frames[i].sp;
        frame_name(image, &frames[i], i == 0);
        if (!more)
            break;
    }
}

/* The first frame that the query's own do not reach. */
static uint32_t asker_find(const struct analyse_walk *walk,
                           const struct tt_record_thread *thread)
{
    if (!(thread->flags & TT_THREAD_ASKER))
        return NONE;
    for (uint32_t i = 0; i < walk->count; i++)
        if (walk->frames[i].cfa > thread->stack)
            return i;
    return NONE;
}

const struct analyse_walk *analyse_walk_of(struct analyse_image *image,
                                           struct analyse_types *types,
                                           uint32_t index)
{
    static struct analyse_walk **walks;
    if (!walks)
        walks = analyse_alloc((image->threads_count + 1) *
                              sizeof(struct analyse_walk *));
    if (walks[index])
        return walks[index];
    const struct tt_record_thread *const thread = &image->threads[index];
    struct analyse_walk *const walk = analyse_alloc(sizeof *walk);
    walks[index] = walk;
    walk->asker = NONE;
    if (!(thread->flags & TT_THREAD_STOPPED) && thread->registers_count == 0)
        return walk;
    frames_walk(image, walk, thread);
    walk->asker = asker_find(walk, thread);
    for (uint32_t i = walk->asker == NONE ? 0 : walk->asker; i < walk->count;
         i++)
        analyse_locals_gather(image, types, walk, i);
    return walk;
}
