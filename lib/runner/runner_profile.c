/* SPDX-License-Identifier: MIT */
/*
 * Reading the files that lib/report/report_profile.c writes, one a window.
 */
#include "runner/runner_profile.h"

#include "runner/runner.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file that is being read. */
struct reading {
    json_t *profile, *frame_numbers; /* "function\tpath\tline" -> index */
    json_t *window, *row;            /* borrowed; NULL before the first */
};

static char folder[PATH_MAX];

/* The index of a frame, which is the rest of an 'at' line. */
static json_int_t frame_number(struct reading *reading, const char *fields)
{
    json_t *const known = json_object_get(reading->frame_numbers, fields);
    json_t *const frames = json_object_get(reading->profile, "frames");
    char *const copy = strdup(fields);
    char *rest = copy;
    const char *const function = copy ? strsep(&rest, "\t") : NULL;
    const char *const path = rest ? strsep(&rest, "\t") : NULL;
    json_int_t number = -1;
    if (known) {
        number = json_integer_value(known);
    } else if (rest) {
        number = (json_int_t)json_array_size(frames);
        json_array_append_new(frames,
                              json_pack("[s, s, I]", function, path,
                                        (json_int_t)strtoll(rest, NULL, 10)));
        json_object_set_new_nocheck(reading->frame_numbers, fields,
                                    json_integer(number));
    }
    free(copy);
    return number;
}

static bool test_read(struct reading *reading, char *rest)
{
    reading->window = json_pack("{s:s, s:[i, i], s:[], s:[], s:[]}", "test",
                                rest, "peak", 0, 0, "live", "marks", "rows");
    reading->row = NULL;
    return json_array_append_new(json_object_get(reading->profile, "windows"),
                                 reading->window) == 0;
}

static bool row_read(struct reading *reading, char *rest)
{
    json_t *const values = json_array();
    for (int i = 0; i < PROFILE_VALUES; i++) {
        const char *const value = rest ? strsep(&rest, "\t") : NULL;
        json_array_append_new(
            values, json_integer(value ? strtoll(value, NULL, 10) : -1));
    }
    reading->row = json_pack("{s:o, s:[]}", "values", values, "frames");
    return json_array_append_new(json_object_get(reading->window, "rows"),
                                 reading->row) == 0;
}

/* A line of two fields, the first of which is a time. */
static json_t *point_read(char *rest, bool is_number)
{
    const char *const time = strsep(&rest, "\t");
    const json_int_t at = strtoll(time, NULL, 10);
    if (!rest)
        return NULL;
    return is_number
               ? json_pack("[I, I]", at, (json_int_t)strtoll(rest, NULL, 10))
               : json_pack("[I, s]", at, rest);
}

/* Reads one line; false: it is none of this form. */
static bool line_read(struct reading *reading, char *line)
{
    char *rest = line;
    const char *const word = strsep(&rest, "\t");
    if (!rest)
        return false;
    if (strcmp(word, "test") == 0)
        return test_read(reading, rest);
    if (!reading->window)
        return false;
    if (strcmp(word, "row") == 0)
        return row_read(reading, rest);
    if (strcmp(word, "peak") == 0)
        return json_object_set_new(reading->window, "peak",
                                   point_read(rest, true)) == 0;
    if (strcmp(word, "live") == 0 || strcmp(word, "mark") == 0)
        return json_array_append_new(
                   json_object_get(reading->window,
                                   word[0] == 'l' ? "live" : "marks"),
                   point_read(rest, word[0] == 'l')) == 0;
    const json_int_t frame = reading->row && strcmp(word, "at") == 0
                                 ? frame_number(reading, rest)
                                 : -1;
    return frame >= 0 &&
           json_array_append_new(json_object_get(reading->row, "frames"),
                                 json_integer(frame)) == 0;
}

static bool file_read(struct reading *reading, const char *path)
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
        good = line_read(reading, line);
    }
    if (!good)
        say("%s: this is no profile", path);
    free(line);
    if (from)
        fclose(from);
    return good;
}

/* Reads and removes all files of the folder, in the order of their names. */
static bool folder_read(struct reading *reading)
{
    struct dirent **entries;
    bool good = true;
    const int count = scandir(folder, &entries, NULL, versionsort);
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX + NAME_MAX + 2];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            good = file_read(reading, path) && good;
            unlink(path);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    rmdir(folder);
    return good && count >= 0;
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

json_t *profile_end(void)
{
    struct reading reading = { .profile = json_pack("{s:[], s:[]}", "frames",
                                                    "windows"),
                               .frame_numbers = json_object() };
    unsetenv("TETHER_PROFILE");
    const bool good = folder_read(&reading);
    json_decref(reading.frame_numbers);
    if (good)
        return reading.profile;
    json_decref(reading.profile);
    return NULL;
}
