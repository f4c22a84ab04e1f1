/* SPDX-License-Identifier: MIT */
/*
 * Quarantine: the memory of a dead object is filled with a pattern and not
 * given back before its reference is dropped. So nothing else can live there,
 * and whoever writes there is found, because the pattern is broken.
 *
 * What is found inside free, where nobody may be told, waits for the window's
 * end. Pages that only the object has can be protected: then the processor
 * finds the use at once. A signal handler may come at any time, so what it
 * reads (the traps) is apart, and is read without a lock.
 *
 * Locks: one, inside that of a shard; nothing is called while it is held but
 * private memory and mprotect.
 * Hook: enter and trim run inside free.
 */
#include "ref/ref_quarantine.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "base/base_text.h"
#include "budget/budget.h"
#include "os/os.h"
#include "ref/ref_slot.h"
#include "stack/stack.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#define PATTERN     0xdb
#define BYTES_MAX   (UINT64_C(16) << 20) /* TETHER_QUARANTINE */
#define BUCKETS     4096u
#define TRAPS       64u
#define PAGE_BYTES  ((uintptr_t)4096)
#define USER_FRAMES 16

struct kept {
    struct tt_quarantine_facts facts;
    uint64_t bits;
    struct tt_block block;
    struct ref_pages trapped; /* protected, empty: nothing */
    bool told;
    struct kept *bucket_next;
    struct kept *newer;
    struct kept *older;
};

static struct {
    struct tt_lock lock;
    bool ready;
    uint64_t bytes;
    uint64_t bytes_max;
    struct kept *oldest;
    struct kept *newest;
    struct kept *found; /* gone, with a broken pattern; linked by 'newer' */
    struct kept *bucket[BUCKETS];
} quarantine;

struct tt_ref_tell tt_ref_tell;

/* What the signal handler reads. 'start' is set last and cleared first. */
static struct trap {
    _Atomic uintptr_t start;
    uintptr_t end;
    struct tt_quarantine_facts facts;
    uintptr_t base;
} traps[TRAPS];

static struct sigaction handler_before;

/* ---- the pattern ---- */

/* What stands in a dead block's nth byte: in a small one lib/heap keeps the
 * stack of the free in the first eight. */
static uint8_t byte_expected(const struct kept *kept, size_t n)
{
    return n < 8 && !(kept->block.flags & TT_BLOCK_BIG)
               ? (uint8_t)((uint64_t)kept->facts.free_stack >> (8 * n))
               : PATTERN;
}

static void block_fill(const struct kept *kept)
{
    uint8_t *const bytes = kept->block.address;
    memset(bytes, PATTERN, kept->block.size);
    for (size_t n = 0; n < TT_MIN(kept->block.size, 8); n++)
        bytes[n] = byte_expected(kept, n);
}

/* Looks at [at, end) of the object. */
static void range_look(struct kept *kept, uintptr_t at, uintptr_t end)
{
    struct tt_quarantine_facts *const facts = &kept->facts;
    for (; at < end; at++) {
        const uint8_t byte = *(const uint8_t *)at;
        const size_t n = at - (uintptr_t)kept->block.address;
        if (TT_LIKELY(byte == byte_expected(kept, n)))
            continue;
        if (!facts->changed++)
            facts->offset = n;
        if (facts->byte_count < TT_COUNT(facts->bytes) &&
            n == facts->offset + facts->byte_count)
            facts->bytes[facts->byte_count++] = byte;
    }
}

/* Is the pattern broken? What was told once is not told again. */
static bool kept_is_touched(struct kept *kept)
{
    const uintptr_t start = (uintptr_t)kept->block.address;
    const uintptr_t end = start + kept->block.size;
    if (kept->told)
        return false;
    kept->facts.changed = kept->facts.byte_count = 0;
    if (kept->trapped.start < kept->trapped.end) {
        range_look(kept, start, kept->trapped.start);
        range_look(kept, kept->trapped.end, end);
    } else {
        range_look(kept, start, end);
    }
    kept->told = kept->facts.changed > 0;
    return kept->told;
}

static void facts_tell(const struct tt_quarantine_facts *facts, bool in_signal)
{
    struct tt_text text;
    tt_text_make(&text);
    if (tt_ref_tell.touched)
        tt_ref_tell.touched(facts, &text);
    else
        tt_text_add(&text, "`%s` was used after its free", facts->name);
    tt_failure_tell(&(struct tether_failure){ .kind = TETHER_FAILURE_MISUSE,
                                              .message = text.data,
                                              .stop = in_signal,
                                              .in_malloc = in_signal });
    tt_text_drop(&text);
}

/* ---- faults ---- */

struct ref_pages tt_quarantine_pages(const struct tt_block *block)
{
    const uintptr_t start = (uintptr_t)block->address;
    return (struct ref_pages){
        .start = (start + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1),
        .end = (start + block->size) & ~(PAGE_BYTES - 1),
    };
}

static void pages_protect(const struct ref_pages *pages, int how)
{
    const int before = errno;
    mprotect((void *)pages->start, pages->end - pages->start, how);
    errno = before;
}

/* Protects the object's pages and lets the handler know. The lock is held. */
static void trap_set(struct kept *kept)
{
    const struct ref_pages pages = tt_quarantine_pages(&kept->block);
    for (unsigned i = 0; i < TRAPS && pages.start < pages.end; i++) {
        struct trap *const trap = &traps[i];
        if (atomic_load(&trap->start))
            continue;
        trap->end = pages.end;
        trap->facts = kept->facts;
        trap->base = (uintptr_t)kept->block.address;
        atomic_store(&trap->start, pages.start);
        kept->trapped = pages;
        pages_protect(&pages, PROT_NONE);
        return;
    }
}

static void trap_clear(struct kept *kept)
{
    if (kept->trapped.start >= kept->trapped.end)
        return;
    pages_protect(&kept->trapped, PROT_READ | PROT_WRITE);
    for (unsigned i = 0; i < TRAPS; i++)
        if (atomic_load(&traps[i].start) == kept->trapped.start)
            atomic_store(&traps[i].start, 0);
    kept->trapped = (struct ref_pages){ 0 };
}

static struct trap *trap_at(uintptr_t address)
{
    for (unsigned i = 0; i < TRAPS; i++) {
        const uintptr_t start = atomic_load(&traps[i].start);
        if (start && address >= start && address < traps[i].end)
            return &traps[i];
    }
    return NULL;
}

/* The first frame is where the handler returns to, in libc. */
static uint32_t stack_of_fault(void *frame)
{
    uintptr_t frames[USER_FRAMES];
    const unsigned count = tt_stack_walk(frame, frames, USER_FRAMES);
    return count > 1 ? tt_stack_intern(frames + 1, count - 1) : 0;
}

/* Tells of a use that the processor found; then, and for any other fault, the
 * fault is the earlier handler's: it comes again when this returns. */
static void fault_seen(int number, siginfo_t *info, void *context)
{
    const uintptr_t address = (uintptr_t)info->si_addr;
    const struct trap *const trap =
        info->si_code == SEGV_ACCERR ? trap_at(address) : NULL;
    if (trap) {
        struct tt_quarantine_facts facts = trap->facts;
        facts.trapped = true;
        facts.write = tt_os_fault_wrote(context);
        facts.offset = address - trap->base;
        facts.use_stack = stack_of_fault(__builtin_frame_address(0));
        facts_tell(&facts, true);
    }
    sigaction(number, &handler_before, NULL);
}

bool tt_quarantine_trap_setup(void)
{
    struct sigaction now;
    struct sigaction mine = { .sa_sigaction = fault_seen,
                              .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&mine.sa_mask);
    if (sigaction(SIGSEGV, NULL, &now) != 0)
        return false;
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == fault_seen)
        return true;
    handler_before = now;
    return sigaction(SIGSEGV, &mine, NULL) == 0;
}

/* ---- entering and leaving ---- */

static struct kept **bucket_of(uint64_t bits)
{
    return &quarantine.bucket[(bits * UINT64_C(0x9e3779b97f4a7c15)) >> 52];
}

static void limit_read(void)
{
    quarantine.bytes_max = BYTES_MAX;
    tt_os_env_size("TETHER_QUARANTINE", &quarantine.bytes_max);
    quarantine.ready = true;
}

static uint64_t kept_bytes(const struct kept *kept)
{
    return TT_MAX(kept->block.size, 16);
}

static void kept_link(struct kept *kept)
{
    struct kept **const bucket = bucket_of(kept->bits);
    kept->bucket_next = *bucket;
    *bucket = kept;
    kept->older = quarantine.newest;
    *(quarantine.newest ? &quarantine.newest->newer : &quarantine.oldest) =
        kept;
    quarantine.newest = kept;
    quarantine.bytes += kept_bytes(kept);
}

static void kept_cut(struct kept *kept)
{
    struct kept **link = bucket_of(kept->bits);
    while (*link != kept)
        link = &(*link)->bucket_next;
    *link = kept->bucket_next;
    *(kept->older ? &kept->older->newer : &quarantine.oldest) = kept->newer;
    *(kept->newer ? &kept->newer->older : &quarantine.newest) = kept->older;
    kept->newer = kept->older = NULL;
    quarantine.bytes -= kept_bytes(kept);
}

bool tt_quarantine_enter(const struct quarantine_ask *ask,
                         const struct tt_block *block,
                         const struct tt_death *death)
{
    tt_lock_take(&quarantine.lock);
    if (!quarantine.ready)
        limit_read();
    struct kept *const kept =
        block->size <= quarantine.bytes_max && quarantine.bytes_max > 0
            ? tt_mem_take(sizeof *kept)
            : NULL;
    if (kept) {
        kept->bits = ask->bits;
        kept->block = *block;
        kept->facts = (struct tt_quarantine_facts){
            .name = ask->name,
            .size = block->size,
            .alloc_stack = block->stack,
            .free_stack = death->stack,
        };
        block_fill(kept);
        if (ask->trap)
            trap_set(kept);
        kept_link(kept);
    }
    tt_lock_give(&quarantine.lock);
    return kept != NULL;
}

static void kept_release(struct kept *kept)
{
    trap_clear(kept);
    tt_block_release(&kept->block);
}

void tt_quarantine_trim(void)
{
    for (;;) {
        tt_lock_take(&quarantine.lock);
        struct kept *const kept =
            quarantine.bytes > quarantine.bytes_max ? quarantine.oldest : NULL;
        if (kept)
            kept_cut(kept);
        tt_lock_give(&quarantine.lock);
        if (!kept)
            return;
        const bool touched = kept_is_touched(kept);
        kept_release(kept);
        if (!touched) {
            tt_mem_give(kept, sizeof *kept);
            continue;
        }
        tt_lock_take(&quarantine.lock);
        kept->newer = quarantine.found;
        quarantine.found = kept;
        tt_lock_give(&quarantine.lock);
    }
}

void tt_quarantine_leave(uint64_t bits)
{
    tt_lock_take(&quarantine.lock);
    struct kept *kept = *bucket_of(bits);
    while (kept && kept->bits != bits)
        kept = kept->bucket_next;
    if (kept)
        kept_cut(kept);
    tt_lock_give(&quarantine.lock);
    if (!kept)
        return; /* it was the oldest, and over the limit */
    const bool touched = kept_is_touched(kept);
    kept_release(kept);
    if (touched)
        facts_tell(&kept->facts, false);
    tt_mem_give(kept, sizeof *kept);
}

/* The facts of the next one that is to be told. */
static bool touched_next(struct tt_quarantine_facts *facts)
{
    struct kept *gone = NULL;
    bool touched = false;
    tt_lock_take(&quarantine.lock);
    if (quarantine.found) {
        gone = quarantine.found;
        quarantine.found = gone->newer;
        *facts = gone->facts;
    }
    for (struct kept *kept = quarantine.oldest; kept && !gone && !touched;
         kept = kept->newer) {
        touched = kept_is_touched(kept);
        if (touched)
            *facts = kept->facts;
    }
    tt_lock_give(&quarantine.lock);
    tt_mem_give(gone, sizeof *gone);
    return gone || touched;
}

size_t tt_quarantine_tell(void)
{
    struct tt_quarantine_facts facts;
    size_t count = 0;
    while (touched_next(&facts)) {
        facts_tell(&facts, false);
        count++;
    }
    return count;
}

void tt_quarantine_lock(void)
{
    tt_lock_take(&quarantine.lock);
}

void tt_quarantine_unlock(void)
{
    tt_lock_give(&quarantine.lock);
}
