/* SPDX-License-Identifier: MIT */
/* Containers in a shared library: a hash map with chains, an array of
 * structs, and a thread-local variable. */
#include "cases.h"

#include <stdlib.h>

struct user {
    char name[32];
    int id;
};

struct entry {
    const char *key;
    struct user *user;
    struct entry *next;
};

struct map {
    size_t size;
    struct entry *buckets[32];
};

static struct map session_cache;

struct slot {
    int used;
    void *value;
    struct user *owner;
};

static struct slot slot_table[8];

static _Thread_local struct user *last_user;

static void map_add(struct map *map, int bucket, struct user *user)
{
    struct entry *const entry = malloc(sizeof *entry);
    entry->key = "key";
    entry->user = user;
    entry->next = map->buckets[bucket];
    map->buckets[bucket] = entry;
    map->size++;
}

static NOINLINE struct user *user_new(void)
{
    return calloc(1, sizeof(struct user));
}

void shared_make(void)
{
    KEEP(session_cache);
    KEEP(slot_table);
    KEEP(last_user);
    struct user *const user = user_new();
    map_add(&session_cache, 17, user);
    case_is("map in a shared library", user);
    for (int i = 0; i < 3; i++)
        map_add(&session_cache, 17, user_new());
    slot_table[5].owner = user_new();
    case_is("array of structs", slot_table[5].owner);
    slot_table[3].value = user_new();
    case_is("void pointer in an array of structs", slot_table[3].value);
    last_user = user_new();
    case_is("thread-local of a shared library", last_user);
}
