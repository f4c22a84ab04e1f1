/* SPDX-License-Identifier: MIT */
/* The heap before main, after it, in threads that come and go, in signals,
 * and across fork. */
#include "heap_test.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void *early, *early_big;

/* Before main and before every constructor without a number. */
__attribute__((constructor(102))) static void allocate_early(void)
{
    early = malloc(100);
    early_big = realloc(malloc(10), 100000);
}

Test(threads, memory_from_before_main_is_known)
{
    struct tt_block found;
    cr_expect(tt_block_find((char *)early + 50, &found));
    cr_expect_eq(found.size, 100u);
    cr_expect(tt_block_find((char *)early_big + 50000, &found));
    free(early);
    free(early_big);
}

/* --- random work against a model ------------------------------------------ */

struct held {
    void *block;
    size_t size;
    uint64_t number;
};

static size_t random_size(uint64_t *random)
{
    const uint64_t kind = random_next(random) % 100;
    const size_t most = kind < 70 ? 300 : kind < 95 ? 5000 : 300000;
    return random_next(random) % most;
}

static void *fresh(uint64_t *random, size_t size)
{
    switch (random_next(random) % 4) {
    case 0:
        return calloc(1, size);
    case 1:
        return memalign((size_t)1 << random_next(random) % 14, size);
    default:
        return malloc(size);
    }
}

static bool random_step(struct held *held, uint64_t *random)
{
    const size_t size = random_size(random);
    if (held->block && !pattern_holds(held->block, held->size, held->number))
        return false;
    if (held->block && random_next(random) % 3 == 0 && size) {
        const size_t kept = TT_MIN(held->size, size);
        const unsigned char byte = (held->number * 151 + held->size) & 0xff;
        unsigned char *const moved = realloc(held->block, size);
        for (size_t i = 0; i < kept; i++)
            if (moved[i] != byte)
                return false;
        held->block = moved;
    } else {
        free(held->block);
        held->block = fresh(random, size);
    }
    held->size = size;
    held->number = random_next(random);
    pattern_write(held->block, size, held->number);
    return true;
}

#define HELD 400

static void *random_work(void *arg)
{
    struct held held[HELD] = { 0 };
    uint64_t random = *(uint64_t *)arg;
    bool sound = true;
    for (int i = 0; i < 20000 && sound; i++)
        sound = random_step(&held[random_next(&random) % HELD], &random);
    for (size_t i = 0; i < HELD; i++)
        free(held[i].block);
    return sound ? arg : NULL;
}

Test(threads, random_work_keeps_every_content)
{
    struct tt_numbers before, after;
    uint64_t seed[8];
    pthread_t threads[8];
    const uint64_t first = seed_of_test();
    misuse_collect();
    tt_scope_numbers(NULL, &before);
    for (size_t i = 0; i < 8; i++) {
        seed[i] = first + i * 1000003;
        pthread_create(&threads[i], NULL, random_work, &seed[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        void *sound;
        pthread_join(threads[i], &sound);
        cr_assert_not_null(sound, "TETHER_SEED=%llu",
                           (unsigned long long)first);
    }
    tt_scope_numbers(NULL, &after);
    cr_expect_eq(misuse_count, 0u);
    /* What pthread keeps for threads is the loader's. */
    cr_expect_lt(after.live_bytes - before.live_bytes, 100000);
}

/* --- threads that end ------------------------------------------------------
 */

static pthread_key_t key;

static void frees_late(void *block)
{
    free(block);
    free(seen(malloc(300)));
}

static void *ends_with_a_block(void *arg)
{
    free(arg);
    pthread_setspecific(key, malloc(200));
    return malloc(100);
}

Test(threads, fifty_that_end_leave_right_counts)
{
    struct tt_scope scope = SCOPE_OPEN;
    struct tt_numbers before, after;
    count_alone();
    pthread_key_create(&key, frees_late);
    tt_scope_begin(&scope);
    for (int round = 0; round < 4; round++) {
        pthread_t threads[50];
        void *blocks[50];
        if (round == 1)
            tt_scope_numbers(&scope, &before);
        for (int i = 0; i < 50; i++)
            pthread_create(&threads[i], NULL, ends_with_a_block, malloc(77));
        for (int i = 0; i < 50; i++)
            pthread_join(threads[i], &blocks[i]);
        for (int i = 0; i < 50; i++)
            free(blocks[i]);
    }
    tt_scope_numbers(&scope, &after);
    tt_scope_end(&scope);
    /* glibc keeps the stacks, and with them what TLS took, of some threads. */
    cr_expect_leq(after.live_bytes, before.live_bytes + 50 * 400);
    cr_expect_geq(after.total_count - before.total_count, 3 * 50 * 4);
}

/* --- signals ---------------------------------------------------------------
 */

static volatile sig_atomic_t ticks;

static void tick(int signal)
{
    (void)signal;
    ticks++;
}

Test(threads, signals_at_a_high_rate)
{
    const struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { 0 };
    struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };
    uint64_t seed = 42;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 10; i++)
        cr_assert_not_null(random_work(&seed));
    setitimer(ITIMER_REAL, &never, NULL);
    cr_expect_gt(ticks, 10);
}

/* --- fork ------------------------------------------------------------------
 */

static _Atomic bool working;

static void *works_on(void *arg)
{
    while (working)
        random_work(arg);
    return NULL;
}

/* Hands blocks to and fro, so that one thread frees what another made. */
static void *_Atomic handed[64];

static void *hands_on(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    while (working) {
        const uint64_t next = random_next(&random);
        free(atomic_exchange(&handed[next % 64], malloc(next >> 8 & 511)));
    }
    return NULL;
}

static void child_works(void)
{
    uint64_t seed = 7;
    struct held held[20] = { 0 };
    for (int i = 0; i < 200; i++)
        if (!random_step(&held[i % 20], &seed))
            _exit(3);
}

static void expect_exit(pid_t child, int expected)
{
    int status = 0;
    for (int ms = 0; ms < 20000; ms++) {
        const pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child) {
            cr_assert(WIFEXITED(status), "status %x", status);
            cr_assert_eq(WEXITSTATUS(status), expected);
            return;
        }
        usleep(1000);
    }
    kill(child, SIGKILL);
    cr_assert_fail("the child hangs");
}

static void fork_once(int i)
{
    const pid_t child = i % 4 == 3 ? vfork() : fork();
    if (child == 0) {
        if (i % 4 == 3)
            _exit(5);
        child_works();
        if (i % 4 == 1)
            execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
        _exit(5);
    }
    expect_exit(child, 5);
}

static void spawn_once(void)
{
    char *const argv[] = { "sh", "-c", "exit 5", NULL };
    pid_t child;
    cr_assert_eq(posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ), 0);
    expect_exit(child, 5);
}

Test(threads, forked_children_never_hang, .timeout = 60)
{
    uint64_t seeds[4] = { 1, 2, 3, 4 };
    pthread_t threads[4];
    working = true;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i % 2 ? hands_on : works_on,
                       &seeds[i]);
    for (int i = 0; i < 200; i++)
        fork_once(i);
    for (int i = 0; i < 10; i++)
        spawn_once();
    working = false;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

Test(threads, a_child_of_raw_fork_can_allocate)
{
    for (int i = 0; i < 50; i++) {
        const pid_t child = _Fork();
        if (child == 0) {
            child_works();
            _exit(5);
        }
        expect_exit(child, 5);
    }
}
