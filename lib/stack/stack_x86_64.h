/* SPDX-License-Identifier: MIT */
#ifndef TT_STACK_X86_64_H
#define TT_STACK_X86_64_H
/*
 * What the unwinder must know of x86-64. Another processor needs a file like
 * this one and a line in stack_machine.h.
 *
 * Numbers are DWARF's (System V ABI, AMD64 supplement, figure 3.36). A frame
 * made with a frame pointer is, upward from where rbp points: the caller's
 * rbp, the return address; above them the caller's stack goes on.
 */
#include "base/base.h"

#define TT_MACHINE_SP 7  /* rsp */
#define TT_MACHINE_FP 6  /* rbp */
#define TT_MACHINE_RA 16 /* the column of the return address */

/* A frame record: what the frame pointer points at. */
struct tt_frame_record {
    uintptr_t caller_fp;
    uintptr_t return_address;
};

/* The CFA of a frame, by its record: where the caller's stack goes on. */
TT_INLINE uintptr_t tt_machine_cfa(uintptr_t record)
{
    return record + sizeof(struct tt_frame_record);
}

/* The registers' names, by number. */
#define TT_MACHINE_REGISTERS                                                \
    {                                                                       \
        "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", \
            "r10", "r11", "r12", "r13", "r14", "r15", "rip"                 \
    }

/* Where a function that calls TETHER_KEEP_REGISTERS keeps what the caller had
 * in its callee-saved registers: the number of the register for each word,
 * from the CFA - 16 downward. */
#define TT_MACHINE_SAVED     \
    {                        \
        6, 15, 14, 13, 12, 3 \
    }
#define TT_MACHINE_SAVED_OFF(i) (-16 - 8 * (ptrdiff_t)(i))

/* Of the plain rule: where a record's words lie, from the CFA. */
#define TT_MACHINE_CFA_OFF 16
#define TT_MACHINE_RA_OFF  (-8)
#define TT_MACHINE_FP_OFF  (-16)

#endif
