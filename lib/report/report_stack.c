/* SPDX-License-Identifier: MIT */
/*
 * Which frames are shown, and how.
 *
 * Captured stacks start at the caller of malloc, so Tether's own frames are
 * rare at the top; at the bottom the framework's begin where the test's body
 * ends, and nothing below them helps a reader.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report_stack.h"

#include <string.h>

#include "base/base_mem.h"
#include "stack/stack.h"
#include "stack/stack_gone.h"

#include <tether/heap.h>

#define TEXT_FRAMES_MAX 64

static bool starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool name_is_framework(const struct tt_name *name)
{
    const char *const module = name->module->name;
    return starts(module, "libcriterion") || starts(module, "libtether") ||
           starts(module, "libboxfort");
}

/* Threads and programs start in libc, and programs before that in a few
 * instructions of their own. */
static bool name_is_bottom(const struct tt_name *name)
{
    return name->module->is_libc ||
           (name->function && strcmp(name->function, "_start") == 0);
}

/* By libffi a framework calls a body that takes arguments. */
static bool name_is_call(const struct tt_name *name)
{
    return starts(name->module->name, "libffi.");
}

static bool name_is_main(const struct tt_name *name)
{
    return name->function && strcmp(name->function, "main") == 0;
}

static bool name_is_start(const struct tt_name *name)
{
    return name->module->is_libc && name->function &&
           starts(name->function, "__libc_start_");
}

/* Nothing below main tells a reader anything. A program without symbols has
 * no main, but libc still names what calls it. */
static size_t stack_bottom(const struct tt_name **frames, size_t first,
                           size_t count)
{
    for (size_t i = first; i < count; i++) {
        if (name_is_main(frames[i]))
            count = i + 1;
        else if (i > first && name_is_start(frames[i]))
            count = i;
    }
    while (count > first + 1 && (name_is_bottom(frames[count - 1]) ||
                                 name_is_call(frames[count - 1])))
        count--;
    return count;
}

/* The addresses by which a stack's frames are named. */
static unsigned frames_place(uint32_t stack, uintptr_t *places)
{
    const uintptr_t *frames;
    const unsigned depth = tt_stack_frames(stack, &frames);
    for (unsigned i = 0; i < depth; i++)
        places[i] = tt_stack_gone_place(stack, frames[i]);
    return depth;
}

/* Code of a header of the C++ library's: in the program, but not the user's.
 */
static bool name_is_library(const struct tt_name *name)
{
    return name->kind == TT_NAME_DEBUG && name->path &&
           strstr(name->path, "/include/c++/");
}

/* Of the library's templates that call each other the one that the user
 * called says it all. */
static size_t library_shorten(const struct tt_name **frames, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (tt_report_verbose() || !name_is_library(frames[i]) ||
            i + 1 == count || !name_is_library(frames[i + 1]))
            frames[kept++] = frames[i];
    return kept;
}

size_t tt_stack_shown(uint32_t stack, const struct tt_name **frames, size_t max)
{
    uintptr_t addresses[TT_STACK_DEPTH_MAX];
    const unsigned depth = frames_place(stack, addresses);
    size_t count = 0;
    tt_names_resolve(addresses, depth);
    for (unsigned i = 0; i < depth && count < max; i++) {
        const struct tt_name *name = tt_names_get(addresses[i]);
        if (name_is_framework(name)) {
            if (count > 0)
                break; /* below the body */
            continue;  /* Tether's own, above the caller */
        }
        for (; name && count < max; name = name->outer)
            frames[count++] = name;
    }
    count = library_shorten(frames, count);
    const size_t first = tt_stack_first_user(frames, count);
    if (count == 0 || frames[first]->module->is_libc)
        return count; /* libc's all the way */
    return stack_bottom(frames, first, count);
}

size_t tt_stack_first_user(const struct tt_name **frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!frames[i]->module->is_libc && !name_is_library(frames[i]))
            return i;
    return 0;
}

void tt_stacks_resolve(const uint32_t *stacks, size_t count)
{
    size_t total = 0, filled = 0;
    const uintptr_t *addresses;
    for (size_t i = 0; i < count; i++)
        total += tt_stack_frames(stacks[i], &addresses);
    uintptr_t *const all = total ? tt_mem_take(total * sizeof *all) : NULL;
    if (!all)
        return;
    for (size_t i = 0; i < count; i++)
        filled += frames_place(stacks[i], all + filled);
    tt_names_resolve(all, filled);
    tt_mem_give(all, total * sizeof *all);
}

/* ---- runs ---- */

/* Can this frame be one of several in a run? */
static bool name_collapses(const struct tt_name *name)
{
    return name->kind != TT_NAME_DEBUG && name->module->lacks_debug &&
           !tt_report_verbose();
}

static void run_extend(struct tt_run *run, const struct tt_name *name)
{
    if (!name->function)
        return;
    if (!run->inner->function)
        run->inner = name;
    else
        run->outer = name;
}

/* Was the stack recorded to the end? */
static bool stack_is_cut(uint32_t stack)
{
    const uintptr_t *addresses;
    return tt_stack_depth < TT_STACK_DEPTH_MAX &&
           tt_stack_frames(stack, &addresses) >= tt_stack_depth;
}

size_t tt_stack_runs(uint32_t stack, struct tt_run *runs, size_t max)
{
    const struct tt_name *frames[TT_STACK_SHOWN_MAX];
    const size_t frames_count = tt_stack_shown(stack, frames, TT_COUNT(frames));
    size_t count = 0;
    for (size_t i = 0; i < frames_count; i++) {
        const struct tt_name *const name = frames[i];
        if (i > 0 && name_collapses(name) && name_collapses(frames[i - 1]) &&
            frames[i - 1]->module == name->module) {
            run_extend(&runs[count - 1], name);
            continue;
        }
        if (count == max)
            break;
        runs[count++] = (struct tt_run){ .inner = name };
    }
    if (count > 0 && name_collapses(runs[count - 1].inner))
        runs[count - 1].open = stack_is_cut(stack);
    else if (count > 0 && name_is_library(runs[count - 1].inner))
        runs[count - 1].inner->module->cut |= stack_is_cut(stack);
    return count;
}

size_t tt_runs_first_user(const struct tt_run *runs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!runs[i].inner->module->is_libc && !name_is_library(runs[i].inner))
            return i;
    return 0;
}

static bool text_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Two calls in one line have two addresses, and read the same. */
static bool name_same(const struct tt_name *a, const struct tt_name *b)
{
    if (a == b)
        return true;
    return a->kind == TT_NAME_DEBUG && b->kind == TT_NAME_DEBUG &&
           a->module == b->module && a->line == b->line && a->line > 0 &&
           a->inlined == b->inlined && text_same(a->function, b->function) &&
           text_same(a->path, b->path);
}

bool tt_run_same(const struct tt_run *a, const struct tt_run *b)
{
    if (!a->inner || !b->inner)
        return a->inner == b->inner;
    const bool collapses = name_collapses(a->inner);
    if (collapses != name_collapses(b->inner) || a->open != b->open)
        return false;
    if (!collapses)
        return name_same(a->inner, b->inner);
    if (a->inner->module != b->inner->module)
        return false;
    const char *const a_entry = (a->outer ? a->outer : a->inner)->function;
    const char *const b_entry = (b->outer ? b->outer : b->inner)->function;
    return a->open || text_same(a_entry, b_entry);
}

void tt_run_text(struct tt_text *text, const struct tt_run *run)
{
    struct tt_name_module *const module = run->inner->module;
    if (run->open)
        tt_text_add(text, "somewhere in %s", module->name);
    else if (run->outer)
        tt_text_add(text, "%s ... %s (%s)", run->inner->function,
                    run->outer->function, module->name);
    else
        tt_name_text(text, run->inner);
    module->shown = module->shown || run->open || run->outer;
    module->cut = module->cut || run->open;
}

/* ---- words ---- */

const char *tt_stack_nowhere(void)
{
    return tt_stack_depth ? "an unknown place"
                          : "an unknown place (TETHER_STACK_DEPTH is 0)";
}

/* The run after those that tt_stack_who tells, of which 'first' is the first.
 */
static size_t who_end(const struct tt_run *runs, size_t count, size_t first)
{
    return name_collapses(runs[first].inner) && first + 1 < count ? first + 2
                                                                  : first + 1;
}

void tt_stack_who(struct tt_text *text, uint32_t stack)
{
    struct tt_run runs[TT_STACK_SHOWN_MAX];
    const size_t count = tt_stack_runs(stack, runs, TT_COUNT(runs));
    const size_t first = tt_runs_first_user(runs, count);
    if (count == 0) {
        tt_text_add(text, "%s", tt_stack_nowhere());
        return;
    }
    tt_run_text(text, &runs[first]);
    if (who_end(runs, count, first) == first + 2) {
        tt_text_add(text, " from ");
        tt_run_text(text, &runs[first + 1]);
    }
}

static void runs_lines(struct tt_text *text, const char *first,
                       const struct tt_run *runs, size_t count, size_t max)
{
    const int indent = (int)strlen(first);
    for (size_t i = 0; i < count && i < max; i++) {
        if (i == 0)
            tt_text_add(text, "%s", first);
        else
            tt_text_add(text, "%*s", indent, "");
        tt_run_text(text, &runs[i]);
        tt_text_add(text, "\n");
    }
    if (count > max)
        tt_text_add(text, "%*s... %zu more\n", indent, "", count - max);
}

void tt_stack_rest(struct tt_text *text, const char *first, uint32_t stack,
                   size_t max)
{
    struct tt_run runs[TT_STACK_SHOWN_MAX];
    const size_t count = tt_stack_runs(stack, runs, TT_COUNT(runs));
    if (count == 0)
        return;
    const size_t at = who_end(runs, count, tt_runs_first_user(runs, count));
    runs_lines(text, first, runs + at, count - at, max);
}

void tt_stack_lines(struct tt_text *text, const char *first, uint32_t stack,
                    size_t max)
{
    struct tt_run runs[TT_STACK_SHOWN_MAX];
    const size_t count = tt_stack_runs(stack, runs, TT_COUNT(runs));
    if (count == 0)
        tt_text_add(text, "%s%s\n", first, tt_stack_nowhere());
    runs_lines(text, first, runs, count, max);
}

unsigned tether_stack_text(uint32_t stack, char *text, size_t size)
{
    const struct tt_name *frames[TEXT_FRAMES_MAX];
    struct tt_text lines;
    if (size == 0)
        return 0;
    tt_enter();
    tt_text_fixed(&lines, text, size);
    const size_t count = tt_stack_shown(stack, frames, TT_COUNT(frames));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            tt_text_add(&lines, "\n");
        tt_name_text(&lines, frames[i]);
    }
    tt_leave();
    return (unsigned)count;
}
