/* SPDX-License-Identifier: MIT */
/*
 * A plain program that loses memory in one of many ways, or does not: the kinds
 * of cases that LeakSanitizer's own tests have. It is run with Tether preloaded
 * and, built with -fsanitize=leak, by itself; both must agree.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));
void __lsan_ignore_object(const void *object) __attribute__((weak));
void __lsan_register_root_region(const void *start, size_t bytes)
    __attribute__((weak));

#define BYTES 1337

static void *global = (void *)1;
static void *zero;
static _Thread_local void *tls;

__attribute__((noinline)) static void *take(void)
{
    void *block = malloc(BYTES);
    memset(block, 0, BYTES);
    return block;
}

__attribute__((noinline)) static void scrub(void)
{
    volatile char bytes[32768];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

__attribute__((noinline)) static void lose(void)
{
    take();
}

static void in_globals(void)
{
    global = take();
    zero = take();
}

static void in_globals_inner(void)
{
    zero = (char *)take() + 100;
}

static void past_the_end(void)
{
    zero = (char *)take() + 1344;
}

static void in_tls(void)
{
    tls = take();
}

static void in_key(void)
{
    pthread_key_t key;
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, take());
}

static void in_deleted_key(void)
{
    pthread_key_t key;
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, take());
    pthread_setspecific(key, NULL);
    pthread_key_delete(key);
}

static void in_chain(void)
{
    void **first = take();
    *first = take();
    zero = first;
}

static void in_cycle(void)
{
    void **volatile first = take();
    void **volatile second = take();
    *first = second;
    *second = first;
    first = second = NULL;
}

static void points_to_itself(void)
{
    void **block = take();
    *block = block;
}

static void in_unaligned(void)
{
    static char bytes[16] __attribute__((aligned(8)));
    void *const block = take();
    memcpy(bytes + 3, &block, sizeof block);
}

static void ignored(void)
{
    void **block = take();
    *block = take();
    __lsan_ignore_object(block);
}

static void disabled(void)
{
    __lsan_disable();
    lose();
    __lsan_enable();
}

static void enabled_again(void)
{
    disabled();
    lose();
}

static void **pages(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
}

static void in_mapping(void)
{
    void **const mapping = pages();
    mapping[7] = take();
}

static void in_region(void)
{
    void **const mapping = pages();
    mapping[7] = take();
    __lsan_register_root_region(mapping, 4096);
}

static void *sleeper(void *ctx)
{
    void *volatile mine = take();
    *(volatile int *)ctx = 1;
    for (;;)
        pause();
    return mine;
}

static volatile int ready;

static void in_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, sleeper, (void *)&ready);
    while (!ready)
        usleep(1000);
    usleep(10000);
}

static ucontext_t back, other;

static void coroutine(void)
{
    void *volatile mine = take();
    swapcontext(&other, &back);
    free(mine);
}

static void in_context(void)
{
    static char stack[65536];
    getcontext(&other);
    other.uc_stack.ss_sp = stack;
    other.uc_stack.ss_size = sizeof stack;
    makecontext(&other, coroutine, 0);
    swapcontext(&back, &other);
}

static void forget(void)
{
    zero = NULL;
}

static void lost_by_handler(void)
{
    zero = take();
    atexit(forget);
}

static void freed(void)
{
    free(take());
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
#define CASE(name)  \
    {               \
#        name, name \
    }
    CASE(lose),
    CASE(freed),
    CASE(in_globals),
    CASE(in_globals_inner),
    CASE(past_the_end),
    CASE(in_tls),
    CASE(in_key),
    CASE(in_deleted_key),
    CASE(in_chain),
    CASE(in_cycle),
    CASE(points_to_itself),
    CASE(in_unaligned),
    CASE(ignored),
    CASE(disabled),
    CASE(enabled_again),
    CASE(in_mapping),
    CASE(in_region),
    CASE(in_thread),
    CASE(in_context),
    CASE(lost_by_handler),
#undef CASE
};

int main(int argc, char **argv)
{
    const size_t count = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < count; i++)
        if (argc < 2)
            puts(cases[i].name);
        else if (!strcmp(argv[1], cases[i].name))
            cases[i].run();
    scrub();
    if (argc > 2)
        exit(atoi(argv[2]));
    return 0;
}
