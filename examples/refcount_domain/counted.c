/* SPDX-License-Identifier: MIT */
#include "counted.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define OWNERS_MAX 16

struct counted {
    struct counted *next, *prev; /* of all objects */
    size_t size;
    void (*drop)(void *object);
    int count;
    const char *owners[OWNERS_MAX]; /* the first 'count' of them */
    alignas(max_align_t) char object[];
};

static struct counted *all;

void (*counted_on_death)(const void *object);

static struct counted *head_of(const void *object)
{
    return (struct counted *)((char *)object -
                              offsetof(struct counted, object));
}

void *counted_make(size_t size, void (*drop)(void *object), const char *owner)
{
    struct counted *head = calloc(1, sizeof *head + size);
    if (!head)
        return NULL;
    head->size = size;
    head->drop = drop;
    head->next = all;
    if (all)
        all->prev = head;
    all = head;
    return counted_hold(head->object, owner);
}

void *counted_hold(void *object, const char *owner)
{
    struct counted *head = head_of(object);
    if (head->count < OWNERS_MAX)
        head->owners[head->count] = owner;
    head->count++;
    return object;
}

/* Takes one hold of the owner out; whose it was if he has none: the newest. */
static void owner_cut(struct counted *head, const char *owner)
{
    int known = head->count < OWNERS_MAX ? head->count : OWNERS_MAX;
    int at = known - 1;
    for (int i = 0; i < known; i++)
        if (strcmp(head->owners[i], owner) == 0)
            at = i;
    memmove(&head->owners[at], &head->owners[at + 1],
            (size_t)(known - at - 1) * sizeof *head->owners);
}

void counted_release(void *object, const char *owner)
{
    struct counted *head = head_of(object);
    owner_cut(head, owner);
    if (--head->count > 0)
        return;
    if (counted_on_death)
        counted_on_death(object);
    if (head->drop)
        head->drop(object);
    *(head->prev ? &head->prev->next : &all) = head->next;
    if (head->next)
        head->next->prev = head->prev;
    free(head);
}

size_t counted_live(void)
{
    size_t count = 0;
    for (const struct counted *head = all; head; head = head->next)
        count++;
    return count;
}

int counted_is(const void *pointer)
{
    for (const struct counted *head = all; head; head = head->next)
        if (head->object == pointer)
            return 1;
    return 0;
}

size_t counted_size(const void *object)
{
    return head_of(object)->size;
}

void counted_owners(const void *object,
                    void (*see)(const char *owner, void *ctx), void *ctx)
{
    const struct counted *head = head_of(object);
    for (int i = 0; i < head->count && i < OWNERS_MAX; i++)
        see(head->owners[i], ctx);
}
