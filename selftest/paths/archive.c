/* SPDX-License-Identifier: MIT */
/* Intrusive lists in a static library; and how cases are told. */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct link {
    struct link *next, *prev;
};

struct queue {
    size_t length;
    struct link head;
};

struct job {
    int kind;
    void *arg;
    struct link link;
};

struct payload {
    double numbers[8];
};

static struct queue *the_queue;

static NOINLINE void queue_push(struct queue *queue, struct link *link)
{
    link->next = &queue->head;
    link->prev = queue->head.prev;
    queue->head.prev->next = link;
    queue->head.prev = link;
    queue->length++;
}

static NOINLINE struct job *job_new(int kind)
{
    struct job *const job = calloc(1, sizeof(struct job));
    job->kind = kind;
    job->arg = calloc(1, sizeof(struct payload));
    return job;
}

void archive_make(void)
{
    KEEP(the_queue);
    the_queue = calloc(1, sizeof *the_queue);
    the_queue->head.next = the_queue->head.prev = &the_queue->head;
    for (int i = 0; i < 11; i++) {
        struct job *const job = job_new(i);
        queue_push(the_queue, &job->link);
        if (i == 4)
            case_is("intrusive list in a static library", job->arg);
    }
}

void case_is(const char *name, const void *object)
{
    printf("%s\t%p\n", name, object);
}

void case_means(const char *call, const void *value)
{
    printf("=%s\t%p\n", call, value);
}

NOINLINE void stack_scrub(void)
{
    volatile char room[16384];
    memset((char *)room, 0, sizeof room);
}
