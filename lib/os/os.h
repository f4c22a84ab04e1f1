/* SPDX-License-Identifier: MIT */
#ifndef TT_OS_H
#define TT_OS_H
/*
 * The port contract: everything Tether asks of an operating system and a
 * processor, beside POSIX's mmap. One file implements it for each system.
 * Unless a comment says otherwise a call may be made inside malloc and free,
 * on any thread, allocates nothing and keeps errno.
 */
#include "base/base.h"
#include "base/base_text.h"

#include <sys/types.h>

/* Monotonic nanoseconds; never 0. */
uint64_t tt_os_now_ns(void);

/* The same clock as of the kernel's last tick, 1 to 10 ms ago at most: it is
 * read in a fifth of the time. */
uint64_t tt_os_tick_ns(void);

/* From now on that is as exact as tt_os_now_ns: the order of deaths and other
 * events is asked for. */
void tt_os_ticks_exact(void);

/* Has the pages read as zero in every child that has its own copy of this
 * process's memory, however it was made. False where the system cannot. */
bool tt_os_wipe_in_children(void *pages, size_t bytes);

/* Was the access a write? 'context' is what a SIGSEGV's handler gets. */
bool tt_os_fault_wrote(const void *context);

/* The kernel's number of the calling thread. */
pid_t tt_os_thread_id(void);

/* Has this thread of the process ended? */
bool tt_os_thread_gone(pid_t thread);

/* Lists the kernel's numbers of the threads that live now, at most 'max'.
 * Returns how many there are, 0 when the system does not tell. */
size_t tt_os_threads(pid_t *threads, size_t max);

/* The same of another process, '/proc/PID/task'. */
size_t tt_os_threads_in(const char *path, pid_t *threads, size_t max);

/* The end (highest address) of the calling thread's stack, 0 if unknown.
 * Costs no system call. */
uintptr_t tt_os_stack_top(void);

/* The same of another thread, by its thread pointer. */
uintptr_t tt_os_stack_top_of(uintptr_t thread_pointer);

/* Reads 'bytes' at 'from' without a fault when they are not mapped. */
bool tt_os_read(const void *from, void *to, size_t bytes);

/* Can every page that holds some of these bytes be read now? */
bool tt_os_readable(const void *from, size_t bytes);

/* Reads a whole file (a pseudo file too) into 'text'. */
bool tt_os_read_file(const char *path, struct tt_text *text);

/* The process's memory that is in RAM now, bytes; 0 when the system does not
 * tell. */
size_t tt_os_resident_bytes(void);

/* Gets an environment variable; works before libc is set up. NULL: unset. */
const char *tt_os_env(const char *name);

/* A number from the environment: sizes take B, KiB, MiB, GiB.
 * Returns false, with *value untouched, when unset or not a size. */
bool tt_os_env_size(const char *name, uint64_t *value);

/* Makes every thread that runs now see, before it goes on, what the caller
 * stored before the call (an asymmetric fence). */
void tt_os_fence_all(void);

/* Finds where the code [start, end) of a function, which must be readable,
 * may jump to outside of itself, at most 'max' targets. Some may be no code:
 * check that one is a function's start. Returns their number. */
size_t tt_os_tail_calls(uintptr_t start, uintptr_t end, uintptr_t *targets,
                        size_t max);

/* Where a function is whose address is that of a jump to it, as a program
 * that is no PIE takes the address of a library's function. Returns the
 * address itself when it is anything else. Not inside malloc. */
uintptr_t tt_os_code_target(uintptr_t address);

/* The same of a jump that was used before, without asking the loader. */
uintptr_t tt_os_jump_target(uintptr_t address);

/* What the instruction before a return address calls. */
enum tt_os_call { TT_OS_NO_CALL, TT_OS_CALLS_TARGET, TT_OS_CALLS_ANYTHING };

/* Reads it. *target is set for TT_OS_CALLS_TARGET only. */
enum tt_os_call tt_os_call_before(uintptr_t return_address, uintptr_t *target);

/*
 * Runs a program and talks to it through pipes, unseen by the tested program:
 * no SIGCHLD, nothing for waitpid(-1), no handler of the user's runs in it.
 * Writes 'input' to its standard input, reads its standard output into
 * 'output' until it ends or 'within_ms' have passed (then it is killed).
 * 'argv[0]' is the path.
 * Returns its exit status, -1 when it could not start, -2 on a timeout,
 * -3 when it was killed by a signal.
 */
int tt_os_run(const char *const argv[], const char *input, size_t input_bytes,
              struct tt_text *output, unsigned within_ms);

/* The same; the program also gets these descriptors, as 3, 4 ... */
#define TT_RUN_FDS 4
int tt_os_run_with(const char *const argv[], const int *fds, size_t fds_count,
                   const char *input, size_t input_bytes,
                   struct tt_text *output, unsigned within_ms);

#endif
