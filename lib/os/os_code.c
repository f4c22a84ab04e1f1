/* SPDX-License-Identifier: MIT */
/*
 * Reads machine code, as far as Tether needs to: where a function jumps to
 * when it ends by calling another one, which leaves no frame on the stack.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "os/os.h"

#include <string.h>

#if defined(__x86_64__)
/* 'jmp rel32' at any byte: what is found by chance in the middle of another
 * instruction does not point at a function's first byte, which callers check.
 */
size_t tt_os_tail_calls(uintptr_t start, uintptr_t end, uintptr_t *targets,
                        size_t max)
{
    size_t count = 0;
    for (uintptr_t at = start; at + 5 <= end && count < max; at++) {
        int32_t distance;
        if (*(const unsigned char *)at != 0xe9)
            continue;
        memcpy(&distance, (const void *)(at + 1), sizeof distance);
        const uintptr_t target = at + 5 + (uintptr_t)(intptr_t)distance;
        if (target < start || target >= end)
            targets[count++] = target;
    }
    return count;
}

/* An entry of a PLT: [endbr64] [bnd] jmp *slot(%rip). */
uintptr_t tt_os_code_target(uintptr_t address)
{
    static const unsigned char endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };
    unsigned char code[16];
    const unsigned char *at = code;
    int32_t distance;
    uintptr_t target;
    if (!tt_os_read((const void *)address, code, sizeof code))
        return address;
    if (memcmp(at, endbr, sizeof endbr) == 0)
        at += sizeof endbr;
    if (*at == 0xf2)
        at++;
    if (at[0] != 0xff || at[1] != 0x25)
        return address;
    memcpy(&distance, at + 2, sizeof distance);
    const uintptr_t slot =
        address + (uintptr_t)(at + 6 - code) + (uintptr_t)(intptr_t)distance;
    return tt_os_read((const void *)slot, &target, sizeof target) ? target
                                                                  : address;
}
#else
uintptr_t tt_os_code_target(uintptr_t address)
{
    return address;
}

size_t tt_os_tail_calls(uintptr_t start, uintptr_t end, uintptr_t *targets,
                        size_t max)
{
    (void)start, (void)end, (void)targets, (void)max;
    return 0;
}
#endif
