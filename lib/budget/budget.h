/* SPDX-License-Identifier: MIT */
#ifndef TT_BUDGET_H
#define TT_BUDGET_H
/*
 * Budgets and windows as the layers above see them: the facts of a failure,
 * and the table through which lib/report words them.
 */
#include "heap/heap.h"

#include <tether/budget.h>
#include <tether/ref.h>
#include <tether/window.h>

struct tt_text;

/* A limit broke. */
struct tt_breach_facts {
    enum tether_limit limit; /* any but TETHER_MAX_LEAKED */
    const char *written;     /* '.max_heap = MiB(8)', or NULL */
    uint64_t bound;          /* the limit's value */
    uint64_t value;          /* what was reached, or would have been */
    const char *scope;       /* which budget, 'WITHIN_BUDGET (t.c:41)', or
                                NULL for the test's own */
    bool at_allocation;      /* 'bytes' and 'stack' are of the allocation
                                that broke it */
    bool stopped;            /* the test ends here */
    size_t bytes;
    uint32_t stack;
    uint32_t epoch; /* blocks of it and later are what the limit counts */
    uintptr_t site; /* max_site: a return address in the function, else 0 */
    tt_site_counts counts; /* blocks that the limit counts; NULL: all */
    void *ctx;
};

/* What is left at a window's end. */
struct tt_leak_facts {
    uint32_t epoch;        /* of the window */
    tt_site_counts counts; /* of the window's blocks; NULL: those without
                              TT_BLOCK_KEEP */
    void *ctx;
    uint64_t bound;      /* .max_leaked */
    const char *written; /* 'NO_LEAKS' or '.max_leaked = KiB(1)', or NULL */
    bool lost;           /* judge only what is lost: .max_lost */
    bool ambiguous_lost; /* ... and what may be */
    unsigned roots;      /* enum tether_roots; 0: all */
    /* results: */
    uint64_t bytes, blocks; /* leaked */
    uint64_t kept_blocks;   /* tether_keep, ONE_TIME */
    uint64_t known_blocks;  /* libc's caches, the framework's */
    uint64_t suppressed_bytes, suppressed_blocks; /* TETHER_SUPPRESS */
};

/* An address range, of a function or a module. */
struct tt_range {
    uintptr_t start, end;
};

/* A name of a function, and whether it was ever found. */
struct tt_function_name {
    const char *name;
    bool known;
};

/* Ranges of functions that were found. */
struct tt_functions {
    struct tt_range *ranges; /* room for 'max' */
    size_t count, max;
    bool cut; /* there are more */
};

/* The words, filled by lib/init.c with lib/report's functions. */
struct tt_budget_words {
    void (*breach)(const struct tt_breach_facts *facts, struct tt_text *text);
    bool (*leak)(struct tt_leak_facts *facts, struct tt_text *text);
    void (*misuse)(const struct tt_misuse_report *report, struct tt_text *text);
    /* Where a stack's first frame outside libc is. False: not known. The
     * string lives as long as the process. */
    bool (*where)(uint32_t stack, const char **file, unsigned *line);
    /* Writes the window's profile (tt_profile_visit) to its file. */
    void (*profile)(const char *window);
    /* Finds functions by name, static ones too, all of that name in the
     * modules of 'maps'. 'trouble' gets a line for each name that was never
     * known, or one that says why nobody can tell. */
    void (*find_functions)(struct tt_function_name *const *names, size_t count,
                           const struct tt_text *maps,
                           struct tt_functions *found, struct tt_text *trouble);
};
extern struct tt_budget_words tt_budget_words;

/* Is the calling thread the one that began the window? True outside of one. */
bool tt_window_is_mine(void);

/*
 * Pressure by budgets. When the live bytes of one reach a share of its
 * .max_heap, 'pressure' is told the level, inside malloc; the next share is
 * looked at from then on, and the lower one again once tt_budget_rearm was
 * called. 'stressed' is told when the window's allocations reach the number
 * that was set.
 */
struct tt_budget_tell {
    void (*pressure)(enum tether_level level);
    void (*stressed)(int64_t index);
    /* The number after this one; 0: none. Calls nobody, under a lock. */
    int64_t (*stress_after)(int64_t index);
    /* A window has begun; it ends, 'passed' or not. */
    void (*window_began)(const char *name);
    void (*window_ends)(bool passed);
};
extern struct tt_budget_tell tt_budget_tell;

/* For tt_heap_news. */
void tt_budget_marked(struct tt_scope *scope, enum tt_limit gauge,
                      int64_t value);

/* The shares, in per cent of .max_heap; 0: that level is not raised. */
void tt_budget_shares(unsigned moderate, unsigned critical);

/* By how much the budget that is nearest to its limit is above its moderate
 * share. */
size_t tt_budget_excess(void);
void tt_budget_rearm(void);

/* Sets the mark on the window's allocations; 0: none. False: no window. */
bool tt_budget_stress_at(int64_t index);

/* What the open window's budget says of roots (enum tether_roots, 0: all) and
 * of objects that only dead words may lead to. */
unsigned tt_budget_roots(void);
bool tt_budget_ambiguous_fails(void);

/* Called when a window ends that is judged, before its leaks are; filled by
 * lib/init.c. */
extern size_t (*tt_window_ending)(void);

/* Calls back for each stack that allocated in the window, while a profile is
 * taken (budget_profile.h). Not while threads allocate. Returns how many. */
struct tt_profile_row;
size_t tt_profile_visit(void (*see)(const struct tt_profile_row *row,
                                    void *ctx),
                        void *ctx);

/* The course of the window's live bytes (budget_profile.h), and a mark on it;
 * 'what' is a constant. Any thread, also inside malloc. */
const struct tt_profile_course *tt_profile_course(void);
void tt_profile_mark(const char *what);

/* For tt_heap_news. */
enum tt_answer tt_budget_breach(struct tt_scope *scope, enum tt_limit limit,
                                int64_t value, size_t bytes, uint32_t stack);
void tt_budget_misuse(const struct tt_misuse_report *report);

/* Tells the framework of a failure. */
void tt_failure_tell(const struct tether_failure *failure);

/* Tells what fails nothing and should be known, lines that end in newlines:
 * to the runner where there is one, else on stderr. */
void tt_note(const char *lines);

/* The name of a limit: "max_heap". */
const char *tt_limit_name(enum tether_limit limit);

/* Code was unmapped: what is known of addresses may be another module's. */
void tt_budget_forget(void);

/* In a forked child the window is closed. */
void tt_budget_child(void);

#endif
