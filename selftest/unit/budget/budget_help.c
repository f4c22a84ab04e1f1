/* SPDX-License-Identifier: MIT */
#include "budget_help.h"

#include <stdio.h>
#include <stdlib.h>

/* The name keeps the compiler from making one function of two alike. */
#define KEEP(pointer, name) \
    __asm__ volatile("# " #name : "+r"(pointer)::"memory")

struct budget_told told;

static void tell(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    told.stops += failure->stop;
    told.kind = failure->kind;
    snprintf(told.message, sizeof told.message, "%s", failure->message);
    told.count++;
}

void budget_window(void)
{
    tether_on_failure(tell, NULL);
    cr_assert_eq(tether_window_begin("test"), TETHER_OK);
}

struct tether_budget budget_of(enum tether_limit limit, uint64_t value,
                               int on_breach)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    tether_budget_set(&budget, limit, value);
    budget.on_breach = on_breach;
    return budget;
}

#define MAKER(name)                                   \
    __attribute__((noinline)) void *name(size_t size) \
    {                                                 \
        void *block = malloc(size);                   \
        KEEP(block, name);                            \
        return block;                                 \
    }

MAKER(budget_make)
MAKER(site_one)
MAKER(site_two)

#define GROWER(name)                                               \
    __attribute__((noinline)) void *name(void *block, size_t size) \
    {                                                              \
        KEEP(block, name);                                         \
        void *grown = realloc(block, size);                        \
        KEEP(grown, name);                                         \
        return grown;                                              \
    }

GROWER(site_grow_one)
GROWER(site_grow_two)
