/* SPDX-License-Identifier: MIT */
/*
 * From the files that lib/report/report_profile.c writes, one a window, to
 * one profile for pprof: samples of all windows, each with the label 'test'.
 *
 * Strings, functions and locations are numbered as they come; the numbers are
 * kept in jansson's hash tables. What the message is made of lives until it
 * is written, in one list.
 */
#include "runner/runner_profile.h"

#include <profile.pb-c.h>
#include "runner/runner.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define VALUES 6

/* pprof's own names first; the heap at its peak is what it shows by default. */
static const struct {
    const char *type, *unit;
} sample_types[VALUES] = {
    { "inuse_objects", "count" }, { "inuse_space", "bytes" },
    { "alloc_objects", "count" }, { "alloc_space", "bytes" },
    { "left_objects", "count" },  { "left_space", "bytes" },
};

/* An array of pointers, as protobuf-c wants them. */
struct list {
    void **items;
    size_t count, capacity;
};

struct making {
    Tether__Profile profile;
    json_t *strings, *functions, *locations; /* name -> number */
    struct list string_list, samples, function_list, location_list;
    struct list stack; /* of the row being read: location numbers */
    int64_t values[VALUES], test;
    bool in_row;
};

static char folder[PATH_MAX];

static _Noreturn void out_of_memory(void)
{
    say("out of memory");
    exit(RUNNER_NOT_RUN);
}

static void *zeroed(size_t count, size_t size)
{
    void *const memory = calloc(count ? count : 1, size);
    if (!memory)
        out_of_memory();
    return memory;
}

static void list_add(struct list *list, void *item)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        void **const items =
            realloc(list->items, list->capacity * sizeof *items);
        if (!items)
            out_of_memory();
        list->items = items;
    }
    list->items[list->count++] = item;
}

/* The number of 'key', counted from 'first' on. *is_new: it had none. */
static int64_t number_of(json_t *numbers, const char *key, int64_t first,
                         bool *is_new)
{
    json_t *const found = json_object_get(numbers, key);
    *is_new = !found;
    if (found)
        return json_integer_value(found);
    const int64_t number = (int64_t)json_object_size(numbers) + first;
    if (json_object_set_new_nocheck(numbers, key, json_integer(number)) != 0)
        out_of_memory();
    return number;
}

static int64_t string_number(struct making *making, const char *text)
{
    bool is_new;
    const int64_t number = number_of(making->strings, text, 0, &is_new);
    if (is_new) {
        char *const copy = strdup(text);
        if (!copy)
            out_of_memory();
        list_add(&making->string_list, copy);
    }
    return number;
}

static uint64_t function_number(struct making *making, const char *name,
                                const char *path)
{
    char key[2048];
    bool is_new;
    snprintf(key, sizeof key, "%s\t%s", name, path);
    const int64_t number = number_of(making->functions, key, 1, &is_new);
    if (is_new) {
        Tether__Function *const function = zeroed(1, sizeof *function);
        tether__function__init(function);
        function->id = (uint64_t)number;
        function->name = function->system_name = string_number(making, name);
        function->filename = string_number(making, path);
        list_add(&making->function_list, function);
    }
    return (uint64_t)number;
}

static uint64_t location_number(struct making *making, const char *name,
                                const char *path, int64_t at)
{
    char key[64];
    bool is_new;
    const uint64_t function = function_number(making, name, path);
    snprintf(key, sizeof key, "%llu %lld", (unsigned long long)function,
             (long long)at);
    const int64_t number = number_of(making->locations, key, 1, &is_new);
    if (is_new) {
        Tether__Location *const location = zeroed(1, sizeof *location);
        Tether__Line *const line = zeroed(1, sizeof *line);
        Tether__Line **const lines = zeroed(1, sizeof *lines);
        tether__location__init(location);
        tether__line__init(line);
        line->function_id = function;
        line->line = at;
        lines[0] = line;
        location->id = (uint64_t)number;
        location->n_line = 1;
        location->line = lines;
        list_add(&making->location_list, location);
    }
    return (uint64_t)number;
}

/* Ends the row being read: its frames are known. */
static void row_end(struct making *making)
{
    if (!making->in_row)
        return;
    Tether__Sample *const sample = zeroed(1, sizeof *sample);
    Tether__Label *const label = zeroed(1, sizeof *label);
    Tether__Label **const labels = zeroed(1, sizeof *labels);
    tether__sample__init(sample);
    tether__label__init(label);
    sample->n_location_id = making->stack.count;
    sample->location_id = zeroed(making->stack.count, sizeof(uint64_t));
    for (size_t i = 0; i < making->stack.count; i++)
        sample->location_id[i] = (uint64_t)(uintptr_t)making->stack.items[i];
    sample->n_value = VALUES;
    sample->value = zeroed(VALUES, sizeof(int64_t));
    memcpy(sample->value, making->values, sizeof making->values);
    label->key = string_number(making, "test");
    label->str = making->test;
    labels[0] = label;
    sample->n_label = 1;
    sample->label = labels;
    list_add(&making->samples, sample);
    making->stack.count = 0;
    making->in_row = false;
}

/* Reads one line; false: it is none of this form. */
static bool line_read(struct making *making, char *line)
{
    char *rest = line;
    const char *const word = strsep(&rest, "\t");
    if (rest && strcmp(word, "test") == 0) {
        row_end(making);
        making->test = string_number(making, rest);
        return true;
    }
    if (rest && strcmp(word, "row") == 0) {
        row_end(making);
        making->in_row = true;
        for (int i = 0; i < VALUES; i++) {
            const char *const value = rest ? strsep(&rest, "\t") : NULL;
            if (!value)
                return false;
            making->values[i] = strtoll(value, NULL, 10);
        }
        return true;
    }
    const char *const name = rest ? strsep(&rest, "\t") : NULL;
    const char *const path = rest ? strsep(&rest, "\t") : NULL;
    if (!making->in_row || !rest || strcmp(word, "at") != 0)
        return false;
    list_add(&making->stack, (void *)(uintptr_t)location_number(
                                 making, name, path, strtoll(rest, NULL, 10)));
    return true;
}

static bool file_read(struct making *making, const char *path)
{
    FILE *const from = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    bool good = from && getline(&line, &size, from) > 0 &&
                strcmp(line, "tether-profile 1\n") == 0;
    while (good && (len = getline(&line, &size, from)) > 0) {
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        good = line_read(making, line);
    }
    if (good)
        row_end(making);
    else
        say("%s: this is no profile", path);
    free(line);
    if (from)
        fclose(from);
    return good;
}

/* Reads and removes all files of the folder, in the order of their names, so
 * that the same run makes the same profile. */
static bool folder_read(struct making *making)
{
    struct dirent **entries;
    bool good = true;
    const int count = scandir(folder, &entries, NULL, versionsort);
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX + NAME_MAX + 2];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            good = file_read(making, path) && good;
            unlink(path);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    rmdir(folder);
    return good && count >= 0;
}

static void types_add(struct making *making)
{
    Tether__Profile *const profile = &making->profile;
    profile->n_sample_type = VALUES;
    profile->sample_type = zeroed(VALUES, sizeof *profile->sample_type);
    for (int i = 0; i < VALUES; i++) {
        Tether__ValueType *const type = zeroed(1, sizeof *type);
        tether__value_type__init(type);
        type->type = string_number(making, sample_types[i].type);
        type->unit = string_number(making, sample_types[i].unit);
        profile->sample_type[i] = type;
    }
    Tether__ValueType *const period = zeroed(1, sizeof *period);
    tether__value_type__init(period);
    period->type = string_number(making, "space");
    period->unit = string_number(making, "bytes");
    profile->period_type = period;
    profile->period = 1;
    profile->default_sample_type = string_number(making, "inuse_space");
}

static bool profile_write(struct making *making, const char *path)
{
    Tether__Profile *const profile = &making->profile;
    profile->time_nanos = (int64_t)time(NULL) * 1000000000;
    profile->n_string_table = making->string_list.count;
    profile->string_table = (char **)making->string_list.items;
    profile->n_sample = making->samples.count;
    profile->sample = (Tether__Sample **)making->samples.items;
    profile->n_function = making->function_list.count;
    profile->function = (Tether__Function **)making->function_list.items;
    profile->n_location = making->location_list.count;
    profile->location = (Tether__Location **)making->location_list.items;
    const size_t size = tether__profile__get_packed_size(profile);
    uint8_t *const bytes = zeroed(size, 1);
    tether__profile__pack(profile, bytes);
    const gzFile to = gzopen(path, "wb");
    bool good = to && size <= UINT_MAX &&
                gzwrite(to, bytes, (unsigned)size) == (int)size;
    good = (!to || gzclose(to) == Z_OK) && good;
    if (!good)
        say("%s: the profile could not be written: %s", path,
            errno ? strerror(errno) : "the disk is full");
    free(bytes);
    return good;
}

bool profile_begin(void)
{
    const char *const base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/tether.XXXXXX",
             base && *base ? base : "/tmp");
    if (!mkdtemp(folder)) {
        say("%s: %m", folder);
        return false;
    }
    setenv("TETHER_PROFILE", folder, 1);
    /* A flame graph lives on whole stacks. */
    setenv("TETHER_STACK_DEPTH", "64", 0);
    return true;
}

bool profile_end(const char *path)
{
    struct making making = { .strings = json_object(),
                             .functions = json_object(),
                             .locations = json_object() };
    tether__profile__init(&making.profile);
    string_number(&making, "");
    types_add(&making);
    unsetenv("TETHER_PROFILE");
    /* The message's parts are not given back: the command ends soon. */
    return folder_read(&making) && profile_write(&making, path);
}
