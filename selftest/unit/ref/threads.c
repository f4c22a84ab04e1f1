/* SPDX-License-Identifier: MIT */
/*
 * References on many threads at once. Each thread owns some objects; weak
 * references to them are handed to whoever comes by, through shared cells, so
 * that makes, gets, drops, moves and deaths of the same slots and shards
 * meet. In the end nothing is left and every record came exactly once.
 */
#include "ref_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, OWNED = 64, CELLS = 256 };

static atomic_bool stop;
static atomic_size_t operations, phantoms_made, records_seen;
static _Atomic uint64_t cells[CELLS];
static tether_queue *queue;

/* An object and a reference to it that only its owner uses. */
struct owned {
    char *block;
    size_t size;
    tether_weak mine;
};

static void owned_make(struct owned *one, uint64_t *seed)
{
    one->size = 16 + random_next(seed) % 300;
    one->block = block_make(one->size);
    one->mine = tether_weak_to(one->block);
}

static void owned_free(struct owned *one)
{
    if (tether_weak_get(one->mine) != one->block)
        abort();
    free(one->block);
    if (tether_weak_get(one->mine) != NULL)
        abort();
    tether_weak_drop(one->mine);
}

static void owned_move(struct owned *one, uint64_t *seed)
{
    one->size = 16 + random_next(seed) % 3000;
    one->block = realloc(one->block, one->size);
    if (tether_weak_get(one->mine) != one->block)
        abort();
}

static void see(const struct tether_record *record, void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&records_seen, 1);
    tether_phantom_drop(record->phantom);
}

/* Puts a new reference into a shared cell and drops the one that was there:
 * another thread's, its object alive, moving, dying or dead. */
static void cell_swap(const struct owned *one, uint64_t *seed)
{
    _Atomic uint64_t *const cell = &cells[random_next(seed) % CELLS];
    const tether_weak new = tether_weak_to(one->block + one->size / 2);
    const tether_weak old = { atomic_exchange(cell, new.bits) };
    if (old.bits)
        (void)tether_weak_get(old);
    tether_weak_drop(old);
}

static void step(struct owned *one, uint64_t *seed)
{
    switch (random_next(seed) % 8) {
    case 0:
        owned_move(one, seed);
        break;
    case 1:
        (void)tether_phantom_to(one->block, queue, NULL);
        atomic_fetch_add(&phantoms_made, 1);
        break;
    case 2:
    case 3:
        owned_free(one);
        owned_make(one, seed);
        break;
    case 4:
        tether_safepoint();
        break;
    default:
        cell_swap(one, seed);
    }
}

static void *work(void *seed_at)
{
    uint64_t seed = *(uint64_t *)seed_at;
    struct owned owned[OWNED];
    size_t count = 0;
    for (int i = 0; i < OWNED; i++)
        owned_make(&owned[i], &seed);
    for (; !atomic_load_explicit(&stop, memory_order_relaxed); count++)
        step(&owned[random_next(&seed) % OWNED], &seed);
    for (int i = 0; i < OWNED; i++)
        owned_free(&owned[i]);
    atomic_fetch_add(&operations, count);
    return NULL;
}

static void sleep_ms(long ms)
{
    struct timespec left = { ms / 1000, ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0)
        ;
}

static void everybody_works(long ms, void (*meanwhile)(void))
{
    pthread_t threads[THREADS];
    uint64_t seeds[THREADS];
    const uint64_t seed = (uint64_t)time(NULL) * 2654435761u + (uint64_t)ms;
    queue = tether_queue_make();
    tether_queue_on(queue, see, NULL);
    cr_log_info("seed %llu", (unsigned long long)seed);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = seed + (uint64_t)i * 7919;
        cr_assert_eq(pthread_create(&threads[i], NULL, work, &seeds[i]), 0);
    }
    if (meanwhile)
        meanwhile();
    sleep_ms(ms);
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CELLS; i++)
        tether_weak_drop((tether_weak){ atomic_load(&cells[i]) });
    tether_safepoint();
    cr_assert_eq(atomic_load(&records_seen), atomic_load(&phantoms_made));
    cr_assert_eq(tt_ref_count(), 0);
    cr_assert_gt(atomic_load(&operations), 10000);
    cr_log_info("%zu operations", atomic_load(&operations));
    tether_queue_drop(queue);
}

REF_TEST(threads, make_move_get_die_and_drop_at_once, .timeout = 60)
{
    everybody_works(1500, NULL);
}

static volatile sig_atomic_t ticks;

static void tick(int number)
{
    (void)number;
    ticks++;
}

static void many_signals(void)
{
    const struct itimerval often = { { 0, 200 }, { 0, 200 } };
    struct sigaction action = { .sa_handler = tick };
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

REF_TEST(threads, signals_do_not_disturb, .timeout = 60)
{
    everybody_works(500, many_signals);
    const struct itimerval never = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &never, NULL);
    cr_assert_gt(ticks, 100);
}

/* What a child can do while its parent's threads held every lock. */
static void child_uses_references(void)
{
    struct tether_record record;
    alarm(20);
    char *const block = malloc(100);
    tether_queue *const own = tether_queue_make();
    const tether_weak weak = tether_weak_to(block);
    const tether_phantom phantom = tether_phantom_to(block, own, &record);
    free(block);
    const bool right = tether_weak_get(weak) == NULL &&
                       tether_queue_poll(own, &record) == TETHER_OK &&
                       record.tag == &record;
    tether_weak_drop(weak);
    tether_phantom_drop(phantom);
    tether_queue_drop(own);
    _exit(right ? 0 : 1);
}

static void many_forks(void)
{
    for (int i = 0; i < 30; i++) {
        int status = 0;
        const pid_t child = fork();
        if (child == 0)
            child_uses_references();
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "child %d ended with %#x", i, status);
    }
}

REF_TEST(threads, forked_children_never_hang, .timeout = 100)
{
    everybody_works(10, many_forks);
}

static void *make_and_end(void *block)
{
    const tether_weak ref = tether_weak_to(block);
    atomic_store(&cells[0], ref.bits);
    return NULL;
}

REF_TEST(threads, a_reference_outlives_its_thread)
{
    pthread_t thread;
    void *const block = block_make(8);
    pthread_create(&thread, NULL, make_and_end, block);
    pthread_join(thread, NULL);
    const tether_weak ref = { atomic_load(&cells[0]) };
    cr_assert_eq(tether_weak_get(ref), block);
    free(block);
    cr_assert_null(tether_weak_get(ref));
    tether_weak_drop(ref);
}

/* One free after another, on two threads that hand a turn to and fro: the
 * queue must have exactly that order. */
enum { TURNS = 2000 };
static void *turn_blocks[TURNS];
static atomic_int turn;

static void *take_turns(void *parity)
{
    for (int i = *(int *)parity; i < TURNS; i += 2) {
        while (atomic_load(&turn) != i)
            if (i % 64 < 2)
                sleep_ms(0);
        free(turn_blocks[i]);
        atomic_store(&turn, i + 1);
    }
    return NULL;
}

REF_TEST(threads, the_order_of_frees_is_global, .timeout = 60)
{
    pthread_t other;
    struct tether_record record;
    int parities[2] = { 0, 1 };
    queue = tether_queue_make();
    for (int i = 0; i < TURNS; i++) {
        turn_blocks[i] = block_make(32);
        (void)tether_phantom_to(turn_blocks[i], queue, &turn_blocks[i]);
    }
    pthread_create(&other, NULL, take_turns, &parities[1]);
    take_turns(&parities[0]);
    pthread_join(other, NULL);
    for (int i = 0; i < TURNS; i++) {
        cr_assert_eq(tether_queue_poll(queue, &record), TETHER_OK);
        cr_assert_eq(record.tag, (void *)&turn_blocks[i]);
        tether_phantom_drop(record.phantom);
    }
    tether_queue_drop(queue);
}

REF_TEST(threads, hundred_thousand_blocks_have_a_place_each)
{
    enum { MANY = 100000 };
    static void *blocks[MANY];
    static tether_weak refs[MANY];
    uint64_t seed = 7;
    for (int i = 0; i < MANY; i++) {
        blocks[i] = block_make(16 + random_next(&seed) % 200);
        refs[i] = tether_weak_to(blocks[i]);
    }
    cr_assert_null(tt_ref_check());
    cr_assert_eq(tt_ref_count(), MANY);
    for (int i = 0; i < MANY; i += 2)
        free(blocks[i]);
    cr_assert_null(tt_ref_check());
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(tether_weak_get(refs[i]), i % 2 ? blocks[i] : NULL);
        tether_weak_drop(refs[i]);
    }
    cr_assert_eq(tt_ref_count(), 0);
    for (int i = 1; i < MANY; i += 2)
        free(blocks[i]);
}
