/* SPDX-License-Identifier: MIT */
#ifndef TT_BUDGET_OPTIONS_H
#define TT_BUDGET_OPTIONS_H
/* Between the files of lib/budget. */
#include "budget/budget.h"

/* What is kept while a budget is open. */
struct budget_state {
    struct tt_scope scope;
    struct tether_budget *budget;
    struct site_watch *sites; /* NULL: no .max_site */
    bool told[TETHER_LIMITS];
    bool stopping[TETHER_LIMITS]; /* the next breach is at four times */
    bool broken;
};

/* The environment variable of a limit: "TETHER_MAX_HEAP". */
const char *budget_variable(enum tether_limit limit);

/* Does '.field =' stand in the budget's option list? */
bool budget_gives(const struct tether_budget *budget, const char *field);

/* The item of the budget's option list that sets 'limit', as written.
 * NULL, with *len 0, when it was set in another way. */
const char *budget_written(const struct tether_budget *budget,
                           enum tether_limit limit, size_t *len);

/* The same as a string, cut where it is longer than 'size' - 1. */
const char *budget_quote(const struct tether_budget *budget,
                         enum tether_limit limit, char *item, size_t size);
#define QUOTE_BYTES 160

/* Stops the program unless the budget was initialised. */
void budget_validate(const char *call, const struct tether_budget *budget);

/* Do the options contradict each other? 'why' then says so in one line. */
bool budget_contradicts(const struct tether_budget *budget, char *why,
                        size_t size);

/* A limit of an open budget broke: tells it by the budget's rules. */
enum tt_answer breach_happened(struct budget_state *state,
                               struct tt_breach_facts *facts);

/* .max_site: begins and ends to watch for one budget. False: no memory. */
bool site_watch_start(struct budget_state *state, uint64_t limit);
void site_watch_stop(struct budget_state *state);
void site_watch_child(void);

/* Puts the watch of allocations in force where a limit or a profile wants
 * it. */
void site_watch_update(void);

/* The functions and modules of TETHER_WRAPPERS. wrappers_find looks them up
 * outside malloc, once; wrapper_has may look them up again inside malloc, when
 * it is asked for code that was mapped since. */
void wrappers_find(void);
bool wrapper_has(uintptr_t pc);
void wrappers_forget(void);
void wrappers_child(void);

/* Adds what is wrong with the list, a line each; nothing where all is well. */
void wrappers_trouble(struct tt_text *text);

/* Tells the runner the same, for its table: once in a process. */
void wrappers_note(void);

/* In a forked child: the lock's holder does not exist. */
void budget_rules_child(void);
void budget_pressure_child(void);

/* Sets a scope's first mark for pressure; it is not open yet. */
void budget_mark_first(struct tt_scope *scope);

/* Modules with rules of their own. module_ranges_find looks them up, once,
 * outside malloc; module_find lists the ranges of a module by base name. */
void module_ranges_find(void);
size_t module_find(const struct tt_text *maps, const char *name,
                   struct tt_range *ranges, size_t max);
bool ranges_have(const struct tt_range *ranges, size_t count, uintptr_t pc);
bool module_is_libc(uintptr_t pc);
bool module_is_sanitizer(uintptr_t pc);
bool module_is_runtime(uintptr_t pc); /* the loader, Criterion, its own */

/* May this allocation be denied? Not the loader's, stdio's, Criterion's. */
bool deny_is_allowed(uint32_t stack);

/* Judges what leaked since 'epoch', by the budget's limits (NULL: counts only),
 * and tells it. True: one broke. */
bool leaks_judge(const struct tether_budget *budget, uint32_t epoch,
                 int64_t blocks_left);

/* The budget of the open window, or NULL. */
const struct tether_budget *window_budget(void);

#endif
