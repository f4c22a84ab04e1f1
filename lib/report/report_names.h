/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_NAMES_H
#define TT_REPORT_NAMES_H
/*
 * Names of code addresses, from tether-analyse, remembered for the life of
 * the process.
 *
 * Hook: all of it may run inside malloc and free, with the recursion guard
 * up. A question that was not asked before takes milliseconds, and at most
 * the deadline when the analyser hangs.
 */
#include "base/base.h"
#include "base/base_text.h"

enum tt_name_kind {
    TT_NAME_DEBUG,  /* function, path and line */
    TT_NAME_SYMBOL, /* function + offset */
    TT_NAME_MODULE, /* module + offset */
    TT_NAME_NONE    /* code of no module */
};

/* A module as far as names need it. */
struct tt_name_module {
    struct tt_name_module *next;
    const char *name; /* base name, never NULL */
    bool lacks_debug; /* it could have debug information and has none */
    bool shown;       /* code of it was shown without file and line */
    bool cut;         /* a shown stack ends in it: who called is not known */
    bool told;        /* that it lacks debug information was said */
    bool is_libc;     /* libc, the loader, libm */
};

/* One frame. Lives as long as the process. */
struct tt_name {
    enum tt_name_kind kind;
    bool inlined; /* into 'outer', which is at the same address */
    unsigned line;
    const char *function; /* NULL: not known */
    const char *path;     /* NULL: not known */
    struct tt_name_module *module;
    uint64_t offset;   /* from the symbol, or the link address in the module */
    uintptr_t address; /* a return address */
    const struct tt_name *outer;
};

/* Names return addresses, all unknown ones in one run of the analyser. */
void tt_names_resolve(const uintptr_t *returns, size_t count);

/* A variable, as its module counts it. */
struct tt_variable {
    uint64_t link;  /* address - the module's bias; TLS: place in its block */
    uintptr_t code; /* an address of code in the module */
    bool is_tls;
};

/* Names variables by symbols, all unknown ones in one run. */
void tt_names_resolve_variables(const struct tt_variable *variables,
                                size_t count);

/* Gets a variable's name: kind SYMBOL with the offset in it, MODULE with the
 * link address, or NONE. Never NULL. */
const struct tt_name *tt_names_variable(const struct tt_variable *variable);

/* Gets the innermost frame at a return address; asks if need be. Never
 * NULL. */
const struct tt_name *tt_names_get(uintptr_t return_address);

/* Adds 'node_new (cache.c:77)', 'node_new+0x1c (libcache.so)',
 * 'libcache.so+0x11d9' or 'unknown code'. */
void tt_name_text(struct tt_text *text, const struct tt_name *name);

/* Adds what stands in the way of better names, a line each: that the analyser
 * could not be used, and each module shown that lacks debug information. Each
 * is said once in the process. */
void tt_names_tell_trouble(struct tt_text *text);

/* TETHER_VERBOSE=1: full paths and addresses. */
bool tt_report_verbose(void);

/* Code was unmapped or mapped: what is known may be another module's. */
void tt_names_forget(void);

/* For the fork handlers, and whoever else asks the analyser. */
void tt_names_lock(void);
void tt_names_unlock(void);

#endif
