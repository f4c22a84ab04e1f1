/* SPDX-License-Identifier: MIT */
#ifndef TT_COLLECT_REGISTRY_H
#define TT_COLLECT_REGISTRY_H
/*
 * The registry: collectors and domains are its units, in one order.
 *
 * A unit's memory is never unmapped, and a removed unit's number of making
 * never comes again. Handles are   1 | number of its making | index, as those
 * of queues are, so that the use of a removed one is found.
 */
#include "base/base.h"
#include "base/base_lock.h"
#include "collect/collect.h"

#define UNITS_MAX      4096u
#define UNIT_NAME_MAX  64
#define UNIT_TAG       (UINT64_C(1) << 63)
#define UNIT_INDEX_MAX (UNITS_MAX - 1)

/* What one unit reclaimed in a collection. */
struct unit_share {
    uint64_t collection; /* its number, 0: it never ran */
    unsigned rounds;
    size_t objects;
    size_t bytes;
    uint64_t time_ns;
};

/* What a domain has beside. */
struct domain_calls {
    int (*recognise)(const void *object, struct tether_domain_object *what,
                     void *ctx);
    int (*watch)(const void *object, void *ctx);
    size_t (*count)(void *ctx);
    void (*describe)(const void *object, char *text, size_t size, void *ctx);
};

struct unit {
    uint64_t opened; /* number of its making, 0: removed */
    uint32_t index;
    char name[UNIT_NAME_MAX];
    int order;
    tether_collect_fn collect; /* NULL: a domain that does not collect */
    tether_pending_fn pending;
    void *ctx;
    struct domain_calls domain; /* .recognise is NULL: it is none */
    size_t (*trim)(size_t wanted, void *ctx); /* NULL: it is no trimmer */
    int level;                                /* ... from which on it trims */
    bool in_malloc;                           /* may run there too */
    _Atomic uint32_t inside;                  /* threads that do so now */
    struct unit_share share;
    struct unit *next; /* by order, then by age; removed: a free one */
};

extern struct tt_registry {
    struct tt_lock lock;
    struct unit *first;
    struct unit *free;
    uint32_t used;          /* places of 'units' that were ever taken */
    uint64_t opened;        /* units that were ever made */
    _Atomic uint32_t count; /* units that are there and collect */
} tt_registry;

/* Makes a unit that has what 'as' has. 0: there is no room. */
uint64_t tt_unit_add(const char *name, const struct unit *as);

/* The unit of a handle, with the registry locked; stops the program when it
 * is none, or was removed. */
struct unit *tt_unit_lock(const char *call, const void *handle);

/* Takes the unit out, once it does not run; the registry is locked before
 * and not after. */
void tt_unit_remove(struct unit *unit);

/* The first unit in the order that comes after (order, opened) and was made
 * at most as the 'newest'th. NULL: none. The registry is locked. */
struct unit *tt_unit_after(int order, uint64_t opened, uint64_t newest);

/* Around a run of it inside malloc. 'copy' is a copy of the unit, made with
 * the registry locked by the first of them; so it is not removed before the
 * second. False: there is none that comes after *copy. */
bool tt_unit_next_in_malloc(struct unit *copy);
void tt_unit_left_in_malloc(const struct unit *copy);

/* Copies the unit of an index, if one is there. */
bool tt_unit_copy(uint32_t index, struct unit *copy);

/* Its index, as keys of its objects have it. */
uint32_t tt_unit_index(const struct unit *unit);

uint64_t tt_unit_bits(const struct unit *unit);

/* Sees to it that liburcu is a unit while it is loaded, and in forked children
 * that it is asked no more. */
void tt_urcu_look(void);
void tt_urcu_child(void);

/* Sleeps while the unit that was made as 'opened' is run by another thread.
 * No lock is held. */
void tt_collect_await(uint64_t opened);

#endif
