/* SPDX-License-Identifier: MIT */
/*
 * The cases in an executable. See cases.h.
 */
#define _GNU_SOURCE
#include "cases.h"

#include <ffi.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uthash.h>

void plain_make(void);

struct item {
    char text[48];
};

static NOINLINE struct item *item_new(void)
{
    return calloc(1, sizeof(struct item));
}

/* ---- globals ---- */

struct tree {
    struct tree *left, *right;
    struct item *item;
};

struct tree *the_tree;

static NOINLINE struct tree *tree_new(int depth)
{
    struct tree *const tree = NEW(struct tree);
    if (depth > 0) {
        tree->left = tree_new(depth - 1);
        tree->right = tree_new(depth - 1);
    }
    return tree;
}

static NOINLINE void tree_case(void)
{
    the_tree = tree_new(4);
    struct item *const item = item_new();
    the_tree->right->left->right->item = item;
    case_is("tree", item);
}

static NOINLINE struct item **registry_of(int index)
{
    static struct item *registry[16];
    KEEP(registry);
    return &registry[index];
}

static NOINLINE void static_case(void)
{
    *registry_of(6) = item_new();
    case_is("static in a function", *registry_of(6));
}

struct world {
    int count;
    struct reg {
        int kind;
        void *user;
    } regs[4];
};

static struct world world;

struct hidden {
    long id;
    struct item *l;
    char rest[23];
};

static NOINLINE void void_case(void)
{
    struct hidden *const hidden = malloc(sizeof(struct hidden));
    memset(hidden, 0, sizeof *hidden);
    hidden->l = item_new();
    world.regs[2].user = hidden;
    case_is("void pointer", hidden->l);
}

struct vector {
    size_t count;
    struct item *items[];
};

static struct vector *vector;

static NOINLINE void flexible_case(void)
{
    vector = calloc(1, sizeof *vector + 10 * sizeof vector->items[0]);
    vector->count = 10;
    vector->items[7] = item_new();
    case_is("flexible array", vector->items[7]);
}

struct value {
    int kind;
    union {
        long number;
        double real;
        struct item *item;
        struct {
            char *bytes;
            size_t len;
        } text;
    } u;
};

static struct value values[3];

static NOINLINE void union_case(void)
{
    values[1].kind = 2;
    values[1].u.item = item_new();
    case_is("union", values[1].u.item);
    values[2].kind = 3;
    values[2].u.text.bytes = calloc(1, 100);
    case_is("struct in a union", values[2].u.text.bytes);
}

struct owner {
    struct item *mine;
    struct owner *peer;
};

static struct owner *first_owner, *second_owner;

static NOINLINE void two_holders_case(void)
{
    first_owner = NEW(struct owner);
    second_owner = NEW(struct owner);
    first_owner->mine = second_owner->mine = item_new();
    case_is("two holders", first_owner->mine);
}

static struct owner *ring;

static NOINLINE void cycle_case(void)
{
    struct owner *last = ring = NEW(struct owner);
    for (int i = 0; i < 4; i++)
        last = last->peer = NEW(struct owner);
    last->peer = ring;
    last->mine = item_new();
    case_is("cycle", last->mine);
}

struct chunk {
    struct chunk *next;
    int used;
    struct thing {
        long id;
        struct item *item;
    } things[16];
};

static struct chunk *pool;

static NOINLINE void pool_case(void)
{
    for (int i = 0; i < 3; i++) {
        struct chunk *const chunk = NEW(struct chunk);
        chunk->next = pool;
        pool = chunk;
    }
    pool->next->things[11].item = item_new();
    case_is("pool", pool->next->things[11].item);
}

struct part {
    long id;
    struct item *item;
};

struct whole {
    char name[24];
    struct part part;
};

static struct part *inner;

static NOINLINE void interior_case(void)
{
    struct whole *const whole = NEW(struct whole);
    inner = &whole->part;
    whole->part.item = item_new();
    case_is("pointer to a part", whole->part.item);
}

static struct item ***deep;

static NOINLINE void pointers_case(void)
{
    deep = calloc(4, sizeof *deep);
    deep[3] = calloc(5, sizeof **deep);
    deep[3][2] = item_new();
    case_is("arrays of pointers", deep[3][2]);
}

struct record {
    int number;
    struct item *item;
};

static struct record *records;

static NOINLINE void array_case(void)
{
    records = calloc(20, sizeof *records);
    records[13].item = item_new();
    case_is("array of structs in the heap", records[13].item);
}

static void *any;

static NOINLINE void *wrapper(size_t bytes)
{
    void *const start = malloc(bytes);
    memset(start, 0, bytes);
    return start;
}

static NOINLINE void wrapper_case(void)
{
    struct owner *const owner = wrapper(sizeof *owner);
    owner->mine = item_new();
    any = owner;
    case_is("behind a wrapper of malloc", owner->mine);
}

/* ---- libraries of others ---- */

struct person {
    int id;
    struct item *item;
    UT_hash_handle hh;
};

static struct person *persons;

static NOINLINE void uthash_case(void)
{
    for (int i = 0; i < 5; i++) {
        struct person *const person = NEW(struct person);
        person->id = i;
        person->item = item_new();
        HASH_ADD_INT(persons, id, person);
        if (i == 3)
            case_is("uthash", person->item);
    }
}

static GHashTable *glib_table;

static NOINLINE void glib_case(void)
{
    glib_table = g_hash_table_new(g_str_hash, g_str_equal);
    struct item *const item = item_new();
    g_hash_table_insert(glib_table, "key", item);
    case_is("GLib's hash table", item);
}

/* ---- threads ---- */

struct context {
    int state;
    struct item *scratch;
};

static _Thread_local struct context *tls_context;
static pthread_key_t key;

static NOINLINE void thread_local_case(void)
{
    tls_context = NEW(struct context);
    tls_context->scratch = item_new();
    case_is("thread-local", tls_context->scratch);
}

static NOINLINE void key_case(void)
{
    struct context *const context = NEW(struct context);
    context->scratch = item_new();
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, context);
    case_is("key", context->scratch);
    case_means("pthread_getspecific", context);
}

struct message {
    int kind;
    struct item *body;
};

static volatile bool stops;

static NOINLINE void wait_for_ever(volatile void *argument)
{
    (void)argument;
    while (!stops)
        pause();
}

static pthread_barrier_t started;

static NOINLINE void *serve(void *unused)
{
    struct message local[4] = { { .kind = 1 } };
    (void)unused;
    KEEP(local);
    local[2].body = item_new();
    case_is("variable of a blocked thread", local[2].body);
    stack_scrub();
    pthread_barrier_wait(&started);
    wait_for_ever(local);
    return NULL;
}

struct connection {
    int fd;
    struct item *host;
};

static NOINLINE struct connection *connection_new(void)
{
    struct connection *const c = NEW(struct connection);
    c->host = item_new();
    case_is("pointer in a register or a frame", c->host);
    return c;
}

static NOINLINE int pump(struct connection *c)
{
    int sum = c->fd;
    stack_scrub();
    pthread_barrier_wait(&started);
    while (!stops) {
        wait_for_ever(NULL);
        sum += c->fd;
        c->fd = sum;
    }
    return sum;
}

static NOINLINE void *pump_thread(void *unused)
{
    (void)unused;
    pump(connection_new());
    return NULL;
}

static NOINLINE void *local_keeper(void *unused)
{
    (void)unused;
    tls_context = NEW(struct context);
    tls_context->scratch = item_new();
    case_is("thread-local of another thread", tls_context->scratch);
    stack_scrub();
    pthread_barrier_wait(&started);
    wait_for_ever(NULL);
    return NULL;
}

static NOINLINE void thread_start(const char *name, void *(*run)(void *))
{
    pthread_t thread;
    pthread_create(&thread, NULL, run, NULL);
    pthread_setname_np(thread, name);
    pthread_barrier_wait(&started);
}

/* ---- closures ---- */

static void handler(ffi_cif *cif, void *result, void **args, void *data)
{
    (void)cif;
    (void)result;
    (void)args;
    (void)data;
}

static ffi_cif cif;
void *closure_code;

static NOINLINE void closure_case(void)
{
    struct context *const context = NEW(struct context);
    ffi_closure *const closure =
        ffi_closure_alloc(sizeof(ffi_closure), &closure_code);
    context->scratch = item_new();
    ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 0, &ffi_type_void, NULL);
    ffi_prep_closure_loc(closure, &cif, handler, context, closure_code);
    case_is("closure", context->scratch);
    case_means("closure->user_data", context);
}

/* ---- regions ---- */

int tether_root_add_at(const void *start, size_t bytes, const char *name);

static struct item **page;

static NOINLINE void region_case(void)
{
    KEEP(page);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    tether_root_add_at(page, 4096, "page");
    page[4] = item_new();
    case_is("registered region", page[4]);
}

/* ---- no holder ---- */

static NOINLINE void lost_case(void)
{
    case_is("lost", item_new());
}

static NOINLINE void cases_make(void)
{
    KEEP(world);
    KEEP(vector);
    KEEP(values);
    KEEP(first_owner);
    KEEP(second_owner);
    KEEP(ring);
    KEEP(pool);
    KEEP(inner);
    KEEP(deep);
    KEEP(records);
    KEEP(any);
    KEEP(persons);
    KEEP(glib_table);
    KEEP(tls_context);
    shared_make();
    archive_make();
    plain_make();
    tree_case();
    static_case();
    void_case();
    flexible_case();
    union_case();
    two_holders_case();
    cycle_case();
    pool_case();
    interior_case();
    pointers_case();
    array_case();
    wrapper_case();
    uthash_case();
    glib_case();
    thread_local_case();
    key_case();
    closure_case();
    region_case();
    lost_case();
}

int main(void)
{
    cases_make();
    pthread_barrier_init(&started, NULL, 2);
    thread_start("serve", serve);
    thread_start("pump", pump_thread);
    thread_start("keeper", local_keeper);
    usleep(20000); /* until all are in pause */
    stack_scrub();
    fflush(stdout);
    raise(SIGSTOP);
    return 0;
}
