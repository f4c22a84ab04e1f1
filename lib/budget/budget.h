/* SPDX-License-Identifier: MIT */
#ifndef TT_BUDGET_H
#define TT_BUDGET_H
/*
 * Budgets and windows as the layers above see them: the facts of a failure,
 * and the table through which lib/report words them.
 */
#include "heap/heap.h"

#include <tether/budget.h>
#include <tether/window.h>

struct tt_text;

/* A limit that broke. */
struct tt_breach_facts {
    enum tether_limit limit;
    const char *name;    /* "max_heap" */
    const char *written; /* the limit as written: ".max_heap = MiB(8)" */
    size_t written_len;  /* bytes of 'written'; 0: not known */
    const char *file;    /* where the budget was written, or NULL */
    unsigned line;
    uint64_t limit_value; /* bytes or allocations */
    uint64_t value;       /* what it would have reached, or reached */
    size_t bytes;         /* of the request */
    uint32_t stack;       /* of the request; 0 for what is judged at the end */
    uint32_t thread;      /* that asked */
    uint32_t epoch;       /* blocks with a smaller one are not the budget's */
    uintptr_t site_start; /* max_site: the function's range */
    uintptr_t site_end;
    bool stops; /* the test ends here */
    bool again; /* four times the limit: told for the second time */
};

/* Blocks that are alive at the end. */
struct tt_leak_facts {
    uint64_t limit_value;
    const char *written;
    size_t written_len;
    const char *file;
    unsigned line;
    uint32_t epoch; /* blocks with a smaller one are not looked at */
};

struct tt_leaked {
    uint64_t bytes;
    uint64_t blocks;
};

/* An address range, of a function or a module. */
struct tt_range {
    uintptr_t start, end;
};

/* The words, filled by lib/init.c with lib/report's functions. */
struct tt_budget_words {
    void (*breach)(const struct tt_breach_facts *facts, struct tt_text *text);
    /* Counts what leaked, after marks, suppressions and the built-in list. */
    struct tt_leaked (*count_leaks)(uint32_t epoch);
    void (*leak)(const struct tt_leak_facts *facts, struct tt_text *text);
    void (*misuse)(const struct tt_misuse_report *report, struct tt_text *text);
    /* Finds the ranges of functions by name, static ones too. Returns how
     * many were found; those that were not have start 0. */
    size_t (*find_functions)(const char *const *names, size_t count,
                             struct tt_range *ranges);
};
extern struct tt_budget_words tt_budget_words;

/* For tt_heap_news. */
enum tt_answer tt_budget_breach(struct tt_scope *scope, enum tt_limit limit,
                                int64_t value, size_t bytes, uint32_t stack);
void tt_budget_misuse(const struct tt_misuse_report *report);

/* Tells the framework of a failure. */
void tt_failure_tell(const struct tether_failure *failure);

/* The name of a limit: "max_heap". */
const char *tt_limit_name(enum tether_limit limit);

/* The epoch of the open window, 0 when none is open. */
uint32_t tt_window_epoch(void);

/* In a forked child the window is closed. */
void tt_budget_child(void);

#endif
