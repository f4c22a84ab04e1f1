/* SPDX-License-Identifier: MIT */
/*
 * Waits that compare values. Two numbers compare by value whatever their
 * types, as if both were written out, and not as C converts them: the way in
 * which a wait turns out must not hang on a minus one that became huge.
 *
 * What the value was is kept as it is seen, strings by their beginning,
 * because what it points to may be gone when the wait has failed.
 */
#include "eventually/eventually.h"

#include <string.h>

enum order { BELOW, SAME, ABOVE, UNORDERED };

static bool is_real(const struct tether_value *value)
{
    return value->kind == TETHER_VALUE_FLOAT ||
           value->kind == TETHER_VALUE_DOUBLE ||
           value->kind == TETHER_VALUE_LONG_DOUBLE;
}

static bool is_signed(const struct tether_value *value)
{
    return value->kind == TETHER_VALUE_SIGNED ||
           value->kind == TETHER_VALUE_CHAR;
}

static bool is_pointer(const struct tether_value *value)
{
    return value->kind == TETHER_VALUE_POINTER ||
           value->kind == TETHER_VALUE_STRING;
}

static unsigned long long bits_of(const struct tether_value *value)
{
    if (value->kind == TETHER_VALUE_STRING)
        return (uintptr_t)value->as.text;
    if (value->kind == TETHER_VALUE_POINTER)
        return (uintptr_t)value->as.object;
    return is_signed(value) ? (unsigned long long)value->as.number
                            : value->as.count;
}

/* x86-64's long double holds every 64-bit number. */
static long double real_of(const struct tether_value *value)
{
    if (is_real(value))
        return value->real;
    return is_signed(value) ? (long double)value->as.number
                            : (long double)bits_of(value);
}

static enum order order_of(int sign)
{
    return sign < 0 ? BELOW : sign > 0 ? ABOVE : SAME;
}

static enum order reals_order(const struct tether_value *a,
                              const struct tether_value *b)
{
    long double x = real_of(a);
    long double y = real_of(b);
    /* 0.1 is wanted of a float: the float nearest to it is meant. */
    if (a->kind == TETHER_VALUE_FLOAT && b->kind == TETHER_VALUE_DOUBLE)
        y = (long double)(float)y;
    return x < y ? BELOW : x > y ? ABOVE : x == y ? SAME : UNORDERED;
}

static enum order values_order(const struct tether_value *a,
                               const struct tether_value *b)
{
    if (a->kind == TETHER_VALUE_STRING && b->kind == TETHER_VALUE_STRING &&
        a->as.text && b->as.text)
        return order_of(strcmp(a->as.text, b->as.text));
    if (is_real(a) || is_real(b))
        return reals_order(a, b);
    const bool a_below = is_signed(a) && a->as.number < 0 && !is_pointer(b);
    const bool b_below = is_signed(b) && b->as.number < 0 && !is_pointer(a);
    if (a_below != b_below)
        return a_below ? BELOW : ABOVE;
    const unsigned long long x = bits_of(a);
    const unsigned long long y = bits_of(b);
    return x < y ? BELOW : x > y ? ABOVE : SAME;
}

static bool compares(const char *comparison, enum order order)
{
    const bool or_same = comparison[1] == '=';
    switch (comparison[0]) {
    case '=':
        return order == SAME;
    case '!':
        return order != SAME;
    case '<':
        return order == BELOW || (or_same && order == SAME);
    default:
        return order == ABOVE || (or_same && order == SAME);
    }
}

static bool is_comparison(const char *text)
{
    static const char *const all[] = { "==", "!=", "<", "<=", ">", ">=" };
    for (size_t i = 0; i < TT_COUNT(all); i++)
        if (strcmp(text, all[i]) == 0)
            return true;
    return false;
}

/* ---- what was seen ---- */

static void seen_make(struct tether_seen *seen,
                      const struct tether_value *value,
                      const struct tether_wait *wait)
{
    *seen = (struct tether_seen){ .value = *value,
                                  .poll = wait->polls,
                                  .at_ms = wait->elapsed_ms };
    if (value->kind != TETHER_VALUE_STRING || !value->as.text)
        return;
    seen->length = strlen(value->as.text);
    memcpy(seen->text, value->as.text,
           TT_MIN(seen->length, sizeof seen->text - 1));
}

static bool seen_same(const struct tether_seen *a, const struct tether_seen *b)
{
    if (a->value.kind == TETHER_VALUE_STRING)
        return !a->value.as.text == !b->value.as.text &&
               a->length == b->length && strcmp(a->text, b->text) == 0;
    if (is_real(&a->value) && a->value.real != a->value.real)
        return b->value.real != b->value.real;
    return values_order(&a->value, &b->value) == SAME;
}

/* The first value stays; of the others the latest do. */
static void seen_add(struct tether_comparing *comparing,
                     const struct tether_seen *now)
{
    struct tether_seen *const seen = comparing->seen;
    const size_t count = TT_MIN(comparing->changes + 1, TETHER_SEEN_MAX);
    if (seen[0].poll == 0) {
        seen[0] = *now;
        return;
    }
    if (seen_same(&seen[count - 1], now))
        return;
    comparing->changes++;
    if (count < TETHER_SEEN_MAX) {
        seen[count] = *now;
        return;
    }
    memmove(&seen[1], &seen[2], (TETHER_SEEN_MAX - 2) * sizeof *seen);
    seen[TETHER_SEEN_MAX - 1] = *now;
}

/* ---- the wait ---- */

void tether_comparing_begin(struct tether_comparing *comparing,
                            enum tether_poll_kind kind, struct tether_wait wait,
                            const char *comparison, struct tether_value wanted)
{
    if (!comparison || !is_comparison(comparison))
        tt_die("tether_comparing_begin",
               "`%s` is no comparison; write ==, !=, <, <=, > or >=",
               comparison ? comparison : "NULL");
    memset(comparing, 0, sizeof *comparing);
    comparing->comparison = comparison;
    comparing->wanted = wanted;
    tether_polling_begin(&comparing->polling, kind, wait);
}

int tether_comparing_next(struct tether_comparing *comparing,
                          struct tether_value value)
{
    struct tether_polling *const polling = &comparing->polling;
    struct tether_seen now;
    if (polling->status != TETHER_EMPTY)
        return 0;
    const bool answer = compares(comparing->comparison,
                                 values_order(&value, &comparing->wanted));
    tt_polling_count(polling);
    seen_make(&now, &value, &polling->wait);
    polling->wait.polls--; /* counted by what follows */
    seen_add(comparing, &now);
    if (answer)
        comparing->good = now;
    return tether_polling_next(polling, answer);
}
