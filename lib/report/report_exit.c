/* SPDX-License-Identifier: MIT */
/*
 * TETHER_LOST=exit: any program, linked with Tether or run with it preloaded,
 * is asked at its end what it has lost, twice: when main has returned or exit
 * is called, and after all exit handlers, which may lose what they should have
 * freed. So libc's start of main and its exit are stood before; without the
 * variable both only pass on.
 *
 * The program's own exit status is kept unless it is 0. Its children are not
 * asked.
 */
#include "report/report_reach.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tether/check.h>
#include <unistd.h>

#include "heap/heap.h"
#include "os/os.h"
#include "report/report.h"

#define EXIT_CODE 23

typedef int (*main_fn)(int, char **, char **);
typedef int (*start_fn)(main_fn, int, char **, void (*)(void), void (*)(void),
                        void (*)(void), void *);

static struct {
    main_fn main;
    pid_t process; /* that is asked; 0: none */
    int status;    /* as the program wants it */
    bool leaving;  /* the first question was asked */
    uint64_t lost; /* blocks, then */
} at_exit;

int tt_lost_exit_code(void)
{
    uint64_t code;
    if (tt_os_env_size("TETHER_EXIT_CODE", &code) && code <= 255)
        return (int)code;
    return EXIT_CODE;
}

static uint64_t lost_tell(uint64_t known, const char *when)
{
    TETHER_KEEP_REGISTERS();
    struct tt_leak_facts facts = { .lost = true };
    struct tt_text text;
    if (!tt_heap_sees())
        return 0;
    tt_enter();
    tt_text_make(&text);
    const bool lost = tt_report_leak(&facts, &text);
    if (lost && facts.blocks > known) {
        struct tt_text told;
        tt_text_make(&told);
        tt_text_add(&told, "tether: %s%s\n", when, text.data);
        if (write(STDERR_FILENO, told.data, told.len) < 0)
            facts.blocks = TT_MAX(facts.blocks, 1);
        tt_text_drop(&told);
    }
    tt_text_drop(&text);
    tt_leave();
    return lost ? facts.blocks : 0;
}

size_t tether_check_lost(void)
{
    TETHER_KEEP_REGISTERS();
    return (size_t)lost_tell(0, "");
}

static bool is_asked(void)
{
    return at_exit.process != 0 && at_exit.process == getpid();
}

__attribute__((constructor(102))) static void lost_setup(void)
{
    const char *const when = tt_os_env("TETHER_LOST");
    if (!when || !*when)
        return;
    if (strcmp(when, "exit") != 0)
        tt_die("TETHER_LOST", "'%s' is unknown; write exit", when);
    at_exit.process = getpid();
}

static void first_question(int status)
{
    TETHER_KEEP_REGISTERS();
    if (!is_asked() || at_exit.leaving)
        return;
    at_exit.leaving = true;
    at_exit.status = status;
    at_exit.lost = lost_tell(0, "");
}

/* Runs after the exit handlers of the program, and of all that uses us. */
__attribute__((destructor(101))) static void second_question(void)
{
    if (!is_asked() || !at_exit.leaving)
        return;
    const uint64_t lost = lost_tell(at_exit.lost, "after all exit handlers: ");
    if (!at_exit.lost && !lost)
        return;
    fflush(NULL);
    _exit(at_exit.status ? at_exit.status : tt_lost_exit_code());
}

TETHER_API void exit(int status)
{
    TETHER_KEEP_REGISTERS();
    first_question(status);
    ((void (*)(int))dlsym(RTLD_NEXT, "exit"))(status);
    __builtin_unreachable();
}

static int main_and_exit(int argc, char **argv, char **envp)
{
    exit(at_exit.main(argc, argv, envp));
}

TETHER_API int __libc_start_main(main_fn main, int argc, char **argv,
                                 void (*init)(void), void (*fini)(void),
                                 void (*rtld_fini)(void), void *stack_end);

int __libc_start_main(main_fn main, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void),
                      void *stack_end)
{
    const start_fn start = (start_fn)dlsym(RTLD_NEXT, "__libc_start_main");
    at_exit.main = main;
    return start(at_exit.process ? main_and_exit : main, argc, argv, init, fini,
                 rtld_fini, stack_end);
}
