/* SPDX-License-Identifier: MIT */
/*
 * Theories. Criterion runs a theory's function once for each point of its
 * data, and talks to the runner between two points, on the test's thread and
 * amid the test's body; it allocates for that. What it allocates is not the
 * test's, and a failure sent amid its talk would end the talk.
 *
 * The idea: Criterion calls the function by ffi_call, and nothing else by it.
 * This library exports ffi_call and comes before libffi in the order of
 * look-up; so a theory is the framework's own code from its start to its end,
 * but for what happens inside ffi_call. Where Criterion brings an ffi_call of
 * its own along, no point is seen: the test is unchecked then, and says so.
 */
#include "criterion_plug.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

typedef void (*ffi_call_fn)(void *cif, void (*function)(void), void *result,
                            void **arguments);

EXPORT void ffi_call(void *cif, void (*function)(void), void *result,
                     void **arguments);

static _Atomic ffi_call_fn real_ffi_call;
static unsigned points; /* of the theory that runs */

/* Behind us in the order of look-up; or, for a library that was loaded with a
 * scope of its own, wherever the loader has it. */
static ffi_call_fn ffi_call_find(void)
{
    ffi_call_fn found = real_ffi_call;
    if (found)
        return found;
    *(void **)&found = dlsym(RTLD_NEXT, "ffi_call");
    if (!found) {
        void *const libffi = dlopen("libffi.so.8", RTLD_LAZY | RTLD_NOLOAD);
        if (libffi)
            *(void **)&found = dlsym(libffi, "ffi_call");
    }
    real_ffi_call = found;
    return found;
}

static bool point_begins(void)
{
    if (!tt_plug.in_theory || tt_plug.in_point || tt_is_forked() ||
        !pthread_equal(pthread_self(), tt_plug.thread))
        return false;
    points++;
    tt_plug.in_point = true;
    tt_framework(false);
    return true;
}

void ffi_call(void *cif, void (*function)(void), void *result, void **arguments)
{
    const ffi_call_fn call = ffi_call_find();
    if (!call) {
        fprintf(stderr, "tether: ffi_call was called, and no libffi is found; "
                        "link libffi\n");
        abort();
    }
    const bool is_point = point_begins();
    call(cif, function, result, arguments);
    if (is_point)
        tt_point_over();
}

/* A failed assertion in a point, and cr_assume, leave it by longjmp. */
void tt_point_over(void)
{
    if (!tt_plug.in_point)
        return;
    tt_plug.in_point = false;
    tt_framework(true);
}

EXPORT void cr_theory_abort(void)
{
    if (!tt_is_forked())
        tt_point_over();
    tt_real()->theory_abort();
}

void tether_criterion_theory(struct criterion_datapoints *data, size_t count,
                             void (*theory)(void))
{
    if (tt_plug.off || tt_is_forked()) {
        tt_real()->theory(data, count, theory);
        return;
    }
    points = 0;
    tt_plug.in_theory = true;
    tt_framework(true);
    ffi_call_find();
    tt_real()->theory(data, count, theory);
    tt_framework(false);
    tt_plug.in_theory = false;
    tt_send_kept();
    if (points == 0)
        tt_unchecked("Criterion has a libffi of its own here, so the points "
                     "of a theory cannot be told from it");
}
