/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_X86_64_H
#define TT_ANALYSE_X86_64_H
/*
 * Registers of x86-64: where DWARF's numbers are in the words that ptrace and
 * core files give (NT_PRSTATUS), and their names. Another machine has another
 * file of this kind.
 */
#define REGISTERS        17
#define REGISTER_SP      7
#define REGISTER_PC      16
#define PRSTATUS_WORDS   27
#define PRSTATUS_THREAD  21  /* the thread pointer: fs_base */
#define PRSTATUS_PID_AT  32  /* in a core file's note, bytes */
#define PRSTATUS_REGS_AT 112 /* the same */

static const unsigned char prstatus_of[REGISTERS] = {
    10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16,
};

static const char *const register_names[REGISTERS] = {
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
    "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip",
};

#endif
