/* SPDX-License-Identifier: MIT */
/*
 * What a weak reference costs: to make, to check, at the object's death, to
 * drop, beside GLib's g_object_weak_ref and GWeakRef and Boehm's disappearing
 * links on as many objects. Each runs in processes of its own, in turn with
 * the others; GLib and Boehm are loaded when they are installed, and left out
 * when not.
 *
 *            Tether          weak_ref            GWeakRef        Boehm
 *   object   malloc(48)      g_object_new        g_object_new    GC_malloc(48)
 *   make     weak_to         g_object_weak_ref   weak_ref_init   register link
 *   check    weak_get        read a cell that    weak_ref_get,   read the link
 *                            the notify empties  object_unref
 *   death    free            g_object_unref      g_object_unref  a collection
 *   base     the same of as many objects that never had a reference
 *   drop     weak_drop       nothing: died       weak_ref_clear  unregister
 *
 * Objects are made outside of what is measured. 'death - base' is what the
 * reference adds to a death; 'sum' is make + check + (death - base) + drop.
 * Times are those of the processor for the whole process, all its threads and
 * the kernel's work for it (clearing new pages, say), which other work on the
 * machine disturbs least; of several processes each number is the median.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tether/ref.h>

#undef tether_weak_to

enum { OBJECT_BYTES = 48, ROUNDS_REFS = 1000000, PROCESSES = 5 };

/* Nanoseconds for each reference. */
struct cost {
    double make, check, death, base, drop, bytes;
};

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
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

static bool tether_load(void)
{
    weak_to_at = symbol(RTLD_DEFAULT, "tether_weak_to_at");
    weak_get = symbol(RTLD_DEFAULT, "tether_weak_get");
    weak_drop = symbol(RTLD_DEFAULT, "tether_weak_drop");
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

/* One round. The references that were made are dropped alive, which is not
 * measured, and made anew, so that the death is that of objects whose
 * references are not the newest memory of all. */
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

static int double_order(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
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

enum { NUMBERS = sizeof(struct cost) / sizeof(double) };

/* The median of each number, and of the sums. Returns the latter. */
static double median_of(struct cost *runs, int count, struct cost *median)
{
    double one[PROCESSES];
    for (int number = 0; number < NUMBERS; number++) {
        for (int i = 0; i < count; i++)
            one[i] = ((double *)&runs[i])[number];
        qsort(one, (size_t)count, sizeof *one, double_order);
        ((double *)median)[number] = one[count / 2];
    }
    for (int i = 0; i < count; i++)
        one[i] = cost_sum(&runs[i]);
    qsort(one, (size_t)count, sizeof *one, double_order);
    return one[count / 2];
}

static void table_print(size_t n, double *tether_sum)
{
    struct cost runs[KINDS][PROCESSES];
    int count[KINDS] = { 0 };
    const int processes = n > 1000000 ? 1 : PROCESSES;
    printf("%zu references (ns each)\n%-10s %7s %7s %7s %7s %7s %8s %7s\n", n,
           "", "make", "check", "death", "base", "drop", "sum", "bytes");
    for (int process = 0; process < processes; process++)
        for (int i = 0; i < KINDS; i++) {
            char arguments[64];
            snprintf(arguments, sizeof arguments, "%d %zu", i, n);
            count[i] += child_read(arguments, i == 0,
                                   (double *)&runs[i][count[i]], NUMBERS);
        }
    for (int i = 0; i < KINDS; i++) {
        struct cost cost;
        if (!count[i])
            continue;
        const double sum = median_of(runs[i], count[i], &cost);
        if (i == 0)
            *tether_sum = sum;
        printf("%-10s %7.1f %7.1f %7.1f %7.1f %7.1f %8.1f %7.1f\n",
               kinds[i].name, cost.make, cost.check, cost.death, cost.base,
               cost.drop, sum, cost.bytes);
    }
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 10000, 1000000, 10000000 };
    double sums[3] = { 0 };
    if (argc == 3) {
        kind_run(&kinds[atoi(argv[1]) % KINDS], strtoul(argv[2], NULL, 10));
        return 0;
    }
    for (int i = 0; i < 3; i++)
        table_print(sizes[i], &sums[i]);
    printf("ten million / ten thousand: %.2f times the cost each\n",
           sums[2] / sums[0]);
    return 0;
}
