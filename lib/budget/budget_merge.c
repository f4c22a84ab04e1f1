/* SPDX-License-Identifier: MIT */
/*
 * The suite's budget, the test's and the environment's, merged field by field.
 * Each limit keeps the text that set it, so that a message quotes the one who
 * won: the merged budget's option list is made of the winning items.
 */
#include "budget/budget_options.h"

#include "base/base_text.h"
#include "os/os.h"
#include "stack/stack.h"

#include <stdio.h>
#include <string.h>

/* A merge under way. */
struct merge {
    const struct tether_budget *suite, *test;
    struct tether_budget *to;
    struct tt_text text; /* the winning items */
    struct tt_text why;
};

static bool is_count(enum tether_limit limit)
{
    return limit == TETHER_MAX_COUNT || limit == TETHER_MIN_COUNT;
}

static void item_add(struct merge *merge, const char *item, size_t len)
{
    if (merge->text.len)
        tt_text_add(&merge->text, ", ");
    tt_text_bytes(&merge->text, item, len);
}

/* Takes over what 'from' says of one limit. */
static bool limit_take(struct merge *merge, const struct tether_budget *from,
                       enum tether_limit limit)
{
    uint64_t value;
    if (!from || !tether_budget_get(from, limit, &value))
        return false;
    tether_budget_set(merge->to, limit, value);
    merge->to->file = from->file;
    merge->to->line = from->line;
    return true;
}

static bool limit_from_environment(struct merge *merge, enum tether_limit limit,
                                   const char *variable, const char *setting)
{
    uint64_t value;
    const bool whole = strspn(setting, "0123456789") == strlen(setting);
    if (!tt_os_env_size(variable, &value) || (is_count(limit) && !whole)) {
        tt_text_add(&merge->why, "%s=%.60s is no %s; write %s", variable,
                    setting, is_count(limit) ? "count" : "size",
                    is_count(limit) ? "a whole number"
                                    : "4096, 64KiB, 8MiB or 1GiB");
        return false;
    }
    tether_budget_set(merge->to, limit, value);
    char item[128];
    const int len = snprintf(item, sizeof item, "%s=%s", variable, setting);
    item_add(merge, item, (size_t)TT_MIN(len, (int)sizeof item - 1));
    return true;
}

static bool limit_merge(struct merge *merge, enum tether_limit limit)
{
    const struct tether_budget *from = NULL;
    const char *const variable = budget_variable(limit);
    if (limit_take(merge, merge->suite, limit))
        from = merge->suite;
    if (limit_take(merge, merge->test, limit))
        from = merge->test;
    const char *const setting = tt_os_env(variable);
    if (setting)
        return limit_from_environment(merge, limit, variable, setting);
    if (from) {
        size_t len;
        const char *const item = budget_written(from, limit, &len);
        if (item)
            item_add(merge, item, len);
    }
    return true;
}

static void rest_take(struct merge *merge, const struct tether_budget *from)
{
    if (!from)
        return;
    if (from->on_breach || budget_gives(from, "on_breach"))
        merge->to->on_breach = from->on_breach;
    if (from->ambiguous || budget_gives(from, "ambiguous"))
        merge->to->ambiguous = from->ambiguous;
    if (from->roots || budget_gives(from, "roots"))
        merge->to->roots = from->roots;
    if (from->fixtures || budget_gives(from, "fixtures"))
        merge->to->fixtures = from->fixtures;
    if (from->warm_up || budget_gives(from, "warm_up"))
        merge->to->warm_up = from->warm_up;
}

static bool on_breach_from_environment(struct merge *merge)
{
    static const char *const names[] = {
        [TETHER_GO_ON] = "go-on", [TETHER_STOP] = "stop", [TETHER_DENY] = "deny"
    };
    const char *const setting = tt_os_env("TETHER_ON_BREACH");
    if (!setting)
        return true;
    for (int i = 0; i < (int)TT_COUNT(names); i++)
        if (strcmp(setting, names[i]) == 0) {
            merge->to->on_breach = i;
            return true;
        }
    tt_text_add(&merge->why,
                "TETHER_ON_BREACH=%s is unknown; write go-on, stop or deny",
                setting);
    return false;
}

/* Settings that are read where nothing can be said. */
static bool setting_is_good(struct merge *merge, const char *variable,
                            uint64_t max)
{
    uint64_t value;
    const char *const setting = tt_os_env(variable);
    if (!setting || (tt_os_env_size(variable, &value) && value <= max))
        return true;
    if (max == UINT64_MAX)
        tt_text_add(&merge->why, "%s=%.60s is no size; write 4096 or 16MiB",
                    variable, setting);
    else
        tt_text_add(&merge->why, "%s=%.60s is not good; write 0 to %llu",
                    variable, setting, (unsigned long long)max);
    return false;
}

static bool merge_all(struct merge *merge)
{
    for (enum tether_limit limit = 0; limit < TETHER_LIMITS; limit++)
        if (!limit_merge(merge, limit))
            return false;
    rest_take(merge, merge->suite);
    rest_take(merge, merge->test);
    return on_breach_from_environment(merge) &&
           setting_is_good(merge, "TETHER_STACK_DEPTH", TT_STACK_DEPTH_MAX) &&
           setting_is_good(merge, "TETHER_QUARANTINE", UINT64_MAX);
}

tether_status tether_budget_merge(const struct tether_budget *suite,
                                  const struct tether_budget *test,
                                  struct tether_budget *merged, char *why,
                                  size_t why_size)
{
    char unread[1];
    struct merge merge = { .suite = suite, .test = test, .to = merged };
    if (!merged)
        tt_die("tether_budget_merge", "'merged' is NULL; give it a struct");
    if (suite)
        budget_validate("tether_budget_merge", suite);
    if (test)
        budget_validate("tether_budget_merge", test);
    *merged = (struct tether_budget){ TETHER_BUDGET_INIT };
    /* The text lives as long as the merged budget may: for ever. */
    tt_text_make(&merge.text);
    tt_text_fixed(&merge.why, why && why_size ? why : unread,
                  why && why_size ? why_size : sizeof unread);
    if (!merge_all(&merge))
        return TETHER_REFUSED;
    merged->text = merge.text.len ? merge.text.data : NULL;
    return budget_contradicts(merged, why, why_size) ? TETHER_REFUSED
                                                     : TETHER_OK;
}
