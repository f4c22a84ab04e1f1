/* SPDX-License-Identifier: MIT */
/*
 * What every process of our own does first: it leaves the tested program's
 * handlers and descriptors.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "os/os_call.h"

#define FD_HIGH   400  /* out of the way of the program's own numbers */
#define FD_SEARCH 4095 /* without close_range no higher one is looked for */

/* As the kernel has it. */
struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

TT_OTHER_STACK void tt_call_handlers_reset(void)
{
    const struct kernel_sigaction as_born = { 0 };
    for (int signal = 1; signal <= TT_SIGNALS; signal++)
        TT_CALL(SYS_rt_sigaction, signal, &as_born, NULL, TT_SIGNALS / 8);
}

static TT_OTHER_STACK void fds_close(unsigned first, unsigned last)
{
    if (first > last || TT_CALL(SYS_close_range, first, last, 0, 0) == 0)
        return;
    for (unsigned fd = first; fd <= TT_MIN(last, FD_SEARCH); fd++)
        TT_CALL(SYS_close, fd, 0, 0, 0);
}

TT_OTHER_STACK void tt_call_fds_close(const int *kept, size_t count)
{
    unsigned first = 0;
    for (size_t i = 0; i < count; i++) {
        if ((unsigned)kept[i] > first)
            fds_close(first, (unsigned)kept[i] - 1);
        first = (unsigned)kept[i] + 1;
    }
    fds_close(first, UINT_MAX);
}

int tt_call_fd_raise(int fd)
{
    static const int floors[] = { FD_HIGH, 3 };
    long high = -1;
    for (size_t i = 0; i < TT_COUNT(floors) && high < 0; i++)
        high = TT_CALL(SYS_fcntl, fd, F_DUPFD_CLOEXEC, floors[i], 0);
    tt_call_close(fd);
    return (int)high;
}
