/* SPDX-License-Identifier: MIT */
/*
 * The sweeper: a thread that evicts what nobody got for idle_ms. The list by
 * use is sorted by time, so it only ever looks at the oldest slot, and sleeps
 * until that one is due.
 */
#include "store_parts.h"

#include <time.h>

static void sleep_until(struct document_store *store, uint64_t due_ms)
{
    struct timespec due = { .tv_sec = (time_t)(due_ms / 1000),
                            .tv_nsec = (long)(due_ms % 1000) * 1000000 };

    pthread_cond_timedwait(&store->sweeper.wake, &store->lock, &due);
}

/* Evicts the idle ones. Returns when to look again. */
static uint64_t sweep(struct document_store *store, struct slot **victims)
{
    uint64_t now_ms = store_now_ms();

    while (store->oldest != NULL &&
           store->oldest->used_ms + store->idle_ms <= now_ms)
        store_forget(store, store->oldest, victims);
    return (store->oldest != NULL ? store->oldest->used_ms : now_ms) +
           store->idle_ms;
}

static void *sweeper_main(void *arg)
{
    struct document_store *store = arg;

    pthread_mutex_lock(&store->lock);
    while (!store->sweeper.stop) {
        struct slot *victims = NULL;
        uint64_t due_ms = sweep(store, &victims);
        if (victims == NULL) {
            sleep_until(store, due_ms);
            continue;
        }
        pthread_mutex_unlock(&store->lock);
        store_drop(victims);
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

enum document_status store_sweeper_start(struct document_store *store)
{
    struct store_sweeper *sweeper = &store->sweeper;
    pthread_condattr_t attributes;

    if (store->idle_ms == 0)
        return DOCUMENT_OK;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sweeper->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    sweeper->runs =
        pthread_create(&sweeper->thread, NULL, sweeper_main, store) == 0;
    if (sweeper->runs)
        return DOCUMENT_OK;
    pthread_cond_destroy(&sweeper->wake);
    return DOCUMENT_NO_THREAD;
}

void store_sweeper_stop(struct document_store *store)
{
    struct store_sweeper *sweeper = &store->sweeper;

    if (!sweeper->runs)
        return;
    pthread_mutex_lock(&store->lock);
    sweeper->stop = true;
    pthread_cond_signal(&sweeper->wake);
    pthread_mutex_unlock(&store->lock);
    pthread_join(sweeper->thread, NULL);
    pthread_cond_destroy(&sweeper->wake);
    sweeper->runs = false;
}
