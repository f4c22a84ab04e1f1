/* SPDX-License-Identifier: MIT */
/*
 * The image of a living process: its threads are stopped by PTRACE_SEIZE and
 * PTRACE_INTERRUPT, which send it no signal and leave a stop by SIGSTOP as it
 * is. They go on when this program detaches or dies.
 */
#include "analyse/analyse_image.h"

#include "analyse/analyse_x86_64.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static bool thread_known(const struct analyse_image *image, pid_t tid)
{
    for (size_t i = 0; i < image->threads_count; i++)
        if (image->threads[i].tid == (uint32_t)tid)
            return true;
    return false;
}

static void thread_name(struct tt_record_thread *thread, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int)pid,
             (int)thread->tid);
    FILE *const from = fopen(path, "r");
    if (!from)
        return;
    if (fgets(thread->name, sizeof thread->name, from))
        thread->name[strcspn(thread->name, "\n")] = '\0';
    fclose(from);
}

static void thread_registers(struct tt_record_thread *thread)
{
    uint64_t words[PRSTATUS_WORDS] = { 0 };
    struct iovec to = { words, sizeof words };
    if (ptrace(PTRACE_GETREGSET, thread->tid, (void *)NT_PRSTATUS, &to) != 0)
        return;
    for (size_t i = 0; i < REGISTERS; i++)
        thread->registers[i] = words[prstatus_of[i]];
    thread->registers_count = REGISTERS;
    thread->tcb = words[PRSTATUS_THREAD];
    thread->flags |= TT_THREAD_STOPPED;
}

static bool thread_stop(struct analyse_image *image, pid_t tid)
{
    int status;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0)
        return false;
    image->threads = analyse_grow(image->threads, image->threads_count,
                                  sizeof *image->threads);
    struct tt_record_thread *const thread =
        &image->threads[image->threads_count++];
    *thread = (struct tt_record_thread){ .tid = (uint32_t)tid };
    thread_name(thread, image->pid);
    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0 &&
        waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status))
        thread_registers(thread);
    return true;
}

/* Stops what runs until no thread is new: stopped ones make none. */
static const char *threads_stop(struct analyse_image *image)
{
    char path[64];
    bool added;
    snprintf(path, sizeof path, "/proc/%d/task", (int)image->pid);
    do {
        DIR *const folder = opendir(path);
        added = false;
        if (!folder)
            return "there is no such process";
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            const pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
            if (tid <= 0 || thread_known(image, tid))
                continue;
            if (!thread_stop(image, tid) && errno == EPERM) {
                closedir(folder);
                return "it may not be traced: another debugger has it, or "
                       "the right is missing (kernel.yama.ptrace_scope)";
            }
            added = true;
        }
        closedir(folder);
    } while (added && image->threads_count < 100000);
    return NULL;
}

static int by_tid(const void *left, const void *right)
{
    const struct tt_record_thread *const a = left, *const b = right;
    return a->tid < b->tid ? -1 : a->tid > b->tid;
}

const char *analyse_image_pid(struct analyse_image *image, pid_t pid)
{
    char path[64];
    image->pid = image->maps.pid = pid;
    const char *const wrong = threads_stop(image);
    if (wrong)
        return wrong;
    qsort(image->threads, image->threads_count, sizeof *image->threads, by_tid);
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    image->memory_fd = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *const maps = fopen(path, "r");
    if (image->memory_fd < 0 || !maps)
        return "its memory may not be read";
    analyse_maps_read(maps, &image->maps);
    fclose(maps);
    return analyse_image_complete(image);
}

void analyse_image_pid_end(struct analyse_image *image)
{
    for (size_t i = 0; i < image->threads_count; i++)
        ptrace(PTRACE_DETACH, image->threads[i].tid, NULL, NULL);
}
