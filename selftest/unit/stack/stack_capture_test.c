/* SPDX-License-Identifier: MIT */
/*
 * Captures compared with libunwind in every kind of frame that has ever lost
 * an unwinder: each with and without frame pointers.
 */
#include "code/code.h"
#include "stack_oracle.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* Goes through all of a code's functions. */
static void walk_all(const struct code *code, struct oracle *oracle)
{
    for (int i = 0; i < 3; i++) {
        code->recurse(0, oracle_compare, oracle);
        code->recurse(3 + i, oracle_compare, oracle);
        code->recurse(40, oracle_compare, oracle);
        code->either(4, oracle_compare, oracle);
        code->sort(oracle_compare, oracle);
        code->search(oracle_compare, oracle);
        code->vla(5 + 8 * i, oracle_compare, oracle);
        code->realign(5 + 8 * i, oracle_compare, oracle);
        code->big(oracle_compare, oracle);
        code->tail(oracle_compare, oracle);
        code->arguments(oracle_compare, oracle);
        code->registers(i, oracle_compare, oracle);
    }
}

Test(stack_capture, agrees_with_libunwind_in_code_with_frame_pointers)
{
    struct oracle oracle = { 0 };
    walk_all(&code_fp, &oracle);
    ORACLE_AGREES(oracle);
}

Test(stack_capture, agrees_with_libunwind_in_code_without_frame_pointers)
{
    struct oracle oracle = { 0 };
    walk_all(&code_nofp, &oracle);
    ORACLE_AGREES(oracle);
}

/* Each function calls on into the next, so that kinds of frames mix. */
struct mixed {
    struct oracle *oracle;
    int left;
    unsigned dice;
};

static void mixed_on(void *ctx)
{
    struct mixed *const mixed = ctx;
    if (mixed->left == 0) {
        oracle_compare(mixed->oracle);
        return;
    }
    mixed->left--;
    mixed->dice = mixed->dice * 1103515245u + 12345u;
    const unsigned roll = mixed->dice >> 16;
    const struct code *const code = roll & 16 ? &code_fp : &code_nofp;
    switch (roll % 8) {
    case 0:
        code->recurse((int)(roll >> 5) % 3, mixed_on, mixed);
        break;
    case 1:
        code->vla(1 + (int)(roll >> 5) % 50, mixed_on, mixed);
        break;
    case 2:
        code->realign(1 + (int)(roll >> 5) % 50, mixed_on, mixed);
        break;
    case 3:
        code->tail(mixed_on, mixed);
        break;
    case 4:
        code->either(0, mixed_on, mixed);
        break;
    case 5:
        code->search(mixed_on, mixed);
        break;
    default:
        code->recurse(0, mixed_on, mixed);
    }
    mixed->left++;
}

Test(stack_capture, agrees_with_libunwind_in_random_mixtures)
{
    struct oracle oracle = { 0 };
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct mixed mixed = { .oracle = &oracle,
                               .left = 1 + (int)seed % 9,
                               .dice = seed };
        mixed_on(&mixed);
    }
    ORACLE_AGREES(oracle);
}

Test(stack_capture, agrees_in_handlers_and_destructors_of_exceptions)
{
    struct oracle oracle = { 0 };
    code_catch(oracle_compare, &oracle);
    cr_assert_eq(oracle.seen, 10u);
    ORACLE_AGREES(oracle);
}

/* Signals. */

static struct oracle signal_oracle;

static void on_signal(int number)
{
    (void)number;
    walk_all(&code_nofp, &signal_oracle);
}

static void raise_it(void *ctx)
{
    raise(*(const int *)ctx);
}

/* raise() comes back only after the handler has run, and the handler's frames
 * lie below code of libc that uses the frame pointer freely. */
static void signal_check(int flags)
{
    int number = SIGUSR1;
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };
    sigaction(number, &action, NULL);
    code_nofp.recurse(3, raise_it, &number);
    code_fp.vla(9, raise_it, &number);
    ORACLE_AGREES(signal_oracle);
    cr_assert_gt(signal_oracle.signals, 0u, "no frame was interrupted");
}

Test(stack_signal, is_walked_through)
{
    signal_check(0);
}

Test(stack_signal, is_walked_through_from_another_stack)
{
    const size_t bytes = 1 << 20;
    const stack_t other = { .ss_sp = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                            .ss_size = bytes };
    sigaltstack(&other, NULL);
    signal_check(SA_ONSTACK);
}

/* Coroutines. */

static ucontext_t main_context, coroutine;
static struct oracle coroutine_oracle;

static void coroutine_body(void)
{
    walk_all(&code_fp, &coroutine_oracle);
    swapcontext(&coroutine, &main_context);
    code_nofp.recurse(5, oracle_compare, &coroutine_oracle);
}

Test(stack_capture, works_on_a_coroutine_whose_stack_ends_at_a_hole)
{
    const size_t bytes = 1 << 20;
    char *const area = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(area + bytes, 4096, PROT_NONE);
    getcontext(&coroutine);
    coroutine.uc_stack = (stack_t){ .ss_sp = area, .ss_size = bytes };
    coroutine.uc_link = &main_context;
    makecontext(&coroutine, coroutine_body, 0);
    swapcontext(&main_context, &coroutine);
    swapcontext(&main_context, &coroutine);
    cr_assert_gt(coroutine_oracle.seen, 100u);
    ORACLE_AGREES(coroutine_oracle);
}

/* Threads. */

static void *thread_body(void *ctx)
{
    walk_all(&code_fp, ctx);
    walk_all(&code_nofp, ctx);
    return NULL;
}

Test(stack_threads, agree_with_libunwind)
{
    struct oracle oracle = { 0 };
    pthread_t thread;
    pthread_create(&thread, NULL, thread_body, &oracle);
    pthread_join(thread, NULL);
    ORACLE_AGREES(oracle);
}

static void *thread_ends(void *ctx)
{
    struct oracle *const oracle = ctx;
    code_nofp.recurse(3, oracle_compare, oracle);
    void *const kept = tt_self.stack_cache;
    tt_stack_thread_end();
    walk_all(&code_nofp, oracle);
    walk_all(&code_fp, oracle);
    cr_expect_neq(tt_self.stack_cache, kept);
    return kept;
}

Test(stack_threads, give_back_what_was_kept_for_them)
{
    struct oracle oracle = { 0 };
    void *kept[2];
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, thread_ends, &oracle);
        pthread_join(thread, &kept[i]);
    }
    cr_assert_eq(kept[0], kept[1]);
    ORACLE_AGREES(oracle);
}

#define THREADS 8

struct shared {
    pthread_barrier_t barrier;
    uint32_t ids[THREADS][200];
};

struct one {
    struct shared *shared;
    unsigned number, at;
};

static __attribute__((noinline)) void note_id(void *ctx)
{
    struct one *const one = ctx;
    one->shared->ids[one->number][one->at++] =
        tt_stack_capture(__builtin_frame_address(0), 6);
}

static void *one_of_many(void *ctx)
{
    struct one *const one = ctx;
    pthread_barrier_wait(&one->shared->barrier);
    /* Not unrolled, or each round would have a stack of its own. */
    for (volatile int i = 0; i < 5; i++) {
        code_fp.either(4, note_id, one);
        code_nofp.either(4, note_id, one);
    }
    return NULL;
}

Test(stack_threads, give_one_id_to_one_stack)
{
    static struct shared shared;
    struct one ones[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_init(&shared.barrier, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        ones[i] = (struct one){ .shared = &shared, .number = i };
        pthread_create(&threads[i], NULL, one_of_many, &ones[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        cr_assert_eq(ones[i].at, 160u);
        for (unsigned at = 0; at < 160; at++) {
            cr_assert_neq(shared.ids[i][at], 0u);
            cr_assert_eq(shared.ids[i][at], shared.ids[0][at]);
            cr_assert_eq(shared.ids[i][at], shared.ids[i][at % 32]);
        }
    }
}

Test(stack_fork, child_captures_as_before)
{
    struct oracle oracle = { 0 };
    walk_all(&code_nofp, &oracle);
    const pid_t child = fork();
    if (child == 0) {
        walk_all(&code_nofp, &oracle);
        walk_all(&code_fp, &oracle);
        _exit(oracle.wrong ? 1 : 0);
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ORACLE_AGREES(oracle);
}

/* Libraries that come and go. */

static uintptr_t plug_walk(const char *path, struct oracle *oracle)
{
    void *const plug = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(plug, "%s", dlerror());
    const struct code *const code = dlsym(plug, "code_plug");
    const uintptr_t at = (uintptr_t)code->recurse;
    walk_all(code, oracle);
    dlclose(plug);
    return at;
}

Test(stack_plugs, code_at_a_reused_address_has_its_own_rules)
{
    struct oracle oracle = { 0 };
    unsigned reused = 0;
    uintptr_t before = 0;
    for (int i = 0; i < 6; i++) {
        const uintptr_t at = plug_walk(i % 2 ? PLUG_TWO : PLUG_ONE, &oracle);
        reused += (at & ~(uintptr_t)4095) == (before & ~(uintptr_t)4095);
        before = at;
    }
    cr_assert_gt(reused, 0u, "the loader never reused an address");
    ORACLE_AGREES(oracle);
}

/* Bad stacks. */

static __attribute__((noinline)) uint32_t capture_here(unsigned depth)
{
    return tt_stack_capture(__builtin_frame_address(0), depth);
}

Test(stack_bad, corrupted_chain_ends_the_walk)
{
    /* A frame record of our own: each word that could be followed is bad. */
    static const uintptr_t bad[] = {
        0, 1, 8, 0xdeadbeef, ~(uintptr_t)0, (uintptr_t)1 << 62, ~(uintptr_t)7
    };
    for (size_t i = 0; i < TT_COUNT(bad); i++)
        for (size_t j = 0; j < TT_COUNT(bad); j++) {
            volatile uintptr_t record[8] = { bad[i], bad[j], bad[j], bad[i],
                                             bad[j], bad[i], bad[j], bad[i] };
            const uint32_t id = tt_stack_capture((void *)record, 16);
            const uintptr_t *frames;
            const unsigned count = tt_stack_frames(id, &frames);
            cr_assert(count >= 1 && frames[0] == bad[j]);
        }
}

Test(stack_bad, rubbish_in_the_frame_pointer_is_never_followed)
{
    /* A return address into code that uses the frame pointer, and every kind
     * of value in it. */
    const uintptr_t *frames;
    const unsigned count = tt_stack_frames(capture_here(16), &frames);
    cr_assert_gt(count, 1u);
    const uintptr_t top = (uintptr_t)__builtin_frame_address(0);
    for (uintptr_t offset = 0; offset < 1 << 14; offset += 8) {
        volatile uintptr_t record[2] = { top - 4096 + offset * 3, frames[0] };
        cr_assert_neq(tt_stack_capture((void *)record, 16), 0u);
        record[0] = (uintptr_t)1 << (offset / 8 % 64);
        cr_assert_neq(tt_stack_capture((void *)record, 16), 0u);
    }
}

Test(stack_bad, code_without_a_table_ends_the_walk)
{
    /* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
    static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5,
                                          0xff, 0xd7, 0x5d, 0xc3 };
    char *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code, sizeof code);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    uint32_t (*const made)(uint32_t(*)(void)) = (void *)page;
    extern uint32_t capture_eight(void);
    const uint32_t id = made(capture_eight);
    const uintptr_t *frames;
    cr_assert_eq(tt_stack_frames(id, &frames), 1u);
    cr_assert_eq(frames[0], (uintptr_t)page + 6);
}

__attribute__((noinline)) uint32_t capture_eight(void)
{
    const uint32_t id = tt_stack_capture(__builtin_frame_address(0), 8);
    __asm__ volatile("");
    return id;
}
