/* SPDX-License-Identifier: MIT */
/*
 * Bad frees, one for each test. Every test fails, and goes on to its end: the
 * heap is sound after each. judge.py reads what is printed.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char a_global[64];

/* Compilers must not know what a pointer is, nor join functions. */
static void *hidden(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer)::"memory");
    return pointer;
}
#ifdef __clang__
#    define FUNCTION __attribute__((noinline)) static
#else
#    define FUNCTION __attribute__((noinline, noclone)) static
#endif

FUNCTION char *makes(size_t bytes)
{
    char *const block = malloc(bytes);
    return hidden(block);
}

FUNCTION void frees_first(char *block)
{
    free(hidden(block));
    __asm__ volatile("# so that no function is");
}

FUNCTION void frees_again(char *block)
{
    free(hidden(block));
    __asm__ volatile("# taken for another");
}

/* Takes and gives blocks of all kinds, and looks at what is in them. */
static void heap_is_sound(void)
{
    char *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = i % 3 ? malloc(i * 37) : memalign(64, i * 37);
        memset(blocks[i], (int)i, i * 37);
    }
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = realloc(blocks[i], i * 53 + 1);
        for (size_t j = 0; j < i * 37; j++)
            if (blocks[i][j] != (char)i)
                abort();
    }
    for (size_t i = 0; i < 200; i++)
        free(blocks[i]);
    cr_log_warn("the heap is sound");
}

#define BAD(name, ...)               \
    Test(misuse, name)               \
    {                                \
        __VA_ARGS__ heap_is_sound(); \
    }

BAD(double_free, char *block = makes(100); frees_first(block);
    frees_again(block);)
BAD(double_free_of_a_large_block, char *block = makes(100000);
    frees_first(block); frees_again(block);)
BAD(double_free_of_an_empty_block, char *block = makes(0); frees_first(block);
    frees_again(block);)
BAD(inside_a_block, char *block = makes(100); frees_again(block + 16);
    free(block);)
BAD(inside_a_large_block, char *block = makes(1 << 20);
    frees_again(block + 5000); free(block);)
BAD(odd_pointer, char *block = makes(100); frees_again(block + 1); free(block);)
BAD(of_the_stack, char local[64] = ""; frees_again(local);)
BAD(of_a_global, frees_again(a_global);)
BAD(of_code, frees_again((char *)(uintptr_t)heap_is_sound);)
BAD(of_a_mapping, frees_again(mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));)
BAD(of_nothing, frees_again((char *)(uintptr_t)0x123450);)

FUNCTION void reallocs_again(char *block)
{
    if (realloc(hidden(block), 200) != NULL)
        abort();
    __asm__ volatile("");
}
BAD(realloc_of_a_freed_block, char *block = makes(100); frees_first(block);
    reallocs_again(block);)
BAD(realloc_inside_a_block, char *block = makes(100);
    reallocs_again(block + 16); free(block);)
BAD(realloc_of_a_global, reallocs_again(a_global);)

static void *frees_on_a_thread(void *block)
{
    frees_again(block);
    return NULL;
}
BAD(double_free_on_another_thread, pthread_t thread; char *block = makes(100);
    frees_first(block); pthread_create(&thread, NULL, frees_on_a_thread, block);
    pthread_join(thread, NULL);)

/* What other threads did in between does not hide it. */
static void *works(void *ctx)
{
    for (int i = 0; i < 2000; i++)
        free(hidden(malloc((size_t)i)));
    return ctx;
}
BAD(double_free_among_busy_threads, pthread_t threads[4];
    char *block = makes(100); frees_first(block);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, works, NULL);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    frees_again(block);)

static void child_frees_again(char *block)
{
    int status;
    const pid_t child = fork();
    if (child == 0) {
        frees_again(block);
        for (int i = 0; i < 100; i++)
            free(hidden(malloc((size_t)i * 50)));
        _exit(3);
    }
    waitpid(child, &status, 0);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1,
              "the child ended with %x", status);
    cr_expect(0, "a forked child's failure is not its parent's");
}
BAD(double_free_in_a_forked_child, char *block = makes(100); frees_first(block);
    child_frees_again(block);)
BAD(free_of_a_global_in_a_forked_child, child_frees_again(a_global);)
