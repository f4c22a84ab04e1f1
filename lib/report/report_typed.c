/* SPDX-License-Identifier: MIT */
/*
 * Paths with types: the answer of tether-analyse, laid out. What its lines are
 * is said in lib/reach/reach_record.h; a line of another kind is passed over,
 * so that either side may be newer.
 *
 *   held by    by_age.tail->prev->session
 *              (global `by_age`, cache.c:9)
 *     by_age.tail      -> struct age_node, 32 B, allocated by ...
 */
#include "report/report_analyser.h"
#include "report/report_path.h"

#include <string.h>

#define FIELDS_MAX 8

/* One line of the answer: its kind, and what is behind it. */
struct line {
    char kind;
    struct tt_field fields[FIELDS_MAX]; /* [0] is the kind */
};

/* Takes a line off the answer. False: there is none. */
static bool line_take(const char **at, struct line *line)
{
    const size_t len = strcspn(*at, "\n");
    if (!**at)
        return false;
    const size_t count = tt_fields_split(*at, len, line->fields, FIELDS_MAX);
    for (size_t i = count; i < FIELDS_MAX; i++)
        line->fields[i] = (struct tt_field){ "", 0 };
    line->kind = line->fields[0].len == 1 ? **at : ' ';
    *at += len + ((*at)[len] != '\0');
    return true;
}

/* Goes to what answers a question. */
static const char *answer_find(const char *answer, size_t question)
{
    struct line line;
    while (line_take(&answer, &line))
        if (line.kind == 'q' && tt_field_number(line.fields[1], 10) == question)
            return answer;
    return "";
}

enum tether_verdict tt_path_typed_verdict(const char *answer, size_t question)
{
    struct line line;
    answer = answer_find(answer, question);
    while (line_take(&answer, &line) && line.kind != 'q') {
        if (line.kind != 'v')
            continue;
        return tt_field_is(line.fields[1], "held") ? TETHER_VERDICT_HELD
               : tt_field_is(line.fields[1], "ambiguous")
                   ? TETHER_VERDICT_AMBIGUOUS
               : tt_field_is(line.fields[1], "lost") ? TETHER_VERDICT_LOST
                                                     : TETHER_VERDICT_UNKNOWN;
    }
    return TETHER_VERDICT_UNKNOWN;
}

size_t tt_path_typed_referrers(struct tt_text *text, const char *answer,
                               size_t question, size_t max)
{
    struct line line;
    size_t count = 0;
    answer = answer_find(answer, question);
    while (line_take(&answer, &line) && line.kind != 'q') {
        if (line.kind != 'r' || count++ >= max)
            continue;
        const struct tt_field by = line.fields[1], root = line.fields[2];
        tt_text_add(text, "  by  %.*s", (int)by.len, by.start);
        if (root.len)
            tt_text_add(text, "  (%.*s)", (int)root.len, root.start);
        tt_text_add(text, "\n");
    }
    return count;
}

bool tt_path_typed_own(const char *answer, size_t question)
{
    struct line line;
    answer = answer_find(answer, question);
    while (line_take(&answer, &line) && line.kind != 'q')
        if (line.kind == 'o')
            return true;
    return false;
}

static void path_text(struct tt_text *text, const struct line *line,
                      const char *first)
{
    const struct tt_field expression = line->fields[3], root = line->fields[4];
    tt_text_add(text, "%s%.*s\n", first, (int)expression.len, expression.start);
    if (root.len)
        tt_text_add(text, "%s(%.*s)\n", TT_PATH_BLANK, (int)root.len,
                    root.start);
}

static void hop_text(struct tt_text *text, const struct line *line)
{
    const struct tt_field step = line->fields[1];
    tt_text_add(text, "    %.*s", (int)step.len, step.start);
    tt_text_add(text, "%*s ",
                step.len < TT_PATH_STEP ? TT_PATH_STEP - (int)step.len : 0, "");
    tt_path_block(text, line->fields[2], tt_field_number(line->fields[3], 10),
                  (uint32_t)tt_field_number(line->fields[4], 10),
                  line->fields[5]);
}

/* Lines beside the paths. */
static void other_text(struct tt_text *text, const struct line *line)
{
    const struct tt_field said = line->fields[1];
    if (line->kind == 'n' && tt_field_number(said, 10))
        tt_text_add(text, "  ... and by %.*s more paths\n", (int)said.len,
                    said.start);
    else if (line->kind == 'c' || line->kind == 'o' || line->kind == 't')
        tt_text_add(text, "  %.*s\n", (int)said.len, said.start);
}

size_t tt_path_typed(struct tt_text *text, const char *answer, size_t question,
                     bool brief, uint32_t *id, struct tt_told *told)
{
    struct line line;
    size_t paths = 0;
    answer = answer_find(answer, question);
    while (line_take(&answer, &line) && line.kind != 'q') {
        if (brief && (paths > 0 || line.kind != 'p'))
            continue;
        if (line.kind == 'p') {
            if (paths == 0)
                *id = (uint32_t)tt_field_number(line.fields[1], 16);
            path_text(text, &line, paths++ ? TT_PATH_OTHER : TT_PATH_FIRST);
        } else if (line.kind == 'h') {
            hop_text(text, &line);
        } else {
            told->cut = told->cut || line.kind == 'c';
            told->own = told->own || line.kind == 'o';
            other_text(text, &line);
        }
    }
    return paths;
}
