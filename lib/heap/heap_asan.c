/* SPDX-License-Identifier: MIT */
/*
 * The heap under AddressSanitizer: its hooks in place of interposition.
 *
 * A hook runs after an allocation and before a free, with nothing of the
 * sanitizer's locked. Blocks are entered into the same shadow as ever, their
 * headers beside (heap_block.h). What is different:
 *
 * - The hooks cannot refuse. A limit is judged when the block is there.
 * - realloc is shown as the birth of the new block and then the death of the
 *   old one, on one thread and with nothing in between. The birth is known by
 *   its stack: it comes from inside the sanitizer's realloc, and by another
 *   way than a realloc of NULL (whose way is learned by calling it once). It
 *   is kept back until the death tells which object has moved.
 * - The innermost frames of a stack are the sanitizer's. They end with the
 *   function that the program called, which is one of a list.
 *
 * Hook: on_malloc and on_free, and all they call, run inside malloc and free.
 */
#include "heap/heap_asan.h"

#include "heap/heap_count.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <malloc.h>

#define OWN_FRAMES_MAX 16 /* of the sanitizer's, at the inner end */

typedef void (*malloc_hook)(const volatile void *address, size_t size);
typedef void (*free_hook)(const volatile void *address);
extern int __sanitizer_install_malloc_and_free_hooks(malloc_hook on_malloc,
                                                     free_hook on_free)
    __attribute__((weak));

/* Where a program enters the sanitizer's allocator. */
static const char *const entry_names[] = {
    "realloc",
    "reallocarray", /* those two first: they move objects */
    "malloc",
    "calloc",
    "free",
    "cfree",
    "strdup",
    "__strdup",
    "strndup",
    "__strndup",
    "memalign",
    "__libc_memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};
#define REALLOCS 2

struct entry {
    uintptr_t start, end;
    bool moves; /* realloc or reallocarray */
};

/* A stack, seen from a hook. */
struct chain {
    uintptr_t frames[OWN_FRAMES_MAX + TT_STACK_DEPTH_MAX];
    unsigned count;
    unsigned outer;            /* the first frame of the program's */
    const struct entry *entry; /* what the program called; NULL: unknown */
    uint64_t way;              /* from there to the hook, as a hash */
};

/* The birth inside a realloc, until the death follows. */
struct pending {
    void *address; /* NULL: none */
    size_t size;
    uint32_t stack;
    uint32_t ask_stack; /* the same, deep enough for a message */
};

bool heap_sanitized;
/* Not const: compilers take a constant's value for what every file has. */
__attribute__((weak)) void *(*heap_own_malloc)(size_t) = NULL;

static struct {
    struct entry entries[TT_COUNT(entry_names) + 4];
    size_t count;
    uintptr_t module;      /* where the sanitizer is: a library, a program */
    uintptr_t library;     /* the same if it is a library */
    uintptr_t own_library; /* this one, where it is one */
    uint64_t null_ways[2]; /* of the births in realloc(NULL, ...) */
    struct chain *learn;   /* gets the chain of the next birth */
    bool follows;          /* the hooks do all that is needed */
} sanitizer;

static _Thread_local struct pending pending
    __attribute__((tls_model("initial-exec")));

void heap_sanitizer_look(void)
{
    heap_sanitized = __sanitizer_install_malloc_and_free_hooks != NULL &&
                     (void *(*)(size_t))malloc != heap_own_malloc;
}

bool tt_heap_is_sanitized(void)
{
    return sanitizer.follows;
}

/* --- stacks ------------------------------------------------------------ */

static const struct entry *entry_of(uintptr_t pc)
{
    for (size_t i = 0; i < sanitizer.count; i++)
        if (pc >= sanitizer.entries[i].start && pc < sanitizer.entries[i].end)
            return &sanitizer.entries[i];
    return NULL;
}

static void chain_skip(struct chain *chain, uintptr_t module)
{
    while (module && chain->outer < chain->count &&
           tt_stack_module(chain->frames[chain->outer] - 1) == module)
        chain->outer++;
}

static void chain_read(struct chain *chain, void *frame, unsigned depth)
{
    chain->count = tt_stack_walk(frame, chain->frames, OWN_FRAMES_MAX + depth);
    chain->outer = 0;
    chain->entry = NULL;
    chain->way = 0;
    const unsigned last = TT_MIN(chain->count, OWN_FRAMES_MAX);
    for (unsigned i = 0; i < last && !chain->entry; i++) {
        chain->way = (chain->way ^ chain->frames[i]) * 0x9e3779b97f4a7c15u;
        chain->entry = entry_of(chain->frames[i] - 1);
        chain->outer = i + 1;
    }
    if (!chain->entry)
        chain->outer = 0;
    /* strndup calls malloc. */
    while (chain->entry && chain->outer < chain->count &&
           entry_of(chain->frames[chain->outer] - 1))
        chain->outer++;
    /* What was not on the list, and operator new that was passed on. */
    chain_skip(chain, sanitizer.library);
    chain_skip(chain, sanitizer.own_library);
}

static uint32_t chain_stack(const struct chain *chain, unsigned depth)
{
    return tt_stack_intern(chain->frames + chain->outer,
                           TT_MIN(chain->count - chain->outer, depth));
}

/* --- births and deaths -------------------------------------------------- */

static uint8_t kind_of(size_t size)
{
    return size <= SMALL_MAX ? SHADOW_SIDE : SHADOW_BIG;
}

static void enter(const struct tt_block *block)
{
    if ((uintptr_t)block->address % 16 == 0)
        block_write(block, kind_of(block->size), 0);
}

/* A block's function must be the same at its death as at its birth. */
static uint32_t stack_kept(const struct pending *new, uint32_t flags)
{
    return flags & TT_BLOCK_SITE ? new->ask_stack : new->stack;
}

static void birth(struct tt_slot *slot, const struct pending *new,
                  uint32_t flags)
{
    uint32_t ask_stack = new->ask_stack;
    if (is_counted(flags)) {
        if (!count_take(slot, new->size, NULL, &ask_stack, &flags))
            count_taken(slot, new->size); /* it is there all the same */
        count_born(slot, new->size);
    }
    enter(&(struct tt_block){
        .address = new->address,
        .size = new->size,
        .serial = slot ? (uint64_t)slot_value(slot, GAUGE_COUNT) : 0,
        .stack = stack_kept(new, flags),
        .thread = slot_thread(slot),
        .epoch = ledger_epoch,
        .flags = flags });
}

/* realloc of a block that is older than the hooks: who owned it is not known,
 * and what grew there is no leak of a window's. */
static void move_unknown(struct tt_slot *slot, const struct pending *new)
{
    birth(slot, new, count_flags(slot) | (tt_scope_inner() ? TT_BLOCK_OLD : 0));
}

static void move(struct tt_slot *slot, const struct pending *new,
                 const struct tt_block *from)
{
    uint32_t flags = count_flags(slot), ask_stack = new->ask_stack;
    const bool counted = slot && is_counted(flags);
    if (is_counted(from->flags) && slot)
        count_died(slot, from);
    count_site_left(from);
    if (counted && !count_take(slot, new->size, NULL, &ask_stack, &flags))
        count_taken(slot, new->size);
    struct tt_block to =
        count_facts_after(from, new->size, flags, stack_kept(new, flags));
    to.address = new->address;
    enter(&to);
    if (from->flags & TT_BLOCK_REF)
        tell_moved(from, &to);
    if (counted)
        count_born(slot, new->size);
}

static void death(struct tt_slot *slot, const struct tt_block *block,
                  void *frame)
{
    if (block->flags & TT_BLOCK_REF) {
        const unsigned depth = TT_MAX(tt_stack_depth, 8);
        struct chain chain;
        chain_read(&chain, frame, depth);
        tell_died(block, chain_stack(&chain, depth));
    }
    if (is_counted(block->flags) && slot)
        count_died(slot, block);
    count_site_left(block);
}

/* A realloc whose death never came: the new block is one like any other. */
static void pending_flush(struct tt_slot *slot)
{
    if (TT_LIKELY(!pending.address))
        return;
    const struct pending new = pending;
    pending.address = NULL;
    birth(slot, &new, count_flags(slot));
}

static bool is_move(const struct chain *chain)
{
    return chain->entry && chain->entry->moves &&
           chain->way != sanitizer.null_ways[0] &&
           chain->way != sanitizer.null_ways[1];
}

static void on_malloc(const volatile void *address, size_t size)
{
    const int before = errno;
    struct tt_slot *const slot = slot_ready();
    const uint32_t flags = count_flags(slot);
    struct pending new = { .address = (void *)(uintptr_t)address,
                           .size = size };
    struct chain chain;
    pending_flush(slot);
    const unsigned depth = TT_MAX(tt_stack_depth, 8);
    chain_read(&chain, __builtin_frame_address(0), depth);
    if (TT_UNLIKELY(sanitizer.learn))
        *sanitizer.learn = chain;
    if (!(flags & TT_BLOCK_TOOL))
        new.stack = chain_stack(&chain, tt_stack_depth);
    new.ask_stack = new.stack;
    if (is_counted(flags) && tt_stack_depth < depth &&
        (count_watches_sites() || count_must_ask(slot, size)))
        new.ask_stack = chain_stack(&chain, depth);
    if (is_move(&chain))
        pending = new;
    else
        birth(slot, &new, flags);
    errno = before;
}

static void on_free(const volatile void *address)
{
    const int before = errno;
    void *const old = (void *)(uintptr_t)address;
    struct tt_slot *const slot = slot_ready();
    struct tt_block block;
    uint8_t kind;
    if (TT_UNLIKELY(pending.address == old))
        pending_flush(slot);
    const struct pending new = pending;
    const bool known = block_at(old, &block, &kind) && shadow_leave(old, kind);
    pending.address = NULL;
    if (new.address && known)
        move(slot, &new, &block);
    else if (new.address)
        move_unknown(slot, &new);
    else if (known)
        death(slot, &block, __builtin_frame_address(0));
    errno = before;
}

/* --- setting up --------------------------------------------------------- */

static void entry_add(uintptr_t at, bool moves)
{
    struct entry *const entry = &sanitizer.entries[sanitizer.count];
    entry->moves = moves;
    if (tt_stack_module(at) == sanitizer.module &&
        tt_stack_function(at, &entry->start, &entry->end))
        sanitizer.count++;
}

/* The module of a function, 0 if that is the program itself. */
static uintptr_t library_of(const void *function)
{
    Dl_info about;
    struct link_map *map = NULL;
    if (!dladdr1(function, &about, (void **)&map, RTLD_DL_LINKMAP) || !map ||
        !*map->l_name)
        return 0;
    return tt_stack_module((uintptr_t)function);
}

static void entries_find(void)
{
    sanitizer.module = tt_stack_module((uintptr_t)malloc);
    sanitizer.library = library_of((const void *)malloc);
    sanitizer.own_library = library_of((const void *)entries_find);
    for (size_t i = 0; i < TT_COUNT(entry_names); i++) {
        void *const at = dlsym(RTLD_DEFAULT, entry_names[i]);
        if (at)
            entry_add((uintptr_t)at, i < REALLOCS);
    }
}

typedef void *(*probe_fn)(void *block, size_t size);

static TT_NOINLINE void *probe_realloc(void *block, size_t size)
{
    void *volatile result = realloc(block, size);
    return result;
}

static TT_NOINLINE void *probe_reallocarray(void *block, size_t size)
{
    void *volatile result = reallocarray(block, 1, size);
    return result;
}

/* The last of the sanitizer's frames on a call of realloc: not always in the
 * function that was called, which may have jumped to a part of its own. */
static void entry_learn(probe_fn probe, const struct chain *chain)
{
    uintptr_t start, end;
    if (!tt_stack_function((uintptr_t)probe, &start, &end))
        return;
    for (unsigned i = 1; i < chain->count; i++)
        if (chain->frames[i] > start && chain->frames[i] <= end) {
            entry_add(chain->frames[i - 1] - 1, true);
            return;
        }
}

/* Learns the frames of a realloc that moves and of one that only allocates.
 * Returns the way of the latter. */
static uint64_t realloc_learn(probe_fn probe)
{
    struct chain chain = { .count = 0 };
    sanitizer.learn = &chain;
    void *block = probe(NULL, 24);
    entry_learn(probe, &chain);
    block = probe(block, 4000);
    entry_learn(probe, &chain);
    free(block);
    free(probe(NULL, 24));
    sanitizer.learn = NULL;
    pending_flush(slot_ready());
    return chain.way;
}

/* Tries whether a realloc that moves is seen as such. LeakSanitizer without
 * AddressSanitizer does not show it. */
static bool realloc_is_followed(void)
{
    struct tt_block block;
    uint8_t kind;
    void *const first = probe_realloc(NULL, 24);
    const bool known = tt_block_flags(first, TT_BLOCK_KEEP, 0);
    void *const second = probe_realloc(first, 4000);
    const bool followed = block_at(second, &block, &kind) &&
                          block.size == 4000 && block.flags & TT_BLOCK_KEEP;
    /* The address is asked for after its death, which is no use of it. */
    void *volatile gone = second;
    free(second);
    const bool found = block_at(gone, &block, &kind); /* NOLINT(*Malloc) */
    return known && followed && !found;
}

void sanitizer_setup(void)
{
    heap_sanitizer_look();
    if (!heap_sanitized)
        return;
    tt_enter();
    slot_ready();
    entries_find();
    if (__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free)) {
        sanitizer.null_ways[0] = realloc_learn(probe_realloc);
        sanitizer.null_ways[1] = realloc_learn(probe_reallocarray);
        sanitizer.follows = realloc_is_followed();
    }
    tt_leave();
}

/* --- what the sanitizer lacks ------------------------------------------- */

void *sanitizer_alloc(const struct request *request)
{
    if (request->alignment > 16)
        return memalign(request->alignment, request->size);
    return request->zeroed ? calloc(1, request->size) : malloc(request->size);
}

void *sanitizer_realloc(void *address, size_t size)
{
    return realloc(address, size);
}

void sanitizer_free(void *address)
{
    free(address);
}

bool tt_heap_lost_by_sanitizer(void)
{
    /* By name: this library has one of its own. */
    int (*const check)(void) =
        heap_sanitized ? (int (*)(void))dlsym(
                             RTLD_DEFAULT, "__lsan_do_recoverable_leak_check")
                       : NULL;
    return check && check() != 0;
}
