/* SPDX-License-Identifier: MIT */
#ifndef TT_REACH_REGIONS_H
#define TT_REACH_REGIONS_H
/* Registered regions, by whichever call they came. */
#include <stddef.h>
#include <stdint.h>
#include <tether/status.h>

/* 'name' lives as long as the process; 'made' is a return address. */
tether_status reach_region_add(uintptr_t start, size_t bytes, const char *name,
                               uintptr_t made);
tether_status reach_region_remove(uintptr_t start, size_t bytes);

#endif
