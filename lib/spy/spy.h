/* SPDX-License-Identifier: MIT */
#ifndef TT_SPY_H
#define TT_SPY_H
/*
 * Spies as lib/report sees them.
 */
#include "base/base.h"
#include "base/base_text.h"

#include <tether/spy.h>

/* What is known of a spy. */
struct tt_spy_about {
    const char *name; /* of the function, as written */
    uint64_t calls;   /* in all */
    uint64_t kept;    /* of those, in the log */
    bool blind;       /* it is the function itself: no memory */
};
void tt_spy_about(const char *call, tether_function spy,
                  struct tt_spy_about *about);

/* A call, with no lock held any more. */
struct tt_spy_row {
    uint64_t object; /* number of the object that it was about; 0: none */
    uint64_t time_ns;
    uint32_t thread;
    uint32_t stack;
};

/* Copies the kept calls, oldest first, at most 'max'. Returns how many. */
size_t tt_spy_rows(const char *call, tether_function spy,
                   struct tt_spy_row *rows, size_t max);

/* A call that should not have been. */
enum tt_spy_fault {
    TT_SPY_FINE,
    TT_SPY_DEAD,    /* its object had died by another call */
    TT_SPY_FREED,   /* its object's memory was freed */
    TT_SPY_DROPPED, /* the spy was dropped */
};

struct tt_spy_facts {
    enum tt_spy_fault fault;
    const char *name;      /* of the spy called */
    unsigned arg;          /* which argument is the object, from 1 */
    const char *role;      /* its role, as written */
    bool dies;             /* the role is that */
    bool again;            /* DEAD: by a call of this same spy */
    const char *dead_name; /* DEAD: the spy by which it died */
    uint32_t dead_stack;   /* of that call, or of the free, or the drop */
    uint32_t born_stack;   /* 0: not known */
    uint32_t now_stack;
};

/* The words of that, filled by lib/init.c. */
extern void (*tt_spy_words)(const struct tt_spy_facts *facts,
                            struct tt_text *text);

/* For the fork handlers. Taken before the locks of lib/ref. */
void tt_spy_lock(void);
void tt_spy_unlock(void);

#endif
