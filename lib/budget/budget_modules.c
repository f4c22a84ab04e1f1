/* SPDX-License-Identifier: MIT */
/*
 * Modules and functions whose allocations have rules of their own. Their
 * ranges are looked up when a budget begins, so that inside malloc only
 * numbers are compared.
 */
#include "budget/budget_options.h"

#include "base/base_text.h"
#include "os/os.h"
#include "stack/stack.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static struct {
    bool found;
    struct tt_range libc[16]; /* and Tether itself */
    size_t libcs;
    struct tt_range runtime[32]; /* the loader, Criterion and what it uses */
    size_t runtimes;
    struct tt_range undeniable[16]; /* functions of stdio and locale */
    size_t undeniables;
} modules;

static bool ranges_have(const struct tt_range *ranges, size_t count,
                        uintptr_t pc)
{
    for (size_t i = 0; i < count; i++)
        if (pc >= ranges[i].start && pc < ranges[i].end)
            return true;
    return false;
}

/* Is the path's last part 'name', or that and a version: 'libfoo.so.1'? */
static bool path_is(const char *path, size_t len, const char *name)
{
    const char *base = path + len;
    const size_t name_len = strlen(name);
    while (base > path && base[-1] != '/')
        base--;
    const size_t base_len = (size_t)(path + len - base);
    return base_len >= name_len && memcmp(base, name, name_len) == 0 &&
           (base_len == name_len || base[name_len] == '.' ||
            base[name_len] == '-');
}

/* Reads one line of the maps. Returns the next, NULL at the end. */
static const char *line_read(const char *line, struct tt_range *range,
                             const char **path, size_t *len)
{
    const char *const end = strchr(line, '\n');
    char *at;
    if (!end)
        return NULL;
    range->start = strtoul(line, &at, 16);
    range->end = strtoul(at + 1, &at, 16);
    *path = memchr(line, '/', (size_t)(end - line));
    *len = *path ? (size_t)(end - *path) : 0;
    return end + 1;
}

size_t module_find(const char *name, struct tt_range *ranges, size_t max)
{
    struct tt_text maps;
    size_t found = 0;
    tt_text_make(&maps);
    const char *line =
        tt_os_read_file("/proc/self/maps", &maps) ? maps.data : NULL;
    while (line) {
        struct tt_range range = { 0, 0 };
        const char *path = NULL;
        size_t len = 0;
        line = line_read(line, &range, &path, &len);
        if (!line || !path || !path_is(path, len, name))
            continue;
        if (found && ranges[found - 1].end == range.start)
            ranges[found - 1].end = range.end;
        else if (found < max)
            ranges[found++] = range;
    }
    tt_text_drop(&maps);
    return found;
}

static void undeniable_add(const char *name)
{
    const uintptr_t at = (uintptr_t)dlsym(RTLD_DEFAULT, name);
    struct tt_range *const range = &modules.undeniable[modules.undeniables];
    if (at && modules.undeniables < TT_COUNT(modules.undeniable) &&
        tt_stack_function(at, &range->start, &range->end))
        modules.undeniables++;
}

/* fopen ends in a jump to a function that has no name outside libc; its code
 * stands just before fopen's, from the same source file. */
static void undeniable_before(const char *name)
{
    const uintptr_t at = (uintptr_t)dlsym(RTLD_DEFAULT, name);
    struct tt_range *const range = &modules.undeniable[modules.undeniables];
    if (!at || modules.undeniables == TT_COUNT(modules.undeniable))
        return;
    for (uintptr_t pc = at - 1; pc > at - 32; pc--)
        if (tt_stack_function(pc, &range->start, &range->end)) {
            modules.undeniables++;
            return;
        }
}

static void modules_add(const char *const *names, size_t count,
                        struct tt_range *ranges, size_t max, size_t *found)
{
    for (size_t i = 0; i < count; i++)
        *found += module_find(names[i], ranges + *found, max - *found);
}

void module_ranges_find(void)
{
    static const char *const libcs[] = { "libc.so", "libasan.so",
                                         "libtether.so" };
    static const char *const runtimes[] = { "ld-linux", "libcriterion.so",
                                            "libnanomsg.so", "libgit2.so",
                                            "libtether-criterion.so" };
    static const char *const functions[] = { "_IO_file_doallocate",
                                             "_IO_wfile_doallocate",
                                             "setlocale",
                                             "newlocale",
                                             "duplocale",
                                             "dcgettext",
                                             "dcngettext",
                                             "bindtextdomain",
                                             "fopen",
                                             "fdopen",
                                             "freopen",
                                             "popen",
                                             "setvbuf" };
    if (modules.found)
        return;
    tt_enter();
    modules.found = true;
    modules_add(libcs, TT_COUNT(libcs), modules.libc, TT_COUNT(modules.libc),
                &modules.libcs);
    modules_add(runtimes, TT_COUNT(runtimes), modules.runtime,
                TT_COUNT(modules.runtime), &modules.runtimes);
    for (size_t i = 0; i < TT_COUNT(functions); i++)
        undeniable_add(functions[i]);
    undeniable_before("fopen");
    tt_leave();
}

bool module_is_libc(uintptr_t pc)
{
    return ranges_have(modules.libc, modules.libcs, pc);
}

bool deny_is_allowed(uint32_t stack)
{
    const uintptr_t *frames;
    const unsigned depth = tt_stack_frames(stack, &frames);
    if (depth && ranges_have(modules.runtime, modules.runtimes, frames[0] - 1))
        return false;
    for (unsigned i = 0; i < depth; i++)
        if (ranges_have(modules.undeniable, modules.undeniables, frames[i] - 1))
            return false;
    return true;
}
