/* SPDX-License-Identifier: MIT */
#ifndef TT_OS_STOP_INSIDE_H
#define TT_OS_STOP_INSIDE_H
/*
 * A stop under way, as its two ways share it: by a tracer (os_stop.c), by a
 * signal (os_stop_signal.c).
 */
#include "os/os_call.h"
#include "os/os_stop.h"

#include <stdatomic.h>

struct tt_stop {
    struct tt_stopped threads[TT_STOP_MAX];
    size_t count;
    pid_t ids[TT_STOP_MAX]; /* as /proc lists them */
    pid_t process, asker;
    char path[32]; /* /proc/PID/task */
    size_t refused;
    uint64_t deadline_ns;
    _Atomic uint32_t state;
    pid_t tracer; /* 0: none */
    sigset_t mask_before;
    char *stack; /* the tracer's, the highest address */
    size_t bytes;
    /* by signal: */
    struct sigaction action_before;
};

/* Sleeps on, and wakes, words that only this process's memory has. */
void tt_stop_sleep(_Atomic uint32_t *word, uint32_t seen, int64_t ns);
void tt_stop_wake(_Atomic uint32_t *word);

/* Adds a thread that is not listed yet. NULL: it is, or it is the asker. */
struct tt_stopped *tt_stop_add(struct tt_stop *stop, pid_t id);

/* Has the thread ended? A group's first stays listed while others go on. */
bool tt_stop_is_dead(const struct tt_stop *stop, pid_t id);

/* Stops all by signals, starting anew. Returns how many would not. */
size_t tt_stop_by_signal(struct tt_stop *stop);
void tt_stop_signal_end(struct tt_stop *stop);

#endif
