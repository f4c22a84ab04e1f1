/* SPDX-License-Identifier: MIT */
#ifndef TT_PRESSURE_H
#define TT_PRESSURE_H
/*
 * Pressure as the layers above and lib/init.c see it.
 */
#include "base/base.h"

#include <tether/pressure.h>

/* For tt_budget_tell: a share of a budget is used up. Hook: runs inside
 * malloc. */
void tt_pressure_due(enum tether_level level);

/* For tt_heap_news: gives up what may be given up inside malloc. Returns
 * whether anything was. Hook: runs inside malloc. */
bool tt_pressure_relieve(int64_t excess);

/* For tt_safepoint_more. */
void tt_pressure_safepoint(void);

/* What could be given up at a safe point, but not inside malloc. */
struct tt_pressure_waiting {
    size_t soft_count, soft_bytes; /* softly held objects */
    size_t pinned;                 /* and those that are pinned */
    size_t trims;                  /* trim callbacks */
    char trim_name[64];            /* of the first */
};
void tt_pressure_waiting(struct tt_pressure_waiting *waiting);

/* Stress, for tt_budget_tell. The first two run inside malloc. */
int64_t tt_stress_after(int64_t index);
void tt_stressed(int64_t index);
void tt_stress_window_began(const char *name);
void tt_stress_window_ends(bool passed);

/* A collection that stress made due, at a safe point of the test's thread. */
void tt_stress_safepoint(void);

/* Gives up inside malloc what may go at 'level'. Hook: runs there. */
void tt_pressure_in_malloc(enum tether_level level);

/* Nothing is due any more: in a forked child, and when a window begins. */
void tt_pressure_forget(void);

#endif
