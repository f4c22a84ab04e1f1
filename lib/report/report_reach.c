/* SPDX-License-Identifier: MIT */
/*
 * Checks of who holds an object, and their words.
 *
 * Hook: not inside malloc; what runs here is guarded, so that nothing of it
 * is counted as the test's.
 */
#include "report/report_reach.h"

#include <string.h>
#include <tether/check.h>

#include "budget/budget.h"
#include "os/os.h"
#include "report/report_check.h"
#include "report/report_path.h"
#include "report/report_stack.h"

/* ---- which roots count ---- */

static const char *const root_names[TT_ROOTS] = {
    [TT_ROOT_GLOBALS] = "globals",
    [TT_ROOT_TLS] = "tls",
    [TT_ROOT_KEY] = "keys",
    [TT_ROOT_CLOSURE] = "closures",
    [TT_ROOT_REGION] = "regions",
    [TT_ROOT_KEPT] = "regions",
    [TT_ROOT_THREAD] = "stacks",
    [TT_ROOT_STACK] = "stacks",
    [TT_ROOT_REGISTERS] = "registers",
};

static uint32_t roots_named(const char *name, size_t len)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < TT_ROOTS; i++)
        if (strlen(root_names[i]) == len && !memcmp(root_names[i], name, len))
            bits |= 1u << i;
    return bits;
}

/* From enum tether_roots, which counts kinds as users do. */
static uint32_t roots_chosen(unsigned chosen)
{
    static const unsigned public_of[TT_ROOTS] = {
        [TT_ROOT_GLOBALS] = TETHER_ROOT_GLOBALS,
        [TT_ROOT_TLS] = TETHER_ROOT_TLS,
        [TT_ROOT_KEY] = TETHER_ROOT_KEYS,
        [TT_ROOT_CLOSURE] = TETHER_ROOT_CLOSURES,
        [TT_ROOT_REGION] = TETHER_ROOT_REGIONS,
        [TT_ROOT_KEPT] = TETHER_ROOT_REGIONS,
        [TT_ROOT_THREAD] = TETHER_ROOT_STACKS,
        [TT_ROOT_STACK] = TETHER_ROOT_STACKS,
        [TT_ROOT_REGISTERS] = TETHER_ROOT_REGISTERS,
    };
    uint32_t bits = 0;
    for (size_t i = 0; i < TT_ROOTS; i++)
        if (!chosen || chosen & public_of[i])
            bits |= 1u << i;
    return bits;
}

uint32_t tt_report_roots_of(unsigned chosen)
{
    const char *at = tt_os_env("TETHER_ROOTS");
    uint32_t bits = 0;
    if (!at || !*at)
        return roots_chosen(chosen);
    while (*at) {
        const size_t len = strcspn(at, ", ");
        const uint32_t named = roots_named(at, len);
        if (len && !named)
            tt_die("TETHER_ROOTS",
                   "'%.*s' is none of globals, tls, keys, closures, regions, "
                   "stacks, registers",
                   (int)len, at);
        bits |= named;
        at += len + strspn(at + len, ", ");
    }
    return bits;
}

uint32_t tt_report_roots(void)
{
    return tt_report_roots_of(tt_budget_roots());
}

/* ---- verdicts ---- */

const char *tether_verdict_name(enum tether_verdict verdict)
{
    static const char *const names[] = { "unknown", "collected", "held",
                                         "ambiguous", "lost" };
    return (size_t)verdict < TT_COUNT(names) ? names[verdict] : "unknown";
}

/* Asks about a live object of the heap. False: there is none to ask about. */
static bool holder_of(struct tt_holder *holder, void *frame, const char *call,
                      uint64_t bits, const struct tt_record_question *question)
{
    struct tt_ref_about about;
    if (tt_ref_blind(bits))
        return false;
    tt_ref_about(call, bits, &about);
    if (!about.alive || about.domain)
        return false;
    tt_enter();
    tt_holder_ask(holder, frame, &about, question);
    tt_leave();
    return true;
}

enum tether_verdict tether_verdict(tether_weak ref)
{
    TETHER_KEEP_REGISTERS();
    const struct tt_record_question question = { .kind = TT_QUESTION_WHY };
    struct tt_holder holder;
    if (!tt_ref_blind(ref.bits) && !tether_weak_get(ref))
        return TETHER_VERDICT_COLLECTED;
    if (!holder_of(&holder, __builtin_frame_address(0), "tether_verdict",
                   ref.bits, &question))
        return TETHER_VERDICT_UNKNOWN;
    const enum tether_verdict verdict = holder.verdict;
    tt_holder_drop(&holder);
    return verdict;
}

tether_status tether_retained_size(tether_weak ref, size_t *bytes)
{
    TETHER_KEEP_REGISTERS();
    const struct tt_record_question question = { .kind = TT_QUESTION_WHY,
                                                 .want_retained = 1 };
    struct tt_holder holder;
    *bytes = 0;
    if (tt_ref_blind(ref.bits))
        return TETHER_BLIND;
    if (!tether_weak_get(ref))
        return TETHER_NOT_AN_OBJECT;
    if (!holder_of(&holder, __builtin_frame_address(0), "tether_retained_size",
                   ref.bits, &question))
        return TETHER_BLIND;
    const bool known = holder.snap != NULL;
    *bytes = holder.question.retained_bytes;
    tt_holder_drop(&holder);
    return known ? TETHER_OK : TETHER_BLIND;
}
