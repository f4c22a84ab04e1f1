/* SPDX-License-Identifier: MIT */
/*
 * What a weak reference costs: to make, to check, at the object's death, to
 * drop, beside GLib's g_object_weak_ref and GWeakRef and Boehm's disappearing
 * links on as many objects. Each runs in a process of its own; GLib and Boehm
 * are loaded when they are installed, and left out when not.
 *
 * 'base' is a death without references, so 'death - base' is what a reference
 * adds to it. 'sum' is make + check + (death - base) + drop. At last it
 * measures how long a sleeper in tether_eventually_collected needs to wake.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tether/eventually.h>
#include <tether/ref.h>

#undef tether_weak_to

enum { OBJECT_BYTES = 48, ROUNDS_REFS = 1000000 };

/* Nanoseconds for each reference. */
struct cost {
    double make, check, death, base, drop, bytes;
};

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double resident_bytes(void)
{
    unsigned long size = 0;
    unsigned long resident = 0;
    FILE *const file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2)
        abort();
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void *symbol(void *library, const char *name)
{
    void *const found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "bench_ref: no symbol %s\n", name);
        exit(2);
    }
    return found;
}

static void *array_make(size_t count, size_t bytes)
{
    void *const array = calloc(count, bytes);
    if (!array)
        abort();
    memset(array, 1, count * bytes);
    return array;
}

/* A kind of reference: the benchmark's steps on n objects. */
struct kind {
    const char *name;
    bool (*load)(void);
    void (*objects_make)(size_t n);
    void (*refs_make)(size_t n);
    size_t (*refs_check)(size_t n); /* how many are alive */
    void (*objects_end)(size_t n);
    void (*refs_drop)(size_t n);
};

static void **objects;

/* Tether */

static tether_weak *weak;
static tether_weak (*weak_to_at)(const void *, const char *, const char *,
                                 unsigned);
static void *(*weak_get)(tether_weak);
static void (*weak_drop)(tether_weak);
static tether_status (*collected)(tether_weak, struct tether_wait *);

static bool tether_load(void)
{
    weak_to_at = symbol(RTLD_DEFAULT, "tether_weak_to_at");
    weak_get = symbol(RTLD_DEFAULT, "tether_weak_get");
    weak_drop = symbol(RTLD_DEFAULT, "tether_weak_drop");
    collected = symbol(RTLD_DEFAULT, "tether_eventually_collected");
    return true;
}

static void tether_objects_make(size_t n)
{
    for (size_t i = 0; i < n; i++)
        objects[i] = malloc(OBJECT_BYTES);
}

static void tether_refs_make(size_t n)
{
    for (size_t i = 0; i < n; i++)
        weak[i] = weak_to_at(objects[i], "objects[i]", __FILE__, __LINE__);
}

static size_t tether_refs_check(size_t n)
{
    size_t alive = 0;
    for (size_t i = 0; i < n; i++)
        alive += weak_get(weak[i]) != NULL;
    return alive;
}

static void tether_objects_end(size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(objects[i]);
}

static void tether_refs_drop(size_t n)
{
    for (size_t i = 0; i < n; i++)
        weak_drop(weak[i]);
}

/* GLib */

static void *(*g_new)(size_t, const char *, ...);
static void (*g_unref)(void *);
static void (*g_weak_ref_add)(void *, void (*)(void *, void *), void *);
static void (*g_weak_ref_cut)(void *, void (*)(void *, void *), void *);
static void (*g_weak_init)(void *, void *);
static void *(*g_weak_get)(void *);
static void (*g_weak_clear)(void *);
static size_t g_type;
static void **g_cells; /* of a notified pointer, or a GWeakRef */

static bool glib_load(void)
{
    void *const library = dlopen("libgobject-2.0.so.0", RTLD_NOW);
    if (!library)
        return false;
    g_new = symbol(library, "g_object_new");
    g_unref = symbol(library, "g_object_unref");
    g_weak_ref_add = symbol(library, "g_object_weak_ref");
    g_weak_ref_cut = symbol(library, "g_object_weak_unref");
    g_weak_init = symbol(library, "g_weak_ref_init");
    g_weak_get = symbol(library, "g_weak_ref_get");
    g_weak_clear = symbol(library, "g_weak_ref_clear");
    size_t (*const type)(void) = symbol(library, "g_object_get_type");
    g_type = type();
    return true;
}

static void glib_objects_make(size_t n)
{
    for (size_t i = 0; i < n; i++)
        objects[i] = g_new(g_type, NULL);
}

static void glib_objects_end(size_t n)
{
    for (size_t i = 0; i < n; i++)
        g_unref(objects[i]);
}

static void glib_notify(void *cell, void *was)
{
    (void)was;
    *(void **)cell = NULL;
}

static void notify_refs_make(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_cells[i] = objects[i];
        g_weak_ref_add(objects[i], glib_notify, &g_cells[i]);
    }
}

static size_t notify_refs_check(size_t n)
{
    size_t alive = 0;
    for (size_t i = 0; i < n; i++)
        alive += *(void *volatile *)&g_cells[i] != NULL;
    return alive;
}

static void notify_refs_drop(size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (g_cells[i])
            g_weak_ref_cut(g_cells[i], glib_notify, &g_cells[i]);
}

static void gweak_refs_make(size_t n)
{
    for (size_t i = 0; i < n; i++)
        g_weak_init(&g_cells[i], objects[i]);
}

static size_t gweak_refs_check(size_t n)
{
    size_t alive = 0;
    for (size_t i = 0; i < n; i++) {
        void *const object = g_weak_get(&g_cells[i]);
        if (object) {
            alive++;
            g_unref(object);
        }
    }
    return alive;
}

static void gweak_refs_drop(size_t n)
{
    for (size_t i = 0; i < n; i++)
        g_weak_clear(&g_cells[i]);
}

/* Boehm GC: death is a collection. */

static void *(*gc_malloc)(size_t);
static void *(*gc_malloc_atomic)(size_t);
static int (*gc_link)(void **, const void *);
static int (*gc_unlink)(void **);
static void (*gc_collect)(void);
static void (*gc_root)(void *, void *);
static void **gc_links;

static bool boehm_load(void)
{
    void *const library = dlopen("libgc.so.1", RTLD_NOW);
    if (!library)
        return false;
    void (*const init)(void) = symbol(library, "GC_init");
    void (*const root)(void *, void *) = symbol(library, "GC_add_roots");
    gc_malloc = symbol(library, "GC_malloc");
    gc_malloc_atomic = symbol(library, "GC_malloc_atomic_uncollectable");
    gc_link = symbol(library, "GC_general_register_disappearing_link");
    gc_unlink = symbol(library, "GC_unregister_disappearing_link");
    gc_collect = symbol(library, "GC_gcollect");
    gc_root = root;
    init();
    return true;
}

static void boehm_objects_make(size_t n)
{
    static bool known;
    if (!known) {
        gc_root(objects, objects + n);
        gc_links = gc_malloc_atomic(n * sizeof *gc_links);
    }
    known = true;
    for (size_t i = 0; i < n; i++)
        objects[i] = gc_malloc(OBJECT_BYTES);
}

static void boehm_refs_make(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gc_links[i] = objects[i];
        gc_link(&gc_links[i], objects[i]);
    }
}

static size_t boehm_refs_check(size_t n)
{
    size_t alive = 0;
    for (size_t i = 0; i < n; i++)
        alive += *(void *volatile *)&gc_links[i] != NULL;
    return alive;
}

static void boehm_objects_end(size_t n)
{
    memset(objects, 0, n * sizeof *objects);
    gc_collect();
}

static void boehm_refs_drop(size_t n)
{
    for (size_t i = 0; i < n; i++)
        gc_unlink(&gc_links[i]);
}

static const struct kind kinds[] = {
    { "tether", tether_load, tether_objects_make, tether_refs_make,
      tether_refs_check, tether_objects_end, tether_refs_drop },
    { "weak_ref", glib_load, glib_objects_make, notify_refs_make,
      notify_refs_check, glib_objects_end, notify_refs_drop },
    { "GWeakRef", glib_load, glib_objects_make, gweak_refs_make,
      gweak_refs_check, glib_objects_end, gweak_refs_drop },
    { "boehm", boehm_load, boehm_objects_make, boehm_refs_make,
      boehm_refs_check, boehm_objects_end, boehm_refs_drop },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* One round: half of the references die with their objects, and all are
 * dropped after that, so that every kind drops dead ones; the other half is
 * dropped alive, where Boehm's and GLib's lists are longest. */
static void round_run(const struct kind *kind, size_t n, struct cost *cost)
{
    kind->objects_make(n);
    double start = now_ns();
    kind->objects_end(n);
    cost->base += now_ns() - start;
    kind->objects_make(n);
    const double resident = resident_bytes();
    start = now_ns();
    kind->refs_make(n);
    double end = now_ns();
    cost->make += end - start;
    cost->bytes = (resident_bytes() - resident) / (double)n;
    start = now_ns();
    if (kind->refs_check(n) != n)
        abort();
    end = now_ns();
    cost->check += end - start;
    kind->refs_drop(n);
    kind->refs_make(n);
    start = now_ns();
    kind->objects_end(n);
    cost->death += now_ns() - start;
    start = now_ns();
    kind->refs_drop(n);
    cost->drop += now_ns() - start;
}

static void kind_run(const struct kind *kind, size_t n)
{
    struct cost cost = { 0 };
    if (!kind->load())
        return;
    objects = array_make(n, sizeof *objects);
    weak = array_make(n, sizeof *weak);
    g_cells = array_make(n, sizeof *g_cells);
    const size_t rounds = n < ROUNDS_REFS ? ROUNDS_REFS / n : 1;
    double bytes = 0;
    for (size_t i = 0; i < rounds; i++) {
        round_run(kind, n, &cost);
        bytes = bytes > cost.bytes ? bytes : cost.bytes;
    }
    const double each = 1.0 / (double)(n * rounds);
    printf("%f %f %f %f %f %f\n", cost.make * each, cost.check * each,
           cost.death * each, cost.base * each, cost.drop * each, bytes);
}

/* How long from the free to the sleeper's return. */

static _Atomic double freed_at;

static void *free_soon(void *block)
{
    const struct timespec pause = { 0, 300000 };
    nanosleep(&pause, NULL);
    freed_at = now_ns();
    free(block);
    return NULL;
}

static int double_order(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void waking_run(void)
{
    enum { TIMES = 501 };
    static double took[TIMES];
    tether_load();
    for (int i = 0; i < TIMES; i++) {
        pthread_t thread;
        void *const block = malloc(OBJECT_BYTES);
        const tether_weak ref = weak_to_at(block, "block", __FILE__, __LINE__);
        struct tether_wait wait = { .within_ms = 10000 };
        pthread_create(&thread, NULL, free_soon, block);
        if (collected(ref, &wait) != TETHER_OK)
            abort();
        took[i] = now_ns() - freed_at;
        pthread_join(thread, NULL);
        weak_drop(ref);
    }
    qsort(took, TIMES, sizeof *took, double_order);
    printf("%f %f\n", took[TIMES / 2], took[TIMES * 9 / 10]);
}

/* The parent: runs each measurement in a process of its own. */

static bool child_read(const char *arguments, bool preload, double *numbers,
                       int count)
{
    char command[4096];
    char self[1024] = "";
    const char *const library = getenv("TETHER_LIBRARY");
    int got = 0;
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return false;
    snprintf(command, sizeof command, "%s%s '%s' %s",
             preload ? "LD_PRELOAD=" : "", preload && library ? library : "",
             self, arguments);
    FILE *const out = popen(command, "r");
    while (out && got < count && fscanf(out, "%lf", &numbers[got]) == 1)
        got++;
    return out && pclose(out) == 0 && got == count;
}

static double cost_sum(const struct cost *cost)
{
    return cost->make + cost->check + cost->death - cost->base + cost->drop;
}

static void table_print(size_t n, double *tether_sum)
{
    printf("%zu references (ns each)\n%-10s %7s %7s %7s %7s %7s %8s %7s\n", n,
           "", "make", "check", "death", "base", "drop", "sum", "bytes");
    for (int i = 0; i < KINDS; i++) {
        struct cost cost;
        char arguments[64];
        snprintf(arguments, sizeof arguments, "%d %zu", i, n);
        if (!child_read(arguments, i == 0, (double *)&cost, 6))
            continue;
        if (i == 0)
            *tether_sum = cost_sum(&cost);
        printf("%-10s %7.1f %7.1f %7.1f %7.1f %7.1f %8.1f %7.1f\n",
               kinds[i].name, cost.make, cost.check, cost.death, cost.base,
               cost.drop, cost_sum(&cost), cost.bytes);
    }
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 10000, 1000000, 10000000 };
    double sums[3] = { 0 };
    double waking[2];
    if (argc == 3) {
        kind_run(&kinds[atoi(argv[1]) % KINDS], strtoul(argv[2], NULL, 10));
        return 0;
    }
    if (argc == 2) {
        waking_run();
        return 0;
    }
    for (int i = 0; i < 3; i++)
        table_print(sizes[i], &sums[i]);
    printf("ten million / ten thousand: %.2f times the cost each\n",
           sums[2] / sums[0]);
    if (child_read("waking", true, waking, 2))
        printf("EVENTUALLY_COLLECTED wakes after %.1f us (median), %.1f us "
               "(of ten the slowest)\n",
               waking[0] / 1000, waking[1] / 1000);
    return 0;
}
