/* SPDX-License-Identifier: MIT */
#ifndef TT_SPY_PARTS_H
#define TT_SPY_PARTS_H
/*
 * What the files of this folder share: signatures, and what is known of the
 * objects that spies were given.
 */
#include "spy/spy.h"

#include <ffi.h>

/* Those of the libffi that is a part of this library: lib/reach puts functions
 * of its own before the program's, and these are none of the program's. */
void *tt_ffi_closure_alloc(size_t bytes, void **code);
void tt_ffi_closure_free(void *closure);

enum spy_role {
    SPY_PLAIN,
    SPY_DIES,
    SPY_BORN,
    SPY_BORROWED,
    SPY_KEPT,
    SPY_MOVED,
    SPY_DATA,
};

struct spy_type {
    const char *name;
    ffi_type *ffi;
    enum tether_value_kind kind;
};

struct spy_item {
    const struct spy_type *type;
    enum spy_role role;
};

struct spy_signature {
    struct spy_item result;
    struct spy_item arg[TETHER_SPY_ARGS_MAX];
    unsigned count;
};

/* Reads a signature. False: 'why' gets a sentence that says what is wrong. */
bool spy_signature_read(const char *text, struct spy_signature *signature,
                        struct tt_text *why);

/* "dies" */
const char *spy_role_name(enum spy_role role);

/* A value in eight bytes, as the log keeps it, and back. 'from' is where libffi
 * has it. */
uint64_t spy_value_pack(const struct spy_type *type, const void *from);
struct tether_value spy_value_unpack(const struct spy_type *type,
                                     uint64_t bits);

/*
 * Objects. All of these under the lock of spies; 'now' is the call under way.
 */
struct spy_now {
    const void *spy;
    const char *name; /* its function's */
    uint64_t order;
    uint32_t stack;
};

/* Sees an object as the argument of a call that begins. Fills facts->fault and
 * what belongs to it. Returns the object's number, 0 without memory. */
uint64_t spy_object_begin(const struct spy_now *now, void *address,
                          enum spy_role role, struct tt_spy_facts *facts);

/* The call has returned: what was to die is dead; unless it is to live on,
 * because the call failed. */
void spy_object_died(const struct spy_now *now, void *address, bool lives);

/* A new object. Returns its number. */
uint64_t spy_object_born(const struct spy_now *now, void *address);

/* Forgets all of them. */
void spy_objects_forget(void);

#endif
