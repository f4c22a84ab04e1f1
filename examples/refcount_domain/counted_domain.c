/* SPDX-License-Identifier: MIT */
/*
 * The whole of the adapter: which pointers are objects, how many there are,
 * who holds one, and the news of each death.
 */
#include "counted_domain.h"

#include <stdio.h>
#include <string.h>

#include "counted.h"

tether_domain *counted_domain;

static int recognise(const void *object, struct tether_domain_object *what,
                     void *ctx)
{
    (void)ctx;
    if (!counted_is(object))
        return 0;
    what->size = counted_size(object);
    return 1;
}

static size_t count(void *ctx)
{
    (void)ctx;
    return counted_live();
}

struct line {
    char *text;
    size_t size;
};

static void owner_add(const char *owner, void *ctx)
{
    struct line *line = ctx;
    size_t used = strlen(line->text);
    snprintf(line->text + used, line->size - used, "%s\n", owner);
}

static void describe(const void *object, char *text, size_t size, void *ctx)
{
    struct line line = { text, size };
    (void)ctx;
    text[0] = '\0';
    counted_owners(object, owner_add, &line);
}

static void on_death(const void *object)
{
    tether_domain_died(counted_domain, object);
}

void counted_domain_begin(void)
{
    counted_domain = tether_domain_add(
        &(struct tether_domain_table){ .name = "counted objects",
                                       .recognise = recognise,
                                       .count = count,
                                       .describe = describe });
    counted_on_death = on_death;
}

void counted_domain_end(void)
{
    counted_on_death = NULL;
    tether_domain_remove(counted_domain);
}
