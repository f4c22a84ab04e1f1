/* SPDX-License-Identifier: MIT */
#ifndef TT_BASE_MEM_H
#define TT_BASE_MEM_H
/*
 * Private memory: mapped, never malloc'ed, so that nothing of Tether's is
 * part of the heap that a test looks at. May be used inside malloc and free.
 */
#include "base/base.h"

/* Maps whole zeroed pages. NULL when the system refuses. */
void *tt_map(size_t bytes);

/* Reserves pages that cost memory only once touched. NULL when refused. */
void *tt_map_sparse(size_t bytes);

void tt_unmap(void *start, size_t bytes);

/* Gives the touched pages of a mapping back; it stays, and reads as zero. */
void tt_release(void *start, size_t bytes);

/* Takes zeroed private memory, aligned to 16 bytes. NULL when the system
 * refuses. Any thread. */
void *tt_mem_take(size_t bytes) __attribute__((malloc));

/* Gives back what tt_mem_take(bytes) returned, with the same size. */
void tt_mem_give(void *start, size_t bytes);

/* Private bytes taken and not yet given back. */
size_t tt_mem_used(void);

/* For the fork handlers: the allocator's lock. */
void tt_mem_lock(void);
void tt_mem_unlock(void);

#endif
