/* SPDX-License-Identifier: MIT */
#ifndef TT_BASE_TIME_H
#define TT_BASE_TIME_H
/*
 * The multiplier of all waits, TETHER_TIME_SCALE: '2' for a machine that is
 * half as fast, '0.5' for one that is twice as fast.
 */
#include "base/base.h"

/* Nanoseconds of a wait of 'ms' milliseconds, scaled; at least 1, at most
 * 4e18, so that it can be added to the clock. */
uint64_t tt_time_scaled_ns(unsigned ms);

/* The multiplier; 1 when it is unset, or is no number above 0 and up to
 * 1000000: then one line on stderr says so, once. */
double tt_time_scale(void);

/* Reads a plain decimal number, whatever the locale. False: it is none, or
 * out of range. */
bool tt_time_scale_read(const char *text, double *scale);

#endif
