/* SPDX-License-Identifier: MIT */
/*
 * Interposes dlclose. What is known of code is known by its address, so it
 * must be forgotten before other code can come to lie there, and the stacks
 * that are kept must be known to be of what was there. Modules that
 * libc unloads by itself (character sets of iconv) do not pass here; they are
 * left mapped more often than not.
 *
 * Hook: this is the one place of the part that asks the loader, and never
 * runs inside malloc.
 */
#include "stack/stack.h"
#include "stack/stack_gone.h"

#include <dlfcn.h>

void (*tt_stack_unloaded)(void);

__attribute__((visibility("default"))) int dlclose(void *handle)
{
    int (*const next)(void *) = (int (*)(void *))dlsym(RTLD_NEXT, "dlclose");
    struct tt_stack_gone before;
    tt_stack_gone_before(&before);
    const int result = next ? next(handle) : -1;
    tt_stack_gone_after(&before);
    tt_stack_forget();
    if (tt_stack_unloaded)
        tt_stack_unloaded();
    return result;
}
