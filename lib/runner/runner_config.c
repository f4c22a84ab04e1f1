/* SPDX-License-Identifier: MIT */
/*
 * `tether config`: which limits hold for a test, and where each comes from.
 * What HEAP_BUDGET says stands in the program; it is between the file and the
 * environment, and not known here.
 */
#include "runner/runner.h"

#include <stdlib.h>
#include <string.h>

struct config_options {
    const char *ini;
    bool keys;
    char **tests;
};

static const struct argp_option options_of_config[] = {
    { "ini", 'i', "FILE", 0, "Read FILE, not ./tether.ini", 0 },
    { "keys", 'k', NULL, 0, "List the keys that tether.ini may have", 0 },
    { 0 }
};

static error_t config_option(int option, char *value, struct argp_state *state)
{
    struct config_options *const options = state->input;
    switch (option) {
    case 'i':
        options->ini = value;
        return 0;
    case 'k':
        options->keys = true;
        return 0;
    case ARGP_KEY_ARGS:
        options->tests = state->argv + state->next;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp config_argp = {
    .options = options_of_config,
    .parser = config_option,
    .args_doc = "[SUITE/TEST...]",
    .doc = "Prints which limits hold for a test, and where each value comes "
           "from; without a test, checks the file."
           "\v"
           "A HEAP_BUDGET in the test's source is stronger than the file and "
           "weaker than the environment; it is not shown.\n\n"
           "Example:\n"
           "  tether config cache/evicts"
};

static void keys_print(void)
{
    for (const struct config_key *key = config_keys; key->name; key++) {
        char form[64];
        printf("%-12s %-10s %s\n", key->name,
               key->section ? key->section : "[pattern]",
               config_value_form(key, form, sizeof form));
    }
}

/* False: the environment's value is none. */
static bool key_print(const struct config *config, const char *test,
                      const struct config_key *key)
{
    char variable[64], form[64];
    const char *const set =
        strcmp(key->name, "fixtures") != 0
            ? getenv(config_key_variable(key, variable, sizeof variable))
            : NULL;
    const struct config_item *const item = config_find(config, test, key);
    if (set && !config_value_is_valid(key, set)) {
        say("%s=%s is not %s", variable, set,
            config_value_form(key, form, sizeof form));
        return false;
    }
    if (set)
        printf("  %-12s %-10s (%s in the environment)\n", key->name, set,
               variable);
    else if (item)
        printf("  %-12s %-10s (%s:%u, [%s])\n", key->name, item->value,
               config->path, item->line, item->section);
    return true;
}

static bool test_print(const struct config *config, const char *test)
{
    bool good = true;
    printf("%s\n", test);
    for (const struct config_key *key = config_keys; key->name; key++)
        if (!key->section)
            good &= key_print(config, test, key);
    return good;
}

/* The tests named, or nothing. Criterion's 'suite::test' is understood. */
static bool tests_print(const struct config *config, char **tests)
{
    bool good = true;
    for (; tests && *tests; tests++) {
        char path[1024];
        good &= test_print(config, name_as_path(*tests, path, sizeof path));
    }
    return good;
}

int config_main(int argc, char **argv)
{
    struct config_options options = { 0 };
    struct config config = { 0 };
    argp_parse(&config_argp, argc, argv, 0, NULL, &options);
    if (options.keys) {
        keys_print();
        return RUNNER_GOOD;
    }
    const char *const path = options.ini ? options.ini : config_path();
    bool good = !path || config_read(&config, path, path, stderr);
    if (good && !path)
        puts("there is no tether.ini here, and TETHER_INI is not set");
    if (good && path && !options.tests)
        printf("%s: good, %zu values\n", path, config.count);
    good = good && tests_print(&config, options.tests);
    config_drop(&config);
    return good ? RUNNER_GOOD : RUNNER_USAGE;
}
