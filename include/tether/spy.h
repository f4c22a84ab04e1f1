/* SPDX-License-Identifier: MIT */
#ifndef TETHER_SPY_H
#define TETHER_SPY_H
/**
 * Spies: a function that stands before another one, writes each call down,
 * and calls through. For code that takes callbacks, above all destructors:
 *
 *     GDestroyNotify drop = tether_spy_make(node_free, "void (ptr:dies)");
 *     GHashTable *table = g_hash_table_new_full(hash, equal, NULL, drop);
 *     ...
 *     ASSERT_CALLED_ONCE_PER_OBJECT(drop);
 *     tether_spy_drop(drop);
 *
 * A spy is a pointer of the same type as its function; every call below takes
 * that pointer. A call that is given an object which is dead already is told
 * as a failure at once, with the stacks of both.
 *
 * The signature says what the arguments are and what they mean:
 *
 *     "ptr:born (size)"                a constructor: what it returns is born
 *     "void (ptr:dies, ptr:data)"      a destructor with user data
 *     "int (ptr:borrowed, double)"     a call that only uses its object
 *
 * Types: void, ptr (or anything that ends in '*'), bool, char, schar, uchar,
 * short, ushort, int, uint, long, ulong, 'long long', 'unsigned long', size,
 * ssize, intptr, uintptr, ptrdiff, int8 to int64, uint8 to uint64 (with _t or
 * without), float, double, 'long double'. An enum is an int or uint. Functions
 * with '...' and structs by value are refused.
 *
 * Roles, of pointers: 'dies' (when the call has returned it is dead), 'born'
 * (a new object; also of the result), 'borrowed', 'kept', 'moved' (it must be
 * alive at the call), 'data' (no object). NULL is no object.
 *
 * Any thread; recursion is written down call by call, and a longjmp out of a
 * spied function leaves a call that did not return.
 */
#include <stddef.h>
#include <stdint.h>
#include <tether/api.h>
#include <tether/check.h>
#include <tether/options.h>
#include <tether/ref.h>
#include <tether/value.h>

TETHER_BEGIN_DECLS

/** Any function; what a spy is to the calls below. */
typedef void (*tether_function)(void);

/** One call, as it was written down. */
struct tether_spy_call {
    uint64_t order;   /**< among the calls of all spies, from 1 */
    uint64_t time_ns; /**< CLOCK_MONOTONIC, when it began */
    uint32_t thread;  /**< number of the calling thread, the first is 1 */
    uint32_t stack;   /**< of the caller, see tether_stack_text */
    int returned;     /**< 0: it runs still, or was left by a longjmp */
    unsigned count;   /**< of arguments */
    const struct tether_value *args; /**< a long double as a double */
    struct tether_value result;      /**< of void: a count of 0 */
};

typedef void (*tether_spy_fn)(const struct tether_spy_call *call, void *ctx);

#define TETHER_SPY_ARGS_MAX 16

/**
 * Makes a spy of 'function'. 'signature' and 'name' are the caller's and must
 * live as long as the process (string constants do). A signature that is not
 * understood is a programmer's mistake, and stops with a line that says why.
 * In C++ its number of arguments is compared with the function's; in C
 * tether_spy_make_typed does so.
 *
 * Returns a function of the same type; give it back with tether_spy_drop. It
 * is 'function' itself where there is no memory: then every check answers
 * that it is unchecked.
 *
 * Cost: a call takes some 150 ns more than a direct one. At most 1,048,576
 * calls of a spy are kept; further ones are only counted.
 */
TETHER_API tether_function tether_spy_make_at(tether_function function,
                                              const char *name,
                                              const char *signature, int arity,
                                              const char *file, unsigned line);
#define tether_spy_make(function, signature)                 \
    ((__typeof__(&*(function)))tether_spy_make_at(           \
        (tether_function)(function), #function, (signature), \
        TETHER_SPY_ARITY_(function), __FILE__, __LINE__))

/**
 * The same with the function's type in C beside it, its result first, then
 * its arguments: what is not its type does not compile, and a signature that
 * has more or fewer arguments stops. Not for C++, where tether_spy_make knows.
 *
 *     drop = tether_spy_make_typed(free, "void (ptr:dies)", void, void *);
 */
#define tether_spy_make_typed(function, signature, result, ...)         \
    ((result(*)(__VA_ARGS__))tether_spy_make_at(                        \
        (tether_function)(function), #function, (signature),            \
        (int)sizeof(                                                    \
            char[__builtin_types_compatible_p(__typeof__(&*(function)), \
                                              result (*)(__VA_ARGS__))  \
                     ? TETHER_COUNT_(__VA_ARGS__) + 1                   \
                     : -1]) -                                           \
            1 -                                                         \
            __builtin_types_compatible_p(void (*)(void),                \
                                         void (*)(__VA_ARGS__)),        \
        __FILE__, __LINE__))

/** How often the spy was called. Calls that a signal's handler made while its
 *  thread was writing another call down are counted, and not kept. */
TETHER_API size_t tether_spy_calls(tether_function spy);
#define tether_spy_calls(spy) tether_spy_calls((tether_function)(spy))

/** Calls back for each call that is kept, oldest first, on this thread. 'see'
 *  may do all but drop the spy; what it is given lives for its call. Returns
 * how many. */
TETHER_API size_t tether_spy_visit(tether_function spy, tether_spy_fn see,
                                   void *ctx);
#define tether_spy_visit(spy, see, ctx) \
    tether_spy_visit((tether_function)(spy), (see), (ctx))

/** Ends the spying and forgets the calls. The pointer stays good to be called:
 *  a call is told as a failure, once, and goes through. Other uses of it stop
 *  the program. */
TETHER_API void tether_spy_drop(tether_function spy);
#define tether_spy_drop(spy) tether_spy_drop((tether_function)(spy))

/** The checks behind the assertions; see <tether/check.h>. */
TETHER_API enum tether_outcome tether_check_called(tether_function spy,
                                                   size_t count,
                                                   struct tether_message *why);
TETHER_API enum tether_outcome
tether_check_called_once_per_object(tether_function spy,
                                    struct tether_message *why);
TETHER_API enum tether_outcome
tether_check_never_called_after(tether_function spy, tether_weak ref,
                                struct tether_message *why);

TETHER_END_DECLS

/* The number of a function's arguments; -1: not known, -2: it is variadic. */
#ifndef __cplusplus
#    define TETHER_SPY_ARITY_(function) (-1)
#else
template <typename Result, typename... Args>
inline int tether_spy_arity_(Result (*)(Args...))
{
    return (int)sizeof...(Args);
}
template <typename Result, typename... Args>
inline int tether_spy_arity_(Result (*)(Args..., ...))
{
    return -2;
}
#    define TETHER_SPY_ARITY_(function) tether_spy_arity_(&*(function))
#endif

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_SPY
#    include <tether/disable.h>
#endif
#endif
