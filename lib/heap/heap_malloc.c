/* SPDX-License-Identifier: MIT */
/*
 * The common paths of malloc, calloc and free, and the C entry points of the
 * family. The common path of malloc is: within the thread's stops, take a
 * block of mimalloc's, write two words before it, mark the shadow. Everything
 * else (big or aligned blocks, a stop that was reached, Tether's own calls)
 * goes to heap_alloc.c.
 *
 * Hook: this file is the hook. Each function that has a stack captured keeps a
 * frame pointer, from which lib/stack walks.
 */
#include "heap/heap_fast.h"

#include "heap/heap_asan.h"

#include "os/os.h"

#include <errno.h>
#include <mimalloc.h>
#include <string.h>
#include <unistd.h>

#define ENTRY  __attribute__((visibility("default"), noinline))
#define FRAME  __builtin_frame_address(0)
#define CALLER __builtin_return_address(0)
#ifdef __clang__ /* has no 'copy', and does not warn without it */
#    define ALIAS(name) __attribute__((visibility("default"), alias(#    name)))
#else
#    define ALIAS(name) \
        __attribute__((visibility("default"), alias(#name), copy(name)))
#endif

TT_NOINLINE void mi_free_errno(void *base)
{
    const int before = errno;
    mi_free(base);
    errno = before;
}

TT_NOINLINE void *small_born_stack(const struct tt_slot *slot, uint64_t *words,
                                   size_t size)
{
    words[1] = word1_of(stack_of_alloc(FRAME), slot->thread_bits, size, 0);
    return words + 2;
}

/* The first block of a region: makes it. */
static TT_COLD bool small_enter_slowly(uint64_t *words, size_t size)
{
    const int before = errno;
    const bool entered =
        shadow_enter((uintptr_t)words + HEADER_BYTES, size, SHADOW_SMALL);
    errno = before;
    return entered;
}

/* Gives a block of mimalloc's its header and its place in the shadow. */
TT_INLINE void *small_enter(struct tt_slot *slot, uint64_t *words, size_t size,
                            void *frame)
{
    const uintptr_t address = (uintptr_t)words + HEADER_BYTES;
    struct region *const region = region_of(address);
    if (TT_LIKELY(words != NULL)) {
        words[0] = slot->stamp;
        if (TT_LIKELY(region != NULL))
            *shadow_of(region, address) = SHADOW_SMALL;
        if (TT_LIKELY(region != NULL) || small_enter_slowly(words, size)) {
            words[1] =
                word1_of(stack_of_alloc(frame), slot->thread_bits, size, 0);
            return words + 2;
        }
        mi_free_errno(words);
    }
    slot->total -= (int64_t)size;
    slot->stamp -= STAMP_ONE;
    return NULL;
}

TT_NOINLINE void *small_fresh(struct tt_slot *slot, size_t size, bool zeroed,
                              void *frame)
{
    const size_t bytes = cache_round(size);
    return small_enter(slot, zeroed ? mi_zalloc(bytes) : mi_malloc(bytes), size,
                       frame);
}

static TT_NOINLINE void *malloc_slow(size_t size)
{
    return alloc_slow(&(struct request){ .size = size, .frame = FRAME });
}

static TT_NOINLINE void *malloc_miss(struct tt_slot *slot, size_t size)
{
    void *const block =
        small_enter(slot, mi_malloc(cache_round(size)), size, FRAME);
    return TT_LIKELY(block != NULL)
               ? block
               : alloc_slow(&(struct request){ .size = size, .frame = FRAME });
}

ENTRY void *malloc(size_t size)
{
    return fast_alloc(size, false, malloc_miss, malloc_slow);
}

static TT_NOINLINE void *calloc_slow(size_t size)
{
    return alloc_slow(
        &(struct request){ .size = size, .zeroed = true, .frame = FRAME });
}

static TT_NOINLINE void *calloc_miss(struct tt_slot *slot, size_t size)
{
    void *const block = small_fresh(slot, size, true, FRAME);
    return TT_LIKELY(block != NULL)
               ? block
               : alloc_slow(&(struct request){
                     .size = size, .zeroed = true, .frame = FRAME });
}

ENTRY void *calloc(size_t count, size_t each)
{
    size_t size;
    if (__builtin_mul_overflow(count, each, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    return fast_alloc(size, true, calloc_miss, calloc_slow);
}

static TT_NOINLINE void free_rest(void *address)
{
    if (address)
        free_slow(address, FRAME, "free");
}

ENTRY void free(void *address)
{
    if (TT_UNLIKELY(!fast_free(address, CALLER)))
        free_rest(address);
}

TT_INLINE void *realloc_by(void *address, size_t size, void *frame,
                           const char *call)
{
    if (!address)
        return alloc_slow(&(struct request){ .size = size, .frame = frame });
    if (size == 0) {
        /* As glibc does. */
        free_slow(address, frame, call);
        return NULL;
    }
    return realloc_slow(address, size, frame, call);
}

ENTRY void *realloc(void *address, size_t size)
{
    return realloc_by(address, size, FRAME, "realloc");
}

ENTRY void *reallocarray(void *address, size_t count, size_t each)
{
    size_t size;
    if (__builtin_mul_overflow(count, each, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc_by(address, size, FRAME, "reallocarray");
}

/* Rounds up to a power of two as glibc's memalign does. 0: it cannot be. */
static size_t alignment_up(size_t alignment)
{
    size_t power = 16;
    if (alignment > SIZE_MAX / 2 + 1)
        return 0;
    while (power < alignment)
        power <<= 1;
    return power;
}

ENTRY void *memalign(size_t alignment, size_t size)
{
    const size_t power = alignment_up(alignment);
    if (power == 0) {
        errno = EINVAL;
        return NULL;
    }
    return alloc_slow(
        &(struct request){ .size = size, .alignment = power, .frame = FRAME });
}

ENTRY int posix_memalign(void **place, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) != 0 || alignment == 0 ||
        (alignment & (alignment - 1)) != 0)
        return EINVAL;
    const int before = errno;
    void *const block = alloc_slow(&(struct request){
        .size = size, .alignment = TT_MAX(alignment, 16), .frame = FRAME });
    errno = before;
    if (!block)
        return ENOMEM;
    *place = block;
    return 0;
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

ENTRY void *valloc(size_t size)
{
    return alloc_slow(&(struct request){
        .size = size, .alignment = page_bytes(), .frame = FRAME });
}

ENTRY void *pvalloc(size_t size)
{
    const size_t page = page_bytes();
    if (size > SIZE_MAX - page) {
        errno = ENOMEM;
        return NULL;
    }
    return alloc_slow(&(struct request){
        .size = (size + page - 1) & -page, .alignment = page, .frame = FRAME });
}

ENTRY size_t malloc_usable_size(void *address)
{
    struct tt_block block;
    uint8_t kind;
    return block_at(address, &block, &kind) ? block.size : 0;
}

/* What heap_asan.c compares the program's malloc with. */
extern void *malloc_here(size_t size) __attribute__((visibility("hidden")));
/* By the assembler, as clang takes an alias for what it stands for, which is
 * the program's malloc, whoever has it. */
__asm__(".globl malloc_here\n.hidden malloc_here\n.set malloc_here, malloc");
void *(*heap_own_malloc)(size_t) = malloc_here;

/* The same function in glibc 2.36, too. */
void *aligned_alloc(size_t alignment, size_t size) ALIAS(memalign);

/* Names under which glibc's heap is reached too. */
void cfree(void *address) ALIAS(free);
void *__libc_malloc(size_t size) ALIAS(malloc);
void *__libc_calloc(size_t count, size_t each) ALIAS(calloc);
void *__libc_realloc(void *address, size_t size) ALIAS(realloc);
void __libc_free(void *address) ALIAS(free);
void __libc_cfree(void *address) ALIAS(free);
void *__libc_memalign(size_t alignment, size_t size) ALIAS(memalign);
void *__libc_valloc(size_t size) ALIAS(valloc);
void *__libc_pvalloc(size_t size) ALIAS(pvalloc);
int __posix_memalign(void **place, size_t alignment, size_t size)
    ALIAS(posix_memalign);
