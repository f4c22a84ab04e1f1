/* SPDX-License-Identifier: MIT */
#ifndef LIVE_H
#define LIVE_H
#include <stddef.h>

/* Lets the compiler neither see through a pointer, nor end in a jump where it
 * is used after a call, nor make one function of two alike: the number. */
#define KEEP(pointer)          KEEP_(pointer, __COUNTER__)
#define KEEP_(pointer, number) KEEP__(pointer, number)
#define KEEP__(pointer, number) \
    __asm__ volatile("# " #number : "+r"(pointer)::"memory")

void *library_make(size_t bytes);
void *library_chosen(size_t bytes);
void *library_calls_chosen(size_t bytes);

#endif
