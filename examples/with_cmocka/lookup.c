/* SPDX-License-Identifier: MIT */
#include "lookup.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lookup {
    pthread_mutex_t lock;
    pthread_t thread;
    int started;
    char *name, *answer;
};

struct lookup *lookup_new(void)
{
    struct lookup *const lookup = calloc(1, sizeof *lookup);
    pthread_mutex_init(&lookup->lock, NULL);
    return lookup;
}

static void *lookup_main(void *ctx)
{
    struct lookup *const lookup = ctx;
    char answer[64];
    pthread_setname_np(pthread_self(), "resolver");
    snprintf(answer, sizeof answer, "%s.example", lookup->name);
    pthread_mutex_lock(&lookup->lock);
    lookup->answer = strdup(answer);
    pthread_mutex_unlock(&lookup->lock);
    return NULL;
}

void lookup_start(struct lookup *lookup, const char *name)
{
#ifdef SEEDED
    pthread_mutex_lock(&lookup->lock); /* and nobody gives it */
#endif
    lookup->name = strdup(name);
    lookup->started = 1;
    pthread_create(&lookup->thread, NULL, lookup_main, lookup);
}

const char *lookup_answer(struct lookup *lookup)
{
    if (pthread_mutex_trylock(&lookup->lock) != 0)
        return NULL;
    const char *const answer = lookup->answer;
    pthread_mutex_unlock(&lookup->lock);
    return answer;
}

void lookup_forget(struct lookup *lookup)
{
#ifndef SEEDED
    free(lookup->answer);
#endif
    lookup->answer = NULL;
}

void lookup_free(struct lookup *lookup)
{
    if (lookup->started)
        pthread_join(lookup->thread, NULL);
    lookup_forget(lookup);
    free(lookup->name);
    free(lookup);
}
