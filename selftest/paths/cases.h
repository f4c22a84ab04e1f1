/* SPDX-License-Identifier: MIT */
#ifndef CASES_H
#define CASES_H
/*
 * Programs that hold objects in the ways C programs do, and stand still.
 * Each case says its name and its object; the addresses are kept nowhere but
 * where the case is about.
 */
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Prints 'NAME ADDRESS' on standard output. */
void case_is(const char *name, const void *object);

/* Says what a word gives that gdb cannot ask for: a call of the program's, a
 * closure. */
void case_means(const char *call, const void *value);

/* In a shared library and in a static one. */
void shared_make(void);
void archive_make(void);

/* Walks over old frames, so that they hold nothing by chance. */
void stack_scrub(void);

#ifdef __cplusplus
}
#endif

#define NOINLINE  __attribute__((noinline))
#define NEW(type) ((type *)calloc(1, sizeof(type)))

/* Somebody may read the variable: optimisers leave it as it is. */
#define KEEP(variable) __asm__ volatile("" : : "r"(&(variable)) : "memory")

#endif
