/* SPDX-License-Identifier: MIT */
/*
 * The checks behind the assertions, and their words. A check that passes does
 * nothing but ask: it names and formats nothing.
 *
 *   `alice` is still alive: 96 B, allocated by session_new (cache.c:41)
 *     called by  cache_login (cache.c:60)
 *   nothing has freed it yet; ...
 *
 * Hook: not inside malloc; what runs here is guarded, so that nothing of it
 * is counted as the test's.
 */
#include <tether/check.h>

#include <string.h>
#include <tether/heap.h>
#include <tether/window.h>

#include "collect/collect.h"
#include "os/os.h"
#include "ref/ref.h"
#include "ref/ref_place.h"
#include "ref/ref_soft.h"
#include "report/report.h"
#include "report/report_check.h"
#include "report/report_reach.h"
#include "report/report_stack.h"
#include "stack/stack.h"

#define STACK_LINES_MAX 8
#define SITES_MAX       5

void tt_check_begin(struct tt_text *text, struct tether_message *why)
{
    tt_text_fixed(text, why->text, sizeof why->text);
}

void tt_check_end(struct tt_text *text)
{
    tt_names_tell_trouble(text);
    tt_text_end(text);
}

enum tether_outcome tt_check_unchecked(struct tether_message *why,
                                       const char *reason)
{
    struct tt_text text;
    tt_check_begin(&text, why);
    tt_text_add(&text, "%s", reason);
    return TETHER_UNCHECKED;
}

/* Why nothing can be said of a reference, or NULL. */
const char *tt_check_blind(uint64_t bits)
{
    const char *const window = tether_window_blind();
    return window ? window : tt_ref_blind_reason(bits);
}

/* ---- references ---- */

void tt_check_name(struct tt_text *text, const char *name)
{
    tt_text_add(text, "`%.*s`", TT_CHECK_NAME_MAX,
                name && name[0] ? name : "it");
}

/* '`alice` is still alive: 96 B, allocated by session_new (cache.c:41)' */
void tt_check_alive_words(struct tt_text *text,
                          const struct tt_ref_about *about)
{
    tt_check_name(text, about->name);
    tt_text_add(text, " is still alive: ");
    tt_text_size(text, about->words.size);
    if (tt_report_verbose())
        tt_text_add(text, " at %p", about->object);
    tt_text_add(text, ", allocated by ");
    tt_stack_who(text, about->words.alloc_stack);
}

void tt_check_alloc_lines(struct tt_text *text,
                          const struct tt_ref_about *about)
{
    tt_stack_lines(text, "  allocated by  ", about->words.alloc_stack,
                   STACK_LINES_MAX);
}

void tt_check_caller_lines(struct tt_text *text,
                           const struct tt_ref_about *about)
{
    tt_stack_rest(text, "  called by  ", about->words.alloc_stack,
                  STACK_LINES_MAX);
}

enum tether_outcome tether_check_collected(tether_weak ref,
                                           struct tether_message *why)
{
    TETHER_KEEP_REGISTERS();
    static const char call[] = "tether_check_collected";
    struct tt_ref_about about;
    struct tt_text text;
    struct tether_collection did = { .status = TETHER_OK };
    if (tt_ref_blind(ref.bits))
        return tt_check_unchecked(why, tt_check_blind(ref.bits));
    if (!tt_ref_get(call, ref))
        return TETHER_PASSED;
    if (tt_collect_any()) {
        did = tether_collect();
        if (!tt_ref_get(call, ref))
            return TETHER_PASSED;
    }
    tt_ref_about(call, ref.bits, &about);
    tt_check_begin(&text, why);
    tt_enter();
    tt_check_alive_words(&text, &about);
    tt_text_add(&text, "\n");
    tt_check_caller_lines(&text, &about);
    tt_leave();
    tt_check_holder_lines(&text, &about);
    tt_enter();
    const struct ref_place *const soft = tt_soft_of(about.base);
    bool lost = false;
    if (!about.domain && !soft)
        lost = tt_holder_tell(&text, __builtin_frame_address(0), &about);
    tt_check_collection(&text, &did);
    if (soft) {
        const char *const slash = strrchr(soft->file, '/');
        tt_text_add(&text,
                    "a soft reference holds it (%s:%u): "
                    "tether_pressure would clear that\n",
                    slash ? slash + 1 : soft->file, soft->line);
    }
    if (!soft && !about.domain && !lost)
        tt_text_add(&text, "nothing has freed it yet; if another thread will, "
                           "wait with\nASSERT_EVENTUALLY_COLLECTED\n");
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}

enum tether_outcome tether_check_alive(tether_weak ref,
                                       struct tether_message *why)
{
    static const char call[] = "tether_check_alive";
    struct tt_ref_about about;
    struct tt_text text;
    if (tt_ref_blind(ref.bits))
        return tt_check_unchecked(why, tt_check_blind(ref.bits));
    if (tt_ref_get(call, ref))
        return TETHER_PASSED;
    tt_enter();
    tt_ref_about(call, ref.bits, &about);
    tt_check_begin(&text, why);
    tt_check_name(&text, about.name);
    tt_text_add(&text, " is dead: ");
    tt_text_size(&text, about.words.size);
    tt_text_add(&text, ", freed by ");
    tt_stack_who(&text, about.words.free_stack);
    tt_text_add(&text, "\n");
    tt_stack_rest(&text, "  called by     ", about.words.free_stack,
                  STACK_LINES_MAX);
    tt_check_alloc_lines(&text, &about);
    if (about.words.free_thread != tt_thread_number())
        tt_text_add(
            &text, "freed by thread %u, %llu ms ago\n", about.words.free_thread,
            (unsigned long long)((tt_os_now_ns() - about.words.freed_ns) /
                                 1000000u));
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}

enum tether_outcome tether_check_enqueued(tether_phantom ref,
                                          struct tether_message *why)
{
    struct tt_ref_about about;
    struct tt_text text;
    if (tt_ref_blind(ref.bits))
        return tt_check_unchecked(why, tt_check_blind(ref.bits));
    if (tether_phantom_enqueued(ref))
        return TETHER_PASSED;
    tt_enter();
    tt_ref_about("tether_check_enqueued", ref.bits, &about);
    tt_check_begin(&text, why);
    if (about.alive) {
        tt_text_add(&text, "no record of ");
        tt_check_name(&text, about.name);
        tt_text_add(&text, " entered its queue: it is still alive\n");
        tt_check_alloc_lines(&text, &about);
    } else {
        tt_text_add(&text, "no record of ");
        tt_check_name(&text, about.name);
        tt_text_add(&text, " entered its queue:\nthe queue was dropped before "
                           "the object died\n");
    }
    tt_check_end(&text);
    tt_leave();
    return TETHER_FAILED;
}

/* ---- a function's blocks ---- */

enum tether_outcome tether_check_none_alive(void (*function)(void),
                                            const char *name,
                                            struct tether_message *why)
{
    struct tt_text text;
    struct tt_sites sites;
    if (!function)
        tt_die("tether_check_none_alive",
               "the function is NULL; pass its name");
    if (tether_window_blind() || !tt_heap_sees())
        return tt_check_unchecked(why, tt_check_blind(0));
    if (tt_stack_depth == 0)
        return tt_check_unchecked(
            why, "TETHER_STACK_DEPTH is 0, so nobody knows which "
                 "function allocated what");
    tt_enter();
    if (!tt_report_live_from(function, &sites)) {
        tt_leave();
        return tt_check_unchecked(
            why, "the function has no entry in an unwind table, "
                 "so its allocations cannot be told apart");
    }
    const bool passed = sites.blocks == 0;
    if (!passed) {
        tt_check_begin(&text, why);
        tt_text_count(&text, sites.blocks, "block");
        tt_text_add(&text, " of `%.*s` %s still alive: ", TT_CHECK_NAME_MAX,
                    name, sites.blocks == 1 ? "is" : "are");
        tt_text_size(&text, (uint64_t)sites.bytes);
        tt_text_add(&text, "\n");
        tt_sites_sort(&sites);
        tt_sites_merge(&sites);
        tt_sites_stacks(&text, &sites, SITES_MAX);
        tt_check_end(&text);
    }
    tt_sites_drop(&sites);
    tt_leave();
    return passed ? TETHER_PASSED : TETHER_FAILED;
}
