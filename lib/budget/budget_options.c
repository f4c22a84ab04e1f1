/* SPDX-License-Identifier: MIT */
/*
 * Limits as users write them: which are in force, and how they were written.
 */
#include "budget/budget_options.h"

#include "base/base_options.h"
#include "base/base_text.h"

#include <string.h>

static const struct {
    const char *name, *variable;
    size_t offset;
} limits[TETHER_LIMITS] = {
#define LIMIT(NAME, name)                       \
    [TETHER_##NAME] = { #name, "TETHER_" #NAME, \
                        offsetof(struct tether_budget, name) }
    LIMIT(MAX_HEAP, max_heap),     LIMIT(MAX_ALLOC, max_alloc),
    LIMIT(MAX_SITE, max_site),     LIMIT(MAX_TOTAL, max_total),
    LIMIT(MAX_COUNT, max_count),   LIMIT(MIN_COUNT, min_count),
    LIMIT(MAX_LEAKED, max_leaked), LIMIT(MAX_LOST, max_lost),
#undef LIMIT
};

const char *tt_limit_name(enum tether_limit limit)
{
    return limits[limit].name;
}

const char *budget_variable(enum tether_limit limit)
{
    return limits[limit].variable;
}

static uint64_t *value_of(struct tether_budget *budget, enum tether_limit limit)
{
    return (uint64_t *)((char *)budget + limits[limit].offset);
}

void budget_validate(const char *call, const struct tether_budget *budget)
{
    if (!budget)
        tt_die(call, "'budget' is NULL; give it a struct tether_budget");
    if (budget->magic != TETHER_BUDGET_MAGIC || budget->size != sizeof *budget)
        tt_die(call, "the budget was not initialised, or by the header of "
                     "another version; write { TETHER_BUDGET_INIT }");
}

static void limit_validate(const char *call, enum tether_limit limit)
{
    if ((unsigned)limit >= TETHER_LIMITS)
        tt_die(call, "%d is no limit; see enum tether_limit", (int)limit);
}

void tether_budget_set(struct tether_budget *budget, enum tether_limit limit,
                       uint64_t value)
{
    budget_validate("tether_budget_set", budget);
    limit_validate("tether_budget_set", limit);
    *value_of(budget, limit) = value;
    budget->set |= 1u << limit;
}

bool budget_gives(const struct tether_budget *budget, const char *field)
{
    return tt_option_written(budget->full ? budget->full : budget->text, field);
}

int tether_budget_get(const struct tether_budget *budget,
                      enum tether_limit limit, uint64_t *value)
{
    budget_validate("tether_budget_get", budget);
    limit_validate("tether_budget_get", limit);
    const uint64_t found = *value_of((struct tether_budget *)budget, limit);
    if (value)
        *value = found;
    return found != 0 || (budget->set & 1u << limit) ||
           budget_gives(budget, limits[limit].name);
}

static bool is_word(const char *item, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(item, word, len) == 0;
}

tether_status tether_size_read(const char *text, uint64_t *bytes)
{
    if (!text || !bytes)
        tt_die("tether_size_read", "%s is NULL", text ? "'bytes'" : "'text'");
    return tt_size_read(text, bytes) ? TETHER_OK : TETHER_REFUSED;
}

/* Is the item 'tether.ini:12: max-heap = ...'? */
static bool item_sets_in_file(const char *item, size_t len, const char *name)
{
    const char *at = memmem(item, len, ": ", 2);
    if (!at)
        return false;
    for (at += 2; *name; name++, at++)
        if (at >= item + len || *at != (*name == '_' ? '-' : *name))
            return false;
    return at < item + len && *at == ' ';
}

/* Is the item '.max_heap = ...' or 'TETHER_MAX_HEAP=...'? */
static bool item_sets(const char *item, size_t len, enum tether_limit limit)
{
    const char *const name = limits[limit].name;
    const char *const variable = limits[limit].variable;
    const size_t name_len = strlen(name), variable_len = strlen(variable);
    if (item[0] == '.' && len > name_len + 1)
        return strncmp(item + 1, name, name_len) == 0;
    if (limit == TETHER_MAX_LEAKED && (is_word(item, len, "NO_LEAKS") ||
                                       is_word(item, len, "TETHER_NO_LEAKS")))
        return true;
    if (limit == TETHER_MAX_LOST &&
        (is_word(item, len, "NO_LOST") || is_word(item, len, "TETHER_NO_LOST")))
        return true;
    if (item_sets_in_file(item, len, name))
        return true;
    return len > variable_len && item[variable_len] == '=' &&
           strncmp(item, variable, variable_len) == 0;
}

static const char *item_find(const char *text, enum tether_limit limit,
                             size_t *len)
{
    while (text && *text) {
        text += strspn(text, " \t\n,");
        *len = tt_option_first(text);
        if (*len && item_sets(text, *len, limit))
            return text;
        text += *len;
        text += strcspn(text, ",");
    }
    *len = 0;
    return NULL;
}

const char *budget_written(const struct tether_budget *budget,
                           enum tether_limit limit, size_t *len)
{
    const char *const found = item_find(budget->text, limit, len);
    return found ? found : item_find(budget->full, limit, len);
}

const char *budget_quote(const struct tether_budget *budget,
                         enum tether_limit limit, char *item, size_t size)
{
    size_t len;
    const char *const found = budget_written(budget, limit, &len);
    if (!found)
        return NULL;
    len = TT_MIN(len, size - 1);
    memcpy(item, found, len);
    item[len] = '\0';
    return item;
}

static bool refuse(char *why, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Always true, so that a check can return it. */
static bool refuse(char *why, size_t size, const char *format, ...)
{
    struct tt_text text;
    va_list args;
    if (!why || size == 0)
        return true;
    va_start(args, format);
    tt_text_fixed(&text, why, size);
    tt_text_addv(&text, format, args);
    va_end(args);
    return true;
}

bool budget_contradicts(const struct tether_budget *budget, char *why,
                        size_t size)
{
    uint64_t least, most;
    if (tether_budget_get(budget, TETHER_MIN_COUNT, &least) &&
        tether_budget_get(budget, TETHER_MAX_COUNT, &most) && least > most)
        return refuse(why, size,
                      "the budget contradicts itself: min_count is %llu, "
                      "above max_count, which is %llu",
                      (unsigned long long)least, (unsigned long long)most);
    if (budget->on_breach < TETHER_GO_ON || budget->on_breach > TETHER_DENY)
        return refuse(why, size,
                      "on_breach is %d; write TETHER_GO_ON, TETHER_STOP or "
                      "TETHER_DENY",
                      budget->on_breach);
    return false;
}
