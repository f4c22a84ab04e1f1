/* SPDX-License-Identifier: MIT */
/*
 * C++'s operator new and delete, under their mangled names, so that this
 * library needs no C++ run-time: where the program has one, its new-handler
 * runs and std::bad_alloc is thrown by libstdc++'s (or libc++'s) own helper.
 *
 * Hook: all of it; a new-handler is the program's and runs outside of any
 * lock of ours.
 */
#include "heap/heap_fast.h"

#include <stdlib.h>

#define ENTRY       __attribute__((visibility("default"), noinline))
#define FRAME       __builtin_frame_address(0)
#define CALLER      __builtin_return_address(0)
#define NAMED(name) __asm__(name)

typedef void (*new_handler)(void);
extern new_handler get_new_handler(void) NAMED("_ZSt15get_new_handlerv")
    __attribute__((weak));
extern void throw_bad_alloc(void) NAMED("_ZSt17__throw_bad_allocv")
    __attribute__((weak, noreturn));

/* As the standard has it: try, call the handler, try again. */
static void *new_slow(const struct request *request, bool throws)
{
    for (;;) {
        void *const block = alloc_slow(request);
        if (block)
            return block;
        const new_handler handler = get_new_handler ? get_new_handler() : NULL;
        if (handler) {
            handler();
            continue;
        }
        if (!throws)
            return NULL;
        if (throw_bad_alloc)
            throw_bad_alloc();
        abort();
    }
}

/* The common path's way out, with an exception and without. */
#define NEW_REST(name, throws)                                                \
    static TT_NOINLINE void *new_slow_##name(size_t size)                     \
    {                                                                         \
        return new_slow(&(struct request){ .size = size, .frame = FRAME },    \
                        throws);                                              \
    }                                                                         \
    static TT_NOINLINE void *new_miss_##name(struct tt_slot *slot,            \
                                             size_t size)                     \
    {                                                                         \
        void *const block = small_fresh(slot, size, false, FRAME);            \
        return block ? block                                                  \
                     : new_slow(                                              \
                           &(struct request){ .size = size, .frame = FRAME }, \
                           throws);                                           \
    }

NEW_REST(throwing, true)
NEW_REST(nothrow, false)

#define NEW(function, mangled)                                                \
    ENTRY void *function(size_t size) NAMED(mangled);                         \
    void *function(size_t size)                                               \
    {                                                                         \
        return fast_alloc(size, false, new_miss_throwing, new_slow_throwing); \
    }
#define NEW_NOTHROW(function, mangled)                                      \
    ENTRY void *function(size_t size, const void *tag) NAMED(mangled);      \
    void *function(size_t size, const void *tag)                            \
    {                                                                       \
        (void)tag;                                                          \
        return fast_alloc(size, false, new_miss_nothrow, new_slow_nothrow); \
    }
#define NEW_ALIGNED(function, mangled)                                  \
    ENTRY void *function(size_t size, size_t alignment) NAMED(mangled); \
    void *function(size_t size, size_t alignment)                       \
    {                                                                   \
        return new_slow(&(struct request){ .size = size,                \
                                           .alignment = alignment,      \
                                           .frame = FRAME },            \
                        true);                                          \
    }
#define NEW_ALIGNED_NOTHROW(function, mangled)                           \
    ENTRY void *function(size_t size, size_t alignment, const void *tag) \
        NAMED(mangled);                                                  \
    void *function(size_t size, size_t alignment, const void *tag)       \
    {                                                                    \
        (void)tag;                                                       \
        return new_slow(&(struct request){ .size = size,                 \
                                           .alignment = alignment,       \
                                           .frame = FRAME },             \
                        false);                                          \
    }

NEW(new_one, "_Znwm")
NEW(new_array, "_Znam")
NEW_NOTHROW(new_one_nothrow, "_ZnwmRKSt9nothrow_t")
NEW_NOTHROW(new_array_nothrow, "_ZnamRKSt9nothrow_t")
NEW_ALIGNED(new_one_aligned, "_ZnwmSt11align_val_t")
NEW_ALIGNED(new_array_aligned, "_ZnamSt11align_val_t")
NEW_ALIGNED_NOTHROW(new_one_aligned_nothrow,
                    "_ZnwmSt11align_val_tRKSt9nothrow_t")
NEW_ALIGNED_NOTHROW(new_array_aligned_nothrow,
                    "_ZnamSt11align_val_tRKSt9nothrow_t")

static TT_NOINLINE void delete_rest(void *address)
{
    if (address)
        free_slow(address, FRAME, "delete");
}

/* Every form of delete frees; sizes and alignments are ours to know. */
#define DELETE(function, mangled, ...)                                \
    ENTRY void function(void *address, ##__VA_ARGS__) NAMED(mangled); \
    void function(void *address, ##__VA_ARGS__)                       \
    {                                                                 \
        if (TT_UNLIKELY(!fast_free(address, CALLER)))                 \
            delete_rest(address);                                     \
    }

DELETE(delete_one, "_ZdlPv")
DELETE(delete_array, "_ZdaPv")
DELETE(delete_one_sized, "_ZdlPvm", size_t a __attribute__((unused)))
DELETE(delete_array_sized, "_ZdaPvm", size_t a __attribute__((unused)))
DELETE(delete_one_nothrow, "_ZdlPvRKSt9nothrow_t",
       const void *a __attribute__((unused)))
DELETE(delete_array_nothrow, "_ZdaPvRKSt9nothrow_t",
       const void *a __attribute__((unused)))
DELETE(delete_one_aligned, "_ZdlPvSt11align_val_t",
       size_t a __attribute__((unused)))
DELETE(delete_array_aligned, "_ZdaPvSt11align_val_t",
       size_t a __attribute__((unused)))
DELETE(delete_one_sized_aligned, "_ZdlPvmSt11align_val_t",
       size_t a __attribute__((unused)), size_t b __attribute__((unused)))
DELETE(delete_array_sized_aligned, "_ZdaPvmSt11align_val_t",
       size_t a __attribute__((unused)), size_t b __attribute__((unused)))
DELETE(delete_one_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t",
       size_t a __attribute__((unused)), const void *b __attribute__((unused)))
DELETE(delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t",
       size_t a __attribute__((unused)), const void *b __attribute__((unused)))
