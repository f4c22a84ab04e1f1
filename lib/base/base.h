/* SPDX-License-Identifier: MIT */
#ifndef TT_BASE_H
#define TT_BASE_H
/*
 * What every part needs: branch hints, the thread's own record with the
 * recursion guard, and the end of the program after a programmer's mistake.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TT_LIKELY(x)   __builtin_expect(!!(x), 1)
#define TT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TT_NOINLINE    __attribute__((noinline))
#define TT_COLD        __attribute__((noinline, cold))
#define TT_INLINE      static inline __attribute__((always_inline))
#define TT_COUNT(a)    (sizeof(a) / sizeof(*(a)))
#define TT_MIN(a, b)   ((a) < (b) ? (a) : (b))
#define TT_MAX(a, b)   ((a) > (b) ? (a) : (b))

struct tt_slot;

#define TT_CACHE_CLASSES 129 /* up to lib/heap's largest small block */

/*
 * One thread's record, in static TLS so that malloc can use it at any time.
 * 'inside' counts how deep the thread is in Tether: while it is not zero the
 * thread's allocations are Tether's (or its caller's on Tether's behalf) and
 * are neither counted nor reported.
 *
 * 'fast' is what the common path of malloc and free tests: NULL sends them to
 * the slow path, which looks at the rest and opens it again ('home') where
 * nothing speaks against it.
 */
struct tt_thread {
    /* lib/heap's (heap_cache.h); first, as nothing is cheaper to index */
    uintptr_t cache[TT_CACHE_CLASSES];
    struct tt_slot *fast;
    struct tt_slot *home; /* counters; NULL before the first allocation */
    uint32_t inside;      /* the recursion guard */
    uint32_t one_time;    /* depth of ONE_TIME scopes */
    uint32_t telling;     /* scopes of which it is told a breach */
    uintptr_t stack_top;  /* end of this thread's stack, 0 if unknown */
    void *stack_cache;    /* lib/stack's, NULL at first */
    bool is_set_up;       /* false while the loader relocates the program:
                             what is written here is lost then */
    bool is_ending;       /* its last destructors run */
};

extern _Thread_local struct tt_thread tt_self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

TT_INLINE void tt_enter(void)
{
    tt_self.inside++;
    tt_self.fast = NULL;
}

TT_INLINE void tt_leave(void)
{
    /* 'fast' stays closed: the next slow path knows whether it may open. */
    --tt_self.inside;
}

/* Says what a caller did wrong, with the call's name, and aborts.
 * 'text' is one sentence that names the remedy. */
_Noreturn void tt_die(const char *call, const char *text, ...)
    __attribute__((format(printf, 2, 3), cold));

#endif
