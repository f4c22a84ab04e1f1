/* SPDX-License-Identifier: MIT */
/*
 * Modules and functions whose allocations have rules of their own. Their
 * ranges are looked up when a budget begins, so that inside malloc only
 * numbers are compared.
 */
#include "budget/budget_options.h"

#include "base/base_text.h"
#include "os/os_maps.h"
#include "stack/stack.h"

#include <dlfcn.h>
#include <string.h>

#define TAILS_MAX 3

static struct {
    bool found;
    struct tt_range libc[16]; /* and Tether itself */
    size_t libcs;
    struct tt_range sanitizer[8]; /* of those, AddressSanitizer's */
    size_t sanitizers;
    struct tt_range runtime[32]; /* the loader, Criterion and what it uses */
    size_t runtimes;
    struct tt_range undeniable[192]; /* the functions below */
    size_t undeniables;
} modules;

bool ranges_have(const struct tt_range *ranges, size_t count, uintptr_t pc)
{
    for (size_t i = 0; i < count; i++)
        if (pc >= ranges[i].start && pc < ranges[i].end)
            return true;
    return false;
}

/* Is the mapping's file 'name', or that and a version: 'libfoo.so.1'? */
static bool map_is(const struct tt_map *map, const char *name)
{
    size_t base_len;
    const size_t name_len = strlen(name);
    const char *const base = tt_map_name(map, &base_len);
    return base_len >= name_len && memcmp(base, name, name_len) == 0 &&
           (base_len == name_len || base[name_len] == '.' ||
            base[name_len] == '-');
}

size_t module_find(const struct tt_text *maps, const char *name,
                   struct tt_range *ranges, size_t max)
{
    size_t found = 0;
    struct tt_map map;
    const char *at = maps->data;
    while (tt_maps_next(&at, &map)) {
        if (!map_is(&map, name))
            continue;
        if (found && ranges[found - 1].end == map.start)
            ranges[found - 1].end = map.end;
        else if (found < max)
            ranges[found++] = (struct tt_range){ map.start, map.end };
    }
    return found;
}

/* Of libc: what stdio, the locale and the loader's functions take for
 * themselves. What they hand out (getline, asprintf) is the caller's. */
static const char *const undeniable[] = {
    "_IO_file_doallocate",
    "_IO_wdoallocbuf",
    "fopen",
    "fopen64",
    "fdopen",
    "freopen",
    "freopen64",
    "fopencookie",
    "fmemopen",
    "open_memstream",
    "open_wmemstream",
    "tmpfile",
    "tmpfile64",
    "popen",
    "setvbuf",
    "setlocale",
    "newlocale",
    "duplocale",
    "dcgettext",
    "dcngettext",
    "textdomain",
    "bindtextdomain",
    "bind_textdomain_codeset",
    "mblen",
    "mbrlen",
    "mbtowc",
    "mbrtowc",
    "mbstowcs",
    "mbsrtowcs",
    "mbsnrtowcs",
    "wctomb",
    "wcrtomb",
    "wcstombs",
    "wcsrtombs",
    "wcsnrtombs",
    "btowc",
    "wctob",
    "dlopen",
    "dlmopen",
    "dlclose",
    "dlsym",
    "dlvsym",
    "dlerror",
    "dlinfo",
    "dladdr1",
};

static void undeniable_range(uintptr_t at)
{
    struct tt_range *const range = &modules.undeniable[modules.undeniables];
    if (modules.undeniables < TT_COUNT(modules.undeniable) &&
        tt_stack_function(at, &range->start, &range->end))
        modules.undeniables++;
}

/* fopen, for one, ends in a jump to a function that has no name outside. */
static void undeniable_add(const char *name)
{
    uintptr_t tails[TAILS_MAX];
    const uintptr_t at = (uintptr_t)dlsym(RTLD_DEFAULT, name);
    const size_t count = at ? tt_stack_tails(at, tails, TAILS_MAX) : 0;
    if (at)
        undeniable_range(at);
    for (size_t i = 0; i < count; i++)
        undeniable_range(tails[i]);
}

static void modules_add(const struct tt_text *maps, const char *const *names,
                        size_t count, struct tt_range *ranges, size_t max,
                        size_t *found)
{
    for (size_t i = 0; i < count; i++)
        *found += module_find(maps, names[i], ranges + *found, max - *found);
}

void module_ranges_find(void)
{
    static const char *const libcs[] = { "libc.so", "libasan.so",
                                         "libtether.so" };
    static const char *const runtimes[] = { "ld-linux", "libcriterion.so",
                                            "libnanomsg.so", "libgit2.so",
                                            "libtether-criterion.so" };
    struct tt_text maps;
    if (modules.found)
        return;
    tt_enter();
    modules.found = true;
    tt_text_make(&maps);
    if (tt_maps_read(&maps)) {
        modules_add(&maps, libcs, TT_COUNT(libcs), modules.libc,
                    TT_COUNT(modules.libc), &modules.libcs);
        modules.sanitizers = module_find(&maps, "libasan.so", modules.sanitizer,
                                         TT_COUNT(modules.sanitizer));
        modules_add(&maps, runtimes, TT_COUNT(runtimes), modules.runtime,
                    TT_COUNT(modules.runtime), &modules.runtimes);
    }
    tt_text_drop(&maps);
    for (size_t i = 0; i < TT_COUNT(undeniable); i++)
        undeniable_add(undeniable[i]);
    tt_leave();
}

bool module_is_libc(uintptr_t pc)
{
    return ranges_have(modules.libc, modules.libcs, pc);
}

bool module_is_runtime(uintptr_t pc)
{
    return ranges_have(modules.runtime, modules.runtimes, pc);
}

bool module_is_sanitizer(uintptr_t pc)
{
    return ranges_have(modules.sanitizer, modules.sanitizers, pc);
}

/* The walk ends at the first frame outside of libc: what a library's
 * constructor allocates below dlopen is the library's, and asprintf is
 * Criterion's where Criterion calls it. */
bool deny_is_allowed(uint32_t stack)
{
    const uintptr_t *frames;
    const unsigned depth = tt_stack_frames(stack, &frames);
    for (unsigned i = 0; i < depth; i++) {
        const uintptr_t pc = frames[i] - 1;
        if (module_is_runtime(pc) ||
            ranges_have(modules.undeniable, modules.undeniables, pc))
            return false;
        if (!module_is_libc(pc))
            return true;
    }
    return true;
}
