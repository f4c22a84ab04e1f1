/* SPDX-License-Identifier: MIT */
/*
 * The keys of tether.ini and what their values look like.
 */
#include "config/config.h"

#include <string.h>

#define LIMIT(name, kind, limit)      \
    {                                 \
        name, NULL, kind, limit, NULL \
    }

const struct config_key config_keys[] = {
    LIMIT("max-heap", CONFIG_SIZE, TETHER_MAX_HEAP),
    LIMIT("max-alloc", CONFIG_SIZE, TETHER_MAX_ALLOC),
    LIMIT("max-site", CONFIG_SIZE, TETHER_MAX_SITE),
    LIMIT("max-total", CONFIG_SIZE, TETHER_MAX_TOTAL),
    LIMIT("max-count", CONFIG_COUNT, TETHER_MAX_COUNT),
    LIMIT("min-count", CONFIG_COUNT, TETHER_MIN_COUNT),
    LIMIT("max-leaked", CONFIG_SIZE, TETHER_MAX_LEAKED),
    LIMIT("max-lost", CONFIG_SIZE, TETHER_MAX_LOST),
    { "on-breach", NULL, CONFIG_WORD, -1, "go-on stop deny" },
    { "fixtures", NULL, CONFIG_WORD, -1, "no yes" },
    { "file", "suppress", CONFIG_PATH, -1, NULL },
    { "json", "report", CONFIG_PATH, -1, NULL },
    { "markdown", "report", CONFIG_PATH, -1, NULL },
    { "junit", "report", CONFIG_PATH, -1, NULL },
    { "html", "report", CONFIG_PATH, -1, NULL },
    { "pprof", "report", CONFIG_PATH, -1, NULL },
    { "annotate", "report", CONFIG_WORD, -1, "no github gitlab" },
    { NULL, NULL, CONFIG_SIZE, -1, NULL },
};

const char *config_key_variable(const struct config_key *key, char *name,
                                size_t size)
{
    snprintf(name, size, "TETHER_%s", key->name);
    for (char *at = name + strlen("TETHER_"); *at; at++)
        *at = (char)(*at == '-' ? '_' : *at - 'a' + 'A');
    return name;
}

static bool is_word_of(const char *value, const char *words)
{
    const size_t len = strlen(value);
    for (const char *at = words; len && *at;) {
        const size_t word = strcspn(at, " ");
        if (word == len && memcmp(at, value, len) == 0)
            return true;
        at += word;
        at += strspn(at, " ");
    }
    return false;
}

bool config_value_is_valid(const struct config_key *key, const char *value)
{
    uint64_t number;
    switch (key->kind) {
    case CONFIG_SIZE:
        return tether_size_read(value, &number) == TETHER_OK;
    case CONFIG_COUNT:
        return value[strspn(value, "0123456789")] == '\0' &&
               tether_size_read(value, &number) == TETHER_OK;
    case CONFIG_WORD:
        return is_word_of(value, key->words);
    case CONFIG_PATH:
        return value[0] != '\0';
    }
    return false;
}

const char *config_value_form(const struct config_key *key, char *text,
                              size_t size)
{
    switch (key->kind) {
    case CONFIG_SIZE:
        return "a size: a whole number, with B, KiB, MiB or GiB if wanted";
    case CONFIG_COUNT:
        return "a whole number";
    case CONFIG_WORD:
        snprintf(text, size, "one of: %s", key->words);
        return text;
    case CONFIG_PATH:
        return "the path of a file";
    }
    return "";
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

#define WORD_MAX 32

/* The number of letters to change, add or leave out: Levenshtein's distance,
 * with one row of its table. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    const size_t columns = strlen(b);
    if (columns > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < columns; j++) {
            const size_t changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(changed, least(row[j], row[j + 1]) + 1);
        }
    }
    return row[columns];
}

const char *config_nearest(const char *word,
                           const char *(*name_at)(size_t index))
{
    const char *best = NULL, *name;
    size_t near = strlen(word) / 2 + 1;
    for (size_t i = 0; (name = name_at(i)) != NULL; i++) {
        const size_t here = distance(word, name);
        if (here < near) {
            near = here;
            best = name;
        }
    }
    return best;
}
