/* SPDX-License-Identifier: MIT */
/*
 * The asker's side: it gathers what only the loader knows, stops the world for
 * the length of a clone, and talks with the snapshot child afterwards.
 *
 * Locks: all of the heap's are held from before the stop until after it, so
 * that no stopped thread holds one, and the child finds everything whole.
 */
#include "reach/reach_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base_mem.h"
#include "base/base_time.h"
#include "heap/heap.h"
#include "os/os.h"
#include "os/os_call.h"
#include "os/os_layout.h"
#include "stack/stack.h"
#include "stack/stack_machine.h"

#define WITHIN_MS     20000 /* for a mark, for an answer */
#define CONTROL_BYTES 24
#define ASKER_DEPTH   16 /* frames of ours at most */
#define SLICE_NS      ((int64_t)5000000)

/* A snapshot. */
struct tt_snap {
    struct reach_state state;
    pid_t child;
    int memory_fd;
    const char *record; /* mapped; NULL: not yet */
    size_t record_bytes;
};

struct tt_reach_more tt_reach_more;
struct reach_controls reach_controls;

/* Two blocks of ours, from the malloc that serves the program. One of them is
 * lost as far as a linter sees, and as it should be. */
static TT_NOINLINE void controls_make(void)
{
    if (reach_controls.held)
        return;
    tt_enter();
    reach_controls.lost = ~(uintptr_t)malloc(CONTROL_BYTES); /* NOLINT */
    reach_controls.held = malloc(CONTROL_BYTES);
    tt_leave();
}

static bool is_tool(const struct reach_state *state, uintptr_t pc)
{
    const struct tt_record_module *const modules = state->modules.items;
    for (size_t i = 0; i < state->modules.count; i++)
        if (pc >= modules[i].start && pc < modules[i].end)
            return modules[i].flags & TT_MODULE_TOOL;
    return false;
}

/* What the caller had in its registers is in the frame of the outermost of
 * our functions, which keeps it there. */
static void registers_find(struct tt_asker *asker)
{
    static const unsigned char saved[] = TT_MACHINE_SAVED;
    for (size_t i = 0; i < TT_COUNT(saved); i++)
        asker->registers[saved[i]] = *(
            const uintptr_t *)(asker->low + (uintptr_t)TT_MACHINE_SAVED_OFF(i));
    asker->registers_known = true;
}

/* The first caller outside of Tether. */
static void asker_find(struct reach_state *state, void *frame)
{
    struct tt_call calls[ASKER_DEPTH];
    const unsigned count = tt_stack_calls(frame, calls, ASKER_DEPTH);
    unsigned inner = 0;
    while (inner + 1 < count && is_tool(state, calls[inner].returns - 1))
        inner++;
    if (count == 0)
        return;
    state->from.low = calls[inner].cfa;
    state->from.high =
        inner + 1 < count ? calls[inner + 1].cfa : calls[inner].cfa;
    registers_find(&state->from);
}

static bool desk_make(struct reach_state *state)
{
    void *const desk = mmap(NULL, sizeof *state->desk, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    state->record_fd = -1;
    if (desk == MAP_FAILED)
        return false;
    state->desk = desk;
    state->desk->names_bytes = 1;
    const int fd = memfd_create("tether-record", MFD_CLOEXEC);
    state->record_fd = fd < 0 ? -1 : tt_call_fd_raise(fd);
    return state->record_fd >= 0;
}

static bool state_make(struct reach_state *state, void *frame, uint32_t kinds)
{
    state->process = getpid();
    state->kinds = kinds;
    const char *const verbose = tt_os_env("TETHER_VERBOSE");
    state->verbose = verbose && strcmp(verbose, "0") != 0;
    state->modules.size = sizeof(struct tt_record_module);
    state->segments.size = sizeof(struct reach_segment);
    state->maps.size = sizeof(struct reach_map);
    state->threads.size = sizeof(struct tt_record_thread);
    state->roots.size = sizeof(struct tt_record_root);
    tt_text_make(&state->text);
    tt_os_layout();
    controls_make();
    if (!desk_make(state) || !reach_modules_gather(state))
        return false;
    asker_find(state, frame);
    return true;
}

/* The clone, and nothing else, happens while the world stands. */
static bool child_make(struct tt_snap *snap)
{
    struct reach_state *const state = &snap->state;
    if (tt_reach_more.lock)
        tt_reach_more.lock();
    tt_heap_lock();
    reach_regions_lock();
    reach_closures_lock();
    const uint64_t start_ns = tt_os_now_ns();
    const bool stopped = tt_os_stop(&state->world);
    if (stopped) {
        tt_os_registers(&state->asker);
        state->asker.id = tt_os_thread_id();
        snap->child = tt_os_copy(&state->record_fd, 1, reach_child_main, state);
        state->desk->totals.missed = (uint32_t)state->world.missed;
        state->desk->totals.by_signals = state->world.by_signals;
        tt_os_go_on(&state->world);
    }
    state->desk->totals.stopped_ns = tt_os_now_ns() - start_ns;
    reach_closures_unlock();
    reach_regions_unlock();
    tt_heap_unlock();
    if (tt_reach_more.unlock)
        tt_reach_more.unlock();
    return stopped && snap->child > 0;
}

/* Waits until the child has done what it was asked. */
static bool child_wait(struct tt_snap *snap, const char **why)
{
    struct reach_desk *const desk = snap->state.desk;
    const uint64_t end_ns = tt_os_now_ns() + tt_time_scaled_ns(WITHIN_MS);
    for (;;) {
        const uint32_t state = atomic_load(&desk->state);
        if (state == DESK_DONE)
            break;
        if (tt_os_copy_ended(snap->child)) {
            snap->child = 0;
            *why = "the snapshot of the process crashed";
            return false;
        }
        if (tt_os_now_ns() > end_ns) {
            *why = "the snapshot of the process gave no answer in time";
            return false;
        }
        tt_os_wait_shared(&desk->state, state, SLICE_NS);
    }
    *why = desk->doubtful
               ? "the mark did not find a block that is held, and one that is "
                 "lost, as they are"
               : "there was no memory for a snapshot of the process";
    return !desk->failed;
}

static bool record_map(struct tt_snap *snap, const char **why)
{
    if (snap->record)
        munmap((void *)snap->record, snap->record_bytes);
    snap->record_bytes = snap->state.desk->record_bytes;
    void *const record = mmap(NULL, snap->record_bytes, PROT_READ, MAP_SHARED,
                              snap->state.record_fd, 0);
    snap->record = record == MAP_FAILED ? NULL : record;
    *why = snap->record ? NULL : "there was no memory for a snapshot";
    return snap->record != NULL;
}

struct tt_snap *tt_reach_take(void *frame, uint32_t roots, const char **why)
{
    const int before = errno;
    struct tt_snap *const snap = tt_map(sizeof *snap);
    *why = "there was no memory for a snapshot of the process";
    if (!snap)
        return NULL;
    snap->memory_fd = -1;
    bool good = state_make(&snap->state, frame, roots);
    if (good) {
        *why = "the system refused a copy of the process (clone)";
        good =
            child_make(snap) && child_wait(snap, why) && record_map(snap, why);
    }
    errno = before;
    if (good)
        return snap;
    tt_reach_drop(snap);
    return NULL;
}

void tt_reach_drop(struct tt_snap *snap)
{
    const int before = errno;
    struct reach_state *const state = &snap->state;
    if (snap->child > 0)
        tt_os_copy_end(snap->child);
    tt_call_close(snap->memory_fd);
    tt_call_close(state->record_fd);
    if (snap->record)
        munmap((void *)snap->record, snap->record_bytes);
    if (state->desk)
        munmap(state->desk, sizeof *state->desk);
    reach_array_drop(&state->modules);
    reach_array_drop(&state->segments);
    tt_text_drop(&state->text);
    tt_unmap(snap, sizeof *snap);
    errno = before;
}

const struct tt_reach_totals *tt_reach_totals(const struct tt_snap *snap)
{
    return &snap->state.desk->totals;
}

const void *tt_reach_section(const struct tt_snap *snap,
                             enum tt_record_section kind, size_t *count)
{
    const struct tt_record_header *const header = (const void *)snap->record;
    const struct tt_record_place *const place = &header->sections[kind];
    *count = place->count;
    return snap->record + place->offset;
}

const struct tt_record_block *tt_reach_blocks(const struct tt_snap *snap,
                                              size_t *count)
{
    return tt_reach_section(snap, TT_RECORD_BLOCKS, count);
}

const struct tt_record_block *tt_reach_block(const struct tt_snap *snap,
                                             uint64_t address)
{
    size_t low = 0, high;
    const struct tt_record_block *const all = tt_reach_blocks(snap, &high);
    const size_t count = high;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (all[middle].address + TT_MAX(all[middle].size, 1) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && all[low].address <= address ? &all[low] : NULL;
}

uint32_t tt_reach_name(struct tt_snap *snap, const char *name)
{
    struct reach_desk *const desk = snap->state.desk;
    const size_t len = strlen(name) + 1;
    const size_t at = desk->names_bytes;
    if (len > sizeof desk->names - at)
        return 0;
    memcpy(desk->names + at, name, len);
    desk->names_bytes += len;
    return (uint32_t)at;
}

bool tt_reach_ask(struct tt_snap *snap, struct tt_record_question *questions,
                  size_t count, const char **why)
{
    const int before = errno;
    struct reach_desk *const desk = snap->state.desk;
    count = TT_MIN(count, (size_t)TT_REACH_QUESTIONS);
    memcpy(desk->questions, questions, count * sizeof *questions);
    desk->questions_count = (uint32_t)count;
    atomic_store(&desk->state, DESK_ASKED);
    tt_os_wake_shared(&desk->state);
    const bool good = child_wait(snap, why) && record_map(snap, why);
    if (good)
        memcpy(questions, desk->questions, count * sizeof *questions);
    errno = before;
    return good;
}

bool tt_reach_fds(struct tt_snap *snap, int fds[2])
{
    char path_bytes[32];
    struct tt_text path;
    const int before = errno;
    tt_text_fixed(&path, path_bytes, sizeof path_bytes);
    tt_text_add(&path, "/proc/%d/mem", (int)snap->child);
    if (snap->memory_fd < 0) {
        const long fd =
            TT_CALL(SYS_openat, AT_FDCWD, path.data, O_RDONLY | O_CLOEXEC, 0);
        snap->memory_fd = fd < 0 ? -1 : tt_call_fd_raise((int)fd);
    }
    fds[0] = snap->memory_fd;
    fds[1] = snap->state.record_fd;
    errno = before;
    return fds[0] >= 0;
}
