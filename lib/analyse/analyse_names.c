/* SPDX-License-Identifier: MIT */
/*
 * The mode 'names': one module after the other, its questions sorted by
 * address, then the answers in the order of the questions. A question that
 * nothing answers gets its line too, so that the asker can count.
 */
#include "analyse/analyse.h"

#include <stdlib.h>
#include <string.h>

/* The answers to one request. */
struct answer {
    size_t frames_count;
    struct analyse_frame frames[ANALYSE_FRAMES_MAX];
    const char *module;
};

static int by_link(const void *left, const void *right)
{
    const struct analyse_request *const a =
        *(struct analyse_request *const *)left;
    const struct analyse_request *const b =
        *(struct analyse_request *const *)right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->link < b->link ? -1 : a->link > b->link;
}

void analyse_field_put(FILE *to, const char *text)
{
    for (; text && *text; text++)
        putc((unsigned char)*text < ' ' ? '?' : *text, to);
}

static void frame_put(FILE *to, uint32_t index, char kind,
                      const struct analyse_frame *frame, const char *module,
                      uint64_t offset)
{
    fprintf(to, "f\t%u\t%c\t", index, kind);
    analyse_field_put(to, frame->function);
    putc('\t', to);
    analyse_field_put(to, frame->path);
    fprintf(to, "\t%d\t", frame->line);
    analyse_field_put(to, module);
    fprintf(to, "\t%llx\n", (unsigned long long)offset);
}

static void answer_put(FILE *to, const struct analyse_request *request,
                       const struct answer *answer)
{
    const uint64_t link = request->link + request->is_return;
    const char *const module = answer->module ? answer->module : "";
    for (size_t i = 0; i < answer->frames_count; i++) {
        const struct analyse_frame *const frame = &answer->frames[i];
        frame_put(to, request->index, frame->inlined ? 'i' : 'd', frame, module,
                  link);
    }
    if (answer->frames_count > 0)
        return;
    const struct analyse_frame frame = {
        .function = request->symbol ? analyse_demangle(request->symbol) : NULL,
    };
    if (request->symbol)
        frame_put(to, request->index, 's', &frame, module,
                  link - request->symbol_at);
    else
        frame_put(to, request->index, 'n', &frame, module, link);
}

/* One kind after the other; 'requests' are sorted so. */
static void symbols_answer(const struct analyse_module *module,
                           struct analyse_request **requests, size_t count)
{
    for (size_t first = 0; first < count;) {
        size_t last = first + 1;
        while (last < count && requests[last]->kind == requests[first]->kind)
            last++;
        analyse_symbols(module, requests + first, last - first);
        first = last;
    }
}

static void module_answer(const struct analyse_module *module,
                          struct analyse_request **requests, size_t count,
                          struct answer *answers)
{
    struct analyse_units *units = NULL;
    bool symbols_needed = false;
    qsort(requests, count, sizeof *requests, by_link);
    if (module->dwarf)
        units = analyse_units_make(module->dwarf);
    for (size_t i = 0; i < count; i++) {
        struct answer *const answer = &answers[requests[i]->index];
        answer->module = module->name;
        if (units && requests[i]->kind == ANALYSE_CODE)
            answer->frames_count =
                analyse_units_find(units, requests[i]->link, answer->frames);
        if (answer->frames_count == 0 || !answer->frames[0].function)
            symbols_needed = true;
    }
    if (symbols_needed && module->elf)
        symbols_answer(module, requests, count);
    for (size_t i = 0; i < count; i++) {
        struct answer *const answer = &answers[requests[i]->index];
        if (answer->frames_count > 0 && !answer->frames[0].function)
            answer->frames[0].function =
                requests[i]->symbol ? analyse_demangle(requests[i]->symbol)
                                    : NULL;
    }
}

/* Takes the requests of one file out of the unanswered ones. */
static size_t module_requests(const struct analyse_input *input,
                              const struct analyse_module *module,
                              const char *path, bool *taken,
                              struct analyse_request **requests)
{
    size_t count = 0;
    for (size_t i = 0; i < input->requests_count; i++) {
        struct analyse_request *const request = &input->requests[i];
        if (taken[i] || request->mapping < 0)
            continue;
        const struct analyse_mapping *const mapping =
            &input->mappings[request->mapping];
        if (strcmp(mapping->path, path) != 0)
            continue;
        taken[i] = true;
        requests[count++] = request;
        if (request->kind != ANALYSE_CODE)
            continue;
        const uint64_t at = request->address - request->is_return;
        const uint64_t offset = at - mapping->start + mapping->offset;
        if (!analyse_module_link(module, offset, &request->link))
            request->link = offset;
    }
    return count;
}

static void module_put(FILE *to, const struct analyse_module *module)
{
    static const char *const states[] = {
        [ANALYSE_DEBUG_YES] = "debug",
        [ANALYSE_DEBUG_NONE] = "nodebug",
        [ANALYSE_DEBUG_SYSTEM] = "system",
        [ANALYSE_UNREADABLE] = "unreadable",
    };
    if (!module->name[0])
        return;
    fputs("m\t", to);
    analyse_field_put(to, module->name);
    fprintf(to, "\t%s\n", states[module->debug]);
}

void analyse_names(const struct analyse_input *input, const char *debug_root,
                   FILE *to)
{
    const size_t total = input->requests_count;
    struct answer *const answers = analyse_alloc((total + 1) * sizeof *answers);
    struct analyse_request **const requests =
        analyse_alloc((total + 1) * sizeof(struct analyse_request *));
    bool *const taken = analyse_alloc(total + 1);
    elf_version(EV_CURRENT);
    fputs(ANALYSE_HELLO "\n", to);
    for (size_t i = 0; i < total; i++) {
        struct analyse_module module;
        if (taken[i] || input->requests[i].mapping < 0)
            continue;
        const struct analyse_mapping *const mapping =
            &input->mappings[input->requests[i].mapping];
        analyse_module_open(&module, input, mapping, debug_root);
        const size_t count =
            module_requests(input, &module, mapping->path, taken, requests);
        module_answer(&module, requests, count, answers);
        module_put(to, &module);
        analyse_module_close(&module);
    }
    for (size_t i = 0; i < total; i++)
        answer_put(to, &input->requests[i], &answers[i]);
    fputs("end\n", to);
}
