/* SPDX-License-Identifier: MIT */
#ifndef TT_REF_H
#define TT_REF_H
/*
 * References as the layers above see them, and the two calls through which
 * lib/heap tells of deaths and moves.
 *
 * Unless a comment says otherwise 'bits' are those of a reference that its
 * holder may still use; anything else stops the program, and 'call' is the
 * public call that is named then.
 */
#include "base/base.h"
#include "heap/heap.h"

#include <tether/ref.h>

/*
 * An object of a domain has a key where a block has its address: a number
 * that no address is, of the domain's index and the object's address. So it
 * has chains of references as blocks have, and one memory may be a block to
 * the heap and an object to a domain.
 */
#define TT_KEY_TAG     (UINT64_C(1) << 62)
#define TT_KEY_SHIFT   48
#define TT_DOMAINS_MAX 4096u

TT_INLINE bool tt_key_is(uintptr_t base)
{
    return base & TT_KEY_TAG;
}

TT_INLINE uintptr_t tt_key_of(uint32_t domain, const void *address)
{
    return TT_KEY_TAG | (uintptr_t)domain << TT_KEY_SHIFT | (uintptr_t)address;
}

/* The index of a key's domain; 0 for a block's address. */
TT_INLINE uint32_t tt_key_domain(uintptr_t base)
{
    return tt_key_is(base)
               ? (uint32_t)(base >> TT_KEY_SHIFT) & (TT_DOMAINS_MAX - 1)
               : 0;
}

TT_INLINE void *tt_key_address(uintptr_t base)
{
    return (void *)(base & ((UINT64_C(1) << TT_KEY_SHIFT) - 1));
}

/* How many live objects of each domain have references. */
extern _Atomic uint32_t tt_ref_domain_objects[TT_DOMAINS_MAX];

/* An object of a domain, for a new reference. */
struct ref_ask;
uint64_t tt_ref_make_in(const struct ref_ask *ask, uintptr_t key);

/* It died: its references read dead from now on. Hook: may run inside free. */
bool tt_ref_has(uintptr_t key);
void tt_ref_died_in(uintptr_t key, uint32_t stack);

/* For tt_heap_news. They run inside free and realloc: private memory only,
 * no user code, errno kept. */
bool tt_ref_died(const struct tt_block *block, const struct tt_death *death);
void tt_ref_moved(const struct tt_block *from, const struct tt_block *to);
void tt_ref_tagged(uint32_t tag, struct tt_block *block);

/* Is this the reference of a blind instrument (the heap does not see the
 * object, or there was no memory for the reference)? A check of it must
 * answer TETHER_UNCHECKED. */
bool tt_ref_blind(uint64_t bits);

/* Why it is blind, in one line; NULL when it is not. */
const char *tt_ref_blind_reason(uint64_t bits);

/* tether_weak_get on behalf of 'call', which a mistake is told of. */
void *tt_ref_get(const char *call, tether_weak ref);

/* What is known of a reference. */
struct tt_ref_about {
    const char *name; /* the object's expression */
    const char *file; /* where the reference was made, "" if unknown */
    unsigned line;
    bool alive;
    bool quarantined;               /* it goes, or went, into quarantine */
    bool enqueued;                  /* its record entered its queue */
    uint64_t order;                 /* if so: its queue's nth, from 1 */
    tether_queue *queue;            /* where its record goes, or NULL */
    enum tether_reason reason;      /* of its death, where it has a record */
    void *object;                   /* as given, or where it was */
    uint32_t domain;                /* its index; 0: a block of the heap */
    void *base;                     /* its address, now or once */
    struct tether_last_words words; /* as tether_weak_last_words has them */
};
void tt_ref_about(const char *call, uint64_t bits, struct tt_ref_about *about);

/* Takes a tether_expected apart: *bits becomes the reference's. Returns the
 * reason, TETHER_NOT_CLEARED where it is a plain reference. */
enum tether_reason tt_ref_expected(uint64_t *bits);

/* What is in a queue now, oldest first: fills at most 'max' rows and returns
 * how many there are in all. */
struct tt_queue_row {
    uint64_t bits;
    uint64_t order; /* the queue's nth */
    enum tether_reason reason;
    struct tether_last_words words;
};
size_t tt_queue_look(const char *call, tether_queue *queue,
                     struct tt_queue_row *rows, size_t max);

/* Gets what is kept of a reference that was dropped. False: it was never
 * dropped, or the record is older than the newest 65,536. about->words say
 * who freed the object if it was dead by then (about->alive is false). */
bool tt_ref_about_dropped(uint64_t bits, struct tt_ref_about *about);

/* A use of memory that is in quarantine. */
struct tt_quarantine_facts {
    const char *name; /* of the dead object */
    size_t size;
    uint32_t alloc_stack;
    uint32_t free_stack;
    size_t offset;    /* of the first byte */
    size_t changed;   /* bytes that were written; 0: found by a fault */
    uint8_t bytes[8]; /* the first of them */
    unsigned byte_count;
    bool trapped;       /* a fault found it: */
    bool write;         /* ... a write, or else a read */
    uint32_t use_stack; /* ... from here */
};

/* The words of that, filled by lib/init.c. */
struct tt_ref_tell {
    void (*touched)(const struct tt_quarantine_facts *facts,
                    struct tt_text *text);
};
extern struct tt_ref_tell tt_ref_tell;

/* Looks at all memory that is in quarantine, and tells what was not told yet.
 * Returns how many objects were touched. Not inside malloc or free. */
size_t tt_quarantine_tell(void);

/* Sleeps until the object is dead or the clock reaches 'until_ns'; the free
 * itself wakes the sleeper. May return early. Returns whether it is dead. */
bool tt_ref_wait(const char *call, uint64_t bits, uint64_t until_ns);

/* What else runs at safe points, filled by lib/init.c; it is called at the
 * next one of any thread after tt_safepoint_set, which may be called inside
 * malloc. */
extern void (*tt_safepoint_more)(void);
void tt_safepoint_set(void);

/* Is something due at the next safe point? */
bool tt_safepoint_is_set(void);

/* Is there anything that safe points may come to serve, so that a sleeper has
 * to pass some: a queue's callback, a soft reference, or what the layers above
 * have said with tt_safepoint_need? */
bool tt_ref_callbacks(void);
void tt_safepoint_need(int more);

/* How many records the calling thread's safe points have handed to callbacks
 * since its start. */
uint64_t tt_ref_served(void);

/* How many references are made and not dropped, and the private bytes that
 * all of them take. */
size_t tt_ref_count(void);
size_t tt_ref_bytes(void);

/* Checks the invariants of slots, table, chains and queues, with all of them
 * locked. Returns NULL, or the sentence that does not hold. */
const char *tt_ref_check(void);

/* For tt_reach_more. */
const char *tt_ref_holds(const void *block);

/* For the fork handlers: all locks of this part. Taken before those of the
 * layers below. */
void tt_ref_lock(void);
void tt_ref_unlock(void);
void tt_ref_child(void); /* in place of the latter */

#endif
