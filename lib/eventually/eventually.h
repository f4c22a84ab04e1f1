/* SPDX-License-Identifier: MIT */
#ifndef TT_EVENTUALLY_H
#define TT_EVENTUALLY_H
/*
 * The clockwork that all waits share: lengths from the options, the deadline,
 * and the time of the next poll.
 */
#include "base/base.h"

#include <tether/eventually.h>

/* When to be awake for the next poll: the pause's end or the deadline. The
 * pause doubles unless .every_ms fixes it. */
uint64_t tt_polling_wake_ns(struct tether_polling *polling);

/* Notes one more poll and the time that has passed. */
void tt_polling_count(struct tether_polling *polling);

/* Decides the wait. */
void tt_polling_end(struct tether_polling *polling, tether_status status);

/* Is done before each poll but the first: a safe point, or a collection. */
void tt_polling_between(const struct tether_polling *polling);

/* Decides it if STOP_WAITING was called. */
bool tt_polling_stop(struct tether_polling *polling);

#endif
