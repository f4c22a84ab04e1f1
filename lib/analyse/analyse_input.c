/* SPDX-License-Identifier: MIT */
/*
 * Reads the question. It comes through a pipe from a program that may be in
 * any state, so nothing in it is believed: lines are bounded by getline,
 * counts are taken from what arrives, and the last line must be 'end', so
 * that a question cut short is not answered.
 */
#include "analyse/analyse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 1000000

void *analyse_alloc(size_t bytes)
{
    void *const start = calloc(1, bytes);
    if (!start) {
        fputs("tether-analyse: no memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return start;
}

void *analyse_grow(void *array, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return array;
    void *const grown = realloc(array, (count ? 2 * count : 1) * size);
    if (!grown) {
        fputs("tether-analyse: no memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return grown;
}

static char *text_copy(const char *text)
{
    char *const copy = analyse_alloc(strlen(text) + 1);
    return strcpy(copy, text);
}

/* Reads a line without its end. NULL at the end of file. */
static char *line_read(FILE *from)
{
    static char *line;
    static size_t capacity;
    const ssize_t bytes = getline(&line, &capacity, from);
    if (bytes < 0)
        return NULL;
    if (bytes > 0 && line[bytes - 1] == '\n')
        line[bytes - 1] = '\0';
    return line;
}

/* The kernel writes a newline in a path as \012. */
static void path_unescape(char *path)
{
    char *to = path;
    for (const char *from = path; *from; from++) {
        if (!strncmp(from, "\\012", 4)) {
            *to++ = '\n';
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static bool mapping_parse(const char *line, struct analyse_mapping *mapping)
{
    char rights[5] = "";
    int path_at = 0;
    *mapping = (struct analyse_mapping){ 0 };
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n",
               &mapping->start, &mapping->end, rights, &mapping->offset,
               &path_at) < 4 ||
        mapping->start >= mapping->end)
        return false;
    char *const path = text_copy(path_at ? line + path_at : "");
    path_unescape(path);
    mapping->path = path;
    mapping->writable = rights[1] == 'w';
    return true;
}

static const char *maps_read(FILE *from, struct analyse_input *input)
{
    for (;;) {
        const char *const line = line_read(from);
        if (!line)
            return "it ends inside the maps";
        if (!strcmp(line, "."))
            return NULL;
        if (input->mappings_count >= ITEMS_MAX)
            return "too many mappings";
        input->mappings = analyse_grow(input->mappings, input->mappings_count,
                                       sizeof *input->mappings);
        if (!mapping_parse(line, &input->mappings[input->mappings_count]))
            return "a line of the maps is not understood";
        input->mappings_count++;
    }
}

void analyse_maps_read(FILE *from, struct analyse_input *input)
{
    const char *line;
    while ((line = line_read(from)) != NULL) {
        input->mappings = analyse_grow(input->mappings, input->mappings_count,
                                       sizeof *input->mappings);
        if (mapping_parse(line, &input->mappings[input->mappings_count]))
            input->mappings_count++;
    }
}

static int mapping_find(const struct analyse_input *input, uint64_t address)
{
    for (size_t i = 0; i < input->mappings_count; i++)
        if (address >= input->mappings[i].start &&
            address < input->mappings[i].end)
            return (int)i;
    return -1;
}

static bool request_parse(const char *line, struct analyse_input *input)
{
    char kind, *end;
    uint64_t link = 0;
    kind = line[0];
    if (!kind || !strchr("rxdl", kind) || line[1] != ' ' || !line[2])
        return false;
    uint64_t address = strtoull(line + 2, &end, 16);
    if (kind == 'd' || kind == 'l') {
        link = address;
        address = *end == ' ' ? strtoull(end + 1, &end, 16) : 0;
    }
    if (*end != '\0' || input->requests_count >= ITEMS_MAX)
        return false;
    input->requests = analyse_grow(input->requests, input->requests_count,
                                   sizeof *input->requests);
    struct analyse_request *const request =
        &input->requests[input->requests_count];
    *request = (struct analyse_request){ .kind = kind == 'd'   ? ANALYSE_DATA
                                                 : kind == 'l' ? ANALYSE_TLS
                                                               : ANALYSE_CODE,
                                         .address = address,
                                         .link = link,
                                         .is_return = kind == 'r',
                                         .mapping = -1 };
    request->index = (uint32_t)input->requests_count++;
    return true;
}

static bool function_parse(const char *line, struct analyse_input *input)
{
    if (line[0] != 'n' || line[1] != ' ' || !line[2] ||
        input->functions_count >= ITEMS_MAX)
        return false;
    input->functions = analyse_grow(input->functions, input->functions_count,
                                    sizeof *input->functions);
    input->functions[input->functions_count++] = text_copy(line + 2);
    return true;
}

static void requests_place(struct analyse_input *input)
{
    for (size_t i = 0; i < input->requests_count; i++) {
        struct analyse_request *const request = &input->requests[i];
        const uint64_t at = request->address - request->is_return;
        request->mapping = mapping_find(input, at);
    }
}

/* "its first line is not 'tether-names 1'" */
static const char *hello_missing(const char *hello)
{
    static char wrong[128];
    snprintf(wrong, sizeof wrong, "its first line is not '%s'", hello);
    return wrong;
}

const char *analyse_input_read(FILE *from, const char *hello,
                               struct analyse_input *input)
{
    bool (*const item_parse)(const char *, struct analyse_input *) =
        strcmp(hello, ANALYSE_HELLO) == 0 ? request_parse : function_parse;
    *input = (struct analyse_input){ 0 };
    const char *line = line_read(from);
    if (!line || strcmp(line, hello) != 0)
        return hello_missing(hello);
    while ((line = line_read(from)) != NULL) {
        const char *wrong = NULL;
        if (!strcmp(line, "end")) {
            requests_place(input);
            return NULL;
        }
        if (!strncmp(line, "pid ", 4))
            input->pid = (pid_t)strtol(line + 4, NULL, 10);
        else if (!strcmp(line, "maps"))
            wrong = maps_read(from, input);
        else if (!item_parse(line, input))
            wrong = "a line is not understood";
        if (wrong)
            return wrong;
    }
    return "it does not end in 'end'";
}
