/* SPDX-License-Identifier: MIT */
/*
 * What tether.ini says of a test, and handing the file over to workers.
 *
 * A worker must see the file as it was when the run began, wherever it has
 * changed its folder to: so the runner copies it into memory of its own and
 * workers open that through /proc.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool config_matches(const char *pattern, const char *test)
{
    return fnmatch(pattern, test, FNM_EXTMATCH | FNM_NOESCAPE) == 0;
}

const struct config_item *config_find(const struct config *config,
                                      const char *test,
                                      const struct config_key *key)
{
    const struct config_item *best = NULL;
    for (size_t i = 0; i < config->count; i++) {
        const struct config_item *const item = &config->items[i];
        if (item->key != key)
            continue;
        const bool weakest = strcmp(item->section, "*") == 0;
        if (weakest && best && strcmp(best->section, "*") != 0)
            continue;
        if (weakest || config_matches(item->section, test))
            best = item;
    }
    return best;
}

const struct config_item *config_special(const struct config *config,
                                         const char *section, const char *key)
{
    const struct config_item *last = NULL;
    for (size_t i = 0; i < config->count; i++) {
        const struct config_item *const item = &config->items[i];
        if (item->key->section && strcmp(item->key->section, section) == 0 &&
            strcmp(item->key->name, key) == 0)
            last = item;
    }
    return last;
}

/* Adds 'tether.ini:12: max-heap = 8MiB' to the budget's list of items. */
static void item_quote(const struct config *config,
                       const struct config_item *item, char *text, size_t size)
{
    const size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s:%u: %s = %s", used ? ", " : "",
             config->path, item->line, item->key->name, item->value);
}

static void item_apply(const struct config_item *item,
                       struct tether_budget *budget)
{
    uint64_t value = 0;
    if (item->key->limit >= 0) {
        tether_size_read(item->value, &value);
        tether_budget_set(budget, (enum tether_limit)item->key->limit, value);
    } else if (strcmp(item->key->name, "fixtures") == 0) {
        budget->fixtures = strcmp(item->value, "yes") == 0;
    } else {
        budget->on_breach = strcmp(item->value, "stop") == 0   ? TETHER_STOP
                            : strcmp(item->value, "deny") == 0 ? TETHER_DENY
                                                               : TETHER_GO_ON;
    }
}

bool config_budget(const struct config *config, const char *test,
                   struct tether_budget *budget, char *text, size_t size)
{
    bool any = false;
    *budget = (struct tether_budget){ TETHER_BUDGET_INIT };
    text[0] = '\0';
    for (const struct config_key *key = config_keys; key->name; key++) {
        const struct config_item *const item =
            key->section ? NULL : config_find(config, test, key);
        if (!item)
            continue;
        item_apply(item, budget);
        item_quote(config, item, text, size);
        any = true;
    }
    budget->text = text;
    return any;
}

const char *config_path(void)
{
    const char *const set = getenv("TETHER_INI");
    if (set)
        return *set ? set : NULL;
    return access("tether.ini", F_OK) == 0 ? "tether.ini" : NULL;
}

static bool copy(int from, int to)
{
    char bytes[4096];
    ssize_t len;
    while ((len = read(from, bytes, sizeof bytes)) != 0)
        if (len < 0 || write(to, bytes, (size_t)len) != len)
            return false;
    return true;
}

bool config_hand_over(const char *path)
{
    char place[PATH_MAX + 64];
    const int from = open(path, O_RDONLY | O_CLOEXEC);
    const int to = memfd_create("tether.ini", MFD_CLOEXEC);
    const bool done = from >= 0 && to >= 0 && copy(from, to);
    if (from >= 0)
        close(from);
    if (!done)
        return false;
    snprintf(place, sizeof place, "/proc/%d/fd/%d:%s", (int)getpid(), to, path);
    return setenv(CONFIG_HANDED, place, 1) == 0;
}

bool config_take(struct config *config)
{
    const char *const place = getenv(CONFIG_HANDED);
    const char *const colon = place ? strchr(place, ':') : NULL;
    char path[64];
    *config = (struct config){ 0 };
    if (!colon || (size_t)(colon - place) >= sizeof path)
        return false;
    memcpy(path, place, (size_t)(colon - place));
    path[colon - place] = '\0';
    return config_read(config, path, colon + 1, stderr);
}
