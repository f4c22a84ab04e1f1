/* SPDX-License-Identifier: MIT */
/*
 * Reading tether.ini with inih.
 *
 * inih says neither the line's number nor more than 49 bytes of a section's
 * name, and cuts long lines in two. So the lines go through a reader of ours,
 * which counts them, keeps the name of the section whole, and refuses what
 * does not fit into inih's line.
 */
#include "config/config.h"

#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A file that is being read. */
struct reading {
    struct config *config;
    const char *shown;
    FILE *from, *tell;
    unsigned line;
    char section[INI_MAX_LINE];
    bool in_section;
};

static const char *reading_section;

/* The keys that the section being read may have. Reading is not reentrant:
 * it happens once a process, before threads. */
static const char *key_name_at(size_t index)
{
    for (const struct config_key *key = config_keys; key->name; key++) {
        const bool here = key->section
                              ? strcmp(key->section, reading_section) == 0
                              : reading_section[0] == '\0';
        if (here && index-- == 0)
            return key->name;
    }
    return NULL;
}

static void complain(struct reading *reading, unsigned line, const char *format,
                     ...) __attribute__((format(printf, 3, 4)));

static void complain(struct reading *reading, unsigned line, const char *format,
                     ...)
{
    va_list args;
    va_start(args, format);
    fprintf(reading->tell, "%s:%u: ", reading->shown, line);
    vfprintf(reading->tell, format, args);
    fputc('\n', reading->tell);
    va_end(args);
    reading->config->errors++;
}

/* The whole name of a section, from its line. */
static void section_keep(struct reading *reading, const char *line)
{
    const char *const start = line;
    const char *end = start + strcspn(start, "\r\n");
    const char *const remark = strstr(start, " ;");
    if (*start != '[')
        return;
    if (remark && remark < end)
        end = remark;
    while (end > start + 1 && end[-1] != ']')
        end--;
    reading->in_section = true;
    if (end == start + 1) {
        complain(reading, reading->line, "the section has no ] at its end");
        return;
    }
    const size_t len = (size_t)(end - start) - 2;
    memcpy(reading->section, start + 1, len);
    reading->section[len] = '\0';
    if (len == 0)
        complain(reading, reading->line,
                 "a section needs a name: [*], or [suite/test]");
}

/* As fgets, for inih. */
static char *line_read(char *line, int size, void *ctx)
{
    struct reading *const reading = ctx;
    if (!fgets(line, size, reading->from))
        return NULL;
    reading->line++;
    /* To inih a line that begins with blanks goes on with the one before. */
    memmove(line, line + strspn(line, " \t"),
            strlen(line + strspn(line, " \t")) + 1);
    if (!strchr(line, '\n') && !feof(reading->from)) {
        int byte;
        while ((byte = getc(reading->from)) != EOF && byte != '\n')
            ;
        complain(reading, reading->line,
                 "the line is longer than %d bytes; name a pattern", size - 2);
        line[0] = '\0';
    }
    section_keep(reading, line);
    return line;
}

static bool is_special(const char *section)
{
    for (const struct config_key *key = config_keys; key->name; key++)
        if (key->section && strcmp(key->section, section) == 0)
            return true;
    return false;
}

static const struct config_key *key_find(const char *section, const char *name)
{
    for (const struct config_key *key = config_keys; key->name; key++) {
        const bool here = key->section ? strcmp(key->section, section) == 0
                                       : !is_special(section);
        if (here && strcmp(key->name, name) == 0)
            return key;
    }
    return NULL;
}

static void key_refuse(struct reading *reading, const char *name)
{
    reading_section = is_special(reading->section) ? reading->section : "";
    const char *const nearest = config_nearest(name, key_name_at);
    if (nearest)
        complain(reading, reading->line,
                 "unknown key '%s' in [%s]; did you mean '%s'?", name,
                 reading->section, nearest);
    else
        complain(reading, reading->line,
                 "unknown key '%s' in [%s]; `tether config --keys` lists them",
                 name, reading->section);
}

static bool item_add(struct reading *reading, const struct config_key *key,
                     const char *value)
{
    struct config *const config = reading->config;
    struct config_item *const items =
        realloc(config->items, (config->count + 1) * sizeof *items);
    if (!items)
        return false;
    config->items = items;
    struct config_item *const item = &items[config->count];
    *item = (struct config_item){ .section = strdup(reading->section),
                                  .value = strdup(value),
                                  .key = key,
                                  .line = reading->line };
    config->count++;
    return item->section && item->value;
}

/* inih's handler: 0 is an error. */
static int item_read(void *ctx, const char *section, const char *name,
                     const char *value)
{
    struct reading *const reading = ctx;
    char form[64];
    (void)section;
    if (!reading->in_section) {
        complain(reading, reading->line,
                 "'%s' stands before the first section; write [*] above it",
                 name);
        return 1;
    }
    const struct config_key *const key = key_find(reading->section, name);
    if (!key) {
        key_refuse(reading, name);
    } else if (!config_value_is_valid(key, value)) {
        complain(reading, reading->line, "%s = %s is not %s", name, value,
                 config_value_form(key, form, sizeof form));
    } else if (!item_add(reading, key, value)) {
        complain(reading, reading->line, "out of memory");
    }
    return 1;
}

static bool config_parse(struct config *config, FILE *from, const char *shown,
                         FILE *tell)
{
    struct reading reading = {
        .config = config, .shown = shown, .from = from, .tell = tell
    };
    *config = (struct config){ .path = strdup(shown) };
    const int bad = ini_parse_stream(line_read, &reading, item_read, &reading);
    if (bad > 0)
        complain(&reading, (unsigned)bad,
                 "this is neither [section], key = value nor a comment");
    return config->path && config->errors == 0;
}

bool config_read(struct config *config, const char *path, const char *shown,
                 FILE *tell)
{
    FILE *const from = fopen(path, "re");
    if (!from) {
        *config = (struct config){ .errors = 1 };
        fprintf(tell, "%s: %m\n", shown);
        return false;
    }
    const bool good = config_parse(config, from, shown, tell);
    fclose(from);
    return good;
}

void config_drop(struct config *config)
{
    for (size_t i = 0; i < config->count; i++) {
        free(config->items[i].section);
        free(config->items[i].value);
    }
    free(config->items);
    free(config->path);
    *config = (struct config){ 0 };
}
