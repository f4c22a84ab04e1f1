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
#else
size_t tt_os_tail_calls(uintptr_t start, uintptr_t end, uintptr_t *targets,
                        size_t max)
{
    (void)start, (void)end, (void)targets, (void)max;
    return 0;
}
#endif
