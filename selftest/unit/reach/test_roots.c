/* SPDX-License-Identifier: MIT */
/*
 * Every kind of root holds, and what no root leads to is lost: the kinds of
 * cases that LeakSanitizer's own tests have.
 */
#include "reach_test.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <tether/reach.h>
#include <ucontext.h>
#include <unistd.h>

#define SURE (TT_ROOTS_ALL & ~(1u << TT_ROOT_STACK | 1u << TT_ROOT_REGISTERS))

static struct node *global_initialised = (struct node *)1;
static struct node *global_zero;
static _Thread_local struct node *local_of_thread;

__attribute__((noinline)) static uintptr_t hidden_in(struct node **place)
{
    struct node *const node = node_make();
    if (place)
        *place = node;
    return HIDE(node);
}

Test(reach_roots, a_block_that_nothing_points_to_is_lost)
{
    const uintptr_t hidden = hidden_in(NULL);
    stack_scrub();
    cr_assert_eq(mark_of(hidden), TT_REACH_LOST);
    cr_assert_eq(root_of(hidden, NULL), TT_ROOTS);
    free(SEEK(hidden));
}

Test(reach_roots, globals_hold)
{
    const uintptr_t one = hidden_in(&global_initialised);
    const uintptr_t two = hidden_in(&global_zero);
    stack_scrub();
    cr_assert_eq(mark_of(one), TT_REACH_HELD);
    cr_assert_eq(mark_of(two), TT_REACH_HELD);
    cr_assert_eq(root_of(one, NULL), TT_ROOT_GLOBALS);
    cr_assert_eq(mark_of_by(one, TT_ROOTS_ALL & ~(1u << TT_ROOT_GLOBALS)),
                 TT_REACH_LOST);
    global_initialised = NULL;
    cr_assert_eq(mark_of(one), TT_REACH_LOST);
    cr_assert_eq(mark_of(two), TT_REACH_HELD);
}

Test(reach_roots, a_chain_holds_to_its_end)
{
    struct node *list = NULL;
    uintptr_t last = 0;
    for (int i = 0; i < 100; i++) {
        struct node *const node = node_make();
        if (i == 0)
            last = HIDE(node);
        node->next = list;
        list = node;
    }
    global_zero = list;
    list = NULL;
    stack_scrub();
    size_t hops = 0;
    cr_assert_eq(root_of(last, &hops), TT_ROOT_GLOBALS);
    cr_assert_eq(hops, 64, "the middle of 100 hops is left out: %zu", hops);
    global_zero = global_zero->next;
    cr_assert_eq(mark_of(last), TT_REACH_HELD);
    cr_assert_eq(root_of(HIDE(global_zero->next), &hops), TT_ROOT_GLOBALS);
    cr_assert_eq(hops, 2);
}

Test(reach_roots, a_cycle_holds_nothing)
{
    struct node *one = node_make();
    struct node *two = node_make();
    one->next = two;
    two->next = one;
    one->data = one; /* and itself */
    const uintptr_t hidden = HIDE(one);
    one = two = NULL;
    stack_scrub();
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_LOST);
}

Test(reach_roots, interior_pointers_hold)
{
    const uintptr_t hidden = hidden_in(NULL);
    global_zero = (struct node *)((char *)SEEK(hidden) + 40);
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_HELD);
    global_zero = (struct node *)((char *)SEEK(hidden) + 63);
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_HELD);
    global_zero = (struct node *)((char *)SEEK(hidden) + 64);
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_LOST);
    global_zero = (struct node *)((char *)SEEK(hidden) - 1);
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_LOST);
}

Test(reach_roots, large_blocks_hold_from_anywhere)
{
    char *large = malloc(1000000);
    memset(large, 0, 1000000);
    const uintptr_t inner = hidden_in((struct node **)(large + 777776));
    const uintptr_t hidden = HIDE(large);
    global_zero = (struct node *)(large + 999999);
    large = NULL;
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_HELD);
    cr_assert_eq(mark_of_by(inner, SURE), TT_REACH_HELD);
    global_zero = (struct node *)((char *)SEEK(hidden) + 1000000);
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_LOST);
    cr_assert_eq(mark_of_by(inner, SURE), TT_REACH_LOST);
}

Test(reach_roots, a_large_block_may_have_unreadable_pages)
{
    char *const large = aligned_alloc(4096, 40960);
    memset(large, 0, 40960);
    const uintptr_t inner = hidden_in((struct node **)(large + 40000));
    global_zero = (struct node *)large;
    cr_assert_eq(mprotect(large + 8192, 8192, PROT_NONE), 0);
    cr_assert_eq(mark_of_by(inner, SURE), TT_REACH_HELD);
    cr_assert_eq(root_of(inner, NULL), TT_ROOT_GLOBALS);
    cr_assert_eq(mprotect(large + 8192, 8192, PROT_READ | PROT_WRITE), 0);
}

Test(reach_roots, unaligned_pointers_do_not_hold)
{
    const uintptr_t hidden = hidden_in(NULL);
    static char bytes[32] __attribute__((aligned(8)));
    const uintptr_t address = ~hidden;
    memcpy(bytes + 4, &address, sizeof address);
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_LOST);
    memcpy(bytes + 16, &address, sizeof address);
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_HELD);
    memset(bytes, 0, sizeof bytes);
}

/* ---- threads ---- */

static _Atomic int ready;
static _Atomic int leave;
static uintptr_t hidden_by_thread[4];
static pthread_key_t key, late_key;

static void thread_wait(int stage)
{
    ready = stage;
    while (leave < stage)
        usleep(200);
}

__attribute__((noinline)) static void keep_in_tls(void)
{
    hidden_by_thread[0] = hidden_in(&local_of_thread);
}

__attribute__((noinline)) static void keep_in_key(pthread_key_t in, size_t i)
{
    struct node *const node = node_make();
    hidden_by_thread[i] = HIDE(node);
    pthread_setspecific(in, node);
}

static void *thread_keeps(void *ctx)
{
    keep_in_tls();
    keep_in_key(key, 1);
    keep_in_key(late_key, 2);
    stack_scrub();
    thread_wait(1);
    local_of_thread = NULL;
    pthread_setspecific(key, NULL);
    pthread_setspecific(late_key, NULL);
    thread_wait(2);
    return ctx;
}

static void ready_wait(int stage)
{
    while (ready < stage)
        usleep(200);
}

Test(reach_roots, tls_and_keys_of_other_threads_hold)
{
    pthread_t thread;
    pthread_key_create(&key, NULL);
    for (int i = 0; i < 40; i++) /* in the second table of values */
        pthread_key_create(&late_key, NULL);
    pthread_create(&thread, NULL, thread_keeps, NULL);
    ready_wait(1);
    cr_assert_eq(mark_of_by(hidden_by_thread[0], SURE), TT_REACH_HELD);
    cr_assert_eq(root_of(hidden_by_thread[0], NULL), TT_ROOT_TLS);
    cr_assert_eq(root_of(hidden_by_thread[1], NULL), TT_ROOT_KEY);
    cr_assert_eq(root_of(hidden_by_thread[2], NULL), TT_ROOT_KEY);
    leave = 1;
    ready_wait(2);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(mark_of_by(hidden_by_thread[i], SURE), TT_REACH_LOST);
    leave = 2;
    pthread_join(thread, NULL);
}

Test(reach_roots, own_tls_and_keys_hold)
{
    const uintptr_t in_tls = hidden_in(&local_of_thread);
    pthread_key_create(&key, NULL);
    keep_in_key(key, 1);
    stack_scrub();
    cr_assert_eq(root_of(in_tls, NULL), TT_ROOT_TLS);
    cr_assert_eq(root_of(hidden_by_thread[1], NULL), TT_ROOT_KEY);
    pthread_key_delete(key);
    cr_assert_eq(mark_of_by(hidden_by_thread[1], SURE), TT_REACH_LOST,
                 "the value of a deleted key holds nothing");
    local_of_thread = NULL;
}

static void *thread_with_variable(void *ctx)
{
    struct node *volatile mine = node_make();
    hidden_by_thread[0] = HIDE(mine);
    thread_wait(1);
    return ctx ? mine : NULL;
}

Test(reach_roots, a_stack_of_another_thread_is_ambiguous)
{
    pthread_t thread;
    pthread_create(&thread, NULL, thread_with_variable, NULL);
    ready_wait(1);
    stack_scrub();
    cr_assert_eq(mark_of(hidden_by_thread[0]), TT_REACH_AMBIGUOUS);
    cr_assert_eq(root_of(hidden_by_thread[0], NULL), TT_ROOT_STACK);
    leave = 1;
    pthread_join(thread, NULL);
}

static void *thread_with_argument(void *ctx)
{
    ctx = NULL;
    stack_scrub();
    thread_wait(1);
    return ctx;
}

__attribute__((noinline)) static void thread_start(pthread_t *thread)
{
    struct node *const node = node_make();
    hidden_by_thread[0] = HIDE(node);
    pthread_create(thread, NULL, thread_with_argument, node);
}

Test(reach_roots, the_argument_of_a_thread_holds)
{
    pthread_t thread;
    thread_start(&thread);
    ready_wait(1);
    stack_scrub();
    cr_assert_eq(mark_of_by(hidden_by_thread[0], SURE), TT_REACH_HELD);
    cr_assert_eq(root_of(hidden_by_thread[0], NULL), TT_ROOT_THREAD);
    leave = 1;
    pthread_join(thread, NULL);
}

#if defined(__x86_64__)
static void *thread_with_register(void *ctx)
{
    struct node *node = node_make();
    hidden_by_thread[0] = HIDE(node);
    (void)ctx;
    stack_scrub();
    /* The only copy is in a register while it spins. */
    __asm__ volatile("movq %0, %%r13\n\t"
                     "movq $0, %0\n\t"
                     "movl $1, %1\n"
                     "1:\n\t"
                     "pause\n\t"
                     "cmpl $0, %2\n\t"
                     "je 1b\n\t"
                     "xorl %%r13d, %%r13d"
                     : "+m"(node), "=m"(ready)
                     : "m"(leave)
                     : "r13", "memory");
    return NULL;
}

Test(reach_roots, a_register_of_another_thread_is_ambiguous)
{
    pthread_t thread;
    pthread_create(&thread, NULL, thread_with_register, NULL);
    ready_wait(1);
    stack_scrub();
    cr_assert_eq(mark_of(hidden_by_thread[0]), TT_REACH_AMBIGUOUS);
    cr_assert_eq(mark_of_by(hidden_by_thread[0],
                            TT_ROOTS_ALL & ~(1u << TT_ROOT_REGISTERS)),
                 TT_REACH_LOST);
    leave = 1;
    pthread_join(thread, NULL);
}
#endif

/* ---- other stacks ---- */

static ucontext_t context_main, context_other;

static void other_stack(void)
{
    struct node *volatile mine = node_make();
    hidden_by_thread[0] = HIDE(mine);
    swapcontext(&context_other, &context_main);
    mine = NULL;
    swapcontext(&context_other, &context_main);
}

static void context_start(void *stack, size_t bytes)
{
    getcontext(&context_other);
    context_other.uc_stack.ss_sp = stack;
    context_other.uc_stack.ss_size = bytes;
    context_other.uc_link = NULL;
    makecontext(&context_other, other_stack, 0);
    swapcontext(&context_main, &context_other);
}

Test(reach_roots, a_context_that_waits_holds_by_its_stack)
{
    void *stack = malloc(65536);
    context_start(stack, 65536);
    const uintptr_t hidden = HIDE(stack);
    stack = NULL;
    stack_scrub();
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_HELD);
    cr_assert_eq(mark_of_by(hidden_by_thread[0], SURE), TT_REACH_HELD);
    swapcontext(&context_main, &context_other);
}

static enum tt_reach seen_from_other;
static uintptr_t hidden_in_main;

static void look_from_other(void)
{
    stack_scrub();
    seen_from_other = mark_of(hidden_in_main);
    setcontext(&context_main);
}

Test(reach_roots, a_question_from_another_stack_sees_the_first)
{
    struct node *volatile mine = node_make();
    hidden_in_main = HIDE(mine);
    getcontext(&context_other);
    context_other.uc_stack.ss_sp = malloc(262144);
    context_other.uc_stack.ss_size = 262144;
    makecontext(&context_other, look_from_other, 0);
    swapcontext(&context_main, &context_other);
    cr_assert_eq(seen_from_other, TT_REACH_AMBIGUOUS);
    cr_assert_not_null(mine);
}

/* ---- what the program says ---- */

Test(reach_roots, added_regions_hold)
{
    struct node **const pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const uintptr_t hidden = hidden_in(&pages[100]);
    stack_scrub();
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_LOST);
    cr_assert_eq(tether_root_add(pages, 4096), TETHER_OK);
    cr_assert_eq(root_of(hidden, NULL), TT_ROOT_REGION);
    munmap(pages, 8192);
    cr_assert_eq(mark_of_by(hidden, SURE), TT_REACH_LOST,
                 "what is not readable is left out");
    cr_assert_eq(tether_root_remove(pages, 4096), TETHER_OK);
    cr_assert_eq(tether_root_remove(pages, 4096), TETHER_NOT_FOUND);
}

Test(reach_roots, blocks_that_are_meant_to_stay_hold)
{
    struct node *node = node_make();
    const uintptr_t inner = hidden_in((struct node **)&node->data);
    const uintptr_t hidden = HIDE(node);
    stack_scrub();
    node = NULL;
    cr_assert_eq(mark_of_by(inner, SURE), TT_REACH_LOST);
    cr_assert_eq(tether_keep(SEEK(hidden)), TETHER_OK);
    size_t hops;
    cr_assert_eq(root_of(inner, &hops), TT_ROOT_KEPT);
    cr_assert_eq(hops, 2);
}

/* ---- while others are busy ---- */

static void *churn(void *ctx)
{
    struct node *list = NULL;
    while (!leave) {
        for (int i = 0; i < 50; i++) {
            struct node *const node = node_make();
            node->next = list;
            list = node;
        }
        while (list) {
            struct node *const next = list->next;
            free(list);
            list = next;
        }
    }
    return ctx;
}

Test(reach_roots, threads_that_allocate_meanwhile_are_no_trouble)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    const uintptr_t held = hidden_in(&global_zero);
    const uintptr_t lost = hidden_in(NULL);
    stack_scrub();
    for (int i = 0; i < 30; i++) {
        cr_assert_eq(mark_of(held), TT_REACH_HELD);
        cr_assert_eq(mark_of(lost), TT_REACH_LOST);
    }
    leave = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

#if defined(__x86_64__)
/* The only copy of a pointer is in a callee-saved register of the function
 * that asks. */
#    define IN_REGISTER(name)                                     \
        __attribute__((noinline)) static enum tt_reach in_##name( \
            uintptr_t hidden)                                     \
        {                                                         \
            register uintptr_t kept __asm__(#name) = ~hidden;     \
            __asm__ volatile("" : "+r"(kept));                    \
            const enum tt_reach reach = mark_of(hidden);          \
            __asm__ volatile("" : "+r"(kept));                    \
            return reach;                                         \
        }
IN_REGISTER(rbx)
IN_REGISTER(r12)
IN_REGISTER(r13)
IN_REGISTER(r14)
IN_REGISTER(r15)

Test(reach_roots, the_askers_own_registers_are_ambiguous)
{
    const uintptr_t hidden = hidden_in(NULL);
    stack_scrub();
    cr_assert_eq(mark_of(hidden), TT_REACH_LOST);
    cr_assert_eq(in_rbx(hidden), TT_REACH_AMBIGUOUS);
    cr_assert_eq(in_r12(hidden), TT_REACH_AMBIGUOUS);
    cr_assert_eq(in_r13(hidden), TT_REACH_AMBIGUOUS);
    cr_assert_eq(in_r14(hidden), TT_REACH_AMBIGUOUS);
    cr_assert_eq(in_r15(hidden), TT_REACH_AMBIGUOUS);
    stack_scrub();
    cr_assert_eq(mark_of(hidden), TT_REACH_LOST);
}
#endif
