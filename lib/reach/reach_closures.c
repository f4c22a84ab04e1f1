/* SPDX-License-Identifier: MIT */
/*
 * Live libffi closures. What a closure was given lies in memory of libffi's,
 * which no scan of data, heap and stacks sees; so its two functions for that
 * memory are stood before, and a closure is a root from its allocation to its
 * end. What it calls, and with what, is read when a question is asked.
 *
 * A libffi that is a part of another library, under names of its own, is not
 * seen.
 *
 * Locks: one; held over the stop of the world.
 */
#include "reach/reach_inside.h"
#include "reach/reach_tables.h"

#if __has_include(<ffi.h>)
#    define TT_HAVE_FFI 1
#else
#    define TT_HAVE_FFI 0
#endif

#if TT_HAVE_FFI
#    include <dlfcn.h>
#    include <ffi.h>
#    include <string.h>

#    include "base/base_lock.h"
#    include "base/base_mem.h"

#    include <tether/api.h>

struct closure {
    uintptr_t start, end;
    uintptr_t made; /* return address of who made it */
};

static struct {
    struct tt_lock lock;
    struct reach_array live;
    void *(*alloc)(size_t, void **);
    void (*free)(void *);
} closures = { .live.size = sizeof(struct closure) };

extern const struct tt_reach_table tt_reach_closures;

const struct tt_reach_table tt_reach_closures __attribute__((used)) = {
    .magic = TT_REACH_TABLE_MAGIC,
    .items = &closures.live.items,
    .count = &closures.live.count,
    .kind = TT_ROOT_CLOSURE,
    .entry_bytes = sizeof(struct closure),
    .start_at = offsetof(struct closure, start),
    .end_at = TT_REACH_NOWHERE,
    .made_at = offsetof(struct closure, made),
    .name_at = TT_REACH_NOWHERE,
    .calls_at = offsetof(ffi_closure, fun),
    .data_at = offsetof(ffi_closure, user_data),
};

/* libffi may have been loaded where a look-up from here does not find it. */
static void *real_find(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    void *const library =
        found ? NULL : dlopen("libffi.so.8", RTLD_LAZY | RTLD_NOLOAD);
    if (library) {
        found = dlsym(library, name);
        dlclose(library);
    }
    if (!found)
        tt_die(name, "there is no libffi behind Tether: link the program with "
                     "-lffi");
    return found;
}

static void closure_add(uintptr_t start, size_t bytes, uintptr_t made)
{
    tt_lock_take(&closures.lock);
    struct closure *const closure = reach_array_add(&closures.live);
    if (closure)
        *closure = (struct closure){ start, start + bytes, made };
    tt_lock_give(&closures.lock);
}

static void closure_cut(uintptr_t start)
{
    tt_lock_take(&closures.lock);
    struct closure *const all = closures.live.items;
    for (size_t i = closures.live.count; i-- > 0;)
        if (all[i].start == start) {
            memmove(&all[i], &all[i + 1],
                    (--closures.live.count - i) * sizeof *all);
            break;
        }
    tt_lock_give(&closures.lock);
}

TETHER_API void *ffi_closure_alloc(size_t bytes, void **code)
{
    if (!closures.alloc)
        closures.alloc =
            (void *(*)(size_t, void **))real_find("ffi_closure_alloc");
    void *const closure = closures.alloc(bytes, code);
    if (closure)
        closure_add((uintptr_t)closure, bytes,
                    (uintptr_t)__builtin_return_address(0));
    return closure;
}

TETHER_API void ffi_closure_free(void *closure)
{
    if (!closures.free)
        closures.free = (void (*)(void *))real_find("ffi_closure_free");
    if (closure)
        closure_cut((uintptr_t)closure);
    closures.free(closure);
}

static void closure_root(struct reach_state *state,
                         const struct closure *closure, uintptr_t start,
                         uintptr_t end)
{
    const ffi_closure *const made = (const void *)closure->start;
    struct tt_record_root *const root =
        reach_root_add(state, TT_ROOT_CLOSURE, start, end);
    if (!root)
        return;
    root->what = (uintptr_t)made->fun;
    root->made = closure->made;
}

void reach_closures_gather(struct reach_state *state)
{
    const struct closure *const all = closures.live.items;
    for (size_t i = 0; i < closures.live.count; i++) {
        const uintptr_t data = all[i].start + offsetof(ffi_closure, user_data);
        closure_root(state, &all[i], data, data + sizeof(void *));
        closure_root(state, &all[i], all[i].start + offsetof(ffi_closure, cif),
                     data);
        /* Who asks for more than a closure keeps what is its own there. */
        closure_root(state, &all[i], data + sizeof(void *), all[i].end);
    }
}

void reach_closures_lock(void)
{
    tt_lock_take(&closures.lock);
}

void reach_closures_unlock(void)
{
    tt_lock_give(&closures.lock);
}
#else
void reach_closures_gather(struct reach_state *state)
{
    (void)state;
}

void reach_closures_lock(void)
{
}

void reach_closures_unlock(void)
{
}
#endif
