/* SPDX-License-Identifier: MIT */
/*
 * The text is C, so it is read by tokens as far as that matters: a string or
 * a character constant is one token, brackets nest, and a designator counts
 * only at depth 0 at the start of an item.
 */
#include "base/base_options.h"

#include <ctype.h>
#include <string.h>

/* Skips a string or a character constant; 'at' is on its opening quote. */
static const char *options_quoted_skip(const char *at)
{
    char quote = *at++;
    while (*at && *at != quote)
        at += at[0] == '\\' && at[1] ? 2 : 1;
    return *at ? at + 1 : at;
}

/* Finds the end of the item that starts at 'at': its comma or the NUL. */
static const char *options_item_end(const char *at)
{
    int depth = 0;
    while (*at) {
        if (*at == '"' || *at == '\'') {
            at = options_quoted_skip(at);
            continue;
        }
        if (*at == ',' && depth == 0)
            return at;
        if (strchr("([{", *at))
            depth++;
        else if (strchr(")]}", *at))
            depth--;
        at++;
    }
    return at;
}

static const char *options_blank_skip(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* Does the item at 'at' begin with '.field ='? */
static bool options_item_is(const char *at, const char *field)
{
    size_t len = strlen(field);
    at = options_blank_skip(at);
    if (*at != '.')
        return false;
    at = options_blank_skip(at + 1);
    if (strncmp(at, field, len) != 0)
        return false;
    at = options_blank_skip(at + len);
    return at[0] == '=' && at[1] != '=';
}

bool tt_option_written(const char *text, const char *field)
{
    while (text && *text) {
        if (options_item_is(text, field))
            return true;
        text = options_item_end(text);
        if (*text == ',')
            text++;
    }
    return false;
}

size_t tt_option_first(const char *text)
{
    size_t len = (size_t)(options_item_end(text) - text);
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    return len;
}
