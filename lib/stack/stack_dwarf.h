/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_DWARF_H
#define TT_STACK_DWARF_H
/*
 * Reading unwind tables: .eh_frame_hdr, .eh_frame and DWARF expressions, as
 * the Linux Standard Base (part 'Exception Frames') and DWARF 5 (6.4, 2.5)
 * define them. The tables are read where the loader mapped them.
 */
#include "base/base.h"

/* Bytes of a table that are still to be read. Reading past the end gives 0
 * and sets 'bad', so that a reader checks once, at the end of a record. */
struct tt_dwarf {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

uint64_t tt_dwarf_fixed(struct tt_dwarf *bytes, unsigned width);
int64_t tt_dwarf_signed(struct tt_dwarf *bytes, unsigned width);
uint64_t tt_dwarf_uleb(struct tt_dwarf *bytes);
int64_t tt_dwarf_sleb(struct tt_dwarf *bytes);
void tt_dwarf_skip(struct tt_dwarf *bytes, uint64_t count);

/* Reads a pointer in one of the DW_EH_PE encodings. 'data' is the base of
 * data-relative pointers. An encoding that is not known sets 'bad'. */
uintptr_t tt_dwarf_pointer(struct tt_dwarf *bytes, unsigned encoding,
                           uintptr_t data);

/* A function's entry (FDE) with what its common entry (CIE) says. */
struct tt_dwarf_entry {
    uintptr_t start, end; /* the code it covers */
    struct tt_dwarf common_program, program;
    uint64_t code_align;
    int64_t data_align;
    uint64_t ra_column;
    unsigned pointer_encoding;
    bool is_signal;
    bool has_data; /* augmentation data, in each entry too */
};

/* Finds the entry that covers 'pc'. Asks the loader only by _dl_find_object,
 * which takes no lock. */
bool tt_dwarf_find(uintptr_t pc, struct tt_dwarf_entry *entry);

/* What an expression came to: a constant, or a register or the CFA plus a
 * constant, or what lies in memory there. */
struct tt_dwarf_value {
    enum { TT_VALUE_NUMBER, TT_VALUE_SP, TT_VALUE_FP, TT_VALUE_CFA } base;
    int64_t offset;
    bool pointed; /* the word at base + offset */
};

/* Evaluates an expression without any memory or register but the program
 * counter. 'cfa_first': the CFA is on the stack before it begins.
 * Returns false when it needs more than a tt_dwarf_value can say. */
bool tt_dwarf_evaluate(struct tt_dwarf expression, uintptr_t pc, bool cfa_first,
                       struct tt_dwarf_value *value);

#endif
