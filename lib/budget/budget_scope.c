/* SPDX-License-Identifier: MIT */
/*
 * Open budgets: from limits to scopes of the heap, and what happens when one
 * breaks.
 *
 * Locks: 'rules', for what was told; nothing is called while it is held but
 * the ledger.
 * Hook: tt_budget_breach and breach_happened run inside malloc, on any
 * thread, with the recursion guard up.
 */
#include "budget/budget_options.h"

#include <tether/check.h>

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "base/base_text.h"

#include <stdio.h>
#include <string.h>

struct tt_budget_words tt_budget_words;

static struct tt_lock rules;

static const enum tether_limit limit_of_heap[TT_LIMITS] = {
    [TT_LIMIT_HEAP] = TETHER_MAX_HEAP,
    [TT_LIMIT_TOTAL] = TETHER_MAX_TOTAL,
    [TT_LIMIT_COUNT] = TETHER_MAX_COUNT,
    [TT_LIMIT_ALLOC] = TETHER_MAX_ALLOC,
};

static struct budget_state *state_of(const struct tether_budget *budget)
{
    return budget->reserved[0];
}

static int64_t as_limit(uint64_t value)
{
    return value < INT64_MAX ? (int64_t)value : TT_NO_LIMIT;
}

/* Which budget it is, in words; NULL: the test's own. */
static const char *scope_name(const struct budget_state *state, char *name,
                              size_t size)
{
    const struct tether_budget *const budget = state->budget;
    if (budget == window_budget() || !budget->file)
        return NULL;
    const char *const slash = strrchr(budget->file, '/');
    snprintf(name, size, "WITHIN_BUDGET (%s:%u)",
             slash ? slash + 1 : budget->file, budget->line);
    return name;
}

static void breach_tell(struct budget_state *state,
                        struct tt_breach_facts *facts)
{
    struct tt_text text;
    char written[QUOTE_BYTES], scope[QUOTE_BYTES];
    const bool in_malloc = facts->at_allocation;
    facts->written =
        budget_quote(state->budget, facts->limit, written, sizeof written);
    facts->scope = scope_name(state, scope, sizeof scope);
    facts->epoch = state->scope.epoch;
    tether_budget_get(state->budget, facts->limit, &facts->bound);
    tether_breach();
    tt_profile_mark(tt_limit_name(facts->limit));
    tt_text_make(&text);
    if (tt_budget_words.breach)
        tt_budget_words.breach(facts, &text);
    else
        tt_text_add(&text, "%s broken", tt_limit_name(facts->limit));
    if (facts->limit == TETHER_MAX_SITE)
        wrappers_trouble(&text);
    tt_text_end(&text);
    struct tether_failure failure = { .kind = in_malloc ? TETHER_FAILURE_BREACH
                                                        : TETHER_FAILURE_LIMIT,
                                      .message = text.data,
                                      .file = state->budget->file,
                                      .line = state->budget->line,
                                      .stop = facts->stopped,
                                      .in_malloc = in_malloc };
    if (in_malloc && tt_budget_words.where)
        tt_budget_words.where(facts->stack, &failure.file, &failure.line);
    tt_failure_tell(&failure);
    tt_text_drop(&text);
}

/* The limit once it was told: four times as much, where the test then stops;
 * none when it stops already. Nothing has no four times. */
static int64_t limit_after(const struct budget_state *state, bool again,
                           uint64_t value)
{
    return !again && state->budget->on_breach == TETHER_GO_ON && value > 0 &&
                   value < INT64_MAX / 4
               ? (int64_t)value * 4
               : TT_NO_LIMIT;
}

static void limit_raise(struct budget_state *state, enum tether_limit limit,
                        int64_t next)
{
    for (enum tt_limit i = 0; i < TT_LIMITS; i++)
        if (limit_of_heap[i] == limit && limit != TETHER_MAX_SITE)
            state->scope.limit[i] = next;
    tt_scope_limits_changed();
}

enum tt_answer breach_happened(struct budget_state *state,
                               struct tt_breach_facts *facts)
{
    const enum tether_limit limit = facts->limit;
    const int rule = state->budget->on_breach;
    uint64_t value;
    if (rule == TETHER_DENY && deny_is_allowed(facts->stack)) {
        tether_breach();
        return TT_REFUSE;
    }
    if (rule == TETHER_DENY)
        return TT_ALLOW;
    tether_budget_get(state->budget, limit, &value);
    tt_lock_take(&rules);
    /* Two threads may have met the limit together: the second finds it told,
     * and the four times not reached. */
    const bool again = state->told[limit];
    const bool tell =
        !again || (value > 0 && facts->value / 4 >= value &&
                   facts->value > value * 4 && !state->stopping[limit]);
    if (tell) {
        state->told[limit] = true;
        state->stopping[limit] = again;
        state->broken = true;
        limit_raise(state, limit, limit_after(state, again, value));
    }
    tt_lock_give(&rules);
    if (tell) {
        facts->at_allocation = true;
        facts->stopped = rule == TETHER_STOP || again;
        breach_tell(state, facts);
    }
    return TT_ALLOW;
}

enum tt_answer tt_budget_breach(struct tt_scope *scope, enum tt_limit limit,
                                int64_t value, size_t bytes, uint32_t stack)
{
    struct tt_breach_facts facts = { .limit = limit_of_heap[limit],
                                     .value = (uint64_t)value,
                                     .bytes = bytes,
                                     .stack = stack };
    return scope->owner ? breach_happened(scope->owner, &facts) : TT_ALLOW;
}

static void limits_fill(struct budget_state *state)
{
    for (enum tt_limit limit = 0; limit < TT_LIMITS; limit++) {
        uint64_t value;
        state->scope.limit[limit] =
            tether_budget_get(state->budget, limit_of_heap[limit], &value)
                ? as_limit(value)
                : TT_NO_LIMIT;
    }
    budget_mark_first(&state->scope);
}

static tether_status begin_refused(const struct tether_budget *budget,
                                   const char *why)
{
    tt_failure_tell(&(struct tether_failure){ .kind = TETHER_FAILURE_LIMIT,
                                              .message = why,
                                              .file = budget->file,
                                              .line = budget->line });
    return TETHER_REFUSED;
}

const char *tether_budget_unchecked(const struct tether_budget *budget)
{
    budget_validate("tether_budget_unchecked", budget);
    return budget->on_breach == TETHER_DENY && tt_heap_is_sanitized()
               ? "AddressSanitizer's malloc cannot be made to refuse an "
                 "allocation, so .on_breach = TETHER_DENY is not possible"
               : NULL;
}

tether_status tether_budget_begin(struct tether_budget *budget)
{
    char why[512];
    uint64_t site;
    budget_validate("tether_budget_begin", budget);
    if (state_of(budget))
        tt_die("tether_budget_begin",
               "this budget is open already; end it first");
    if (budget_contradicts(budget, why, sizeof why))
        return begin_refused(budget, why);
    struct budget_state *const state = tt_mem_take(sizeof *state);
    if (!state)
        return TETHER_NO_MEMORY;
    state->budget = budget;
    state->scope.owner = state;
    limits_fill(state);
    budget->reserved[0] = state;
    if (budget->on_breach == TETHER_DENY)
        module_ranges_find();
    tt_scope_begin(&state->scope);
    if (window_budget() == budget)
        tt_board_body(&state->scope);
    if (tether_budget_get(budget, TETHER_MAX_SITE, &site) &&
        !site_watch_start(state, site)) {
        tether_budget_end(budget);
        return TETHER_NO_MEMORY;
    }
    return TETHER_OK;
}

/* What is judged only at the end. The window's leaks are the window's. */
static void end_judge(struct budget_state *state,
                      const struct tt_numbers *numbers)
{
    uint64_t least;
    if (tether_budget_get(state->budget, TETHER_MIN_COUNT, &least) &&
        (uint64_t)numbers->total_count < least) {
        state->broken = true;
        struct tt_breach_facts facts = { .limit = TETHER_MIN_COUNT,
                                         .value =
                                             (uint64_t)numbers->total_count };
        breach_tell(state, &facts);
    }
    if (window_budget() != state->budget &&
        leaks_judge(state->budget, state->scope.epoch, numbers->live_blocks))
        state->broken = true;
}

static void result_keep(struct tether_budget *budget,
                        const struct tt_numbers *numbers)
{
    budget->reserved[1] = (void *)(uintptr_t)numbers->peak_bytes;
    budget->reserved[2] = (void *)(uintptr_t)numbers->largest_bytes;
    budget->reserved[3] = (void *)(uintptr_t)numbers->total_bytes;
    budget->reserved[4] = (void *)(uintptr_t)numbers->total_count;
}

tether_status tether_budget_end(struct tether_budget *budget)
{
    TETHER_KEEP_REGISTERS();
    struct tt_numbers numbers;
    budget_validate("tether_budget_end", budget);
    struct budget_state *const state = state_of(budget);
    if (!state)
        tt_die("tether_budget_end",
               "this budget is not open; call tether_budget_begin first");
    tt_enter();
    /* It has ended already in a forked child, where nothing is measured. */
    const bool open = tt_scope_is_open(&state->scope);
    tt_scope_numbers(&state->scope, &numbers);
    if (window_budget() == budget)
        tt_board_body(NULL);
    if (state->sites)
        wrappers_note();
    site_watch_stop(state);
    tt_scope_end(&state->scope);
    result_keep(budget, &numbers);
    if (open)
        end_judge(state, &numbers);
    const bool broken = state->broken;
    budget->reserved[0] = NULL;
    tt_mem_give(state, sizeof *state);
    tt_leave();
    return broken ? TETHER_REFUSED : TETHER_OK;
}

tether_status tether_budget_result(const struct tether_budget *budget,
                                   struct tether_budget_result *result)
{
    struct tt_numbers numbers;
    budget_validate("tether_budget_result", budget);
    if (!result)
        tt_die("tether_budget_result", "'result' is NULL; give it a struct");
    if (state_of(budget)) {
        tt_scope_numbers(&state_of(budget)->scope, &numbers);
        result_keep((struct tether_budget *)budget, &numbers);
    }
    *result = (struct tether_budget_result){
        .peak_bytes = (uintptr_t)budget->reserved[1],
        .largest_bytes = (uintptr_t)budget->reserved[2],
        .total_bytes = (uintptr_t)budget->reserved[3],
        .total_count = (uintptr_t)budget->reserved[4],
    };
    return TETHER_OK;
}

void budget_rules_child(void)
{
    tt_lock_reset(&rules);
}
