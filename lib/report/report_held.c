/* SPDX-License-Identifier: MIT */
/*
 * Checks of who holds an object, and their words.
 *
 *   `alice` is still reachable: 96 B, allocated by session_new (cache.c:41)
 *     held by    by_age.tail->prev->session
 *   ...
 *   verdict: held; path id 5f2c91d0
 *
 * What cannot be found out is no pass: the check then answers that it was
 * unchecked, and why.
 *
 * Hook: not inside malloc; what runs here is guarded, so that nothing of it
 * is counted as the test's.
 */
#include "report/report_reach.h"

#include <string.h>
#include <tether/check.h>

#include "budget/budget.h"
#include "report/report_check.h"
#include "report/report_path.h"
#include "report/report_sites.h"
#include "report/report_stack.h"

#define REFERRERS_MAX 8

/* A check under way. */
struct inquiry {
    const char *call;
    void *frame;
    struct tether_message *why;
    struct tt_ref_about about;
    struct tt_holder holder;
};

/* Looks who is asked about. Anything but PASSED is the check's answer. */
static enum tether_outcome inquiry_begin(struct inquiry *inquiry, uint64_t bits)
{
    if (tt_ref_blind(bits))
        return tt_check_unchecked(inquiry->why, tt_check_blind(bits));
    tt_ref_about(inquiry->call, bits, &inquiry->about);
    if (inquiry->about.domain)
        return tt_check_unchecked(
            inquiry->why, "the object is not of the malloc heap; only its "
                          "domain knows who holds it");
    return TETHER_PASSED;
}

/* Asks. False: it could not be found out, and *why says so. */
static bool inquiry_ask(struct inquiry *inquiry,
                        const struct tt_record_question *question)
{
    struct tt_text text;
    tt_enter();
    tt_holder_ask(&inquiry->holder, inquiry->frame, &inquiry->about, question);
    const bool known = inquiry->holder.snap != NULL;
    if (!known) {
        tt_check_begin(&text, inquiry->why);
        tt_text_add(&text, "who holds ");
        tt_check_name(&text, inquiry->about.name);
        tt_text_add(&text, " is not known: %s", inquiry->holder.why);
        tt_holder_drop(&inquiry->holder);
    }
    tt_leave();
    return known;
}

static enum tether_outcome inquiry_pass(struct inquiry *inquiry)
{
    tt_holder_drop(&inquiry->holder);
    return TETHER_PASSED;
}

/* '96 B, allocated by session_new (cache.c:41)' */
static void object_words(struct tt_text *text, const struct tt_ref_about *about)
{
    tt_text_size(text, about->words.size);
    tt_text_add(text, ", allocated by ");
    tt_stack_who(text, about->words.alloc_stack);
    tt_text_add(text, "\n");
}

/* Writes the failure: '`alice` is held by `&registry`: 96 B ...', and the
 * holders. 'name' may be NULL. */
static enum tether_outcome inquiry_fail(struct inquiry *inquiry,
                                        const char *words, const char *name)
{
    struct tt_text text;
    tt_enter();
    tt_check_begin(&text, inquiry->why);
    tt_check_name(&text, inquiry->about.name);
    tt_text_add(&text, " is %s", words);
    if (name)
        tt_text_add(&text, " `%.*s`", TT_CHECK_NAME_MAX, name);
    tt_text_add(&text, ": ");
    object_words(&text, &inquiry->about);
    tt_holder_lines(&text, &inquiry->holder);
    tt_holder_drop(&inquiry->holder);
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}

enum tether_outcome tether_check_unreachable(tether_weak ref,
                                             struct tether_message *why)
{
    TETHER_KEEP_REGISTERS();
    struct inquiry inquiry = { .call = "tether_check_unreachable",
                               .frame = __builtin_frame_address(0),
                               .why = why };
    const struct tt_record_question question = { .kind = TT_QUESTION_WHY,
                                                 .want_retained = 1 };
    const enum tether_outcome begun = inquiry_begin(&inquiry, ref.bits);
    if (begun != TETHER_PASSED || !inquiry.about.alive)
        return begun;
    if (!inquiry_ask(&inquiry, &question))
        return TETHER_UNCHECKED;
    const enum tether_verdict verdict = inquiry.holder.verdict;
    if (verdict == TETHER_VERDICT_LOST ||
        (verdict == TETHER_VERDICT_AMBIGUOUS && !tt_budget_ambiguous_fails()))
        return inquiry_pass(&inquiry);
    return inquiry_fail(&inquiry,
                        verdict == TETHER_VERDICT_HELD
                            ? "still reachable"
                            : "still reachable, or seems so",
                        NULL);
}

/* The words that count: the variable's, or the whole block's. */
static struct tt_record_range words_of(const char *call,
                                       const struct tether_holder *holder)
{
    struct tt_block block;
    if (!holder->start)
        tt_die(call, "the holder is NULL; pass the address of a variable");
    if (tt_block_find(holder->start, &block))
        return (struct tt_record_range){
            .start = (uintptr_t)block.address,
            .end = (uintptr_t)block.address + block.size,
        };
    return (struct tt_record_range){
        .start = (uintptr_t)holder->start,
        .end = (uintptr_t)holder->start + holder->bytes,
    };
}

static struct tt_record_question
question_from(const struct tt_record_range *words)
{
    return (struct tt_record_question){ .kind = TT_QUESTION_FROM,
                                        .only_start = words->start,
                                        .only_end = words->end };
}

enum tether_outcome tether_check_not_held_by(tether_weak ref,
                                             const struct tether_holder *holder,
                                             struct tether_message *why)
{
    TETHER_KEEP_REGISTERS();
    struct inquiry inquiry = { .call = "tether_check_not_held_by",
                               .frame = __builtin_frame_address(0),
                               .why = why };
    const struct tt_record_range words = words_of(inquiry.call, holder);
    const struct tt_record_question question = question_from(&words);
    const enum tether_outcome begun = inquiry_begin(&inquiry, ref.bits);
    if (begun != TETHER_PASSED || !inquiry.about.alive)
        return begun;
    if (!inquiry_ask(&inquiry, &question))
        return TETHER_UNCHECKED;
    if (inquiry.holder.verdict == TETHER_VERDICT_LOST)
        return inquiry_pass(&inquiry);
    return inquiry_fail(&inquiry, "held by", holder->name);
}

enum tether_outcome
tether_check_held_only_by(tether_weak ref, const struct tether_holder *holder,
                          struct tether_message *why)
{
    TETHER_KEEP_REGISTERS();
    struct inquiry inquiry = { .call = "tether_check_held_only_by",
                               .frame = __builtin_frame_address(0),
                               .why = why };
    const struct tt_record_range words = words_of(inquiry.call, holder);
    const struct tt_record_question from = question_from(&words);
    const struct tt_record_question beside = { .kind = TT_QUESTION_BESIDE,
                                               .not_start = words.start,
                                               .not_end = words.end };
    const enum tether_outcome begun = inquiry_begin(&inquiry, ref.bits);
    struct tt_text text;
    if (begun != TETHER_PASSED)
        return begun;
    if (!inquiry.about.alive) {
        tt_check_begin(&text, why);
        tt_check_name(&text, inquiry.about.name);
        tt_text_add(&text, " is dead: `%.200s` does not hold it", holder->name);
        return TETHER_FAILED;
    }
    if (!inquiry_ask(&inquiry, &beside))
        return TETHER_UNCHECKED;
    if (inquiry.holder.verdict == TETHER_VERDICT_HELD)
        return inquiry_fail(&inquiry, "held not only by", holder->name);
    tt_holder_drop(&inquiry.holder);
    if (!inquiry_ask(&inquiry, &from))
        return TETHER_UNCHECKED;
    if (inquiry.holder.verdict != TETHER_VERDICT_LOST)
        return inquiry_pass(&inquiry);
    return inquiry_fail(&inquiry, "not held by", holder->name);
}

enum tether_outcome tether_check_retained(tether_weak ref, size_t bytes,
                                          struct tether_message *why)
{
    TETHER_KEEP_REGISTERS();
    struct inquiry inquiry = { .call = "tether_check_retained",
                               .frame = __builtin_frame_address(0),
                               .why = why };
    const struct tt_record_question question = { .kind = TT_QUESTION_WHY,
                                                 .want_retained = 1 };
    const enum tether_outcome begun = inquiry_begin(&inquiry, ref.bits);
    struct tt_text text;
    if (begun != TETHER_PASSED || !inquiry.about.alive)
        return begun;
    if (!inquiry_ask(&inquiry, &question))
        return TETHER_UNCHECKED;
    const struct tt_record_question *const answer = &inquiry.holder.question;
    if (answer->retained_bytes <= bytes)
        return inquiry_pass(&inquiry);
    tt_enter();
    tt_check_begin(&text, why);
    tt_check_name(&text, inquiry.about.name);
    tt_text_add(&text, " keeps ");
    tt_text_size(&text, answer->retained_bytes);
    tt_text_add(&text, " in ");
    tt_text_count(&text, (int64_t)answer->retained_blocks, "block");
    tt_text_add(&text, " alive, itself included; limit ");
    tt_text_size(&text, bytes);
    tt_text_add(&text, "\n");
    tt_text_add(&text, "  it is ");
    object_words(&text, &inquiry.about);
    tt_holder_drop(&inquiry.holder);
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}

/* ---- pointers that dangle ---- */

static void referrers_text(struct tt_text *text, const struct tt_holder *holder)
{
    size_t all;
    const uint64_t *const slots = (const uint64_t *)tt_reach_section(
                                      holder->snap, TT_RECORD_SLOTS, &all) +
                                  holder->question.slots;
    const size_t count = holder->question.slots_count;
    const size_t named =
        tt_path_typed_referrers(text, holder->types.data, 0, REFERRERS_MAX);
    for (size_t i = named; i < count && i < REFERRERS_MAX; i++) {
        tt_text_add(text, "  by  ");
        if (!tt_path_slot(text, holder->snap, slots[i]))
            tt_text_add(text, "a word that is gone meanwhile");
        tt_text_add(text, "\n");
    }
    if (count > REFERRERS_MAX)
        tt_text_add(text, "  ... and by %zu more\n", count - REFERRERS_MAX);
}

enum tether_outcome tether_check_no_dangling(tether_weak ref,
                                             struct tether_message *why)
{
    TETHER_KEEP_REGISTERS();
    struct inquiry inquiry = { .call = "tether_check_no_dangling",
                               .frame = __builtin_frame_address(0),
                               .why = why };
    /* Words that may be dead themselves say nothing here. */
    const struct tt_record_question question = {
        .kind = TT_QUESTION_REFERRERS,
        .roots = tt_report_roots() &
                 ~(1u << TT_ROOT_STACK | 1u << TT_ROOT_REGISTERS |
                   1u << TT_ROOT_THREAD),
    };
    const enum tether_outcome begun = inquiry_begin(&inquiry, ref.bits);
    struct tt_text text;
    if (begun != TETHER_PASSED)
        return begun;
    if (tt_heap_is_sanitized())
        return tt_check_unchecked(
            why, "AddressSanitizer has a quarantine of its own, so Tether "
                 "keeps no dead object whose referrers could be looked for");
    if (!inquiry.about.quarantined)
        tt_die(inquiry.call,
               "the memory of a dead object is used again at once, so nobody "
               "can tell who points to it: call tether_quarantine(ref) while "
               "the object is alive");
    if (inquiry.about.alive) {
        tt_check_begin(&text, why);
        tt_check_name(&text, inquiry.about.name);
        tt_text_add(&text, " is still alive: pointers dangle when it is dead; "
                           "check then");
        return TETHER_FAILED;
    }
    if (!inquiry_ask(&inquiry, &question))
        return TETHER_UNCHECKED;
    if (inquiry.holder.question.slots_count == 0)
        return inquiry_pass(&inquiry);
    tt_enter();
    tt_check_begin(&text, why);
    tt_check_name(&text, inquiry.about.name);
    tt_text_add(&text, " is dead and still pointed to: ");
    object_words(&text, &inquiry.about);
    referrers_text(&text, &inquiry.holder);
    tt_text_add(&text, "  freed by ");
    tt_stack_who(&text, inquiry.about.words.free_stack);
    tt_text_add(&text, "\n");
    tt_holder_drop(&inquiry.holder);
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}
