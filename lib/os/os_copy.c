/* SPDX-License-Identifier: MIT */
/*
 * A copy of the process, made by the raw system call: fork would take libc's
 * locks, which a stopped thread may hold, and run the program's handlers; and
 * a child with an exit signal would be seen by the program's waits.
 *
 * Hook: everything here may run while other threads stand still.
 */
#include "os/os_call.h"
#include "os/os_stop.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#if defined(__x86_64__)
void tt_os_registers(struct tt_stopped *self)
{
    uintptr_t *const to = self->registers;
    __asm__ volatile("movq %%rbx, 24(%0)\n\t"
                     "movq %%rbp, 48(%0)\n\t"
                     "movq %%rsp, 56(%0)\n\t"
                     "movq %%r12, 96(%0)\n\t"
                     "movq %%r13, 104(%0)\n\t"
                     "movq %%r14, 112(%0)\n\t"
                     "movq %%r15, 120(%0)\n\t"
                     "leaq 0(%%rip), %%rax\n\t"
                     "movq %%rax, 128(%0)\n\t"
                     :
                     : "r"(to)
                     : "rax", "memory");
    self->registers_count = 17;
    self->thread_pointer = (uintptr_t)__builtin_thread_pointer();
    self->stopped = true;
}
#else
#    error "lib/os/os_copy.c needs this processor's registers"
#endif

static int copy_main(const int *kept, size_t kept_count, int (*main)(void *),
                     void *ctx)
{
    static const struct rlimit none;
    TT_CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    TT_CALL(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
    tt_call_handlers_reset();
    tt_call_fds_close(kept, kept_count);
    return main(ctx);
}

pid_t tt_os_copy(const int *kept, size_t kept_count, int (*main)(void *),
                 void *ctx)
{
    const long copy = TT_CALL(SYS_clone, 0, 0, 0, 0);
    if (copy != 0)
        return (pid_t)copy;
    const int result = copy_main(kept, kept_count, main, ctx);
    for (;;)
        TT_CALL(SYS_exit_group, result, 0, 0, 0);
}

bool tt_os_copy_ended(pid_t copy)
{
    int status;
    const long got = TT_CALL(SYS_wait4, copy, &status, __WALL | WNOHANG, 0);
    return got != 0 && got != -EINTR;
}

void tt_os_copy_end(pid_t copy)
{
    int status;
    TT_CALL(SYS_kill, copy, SIGKILL, 0, 0);
    while (TT_CALL(SYS_wait4, copy, &status, __WALL, 0) == -EINTR)
        continue;
}

void tt_os_wait_shared(_Atomic uint32_t *word, uint32_t seen, int64_t ns)
{
    const struct timespec within = { .tv_sec = ns / 1000000000,
                                     .tv_nsec = ns % 1000000000 };
    TT_CALL(SYS_futex, word, FUTEX_WAIT, seen, &within);
}

void tt_os_wake_shared(_Atomic uint32_t *word)
{
    TT_CALL(SYS_futex, word, FUTEX_WAKE, INT_MAX, 0);
}
