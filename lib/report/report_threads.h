/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_THREADS_H
#define TT_REPORT_THREADS_H
/*
 * What the other threads of the process are at, for a wait that ran out: the
 * one that was to bring about what is waited for is among them, or is gone.
 *
 *   thread 'worker-2' waits in pthread_cond_wait
 *     called by  queue_pop (queue.c:41)
 *                worker_main (worker.c:17)
 *   2 threads wait in pthread_mutex_lock
 *     for a mutex held by thread 'worker-2'
 *     called by  ...
 *
 * Hook: all of it may run inside malloc and free.
 */
#include "base/base_text.h"
#include "os/os_threads.h"

#define TT_THREAD_FRAMES_MAX 32

/* A thread while it is told of. */
struct tt_thread_row {
    struct tt_os_thread at;
    unsigned count; /* of frames */
    uintptr_t frames[TT_THREAD_FRAMES_MAX];
    /* found out from these: */
    const char *entry; /* the function of libc or of Tether that it waits in,
                          or NULL */
    uint32_t stack;    /* who called that */
    pid_t owner;       /* who has the mutex that it waits for, or 0 */
    pid_t joined;      /* whose end it waits for, or 0 */
    bool told;
};

/* Adds the lines for all threads but the calling one and the framework's; none
 * where there are no others. */
void tt_threads_text(struct tt_text *text);

/* The same of rows that are given; 'more' threads are left out of them. */
void tt_thread_rows_text(struct tt_text *text, struct tt_thread_row *rows,
                         size_t count, size_t more);

#endif
