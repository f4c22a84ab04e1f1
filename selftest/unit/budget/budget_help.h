/* SPDX-License-Identifier: MIT */
/* What the tests of budgets share: a window, and what was told in it. */
#ifndef BUDGET_HELP_H
#define BUDGET_HELP_H
#include <tether/budget.h>
#include <tether/heap.h>
#include <tether/window.h>

#include <criterion/criterion.h>

struct budget_told {
    _Atomic int count;
    int stops;
    enum tether_failure_kind kind;
    char message[4000];
};
extern struct budget_told told;

/* Opens a window whose failures go to 'told'. */
void budget_window(void);

/* A budget of one limit. */
struct tether_budget budget_of(enum tether_limit limit, uint64_t value,
                               int on_breach);

/* malloc that the compiler does not see through. */
void *budget_make(size_t size);

/* Functions that allocate: each is a site of its own. */
void *site_one(size_t size);
void *site_two(size_t size);
void *site_grow_one(void *block, size_t size);
void *site_grow_two(void *block, size_t size);

#endif
