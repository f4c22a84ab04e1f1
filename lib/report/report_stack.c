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

/* Threads and programs start in libc. */
static bool name_is_bottom(const struct tt_name *name)
{
    return name->module->is_libc;
}

size_t tt_stack_shown(uint32_t stack, const struct tt_name **frames, size_t max)
{
    const uintptr_t *addresses;
    const unsigned depth = tt_stack_frames(stack, &addresses);
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
    const size_t first = tt_stack_first_user(frames, count);
    while (count > first + 1 && name_is_bottom(frames[count - 1]))
        count--;
    return count;
}

size_t tt_stack_first_user(const struct tt_name **frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!frames[i]->module->is_libc)
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
    for (size_t i = 0; i < count; i++) {
        const unsigned depth = tt_stack_frames(stacks[i], &addresses);
        memcpy(all + filled, addresses, depth * sizeof *all);
        filled += depth;
    }
    tt_names_resolve(all, filled);
    tt_mem_give(all, total * sizeof *all);
}

void tt_stack_who(struct tt_text *text, uint32_t stack)
{
    const struct tt_name *frames[TT_STACK_SHOWN_MAX];
    const size_t count = tt_stack_shown(stack, frames, TT_COUNT(frames));
    if (count == 0)
        tt_text_add(text, "an unknown place");
    else
        tt_name_text(text, frames[tt_stack_first_user(frames, count)]);
}

void tt_stack_lines(struct tt_text *text, const char *first, uint32_t stack,
                    size_t max)
{
    const struct tt_name *frames[TT_STACK_SHOWN_MAX];
    const size_t count = tt_stack_shown(stack, frames, TT_COUNT(frames));
    const int indent = (int)strlen(first);
    if (count == 0)
        tt_text_add(text, "%san unknown place\n", first);
    for (size_t i = 0; i < count && i < max; i++) {
        if (i == 0)
            tt_text_add(text, "%s", first);
        else
            tt_text_add(text, "%*s", indent, "");
        tt_name_text(text, frames[i]);
        tt_text_add(text, "\n");
    }
    if (count > max)
        tt_text_add(text, "%*s... %zu more\n", indent, "", count - max);
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
