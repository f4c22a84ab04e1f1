/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_LEDGER_H
#define TT_HEAP_LEDGER_H
/*
 * What the two files of the ledger share: scopes and numbers
 * (heap_ledger.c), and the threads that ask (heap_ask.c). All of it is used
 * under ledger.lock.
 */
#include "heap/heap_slot.h"

#include "base/base_lock.h"

struct ledger {
    struct tt_lock lock;
    struct tt_scope *inner;
    struct tt_slot *owner; /* the one thread that allocates, or NULL: many */
    uint32_t epochs;       /* given out */
    uint32_t threads;      /* that asked */
    struct tt_scope whole; /* since the start of the process */
};
extern struct ledger ledger __attribute__((visibility("hidden")));

int64_t ledger_sum(enum gauge gauge);

/* The sum that no scope's limit or mark allows to be passed without asking. */
int64_t ledger_limit(enum gauge gauge);

/* Gives the peaks reached since the last fold to every open scope. 'sum' is
 * the live bytes at this instant. */
void ledger_fold(int64_t sum);

/* One thread allocates: its stops are the limits themselves. */
void ledger_owner_stops(void);

/* Makes every thread but 'self' ask before it allocates once more ('gauges'
 * are bits). When this returns none of them is on its way past a stop. */
void ledger_squeeze(const struct tt_slot *self, unsigned gauges);
#define ALL_GAUGES ((1u << GAUGES) - 1)

void ledger_size_stop(struct tt_slot *slot);

/* The blocks that the thread makes without asking are of this epoch. */
void ledger_stamp(struct tt_slot *self);

bool ledger_is_open(const struct tt_scope *scope);

#endif
