/* SPDX-License-Identifier: MIT */
/*
 * Programs with wrappers of malloc, in every way that a compiler treats them.
 * Each caller is a function of its own that gets memory from a wrapper.
 */
#ifndef CODE_H
#define CODE_H
#include <stddef.h>

/* Lets the compiler neither see through a pointer, nor end in a jump where it
 * is used after a call, nor make one function of two alike: the number. */
#define KEEP(pointer)          KEEP_(pointer, __COUNTER__)
#define KEEP_(pointer, number) KEEP__(pointer, number)
#define KEEP__(pointer, number) \
    __asm__ volatile("# " #number : "+r"(pointer)::"memory")

#ifdef __cplusplus
extern "C" {
#endif

typedef void *(*caller)(size_t bytes);

/* Of 'static xmalloc', at -O0 and -O2. */
void *plain_one(size_t bytes);
void *plain_two(size_t bytes);
void *fast_one(size_t bytes);
void *fast_two(size_t bytes);

/* Of one whose allocation stands in the part for what is seldom done. */
void *fast_cold_one(size_t bytes);
void *fast_cold_two(size_t bytes);

/* Of one that is copied for the constant that it is always called with. */
void *fast_constant_one(size_t bytes);
void *fast_constant_two(size_t bytes);

/* Of one that is inlined wherever it is called. */
void *fast_inlined_one(size_t bytes);
void *fast_inlined_two(size_t bytes);

/* Of a wrapper that calls a wrapper: make_zeroed, make. */
void *chain_one(size_t bytes);
void *chain_two(size_t bytes);

/* Of ns::pool::take(size_t), ns::make<char>(size_t), operator() of ns::taker */
void *cxx_one(size_t bytes);
void *cxx_two(size_t bytes);
void *cxx_template_one(size_t bytes);
void *cxx_template_two(size_t bytes);
void *cxx_operator_one(size_t bytes);
void *cxx_operator_two(size_t bytes);

/* Of a function that a shared library exports, and of one that it does not. */
void *shared_make(size_t bytes);
void *shared_make_hidden(size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
