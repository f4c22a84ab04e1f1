/* SPDX-License-Identifier: MIT */
/*
 * The snapshot child: it gathers, marks, writes the record, and then answers
 * questions until its end, which the asker's end brings too. It has one
 * thread and a memory of its own, so nothing here can hurt the program; if it
 * crashes the asker sees a dead child and does without.
 *
 * The asker held all locks of the heap at the copy; here they are given back
 * first.
 */
#include "reach/reach_inside.h"

#include <string.h>

#include "base/base_mem.h"
#include "heap/heap.h"
#include "os/os_call.h"
#include "reach/reach_mark.h"
#include "reach/reach_search.h"
#include "reach/reach_write.h"

#define HOPS_MAX  64 /* of one path */
#define PATHS_MAX 3  /* of one question */
#define SLOTS_MAX 64 /* referrers of one question */

/* What answers add up to, before it is written. */
struct answers {
    struct reach_array hops;  /* tt_record_hop */
    struct reach_array slots; /* uint64_t */
};

static struct tt_record_range range(uint64_t start, uint64_t end)
{
    return (struct tt_record_range){ start, end };
}

static struct reach_filter filter_of(const struct tt_record_question *question)
{
    struct reach_filter filter = { .kinds = question->roots,
                                   .target = question->own_counts
                                                 ? 0
                                                 : question->target };
    if (question->kind == TT_QUESTION_FROM)
        filter.only = range(question->only_start, question->only_end);
    if (question->kind == TT_QUESTION_BESIDE)
        filter.not_words = range(question->not_start, question->not_end);
    return filter;
}

static enum tt_reach reach_by_root(const struct reach_state *state,
                                   const struct tt_record_hop *first)
{
    const struct tt_record_root *const roots = state->roots.items;
    const bool unsure =
        first->root >= 0 && REACH_UNSURE & 1u << roots[first->root].kind;
    return unsure ? TT_REACH_AMBIGUOUS : TT_REACH_HELD;
}

/* Finds one path and adds its hops. Returns the slot of its last hop: cutting
 * it there leads to the next path. False: there is no path. */
static bool path_add(struct reach_state *state, struct answers *answers,
                     struct tt_record_question *question,
                     const struct reach_filter *filter, uint64_t *last_slot)
{
    struct tt_record_hop hops[HOPS_MAX];
    struct reach_search search;
    if (!reach_search_begin(&search, state, filter, state->blocks))
        return false;
    const bool found = reach_search_find(&search, question->target);
    const size_t count =
        found ? reach_search_path(&search, question->target, hops, HOPS_MAX)
              : 0;
    reach_search_end(&search);
    question->own_seen |= search.own_seen;
    for (size_t i = 0; i < count; i++) {
        struct tt_record_hop *const hop = reach_array_add(&answers->hops);
        if (hop)
            *hop = hops[i];
    }
    if (!count)
        return false;
    question->hops_count += (uint32_t)count;
    question->reach =
        TT_MAX(question->reach, (uint32_t)reach_by_root(state, &hops[0]));
    *last_slot = hops[count - 1].slot;
    return true;
}

/* Paths that differ in their last step at least; one by a register has no
 * slot to cut and is the last. */
static void paths_answer(struct reach_state *state, struct answers *answers,
                         struct tt_record_question *question)
{
    uint64_t cut[PATHS_MAX];
    struct reach_filter filter = filter_of(question);
    filter.not_slots = cut;
    question->reach = TT_REACH_LOST;
    question->hops = answers->hops.count;
    question->hops_count = 0;
    const size_t max = TT_MIN(question->paths_max, PATHS_MAX);
    for (size_t i = 0; i < max; i++) {
        if (!path_add(state, answers, question, &filter, &cut[i]) || !cut[i])
            return;
        filter.not_slots_count++;
    }
}

/* What would be lost with the target: what only it leads to, once all else is
 * coloured. */
static void retained_answer(struct reach_state *state,
                            struct tt_record_question *question)
{
    struct reach_mark mark;
    if (!reach_mark_begin(&mark, state))
        return;
    reach_mark_clear();
    reach_mark_forbid(question->target);
    reach_mark_all(&mark, question->roots);
    mark.blocks = mark.bytes = 0;
    reach_mark_from(&mark, question->target);
    question->retained_blocks = mark.blocks;
    question->retained_bytes = mark.bytes;
    reach_mark_end(&mark);
}

struct referrers {
    struct reach_state *state;
    struct answers *answers;
    struct tt_record_question *question;
};

static void words_refer(struct referrers *refer, uintptr_t start, uintptr_t end)
{
    const struct tt_record_question *const question = refer->question;
    for (uintptr_t slot = (start + 7) & ~(uintptr_t)7; slot + 8 <= end;
         slot += 8) {
        if (*(const uintptr_t *)slot - question->target >= question->size ||
            refer->question->slots_count >= SLOTS_MAX)
            continue;
        uint64_t *const item = reach_array_add(&refer->answers->slots);
        if (item)
            *item = slot;
        refer->question->slots_count += item != NULL;
    }
}

static bool block_refers(const struct tt_block *block, void *ctx)
{
    struct referrers *const refer = ctx;
    uintptr_t at = (uintptr_t)block->address, piece_end;
    const uintptr_t end = at + block->size;
    if (reach_mark_of(at) != TT_REACH_HELD)
        return true;
    for (; reach_maps_piece(refer->state, &at, end, &piece_end); at = piece_end)
        words_refer(refer, at, piece_end);
    return true;
}

static void referrers_answer(struct reach_state *state, struct answers *answers,
                             struct tt_record_question *question)
{
    const struct tt_record_root *const roots = state->roots.items;
    struct referrers refer = { state, answers, question };
    question->slots = answers->slots.count;
    question->slots_count = 0;
    for (size_t i = 0; i < state->roots.count; i++)
        if (question->roots & 1u << roots[i].kind && roots[i].start &&
            roots[i].kind != TT_ROOT_KEPT)
            words_refer(&refer, roots[i].start, roots[i].end);
    tt_blocks_visit(block_refers, &refer);
}

bool reach_answer(struct reach_state *state)
{
    struct reach_desk *const desk = state->desk;
    struct answers answers = { .hops.size = sizeof(struct tt_record_hop),
                               .slots.size = sizeof(uint64_t) };
    struct reach_writer writer;
    for (size_t i = 0; i < desk->questions_count; i++) {
        struct tt_record_question *const question = &desk->questions[i];
        const char *const name = desk->names + question->name;
        question->name = reach_text_add(state, name, strlen(name));
        if (question->kind == TT_QUESTION_REFERRERS) {
            referrers_answer(state, &answers, question);
            continue;
        }
        paths_answer(state, &answers, question);
        if (question->want_retained)
            retained_answer(state, question);
    }
    if (!reach_writer_begin(&writer, state, state->base_bytes,
                            state->text.len + 64 + sizeof desk->questions +
                                answers.hops.count * answers.hops.size +
                                answers.slots.count * answers.slots.size))
        return false;
    reach_writer_section(&writer, TT_RECORD_TEXT, state->text.data,
                         state->text.len, 1);
    reach_writer_section(&writer, TT_RECORD_QUESTIONS, desk->questions,
                         desk->questions_count, sizeof desk->questions[0]);
    reach_writer_section(&writer, TT_RECORD_HOPS, answers.hops.items,
                         answers.hops.count, answers.hops.size);
    reach_writer_section(&writer, TT_RECORD_SLOTS, answers.slots.items,
                         answers.slots.count, answers.slots.size);
    desk->record_bytes = writer.bytes;
    reach_writer_end(&writer);
    reach_array_drop(&answers.hops);
    reach_array_drop(&answers.slots);
    return true;
}

static uint64_t processor_ns(void)
{
    struct timespec now = { 0, 0 };
    TT_CALL(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &now, 0, 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The word that holds the control is ours, and so in no root. */
static void control_mark(struct reach_mark *mark)
{
    const uintptr_t word = (uintptr_t)&reach_controls.held;
    mark->colour = SHADOW_HELD;
    reach_mark_range(mark, word, word + sizeof(void *));
    reach_mark_run(mark);
}

static bool controls_hold(void)
{
    return reach_mark_of((uintptr_t)reach_controls.held) == TT_REACH_HELD &&
           reach_mark_of(~reach_controls.lost) != TT_REACH_HELD;
}

static bool world_mark(struct reach_state *state)
{
    struct reach_mark mark;
    if (!reach_maps_gather(state) || !reach_roots_gather(state) ||
        !reach_mark_begin(&mark, state))
        return false;
    const uint64_t start_ns = processor_ns();
    control_mark(&mark);
    reach_mark_all(&mark, state->kinds);
    state->desk->totals.marked_ns = processor_ns() - start_ns;
    const bool whole = !mark.overflown;
    reach_mark_end(&mark);
    state->desk->doubtful = !controls_hold();
    return whole && !state->desk->doubtful && reach_write_base(state);
}

static void desk_done(struct reach_desk *desk, bool good)
{
    desk->failed = !good;
    atomic_store(&desk->state, DESK_DONE);
    tt_os_wake_shared(&desk->state);
}

int reach_child_main(void *ctx)
{
    struct reach_state *const state = ctx;
    struct reach_desk *const desk = state->desk;
    tt_heap_unlock();
    if (tt_reach_more.unlock)
        tt_reach_more.unlock();
    desk_done(desk, world_mark(state));
    for (;;) {
        const uint32_t now = atomic_load(&desk->state);
        if (now == DESK_ASKED)
            desk_done(desk, reach_answer(state));
        else
            tt_os_wait_shared(&desk->state, now, 1000000000);
    }
}
