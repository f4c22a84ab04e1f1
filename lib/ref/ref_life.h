/* SPDX-License-Identifier: MIT */
#ifndef TT_REF_LIFE_H
#define TT_REF_LIFE_H
/*
 * How a reference of any kind is made and dropped, and what is read of it.
 */
#include "ref/ref.h"
#include "ref/ref_slot.h"

/* What tt_ref_make is asked for. */
struct ref_ask {
    const char *call;    /* the public call */
    const void *object;  /* in a live block */
    tether_queue *queue; /* with_queue: where its record goes */
    void *tag;
    bool with_queue;
    struct ref_entry *entry; /* of a soft one, made by the caller */
    enum tether_ref_kind kind;
    const char *name;
    const char *file;
    unsigned line;
    size_t size; /* of a domain's object; 0 for blocks */
};

/* Makes a reference and returns its bits; those of a blind instrument when
 * the heap does not see the object or there is no memory. */
uint64_t tt_ref_make(const struct ref_ask *ask);

/* Takes a slot for a reference to a block, or to a domain's object that has a
 * key in place of an address, and lets it be seen. With TT_BLOCK_REF the object
 * may have references already. The shard of the address is locked. Returns the
 * reference, 0: no memory, or no such block any more. */
uint64_t tt_slot_begin(struct shard *shard, const struct ref_ask *ask,
                       const struct tt_block *object, struct ref_entry *entry,
                       uint32_t place);

/* The reference of a blind instrument: no memory. */
uint64_t tt_ref_no_memory(void);

/* Clears a soft reference as a death would, though its object lives on: it
 * reads dead and its record enters its queue. *object gets where that is.
 * False: it is dead, or was dropped. Hook: may run inside malloc. */
bool tt_ref_clear(uint64_t bits, enum tether_reason reason, uint32_t stack,
                  void **object);

/* Locks the shard of a used reference's block, which may be moving; stops the
 * program if it is not used. */
struct shard *tt_slot_lock(const char *call, struct ref_slot *slot,
                           uint64_t bits);

/* Drops a reference; 0 and blind ones are ignored. */
void tt_ref_drop(const char *call, uint64_t bits);

/* Lets the object go into quarantine when it dies. */
tether_status tt_ref_keep(const char *call, uint64_t bits, bool trap);

/* The words of a dead object, from its slot. The slot may not be dropped
 * meanwhile. */
void tt_ref_words(const struct ref_slot *slot, struct tether_last_words *words);

#endif
