/* SPDX-License-Identifier: MIT */
#ifndef STACK_CODE_H
#define STACK_CODE_H
/*
 * Code to be unwound through. code.c is compiled with and without frame
 * pointers, and as two plug-ins whose functions differ in their frames.
 * Each function calls see(ctx) from a frame of its kind.
 */
typedef void (*see_fn)(void *ctx);

struct code {
    void (*recurse)(int levels, see_fn see, void *ctx);
    void (*either)(int levels, see_fn see, void *ctx); /* two call sites */
    void (*sort)(see_fn see, void *ctx);   /* from a qsort callback */
    void (*search)(see_fn see, void *ctx); /* from a bsearch callback */
    void (*vla)(int words, see_fn see, void *ctx);
    void (*realign)(int words, see_fn see, void *ctx);
    void (*big)(see_fn see, void *ctx);
    void (*tail)(see_fn see, void *ctx);
    void (*arguments)(see_fn see, void *ctx); /* pushed on the stack */
    void (*registers)(int seed, see_fn see, void *ctx); /* uses them all */
};

extern const struct code code_fp;
extern const struct code code_nofp;

/* C++: from a handler, and from a destructor while an exception flies. */
#ifdef __cplusplus
extern "C"
#endif
    void
    code_catch(see_fn see, void *ctx);

#endif
