/* SPDX-License-Identifier: MIT */
/*
 * From names of functions to the ranges of their code, by tether-analyse.
 *
 * It finds symbols; a function, in Tether, is the entry of the unwind table
 * that covers an address. So each piece of code that bears the name is widened
 * to the entries that cover it, and a piece that no entry covers is kept as it
 * is.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report.h"

#include <string.h>

#include "os/os_maps.h"
#include "report/report_analyser.h"
#include "report/report_names.h"
#include "stack/stack.h"

/* What an answer is read into. */
struct taking {
    struct tt_functions *found;
    struct tt_function_name *const *names;
    size_t count;
    struct tt_text *trouble;
};

static void range_add(struct tt_functions *found, uintptr_t start,
                      uintptr_t end)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->ranges[i].start == start)
            return;
    if (found->count < found->max)
        found->ranges[found->count++] = (struct tt_range){ start, end };
    else
        found->cut = true;
}

static void code_take(struct tt_functions *found, uintptr_t at, uintptr_t end)
{
    while (at < end) {
        uintptr_t entry, entry_end;
        if (!tt_stack_function(at, &entry, &entry_end) || entry_end <= at) {
            range_add(found, at, end);
            return;
        }
        range_add(found, entry, entry_end);
        at = entry_end;
    }
}

/* 'a INDEX START END', 'i INDEX', 'u INDEX NEAREST' */
static void line_take(const struct taking *to, char kind,
                      const struct tt_field *fields, size_t got)
{
    const uint64_t index = tt_field_number(fields[1], 10);
    if (index >= to->count)
        return;
    if (kind == 'a' && got == 4)
        code_take(to->found, tt_field_number(fields[2], 16),
                  tt_field_number(fields[3], 16));
    if (kind == 'a' || kind == 'i')
        to->names[index]->known = true;
    if (kind != 'u' || got != 3 || to->names[index]->known)
        return;
    if (fields[2].len)
        tt_text_add(to->trouble,
                    "TETHER_WRAPPERS: there is no `%.200s`; did you mean "
                    "`%.*s`?\n",
                    to->names[index]->name,
                    (int)TT_MIN(fields[2].len, (size_t)200), fields[2].start);
    else
        tt_text_add(to->trouble,
                    "TETHER_WRAPPERS: there is no function or module "
                    "`%.200s`\n",
                    to->names[index]->name);
}

static void answer_take(const struct taking *to, const struct tt_text *answer)
{
    const char *at = answer->data;
    while (*at) {
        struct tt_field fields[4];
        const size_t len = strcspn(at, "\n");
        const size_t got = tt_fields_split(at, len, fields, TT_COUNT(fields));
        if (got >= 2 && fields[0].len == 1)
            line_take(to, at[0], fields, got);
        at += len + (at[len] != '\0');
    }
}

static void ask(const struct taking *to, const struct tt_text *maps)
{
    struct tt_text items, answer;
    tt_text_make(&items);
    tt_text_make(&answer);
    for (size_t i = 0; i < to->count; i++)
        tt_text_add(&items, "n %s\n", to->names[i]->name);
    if (tt_analyser_ask("functions", maps, &items, &answer))
        answer_take(to, &answer);
    else
        tt_text_add(to->trouble,
                    "TETHER_WRAPPERS: functions cannot be found by name: %s\n",
                    tt_analyser_trouble());
    tt_text_drop(&items);
    tt_text_drop(&answer);
}

void tt_report_functions(struct tt_function_name *const *names, size_t count,
                         const struct tt_text *maps, struct tt_functions *found,
                         struct tt_text *trouble)
{
    const struct taking to = { found, names, count, trouble };
    if (count == 0)
        return;
    tt_names_lock();
    ask(&to, maps);
    tt_names_unlock();
}
