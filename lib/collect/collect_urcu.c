/* SPDX-License-Identifier: MIT */
/*
 * liburcu as a collector. What a program hands to call_rcu or defer_rcu is
 * freed some time later, on another thread; the library's barriers wait until
 * all of it is. There is nothing to link: whether some flavour is loaded is
 * looked at again when a module has come or gone since.
 *
 * A barrier waits for all readers. So none is called by a thread that is
 * inside a read-side critical section, which would wait for itself, nor in a
 * forked child, where the threads that free do not exist. (Of qsbr every
 * thread is always a reader; its barriers see to that themselves.)
 *
 * Locks: 'look', which is not held while a barrier runs.
 */
#include "collect/collect_registry.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

struct flavour {
    const char *barrier_name, *defer_name, *reading_name;
    void (*_Atomic barrier)(void);   /* of call_rcu */
    void (*_Atomic defer)(void);     /* of defer_rcu */
    int (*_Atomic is_reading)(void); /* NULL: never in the way */
};

#define FLAVOUR(name, reading)                                                 \
    {                                                                          \
        .barrier_name = "urcu_" name "_barrier",                               \
        .defer_name = "urcu_" name "_defer_barrier", .reading_name = (reading) \
    }

static struct flavour flavours[] = {
    FLAVOUR("memb", "urcu_memb_read_ongoing"),
    FLAVOUR("mb", "urcu_mb_read_ongoing"),
    FLAVOUR("signal", "urcu_signal_read_ongoing"),
    FLAVOUR("bp", "urcu_bp_read_ongoing"),
    FLAVOUR("qsbr", NULL),
};

static struct {
    struct tt_lock look;
    _Atomic unsigned long long modules; /* came and gone at the last look */
    uint64_t unit;                      /* in the registry, 0: none */
    _Atomic bool forked;
} urcu;

static int modules_see(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    *(unsigned long long *)ctx = info->dlpi_adds + info->dlpi_subs;
    return 1;
}

static bool is_urcu(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return strncmp(slash ? slash + 1 : path, "liburcu", 7) == 0;
}

/* A function of liburcu, from wherever it is: a library that was loaded for
 * its opener alone is in no global scope. */
static void *function_find(const char *name)
{
    if (!name)
        return NULL;
    void *found = dlsym(RTLD_DEFAULT, name);
    struct link_map *map = NULL;
    void *const program = dlopen(NULL, RTLD_LAZY);
    if (program && dlinfo(program, RTLD_DI_LINKMAP, (void *)&map) != 0)
        map = NULL;
    for (; map && !found; map = map->l_next) {
        if (!is_urcu(map->l_name))
            continue;
        void *const library = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
        if (!library)
            continue;
        found = dlsym(library, name);
        dlclose(library);
    }
    if (program)
        dlclose(program);
    return found;
}

static bool flavour_find(struct flavour *flavour)
{
    void *const barrier = function_find(flavour->barrier_name);
    void *const defer = barrier ? function_find(flavour->defer_name) : NULL;
    void *const reading = barrier ? function_find(flavour->reading_name) : NULL;
    atomic_store(&flavour->is_reading, (int (*)(void))reading);
    atomic_store(&flavour->barrier, (void (*)(void))barrier);
    atomic_store(&flavour->defer, (void (*)(void))defer);
    return barrier != NULL;
}

static int is_there(void *ctx)
{
    (void)ctx;
    return !atomic_load(&urcu.forked);
}

static void barriers_wait(struct tether_reclaimed *reclaimed, void *ctx)
{
    (void)reclaimed; /* measured */
    (void)ctx;
    for (size_t i = 0; i < TT_COUNT(flavours); i++) {
        void (*const barrier)(void) = atomic_load(&flavours[i].barrier);
        void (*const defer)(void) = atomic_load(&flavours[i].defer);
        int (*const is_reading)(void) = atomic_load(&flavours[i].is_reading);
        if (!barrier || (is_reading && is_reading()))
            continue;
        if (defer)
            defer();
        barrier();
    }
}

/* The modules have changed: is liburcu among them? */
static void urcu_find(void)
{
    bool any = false;
    for (size_t i = 0; i < TT_COUNT(flavours); i++)
        any |= flavour_find(&flavours[i]);
    if (any && !urcu.unit)
        urcu.unit =
            tt_unit_add("liburcu", &(struct unit){ .order = INT32_MAX,
                                                   .collect = barriers_wait,
                                                   .pending = is_there });
    if (!any && urcu.unit) {
        tt_unit_remove(
            tt_unit_lock("tether_collect", (const void *)(uintptr_t)urcu.unit));
        urcu.unit = 0;
    }
}

void tt_urcu_look(void)
{
    unsigned long long modules = 0;
    if (atomic_load_explicit(&urcu.forked, memory_order_relaxed))
        return;
    dl_iterate_phdr(modules_see, &modules);
    if (TT_LIKELY(modules == atomic_load(&urcu.modules)))
        return;
    tt_enter();
    tt_lock_take(&urcu.look);
    if (modules != atomic_load(&urcu.modules)) {
        urcu_find();
        atomic_store(&urcu.modules, modules);
    }
    tt_lock_give(&urcu.look);
    tt_leave();
}

void tt_urcu_child(void)
{
    atomic_store(&urcu.forked, true);
    tt_lock_reset(&urcu.look);
}
