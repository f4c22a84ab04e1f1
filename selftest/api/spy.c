/* SPDX-License-Identifier: MIT */
/* Spies: what is passed on and written down, who is told of dead objects, and
 * what recursion, longjmp and a drop do to them. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>

/* ---- what is told ---- */

static int told;
static char said[2000];

static void hear(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    __atomic_add_fetch(&told, 1, __ATOMIC_RELAXED);
    snprintf(said, sizeof said, "%s", failure->message);
}

static void listen_to_failures(void)
{
    tether_on_failure(hear, NULL);
}

static char why_text[sizeof(struct tether_message)];

static int fails(enum tether_outcome outcome, const struct tether_message *why)
{
    memcpy(why_text, why, sizeof why_text);
    return outcome == TETHER_FAILED;
}

TestSuite(spy, .init = listen_to_failures);

/* ---- passing on ---- */

static long double sum(signed char a, unsigned char b, short c,
                       unsigned short d, int e, unsigned f, long g,
                       unsigned long h, float i, double j, long double k,
                       _Bool l, void *m)
{
    return a + b + c + d + e + f + g + h + i + j + k + l + (m == &told);
}

static void see_sum(const struct tether_spy_call *call, void *ctx)
{
    const struct tether_value *const args = call->args;
    *(int *)ctx += 1;
    cr_assert_eq(call->count, 13u);
    cr_assert_eq(args[0].as.number, -1);
    cr_assert_eq(args[1].as.count, 250u);
    cr_assert_eq(args[2].as.number, -300);
    cr_assert_eq(args[3].as.count, 65000u);
    cr_assert_eq(args[4].as.number, -70000);
    cr_assert_eq(args[5].as.count, 4000000000u);
    cr_assert_eq(args[6].as.number, -5000000000);
    cr_assert_eq(args[7].as.count, 1ull << 63);
    cr_assert(args[8].real == 0.5L);
    cr_assert(args[9].real == 0.25L);
    cr_assert(args[10].real == 0.125L);
    cr_assert_eq(args[11].kind, TETHER_VALUE_BOOL);
    cr_assert_eq(args[11].as.count, 1u);
    cr_assert_eq(args[12].as.object, (void *)&told);
    cr_assert_eq(call->returned, 1);
    cr_assert_eq(call->result.kind, TETHER_VALUE_LONG_DOUBLE);
}

Test(spy, passes_every_type_on)
{
    int seen = 0;
    __typeof__(&sum) spy = tether_spy_make_typed(
        sum,
        "long double (schar, uchar, short, ushort, int, uint, long, ulong,"
        " float, double, long double, bool, ptr)",
        long double, signed char, unsigned char, short, unsigned short, int,
        unsigned, long, unsigned long, float, double, long double, _Bool,
        void *);
    const long double direct =
        sum(-1, 250, -300, 65000, -70000, 4000000000u, -5000000000, 1ul << 63,
            0.5f, 0.25, 0.125L, 1, &told);
    cr_assert_neq((void *)spy, (void *)sum);
    cr_assert(spy(-1, 250, -300, 65000, -70000, 4000000000u, -5000000000,
                  1ul << 63, 0.5f, 0.25, 0.125L, 1, &told) == direct);
    cr_assert_eq(tether_spy_visit(spy, see_sum, &seen), 1u);
    cr_assert_eq(seen, 1);
    tether_spy_drop(spy);
}

static short negative(char c)
{
    errno = c == 'x' ? EILSEQ : errno;
    return -7;
}

static void see_negative(const struct tether_spy_call *call, void *ctx)
{
    (void)ctx;
    cr_assert_eq(call->result.as.number, -7);
    cr_assert_eq(call->args[0].as.number, 'x');
    cr_assert_eq(call->thread, 1u);
    cr_assert(call->time_ns);
}

Test(spy, keeps_errno_and_narrow_results)
{
    short (*spy)(char) = tether_spy_make(negative, "short (char)");
    errno = 0;
    cr_assert_eq(spy('x'), -7);
    cr_assert_eq(errno, EILSEQ);
    errno = EDOM;
    tether_spy_visit(spy, see_negative, NULL);
    cr_assert_eq(spy('y'), -7);
    cr_assert_eq(errno, EDOM);
    ASSERT_CALLED(spy, 2);
    tether_spy_drop(spy);
}

/* ---- the caller's stack ---- */

__attribute__((noinline)) static void a_caller_by_name(void (*spy)(void *))
{
    spy(NULL);
    __asm__ volatile("");
}

static void see_stack(const struct tether_spy_call *call, void *ctx)
{
    tether_stack_text(call->stack, ctx, 500);
}

Test(spy, knows_the_caller)
{
    char text[500] = "";
    void (*spy)(void *) = tether_spy_make(free, "void (ptr:dies)");
    a_caller_by_name(spy);
    tether_spy_visit(spy, see_stack, text);
    cr_assert(strstr(text, "a_caller_by_name") &&
                  strstr(text, "a_caller_by_name") < strchr(text, '\n'),
              "%s", text);
    tether_spy_drop(spy);
}

/* ---- objects ---- */

static void keep(void *object)
{
    (void)object;
}

Test(spy, a_destructor_is_fine_once_an_object)
{
    void (*spy)(void *) = tether_spy_make(free, "void (ptr:dies)");
    for (int i = 0; i < 1000; i++)
        spy(malloc(40)); /* the same address each time */
    spy(NULL);
    cr_assert_eq(told, 0, "%s", said);
    ASSERT_CALLED(spy, 1001);
    ASSERT_CALLED_ONCE_PER_OBJECT(spy);
    tether_spy_drop(spy);
}

Test(spy, destroying_twice_is_told_once)
{
    struct tether_message why;
    void (*spy)(void *) = tether_spy_make(keep, "void (ptr:dies)");
    char *const object = malloc(10);
    spy(object);
    cr_assert_eq(told, 0);
    spy(object);
    cr_assert_eq(told, 1);
    cr_assert(strstr(said, "`keep` was called twice to destroy one object"),
              "%s", said);
    spy(object);
    cr_assert_eq(told, 1);
    cr_assert(fails(
        tether_check_called_once_per_object((tether_function)spy, &why), &why));
    cr_assert(strstr(why_text, "more than once for one object"));
    tether_spy_drop(spy);
    free(object);
}

Test(spy, a_freed_object_is_told)
{
    int (*spy)(const char *) = tether_spy_make(puts, "int (ptr:borrowed)");
    char *const object = strdup("spied");
    const uintptr_t address = (uintptr_t)object;
    spy(object);
    free(object);
    cr_assert_eq(told, 0);
    void (*look)(void *) = tether_spy_make(keep, "void (ptr:borrowed)");
    look((void *)address);
    cr_assert_eq(told, 1);
    cr_assert(strstr(said, "`keep` was called with an object that was freed "
                           "already"),
              "%s", said);
    tether_spy_drop(look);
    tether_spy_drop(spy);
}

Test(spy, another_spy_knows_of_the_death)
{
    static char pool[64];
    void (*put)(void *) = tether_spy_make(keep, "void (ptr:dies)");
    void (*use)(void *) = tether_spy_make(keep, "void (ptr:moved)");
    use(pool);
    put(pool);
    cr_assert_eq(told, 0);
    use(pool);
    cr_assert_eq(told, 1);
    cr_assert(strstr(said, "`keep` had destroyed"), "%s", said);
    tether_spy_drop(put);
    tether_spy_drop(use);
}

static char slab[64];

static void *slab_take(size_t size)
{
    return size ? slab : NULL;
}

Test(spy, what_is_born_again_is_another)
{
    void *(*get)(size_t) = tether_spy_make(slab_take, "ptr:born (size)");
    void (*put)(void *) = tether_spy_make(keep, "void (ptr:dies)");
    for (int i = 0; i < 3; i++)
        put(get(8));
    cr_assert_eq(told, 0, "%s", said);
    ASSERT_CALLED_ONCE_PER_OBJECT(put);
    put(slab);
    cr_assert_eq(told, 1);
    cr_assert(strstr(said, "made by"), "%s", said);
    tether_spy_drop(get);
    tether_spy_drop(put);
}

/* A request that is too large ends the program under AddressSanitizer. */
#ifndef __SANITIZE_ADDRESS__
Test(spy, a_realloc_that_fails_kills_nothing)
{
    void *(*grow)(void *, size_t) =
        tether_spy_make(realloc, "ptr:born (ptr:dies, size)");
    void (*end)(void *) = tether_spy_make(free, "void (ptr:dies)");
    void *object = malloc(10);
    for (size_t size = 20; size < 100000; size *= 2)
        object = grow(object, size);
    cr_assert_null(grow(object, SIZE_MAX / 4));
    cr_assert_eq(told, 0, "%s", said);
    end(object);
    cr_assert_eq(told, 0, "%s", said);
    tether_spy_drop(grow);
    tether_spy_drop(end);
}
#endif

static void (*inner_free)(void *);

static void outer_free(void *object)
{
    inner_free(object);
}

Test(spy, a_destructor_may_go_on_to_another)
{
    void (*spy)(void *) = tether_spy_make(outer_free, "void (ptr:dies)");
    inner_free = tether_spy_make(free, "void (ptr:dies)");
    spy(malloc(1));
    spy(malloc(2));
    cr_assert_eq(told, 0, "%s", said);
    ASSERT_CALLED(inner_free, 2);
    tether_spy_drop(spy);
    tether_spy_drop(inner_free);
}

/* ---- checks ---- */

Test(spy, counts)
{
    struct tether_message why;
    void (*spy)(void *) = tether_spy_make(keep, "void (ptr:data)");
    cr_assert(fails(
        tether_check_called_once_per_object((tether_function)spy, &why), &why));
    cr_assert(strstr(why_text, "`keep` was never called"));
    ASSERT_CALLED(spy, 0);
    for (int i = 0; i < 8; i++)
        spy(slab);
    ASSERT_CALLED(spy, 8);
    cr_assert_eq(tether_spy_calls(spy), 8u);
    cr_assert(fails(tether_check_called((tether_function)spy, 2, &why), &why));
    cr_assert(strstr(why_text, "`keep` was called 8 times, not 2"), "%s",
              why_text);
    cr_assert(strstr(why_text, "and 3 more"));
    cr_assert(fails(
        tether_check_called_once_per_object((tether_function)spy, &why), &why));
    cr_assert(strstr(why_text, "with no object"));
    tether_spy_drop(spy);
}

Test(spy, never_called_after)
{
    struct tether_message why;
    void (*spy)(void *) = tether_spy_make(keep, "void (ptr:data)");
    char *const owner = malloc(30);
    tether_weak ref = tether_weak_to(owner);
    spy(owner);
    cr_assert(
        fails(tether_check_never_called_after((tether_function)spy, ref, &why),
              &why));
    cr_assert(strstr(why_text, "`owner` is still alive"), "%s", why_text);
    free(owner);
    ASSERT_NEVER_CALLED_AFTER(spy, ref);
    spy(NULL);
    cr_assert(
        fails(tether_check_never_called_after((tether_function)spy, ref, &why),
              &why));
    cr_assert(strstr(why_text, "`keep` was called after `owner` had died"),
              "%s", why_text);
    tether_weak_drop(ref);
    tether_spy_drop(spy);
}

/* ---- recursion, longjmp, drop ---- */

static int (*recur)(int);

static int countdown(int n)
{
    return n ? 1 + recur(n - 1) : 0;
}

Test(spy, recursion)
{
    recur = tether_spy_make(countdown, "int (int)");
    cr_assert_eq(recur(500), 500);
    ASSERT_CALLED(recur, 501);
    tether_spy_drop(recur);
}

static jmp_buf out;

static void leaves(void *object)
{
    (void)object;
    longjmp(out, 1);
}

static void see_returned(const struct tether_spy_call *call, void *ctx)
{
    *(int *)ctx += call->returned;
}

Test(spy, longjmp_leaves_a_call_that_did_not_return)
{
    static void (*spy)(void *);
    static int returned;
    spy = tether_spy_make(leaves, "void (ptr:dies)");
    for (int i = 0; i < 3; i++)
        if (!setjmp(out))
            spy(malloc(8));
    cr_assert_eq(tether_spy_visit(spy, see_returned, &returned), 3u);
    cr_assert_eq(returned, 0);
    cr_assert_eq(told, 0, "%s", said);
    tether_spy_drop(spy);
}

Test(spy, a_call_after_the_drop_goes_through)
{
    short (*spy)(char) = tether_spy_make(negative, "short (char)");
    tether_spy_drop(spy);
    cr_assert_eq(spy('a'), -7);
    cr_assert_eq(told, 1);
    cr_assert(strstr(said, "`negative` was called through a spy that was "
                           "dropped"),
              "%s", said);
    cr_assert_eq(spy('a'), -7);
    cr_assert_eq(told, 1);
}

static void (*drops_itself_spy)(void *);

static void drops_itself(void *object)
{
    tether_spy_drop(drops_itself_spy);
    free(object);
}

Test(spy, may_be_dropped_inside_its_call)
{
    drops_itself_spy = tether_spy_make(drops_itself, "void (ptr:dies)");
    drops_itself_spy(malloc(3));
    cr_assert_eq(told, 0);
}

Test(spy, a_second_drop_stops, .signal = SIGABRT)
{
    void (*spy)(void *) = tether_spy_make(keep, "void (ptr)");
    tether_spy_drop(spy);
    tether_spy_drop(spy);
}

Test(spy, what_is_no_spy_stops, .signal = SIGABRT)
{
    tether_spy_calls(keep);
}

Test(spy, a_wrong_number_of_arguments_stops, .signal = SIGABRT)
{
    tether_spy_make_typed(keep, "void (ptr, int)", void, void *);
}

static int none(void)
{
    return 1;
}

Test(spy, no_arguments)
{
    int (*spy)(void) = tether_spy_make_typed(none, "int ()", int, void);
    cr_assert_eq(spy(), 1);
    ASSERT_CALLED(spy, 1);
    tether_spy_drop(spy);
}
