/* SPDX-License-Identifier: MIT */
/*
 * Asks who holds a block: a snapshot, the child's own answer, and the
 * analyser's where there is one. Each that is missing makes the answer
 * poorer, and is said.
 *
 * Hook: not inside malloc; guarded, so that nothing of it is counted.
 */
#include "report/report_path.h"

#include <limits.h>
#include <string.h>
#include <tether/status.h>

#include "base/base_mem.h"
#include "base/base_time.h"
#include "os/os.h"
#include "report/report_analyser.h"
#include "report/report_sites.h"

#define WITHIN_MS  10000
#define PATHS_MAX  2
#define STATUS_OLD 2 /* the analyser does not know the question */

static enum tether_verdict verdict_of(uint32_t reach)
{
    return reach == TT_REACH_HELD        ? TETHER_VERDICT_HELD
           : reach == TT_REACH_AMBIGUOUS ? TETHER_VERDICT_AMBIGUOUS
                                         : TETHER_VERDICT_LOST;
}

static bool answer_is_whole(const struct tt_text *answer)
{
    static const char start[] = TT_REACH_HELLO "\n";
    static const char end[] = "\nend\n";
    return answer->len >= sizeof start + 4 &&
           !strncmp(answer->data, start, sizeof start - 1) &&
           !strcmp(answer->data + answer->len - (sizeof end - 1), end);
}

const char *tt_types_ask(struct tt_snap *snap, struct tt_text *types)
{
    char path_bytes[PATH_MAX];
    struct tt_text path;
    int fds[2];
    tt_text_fixed(&path, path_bytes, sizeof path_bytes);
    if (tt_analyser_trouble() || !tt_analyser_find(&path) ||
        !tt_reach_fds(snap, fds))
        return NULL;
    const char *const argv[] = { path.data, "reach", NULL };
    const int status =
        tt_os_run_with(argv, fds, 2, "", 0, types,
                       (unsigned)(tt_time_scaled_ns(WITHIN_MS) / 1000000));
    if (status == 0 && answer_is_whole(types))
        return NULL;
    tt_text_drop(types);
    tt_text_make(types);
    return status == STATUS_OLD ? NULL
           : status == -2 ? "the analyser took too long, so types are missing"
           : status == -3 ? "the analyser crashed, so types are missing"
                          : "the analyser could not answer, so types are "
                            "missing";
}

/* Types turn a word of a stack into a live variable, or into one of the
 * asker's own; what the child found in a sure place they cannot take back. */
static bool types_know_better(enum tether_verdict marked,
                              enum tether_verdict typed, const char *answer)
{
    if (marked != TETHER_VERDICT_AMBIGUOUS)
        return marked == TETHER_VERDICT_LOST && typed == TETHER_VERDICT_HELD;
    return typed == TETHER_VERDICT_HELD ||
           (typed == TETHER_VERDICT_LOST && tt_path_typed_own(answer, 0));
}

void tt_holder_ask(struct tt_holder *holder, void *frame,
                   const struct tt_ref_about *about,
                   const struct tt_record_question *question)
{
    memset(holder, 0, sizeof *holder);
    tt_text_make(&holder->types);
    holder->question = *question;
    struct tt_record_question *const asked = &holder->question;
    asked->roots = question->roots ? question->roots : tt_report_roots();
    asked->target = (uintptr_t)about->base;
    asked->pointer = (uintptr_t)about->object;
    asked->size = about->words.size;
    asked->stack = about->words.alloc_stack;
    asked->paths_max = question->paths_max ? question->paths_max : PATHS_MAX;
    holder->snap = tt_reach_take(frame, asked->roots, &holder->why);
    if (!holder->snap)
        return;
    asked->name = tt_reach_name(holder->snap, about->name ? about->name : "");
    if (!tt_reach_ask(holder->snap, asked, 1, &holder->why)) {
        tt_reach_drop(holder->snap);
        holder->snap = NULL;
        return;
    }
    holder->verdict = verdict_of(asked->reach);
    holder->why = tt_types_ask(holder->snap, &holder->types);
    const enum tether_verdict typed =
        tt_path_typed_verdict(holder->types.data, 0);
    if (types_know_better(holder->verdict, typed, holder->types.data))
        holder->verdict = typed;
}

void tt_holder_drop(struct tt_holder *holder)
{
    if (holder->snap)
        tt_reach_drop(holder->snap);
    tt_text_drop(&holder->types);
}

bool tt_holder_tell(struct tt_text *text, void *frame,
                    const struct tt_ref_about *about)
{
    const struct tt_record_question question = { .kind = TT_QUESTION_WHY,
                                                 .want_retained = 1 };
    struct tt_holder holder;
    tt_holder_ask(&holder, frame, about, &question);
    const bool lost =
        holder.verdict == TETHER_VERDICT_LOST && !holder.question.own_seen;
    tt_holder_lines(text, &holder);
    tt_holder_drop(&holder);
    return lost;
}

/* What the child knows of cutting: it cut the last step of each path and
 * looked again. */
static void cut_text(struct tt_text *text, const struct tt_holder *holder,
                     size_t paths)
{
    if (paths == 1 && holder->question.paths_max > 1)
        tt_text_add(text, "  cutting the last step leaves it without a "
                          "holder\n");
}

static void retained_text(struct tt_text *text, const struct tt_holder *holder)
{
    const struct tt_record_question *const question = &holder->question;
    if (question->retained_blocks <= 1)
        return;
    tt_text_add(text, "  it keeps ");
    tt_text_size(text, question->retained_bytes);
    tt_text_add(text, " in ");
    tt_text_count(text, (int64_t)question->retained_blocks, "block");
    tt_text_add(text, " alive, itself included\n");
}

static void missed_text(struct tt_text *text, const struct tt_holder *holder)
{
    const uint32_t missed = tt_reach_totals(holder->snap)->missed;
    if (missed)
        tt_text_add(text,
                    "  %u %s could not be stopped: what only its stack holds "
                    "is not seen\n",
                    missed, missed == 1 ? "thread" : "threads");
}

void tt_holder_lines(struct tt_text *text, struct tt_holder *holder)
{
    uint32_t id = 0;
    struct tt_told told = { false, false };
    if (!holder->snap) {
        tt_text_add(text, "  who holds it is not known: %s\n", holder->why);
        return;
    }
    size_t paths =
        tt_path_typed(text, holder->types.data, 0, false, &id, &told);
    if (!paths)
        paths =
            tt_path_plain(text, holder->snap, &holder->question, false, &id);
    if (!paths && holder->question.own_seen && !told.own)
        tt_text_add(text, "  only a variable of your own points to it, which "
                          "is no holder\n");
    else if (!paths && !told.own)
        tt_text_add(text, "  nothing points to it: it is lost, nobody can "
                          "free it any more\n");
    if (!told.cut)
        cut_text(text, holder, paths);
    retained_text(text, holder);
    missed_text(text, holder);
    if (holder->why)
        tt_text_add(text, "  %s\n", holder->why);
    tt_text_add(text, "  verdict: %s", tether_verdict_name(holder->verdict));
    if (paths)
        tt_text_add(text, "; path id %08x", id);
    tt_text_add(text, "\n");
}
