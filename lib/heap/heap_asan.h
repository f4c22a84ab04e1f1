/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_ASAN_H
#define TT_HEAP_ASAN_H
/*
 * Serving Tether from a sanitizer's malloc. AddressSanitizer and a second
 * malloc exclude each other, so where the sanitizer's serves the program this
 * library's stays unused, and the sanitizer's hooks tell of births and deaths.
 */
#include "heap/heap_alloc.h"

/* A sanitizer's malloc serves this program. Known from the first call of any
 * of this library's allocating functions, or of a hook, on. */
extern bool heap_sanitized __attribute__((visibility("hidden")));

/* This library's own malloc, whoever serves the program; NULL where it is not
 * linked in (unit tests under a sanitizer). */
extern void *(*heap_own_malloc)(size_t) __attribute__((visibility("hidden")));

/* Looks who serves the program. */
void heap_sanitizer_look(void);

/* Installs the hooks, if a sanitizer serves, and tries them. */
void sanitizer_setup(void);

/* Entry points that the sanitizer does not have (a C program's run-time may
 * lack operator new) are passed on to those that it has. */
void *sanitizer_alloc(const struct request *request);
void *sanitizer_realloc(void *address, size_t size);
void sanitizer_free(void *address);

#endif
