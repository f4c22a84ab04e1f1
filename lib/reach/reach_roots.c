/* SPDX-License-Identifier: MIT */
/*
 * Roots: all words that are read as pointers though no pointer leads to them.
 * Gathered in the snapshot child, from memory that stands still, in the order
 * in which a reader wants a holder named.
 *
 * A thread of libc's has at its thread pointer a record of its own; below it,
 * in the same mapping, its static TLS, and below that its frames. So the
 * stack ends where the lowest of its TLS blocks begins. A thread whose stack
 * pointer is elsewhere (a coroutine, a signal's own stack) is scanned there
 * from the stack pointer on, and its first stack in whole, for nobody knows
 * from where on it counts.
 */
#include "reach/reach_inside.h"

#include <string.h>

#include "heap/heap_find.h"
#include "heap/heap_count.h"
#include "os/os.h"
#include "os/os_layout.h"

#define RED_ZONE 128 /* below the stack pointer: leaf functions use it */

struct tt_record_root *reach_root_add(struct reach_state *state,
                                      enum tt_root_kind kind, uintptr_t start,
                                      uintptr_t end)
{
    const uintptr_t first = (start + 7) & ~(uintptr_t)7;
    const uintptr_t last = end & ~(uintptr_t)7;
    if (first >= last || !reach_maps_have(state, first, last))
        return NULL;
    struct tt_record_root *const root = reach_array_add(&state->roots);
    if (root)
        *root = (struct tt_record_root){ .kind = (uint32_t)kind,
                                         .thread = -1,
                                         .module = -1,
                                         .start = first,
                                         .end = last };
    return root;
}

static struct tt_record_thread *thread_at(struct reach_state *state, size_t i)
{
    return (struct tt_record_thread *)state->threads.items + i;
}

static uintptr_t word_at(uintptr_t address)
{
    return *(const uintptr_t *)address;
}

/* ---- threads ---- */

static void thread_name(const struct reach_state *state,
                        struct tt_record_thread *thread)
{
    char path_bytes[64], name_bytes[64];
    struct tt_text path, name;
    tt_text_fixed(&path, path_bytes, sizeof path_bytes);
    tt_text_fixed(&name, name_bytes, sizeof name_bytes);
    tt_text_add(&path, "/proc/%d/task/%d/comm", (int)state->process,
                (int)thread->tid);
    tt_os_read_file(path.data, &name);
    const size_t len = strcspn(name.data, "\n");
    memcpy(thread->name, name.data, TT_MIN(len, sizeof thread->name - 1));
}

/* Tether's own facts of the thread. */
static void thread_number(struct tt_record_thread *thread)
{
    for (const struct tt_slot *slot = slot_first(); slot; slot = slot->next)
        if (slot->thread_id == (int32_t)thread->tid && !slot->orphan) {
            thread->number = slot_thread(slot);
            thread->flags |= slot->ignored ? TT_THREAD_IGNORED : 0;
            return;
        }
}

/* Is there a record of libc's at the thread pointer? */
static bool record_is_there(const struct reach_state *state, uintptr_t tcb)
{
    const struct tt_layout *const layout = tt_os_layout();
    return layout->known && tcb && tcb % 16 == 0 &&
           reach_maps_have(state, tcb, tcb + layout->record_bytes) &&
           word_at(tcb + layout->self_at) == tcb;
}

static bool thread_add(struct reach_state *state, const struct tt_stopped *from,
                       uint32_t flags)
{
    struct tt_record_thread *const thread = reach_array_add(&state->threads);
    if (!thread)
        return false;
    thread->tid = (uint32_t)from->id;
    thread->flags = flags | (from->stopped ? TT_THREAD_STOPPED : 0);
    thread->registers_count = from->registers_count;
    for (size_t i = 0; i < from->registers_count; i++)
        thread->registers[i] = from->registers[i];
    thread_name(state, thread);
    thread_number(thread);
    if (from->stopped && record_is_there(state, from->thread_pointer)) {
        thread->tcb = from->thread_pointer;
        thread->dtv = word_at(thread->tcb + tt_os_layout()->dtv_at);
    }
    return true;
}

static bool threads_gather(struct reach_state *state)
{
    if (!thread_add(state, &state->asker, TT_THREAD_ASKER))
        return false;
    for (size_t i = 0; i < state->world.count; i++)
        if (!state->world.threads[i].gone &&
            !thread_add(state, &state->world.threads[i], 0))
            return false;
    return true;
}

/* ---- TLS and keys ---- */

/* Where a module's TLS block of a thread is, 0: it has none yet. */
static uintptr_t tls_block(const struct reach_state *state,
                           const struct tt_record_thread *thread,
                           const struct tt_record_module *module)
{
    const size_t entry = tt_os_layout()->dtv_bytes;
    const uintptr_t dtv = thread->dtv;
    if (!dtv || !module->tls_module || !module->tls_bytes ||
        !reach_maps_have(state, dtv - entry, dtv + entry) ||
        module->tls_module > word_at(dtv - entry))
        return 0;
    const uintptr_t at = dtv + module->tls_module * entry;
    if (!reach_maps_have(state, at, at + entry))
        return 0;
    /* All bits set: not allocated. */
    return word_at(at) + 1 > 1 ? word_at(at) : 0;
}

static void tls_gather(struct reach_state *state, size_t index)
{
    const struct tt_record_module *const modules = state->modules.items;
    for (size_t i = 0; i < state->modules.count; i++) {
        const uintptr_t at =
            tls_block(state, thread_at(state, index), &modules[i]);
        if (!at || modules[i].flags & TT_MODULE_TOOL)
            continue;
        struct tt_record_root *const root =
            reach_root_add(state, TT_ROOT_TLS, at, at + modules[i].tls_bytes);
        if (!root)
            continue;
        root->thread = (int32_t)index;
        root->module = (int32_t)i;
        root->what = modules[i].tls_module;
    }
}

/* Is the value of the key that lives now, and not of one that was deleted? */
static bool value_counts(uintptr_t value, size_t key)
{
    const struct tt_layout *const layout = tt_os_layout();
    return key < layout->keys_count && word_at(value + layout->value_data) &&
           word_at(value + layout->value_sequence) ==
               word_at(layout->keys + key * layout->key_bytes);
}

static void keys_of_table(struct reach_state *state, size_t index,
                          uintptr_t table, size_t first)
{
    const struct tt_layout *const layout = tt_os_layout();
    for (size_t i = 0; i < layout->specific_entries; i++) {
        const uintptr_t value = table + i * layout->value_bytes;
        if (!value_counts(value, first + i))
            continue;
        const uintptr_t slot = value + layout->value_data;
        struct tt_record_root *const root =
            reach_root_add(state, TT_ROOT_KEY, slot, slot + sizeof(uintptr_t));
        if (!root)
            continue;
        root->thread = (int32_t)index;
        root->what = first + i;
    }
}

static void keys_gather(struct reach_state *state, size_t index)
{
    const struct tt_layout *const layout = tt_os_layout();
    const uintptr_t tcb = thread_at(state, index)->tcb;
    for (size_t i = 0; tcb && i < layout->specific_count; i++) {
        const uintptr_t table =
            word_at(tcb + layout->specific_at + i * sizeof(uintptr_t));
        if (table && reach_maps_have(state, table,
                                     table + layout->specific_entries *
                                                 layout->value_bytes))
            keys_of_table(state, index, table, i * layout->specific_entries);
    }
}

/* The thread's record but for its first table of values, where those of
 * deleted keys stay. */
static void record_gather(struct reach_state *state, size_t index)
{
    const struct tt_layout *const layout = tt_os_layout();
    const uintptr_t tcb = thread_at(state, index)->tcb;
    if (!tcb)
        return;
    const uintptr_t tables = tcb + layout->specific_at;
    const uintptr_t values =
        tables - layout->specific_entries * layout->value_bytes;
    const uintptr_t bounds[][2] = { { tcb, values },
                                    { tables + sizeof(uintptr_t),
                                      tcb + layout->record_bytes } };
    for (size_t i = 0; i < TT_COUNT(bounds); i++) {
        struct tt_record_root *const root =
            reach_root_add(state, TT_ROOT_THREAD, bounds[i][0], bounds[i][1]);
        if (root)
            root->thread = (int32_t)index;
    }
}

/* ---- stacks and registers ---- */

/* Where the frames end of the stack that the thread was made with. */
static uintptr_t first_stack_end(const struct reach_state *state, size_t index)
{
    const struct tt_record_root *const roots = state->roots.items;
    const struct tt_record_thread *const threads = state->threads.items;
    const uintptr_t tcb = threads[index].tcb;
    uintptr_t end = tcb ? tt_os_stack_top_of(tcb) : 0;
    const struct reach_map *const map =
        end ? reach_maps_find(state, end - 1) : NULL;
    for (size_t i = 0; map && i < state->roots.count; i++)
        if (roots[i].kind == TT_ROOT_TLS && roots[i].thread == (int32_t)index &&
            roots[i].start >= map->start && roots[i].start < end)
            end = roots[i].start;
    return end;
}

static void stack_root(struct reach_state *state, size_t index, uintptr_t start,
                       uintptr_t end)
{
    struct tt_record_root *const root =
        reach_root_add(state, TT_ROOT_STACK, start, end);
    if (root)
        root->thread = (int32_t)index;
}

/* Where the stack ends that 'sp' is in, which is not the thread's first. */
static uintptr_t other_stack_end(const struct reach_map *map, uintptr_t sp)
{
    struct region *const region = region_of(sp);
    const uintptr_t block = region ? block_start(region, sp) : 0;
    return block ? block + block_extent(region_of(block), block) : map->end;
}

static void stack_gather(struct reach_state *state, size_t index)
{
    struct tt_record_thread *const thread = thread_at(state, index);
    if (!(thread->flags & TT_THREAD_STOPPED))
        return;
    const bool asks = thread->flags & TT_THREAD_ASKER;
    const uintptr_t sp =
        asks ? state->from.low : thread->registers[TT_RECORD_SP] - RED_ZONE;
    const uintptr_t first_end = first_stack_end(state, index);
    const struct reach_map *const map = reach_maps_find(state, sp);
    const struct reach_map *const first =
        first_end ? reach_maps_find(state, first_end - 1) : NULL;
    if (!map)
        return;
    thread->stack = sp;
    thread->stack_end = map == first ? first_end : other_stack_end(map, sp);
    stack_root(state, index, sp, thread->stack_end);
    if (first && map != first)
        stack_root(state, index, first->start, first_end);
}

static void registers_gather(struct reach_state *state, size_t index)
{
    const struct tt_record_thread *const thread = thread_at(state, index);
    const bool asks = thread->flags & TT_THREAD_ASKER;
    if (asks ? !state->from.registers_known : !thread->registers_count)
        return;
    struct tt_record_root *const root = reach_array_add(&state->roots);
    if (root)
        *root = (struct tt_record_root){ .kind = TT_ROOT_REGISTERS,
                                         .thread = (int32_t)index,
                                         .module = -1 };
}

/* ---- all ---- */

static void globals_gather(struct reach_state *state)
{
    const struct reach_segment *const segments = state->segments.items;
    for (size_t i = 0; i < state->segments.count; i++) {
        struct tt_record_root *const root = reach_root_add(
            state, TT_ROOT_GLOBALS, segments[i].start, segments[i].end);
        if (root)
            root->module = segments[i].module;
    }
}

static void each_thread(struct reach_state *state,
                        void (*gather)(struct reach_state *, size_t))
{
    for (size_t i = 0; i < state->threads.count; i++)
        gather(state, i);
}

bool reach_roots_gather(struct reach_state *state)
{
    if (!threads_gather(state))
        return false;
    globals_gather(state);
    each_thread(state, tls_gather);
    each_thread(state, keys_gather);
    reach_closures_gather(state);
    reach_regions_gather(state);
    reach_kept_gather(state);
    each_thread(state, record_gather);
    each_thread(state, stack_gather);
    each_thread(state, registers_gather);
    return true;
}
