/* SPDX-License-Identifier: MIT */
/*
 * What the tracked heap costs. One program for all allocators, so that only
 * the allocator differs; bench_heap.sh runs it under each in turn.
 *
 *   mixed    pairs of malloc and free, 16 to 1024 bytes, the block's first and
 *            last word written, 1,024 blocks alive
 *   words    a real program's shape, built with frame pointers: counts the
 *            words of a text in a hash table with strdup'ed keys, then frees it
 *   json     Debian's jansson, built without frame pointers, parses and frees
 *            a document
 *   memory   bytes of resident memory for each of a million blocks
 *
 * Prints nanoseconds an operation (the least of the rounds), or bytes a block.
 * A second thread sleeps all the while. Where Tether is there, a window with a
 * budget that never breaks is open.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5

/* The thread's processor time: other work on the machine disturbs it less than
 * the clock. */
static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void *sleeper(void *unused)
{
    for (;;)
        sleep(100);
    return unused;
}

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static double mixed(void)
{
    enum { PAIRS = 4000000, ALIVE = 1024 };
    static void *alive[ALIVE];
    uint32_t state = 12345;
    const double start = now_ns();
    for (long i = 0; i < PAIRS; i++) {
        const uint32_t random = random_next(&state);
        const size_t size = 16 + (random >> 10) % 1009;
        void **const place = &alive[random % ALIVE];
        free(*place);
        char *const block = *place = malloc(size);
        *(volatile long *)block = i;
        *(volatile long *)(block + size - sizeof(long)) = i;
    }
    return (now_ns() - start) / PAIRS;
}

struct word {
    struct word *next;
    char *text;
    long count;
};

enum { BUCKETS = 16384, WORDS = 400000, DIFFERENT = 60000 };

static __attribute__((noinline)) struct word *word_new(const char *text)
{
    struct word *const word = malloc(sizeof *word);
    const size_t len = strlen(text) + 1;
    word->text = malloc(len);
    memcpy(word->text, text, len);
    word->count = 0;
    word->next = NULL;
    return word;
}

static __attribute__((noinline)) void word_count(struct word **table,
                                                 const char *text)
{
    uint32_t hash = 5381;
    for (const char *at = text; *at; at++)
        hash = hash * 33 + (unsigned char)*at;
    struct word **place = &table[hash % BUCKETS];
    while (*place && strcmp((*place)->text, text) != 0)
        place = &(*place)->next;
    if (!*place)
        *place = word_new(text);
    (*place)->count++;
}

static __attribute__((noinline)) void words_drop(struct word **table)
{
    for (int i = 0; i < BUCKETS; i++)
        while (table[i]) {
            struct word *const word = table[i];
            table[i] = word->next;
            free(word->text);
            free(word);
        }
}

static double words(void)
{
    static struct word *table[BUCKETS];
    uint32_t state = 99;
    const double start = now_ns();
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < WORDS / 4; i++) {
            char text[32];
            char *const scratch = malloc(24 + random_next(&state) % 40);
            uint32_t random = random_next(&state) % DIFFERENT;
            char *at = text;
            do
                *at++ = (char)('a' + random % 16);
            while ((random /= 16) != 0);
            *at = '\0';
            word_count(table, text);
            free(scratch);
        }
        words_drop(table);
    }
    return (now_ns() - start) / WORDS;
}

static char *file_read(const char *path, size_t *size)
{
    FILE *const file = fopen(path, "r");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *const bytes = malloc(*size + 1);
    if (fread(bytes, 1, *size, file) != *size)
        *size = 0;
    fclose(file);
    return bytes;
}

static double json(void)
{
    static void *(*loadb)(const char *, size_t, size_t, void *);
    static void (*delete)(void *);
    static char *bytes;
    static size_t size;
    if (!bytes) {
        void *const jansson = dlopen("libjansson.so.4", RTLD_NOW);
        bytes = file_read("/usr/share/iso-codes/json/iso_639-3.json", &size);
        if (!jansson || !bytes)
            return 0;
        loadb = (void *(*)(const char *, size_t, size_t, void *))dlsym(
            jansson, "json_loadb");
        delete = (void (*)(void *))dlsym(jansson, "json_delete");
    }
    const double start = now_ns();
    void *const document = loadb(bytes, size, 0, NULL);
    if (!document)
        return 0;
    delete (document);
    return (now_ns() - start) / 1e3;
}

static size_t resident(void)
{
    size_t pages = 0;
    FILE *const file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %zu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * 4096;
}

static double memory(size_t size, size_t count)
{
    void **const blocks = malloc(count * sizeof *blocks);
    for (size_t i = 0; i < count; i++)
        *(void *volatile *)&blocks[i] = NULL;
    const size_t before = resident();
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        memset(blocks[i], 1, size);
    }
    return (double)(resident() - before) / (double)count;
}

/* Opens a window and a budget where Tether serves this program. */
static void budget_open(void)
{
    static _Alignas(16) unsigned char budget[512];
    const uint64_t magic = 0x7e74e26275646731ull;
    int (*begin)(const char *) =
        (int (*)(const char *))dlsym(RTLD_DEFAULT, "tether_window_begin");
    void (*set)(void *, int, uint64_t) = (void (*)(void *, int, uint64_t))dlsym(
        RTLD_DEFAULT, "tether_budget_set");
    int (*open)(void *) =
        (int (*)(void *))dlsym(RTLD_DEFAULT, "tether_budget_begin");
    const char *const bytes = getenv("BENCH_BUDGET_BYTES");
    if (!begin || !set || !open || !bytes)
        return;
    const uint32_t size = (uint32_t)strtoul(bytes, NULL, 10);
    memcpy(budget, &magic, sizeof magic);
    memcpy(budget + 8, &size, sizeof size);
    set(budget, 0, (uint64_t)64 << 30);
    set(budget, 1, (uint64_t)1 << 30);
    begin("bench/heap");
    open(budget);
}

int main(int argc, char **argv)
{
    const char *const what = argc > 1 ? argv[1] : "mixed";
    double best = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, sleeper, NULL);
    budget_open();
    if (strcmp(what, "start") == 0)
        return 0;
    for (int round = 0; round < ROUNDS; round++) {
        const double one = strcmp(what, "mixed") == 0   ? mixed()
                           : strcmp(what, "words") == 0 ? words()
                           : strcmp(what, "json") == 0  ? json()
                           : strcmp(what, "memory16") == 0
                               ? memory(16, 1000000)
                               : memory(4096, 100000);
        if (round == 0 || one < best)
            best = one;
        if (strncmp(what, "memory", 6) == 0)
            break;
    }
    printf("%.2f\n", best);
    return 0;
}
