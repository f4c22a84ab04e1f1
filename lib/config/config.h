/* SPDX-License-Identifier: MIT */
#ifndef TT_CONFIG_H
#define TT_CONFIG_H
/*
 * tether.ini: limits by test, with no change to the code under test.
 *
 *     [*]                      every test
 *     max-heap = 8MiB
 *
 *     [cache/evict*]           tests whose 'suite/test' matches
 *     max-count = 0
 *
 * Patterns are those of Criterion's --filter. The weakest is [*], wherever it
 * stands; of the other sections that match, the last one that has the key
 * wins. Sees public headers only: the plug-in, the process library and the
 * command all read the file with these functions.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <tether/budget.h>

enum config_kind { CONFIG_SIZE, CONFIG_COUNT, CONFIG_WORD, CONFIG_PATH };

/* A key that a section may have. */
struct config_key {
    const char *name;    /* "max-heap" */
    const char *section; /* the one section it belongs to; NULL: patterns */
    enum config_kind kind;
    int limit;         /* enum tether_limit, or -1 */
    const char *words; /* of CONFIG_WORD: "go-on stop deny" */
};

/* One 'key = value' of the file. */
struct config_item {
    char *section;
    char *value; /* as written */
    const struct config_key *key;
    unsigned line;
};

struct config {
    char *path; /* as messages say it */
    struct config_item *items;
    size_t count;
    size_t errors;
};

/* The keys; the last one has no name. */
extern const struct config_key config_keys[];

/*
 * Reads a file. 'shown' is how messages call it. Each error is a line on
 * 'tell': file, line, key, and the nearest valid one. Returns false when the
 * file cannot be read or has an error; nothing should run then.
 */
bool config_read(struct config *config, const char *path, const char *shown,
                 FILE *tell);
void config_drop(struct config *config);

/* Does the section's pattern match a test, 'suite/test'? */
bool config_matches(const char *pattern, const char *test);

/* The item that holds for a test, or NULL. */
const struct config_item *config_find(const struct config *config,
                                      const char *test,
                                      const struct config_key *key);

/* The item of a section that is no pattern: ("report", "json"). */
const struct config_item *config_special(const struct config *config,
                                         const char *section, const char *key);

/*
 * Makes the budget that the file gives a test. 'text', of 'size' bytes, gets
 * what was written, with file and line, and must live as long as the budget.
 * Returns whether the file says anything of it.
 */
bool config_budget(const struct config *config, const char *test,
                   struct tether_budget *budget, char *text, size_t size);

/* The environment variable of a limit: "TETHER_MAX_HEAP" of "max-heap". */
const char *config_key_variable(const struct config_key *key, char *name,
                                size_t size);

/* Is 'value' a valid one for the key? */
bool config_value_is_valid(const struct config_key *key, const char *value);

/* What a valid value of the key looks like: "a size, such as 64KiB". */
const char *config_value_form(const struct config_key *key, char *text,
                              size_t size);

/* The name nearest to 'word' among names, NULL if none is near. */
const char *config_nearest(const char *word,
                           const char *(*name_at)(size_t index));

/* The path of the file in force: TETHER_INI, or ./tether.ini if there is
 * one, or NULL. TETHER_INI= (empty) means none. */
const char *config_path(void);

/* The variable by which workers find what was handed over to them. */
#define CONFIG_HANDED "TETHER_INI_TEXT"

/* What a process exits with that cannot run as it was told to. */
#define EXIT_BAD_USAGE 104

/*
 * Hands the file at 'path' over to the processes that will be started: its
 * text, as it is now, in memory that they find by CONFIG_HANDED. Returns false
 * when there is no memory.
 */
bool config_hand_over(const char *path);

/* Reads what was handed over to this process. False: nothing was. */
bool config_take(struct config *config);

#endif
