/* SPDX-License-Identifier: MIT */
/*
 * The profile as pprof reads it: samples of all windows, each with the label
 * 'test'.
 *
 * Strings, functions and locations are numbered as they come; the numbers are
 * kept in jansson's hash tables. The parts of the message are not given back:
 * the command ends soon.
 */
#include "runner/runner_profile.h"

#include "runner/runner.h"

#include <errno.h>
#include <limits.h>
#include <profile.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define VALUES PROFILE_VALUES

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
    json_t *strings, *functions; /* name -> number */
    struct list string_list, samples, function_list, location_list;
};

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

/* Frame i of the JSON is location i + 1: each is there once. */
static void location_add(struct making *making, const json_t *frame)
{
    const char *name = "", *path = "";
    json_int_t at = 0;
    Tether__Location *const location = zeroed(1, sizeof *location);
    Tether__Line *const line = zeroed(1, sizeof *line);
    Tether__Line **const lines = zeroed(1, sizeof *lines);
    json_unpack((json_t *)frame, "[s, s, I]", &name, &path, &at);
    tether__location__init(location);
    tether__line__init(line);
    line->function_id = function_number(making, name, path);
    line->line = at;
    lines[0] = line;
    location->id = making->location_list.count + 1;
    location->n_line = 1;
    location->line = lines;
    list_add(&making->location_list, location);
}

static Tether__Label *label_make(struct making *making, const char *test)
{
    Tether__Label *const label = zeroed(1, sizeof *label);
    tether__label__init(label);
    label->key = string_number(making, "test");
    label->str = string_number(making, test);
    return label;
}

static void sample_add(struct making *making, const json_t *row,
                       Tether__Label *label)
{
    const json_t *const values = json_object_get(row, "values");
    const json_t *const frames = json_object_get(row, "frames");
    Tether__Sample *const sample = zeroed(1, sizeof *sample);
    size_t i;
    json_t *item;
    tether__sample__init(sample);
    sample->n_location_id = json_array_size(frames);
    sample->location_id = zeroed(sample->n_location_id, sizeof(uint64_t));
    json_array_foreach(frames, i, item) sample->location_id[i] =
        (uint64_t)json_integer_value(item) + 1;
    sample->n_value = VALUES;
    sample->value = zeroed(VALUES, sizeof(int64_t));
    for (i = 0; i < VALUES; i++)
        sample->value[i] = json_integer_value(json_array_get(values, i));
    sample->n_label = 1;
    sample->label = zeroed(1, sizeof *sample->label);
    sample->label[0] = label;
    list_add(&making->samples, sample);
}

static void window_add(struct making *making, const json_t *window)
{
    Tether__Label *const label =
        label_make(making, json_string_value(json_object_get(window, "test")));
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(window, "rows"), i, row)
        sample_add(making, row, label);
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

bool pprof_write(const json_t *profile, const char *path)
{
    struct making making = { .strings = json_object(),
                             .functions = json_object() };
    size_t i;
    json_t *item;
    tether__profile__init(&making.profile);
    string_number(&making, "");
    types_add(&making);
    json_array_foreach(json_object_get(profile, "frames"), i, item)
        location_add(&making, item);
    json_array_foreach(json_object_get(profile, "windows"), i, item)
        window_add(&making, item);
    const bool good = profile_write(&making, path);
    json_decref(making.strings);
    json_decref(making.functions);
    return good;
}
