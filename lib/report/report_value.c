/* SPDX-License-Identifier: MIT */
/*
 * Values as text. A number of floating point is written with as few digits as
 * tell it from its neighbours in its own type.
 */
#include "report/report_value.h"

#include "report/report_names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRING_MAX_SHOWN 47

static long double rounded(const struct tether_value *value, const char *text)
{
    if (value->kind == TETHER_VALUE_FLOAT)
        return (long double)strtof(text, NULL);
    return value->kind == TETHER_VALUE_DOUBLE ? (long double)strtod(text, NULL)
                                              : strtold(text, NULL);
}

static void real_text(struct tt_text *text, const struct tether_value *value)
{
    char digits[64];
    for (int precision = 6; precision <= 21; precision++) {
        snprintf(digits, sizeof digits, "%.*Lg", precision, value->real);
        if (isnan(value->real) || rounded(value, digits) == value->real)
            break;
    }
    tt_text_add(text, "%s", digits);
}

static void char_text(struct tt_text *text, long long code)
{
    if (code >= ' ' && code < 0x7f)
        tt_text_add(text, "'%c' (%lld)", (int)code, code);
    else
        tt_text_add(text, "%lld", code);
}

static void string_text(struct tt_text *text, const char *string, size_t length)
{
    if (length > STRING_MAX_SHOWN)
        tt_text_add(text, "\"%.*s\"... (%zu bytes)", STRING_MAX_SHOWN, string,
                    length);
    else
        tt_text_add(text, "\"%s\"", string);
}

static void object_text(struct tt_text *text, const volatile void *object)
{
    if (!object)
        tt_text_add(text, "NULL");
    else if (tt_report_verbose())
        tt_text_add(text, "%p", (const void *)object);
    else
        tt_text_add(text, "a pointer");
}

void tt_value_text(struct tt_text *text, const struct tether_value *value)
{
    switch (value->kind) {
    case TETHER_VALUE_BOOL:
        tt_text_add(text, "%s", value->as.count ? "true" : "false");
        break;
    case TETHER_VALUE_CHAR:
        char_text(text, value->as.number);
        break;
    case TETHER_VALUE_SIGNED:
        tt_text_add(text, "%lld", value->as.number);
        break;
    case TETHER_VALUE_UNSIGNED:
        tt_text_add(text, "%llu", value->as.count);
        break;
    case TETHER_VALUE_FLOAT:
    case TETHER_VALUE_DOUBLE:
    case TETHER_VALUE_LONG_DOUBLE:
        real_text(text, value);
        break;
    case TETHER_VALUE_POINTER:
        object_text(text, value->as.object);
        break;
    case TETHER_VALUE_STRING:
        if (value->as.text)
            string_text(text, value->as.text, strlen(value->as.text));
        else
            tt_text_add(text, "NULL");
        break;
    }
}

void tt_seen_text(struct tt_text *text, const struct tether_seen *seen)
{
    if (seen->value.kind == TETHER_VALUE_STRING && seen->value.as.text)
        string_text(text, seen->text, seen->length);
    else
        tt_value_text(text, &seen->value);
}
