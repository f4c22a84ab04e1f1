/* SPDX-License-Identifier: MIT */
/*
 * The built-in suppressions.
 *
 * The rule for functions: walking outwards through libc's own frames, one of
 * them is a function of the list. The walk ends at the first frame outside
 * libc, so that what a user's callback or constructor allocates below such a
 * function is still the user's.
 *
 * Function addresses come from the dynamic linker when Tether is loaded (weak
 * references), function starts from the unwind tables; nothing is looked up
 * by name at run time.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report_builtin.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <grp.h>
#include <iconv.h>
#include <libintl.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <wchar.h>

#include "base/base_lock.h"
#include "os/os.h"
#include "os/os_maps.h"
#include "heap/heap.h"
#include "report/report_sites.h"
#include "stack/stack.h"

/* Exported by libc, in no header. */
extern int _IO_file_doallocate(FILE *file) __attribute__((weak));
extern void _IO_wdoallocbuf(FILE *file) __attribute__((weak));
extern int __cxa_atexit(void (*function)(void *), void *arg, void *handle)
    __attribute__((weak));
extern int __cxa_at_quick_exit(void (*function)(void *), void *handle)
    __attribute__((weak));
extern int __register_atfork(void (*prepare)(void), void (*parent)(void),
                             void (*child)(void), void *handle)
    __attribute__((weak));
extern char *__dcigettext(const char *domain, const char *first,
                          const char *second, int plural, unsigned long number,
                          int category) __attribute__((weak));

/* name, what it keeps */
#define FUNCTIONS(X)                            \
    X(_IO_file_doallocate, "stdio's buffers")   \
    X(_IO_wdoallocbuf, "stdio's wide buffers")  \
    X(__cxa_atexit, "exit handlers")            \
    X(__cxa_at_quick_exit, "exit handlers")     \
    X(__register_atfork, "fork handlers")       \
    X(setlocale, "locale data")                 \
    X(newlocale, "locale data")                 \
    X(__dcigettext, "message catalogues")       \
    X(bindtextdomain, "message catalogues")     \
    X(textdomain, "message catalogues")         \
    X(localtime, "time zone data")              \
    X(localtime_r, "time zone data")            \
    X(tzset, "time zone data")                  \
    X(mktime, "time zone data")                 \
    X(strftime, "time zone data")               \
    X(getpwnam, "the name service")             \
    X(getpwuid, "the name service")             \
    X(getgrnam, "the name service")             \
    X(getgrgid, "the name service")             \
    X(getpwnam_r, "the name service")           \
    X(getpwuid_r, "the name service")           \
    X(getgrnam_r, "the name service")           \
    X(getgrgid_r, "the name service")           \
    X(gethostbyname, "the name service")        \
    X(getservbyname, "the name service")        \
    X(mbstowcs, "character conversion tables")  \
    X(wcstombs, "character conversion tables")  \
    X(mbrtowc, "character conversion tables")   \
    X(mbsrtowcs, "character conversion tables") \
    X(wcrtomb, "character conversion tables")   \
    X(wcsrtombs, "character conversion tables") \
    X(btowc, "character conversion tables")     \
    X(backtrace, "the unwinder")                \
    X(dlopen, "the loader")                     \
    X(dlerror, "the loader")                    \
    X(setenv, "the environment")                \
    X(putenv, "the environment")                \
    X(strerror, "error texts")                  \
    X(strerror_l, "error texts")                \
    X(strsignal, "error texts")                 \
    X(openlog, "syslog")                        \
    X(vsyslog, "syslog")

/* The same, but what the function itself allocates is its caller's: only what
 * is at least DEEP frames further in is libc's. */
#define DEEP 3
#define DEEP_FUNCTIONS(X)                        \
    X(iconv_open, "character conversion tables") \
    X(getaddrinfo, "the name service")

/* start of the first caller's file name, why */
#define MODULES(X)                                       \
    X("ld-linux", "the loader and thread-local storage") \
    X("libcriterion", "the test framework")              \
    X("libboxfort", "the test framework")                \
    X("libnanomsg", "the test framework")                \
    X("libgit2", "the test framework")                   \
    X("libtether", "Tether itself")

#define TAILS_MAX 3

struct builtin {
    const char *name;
    const char *why;
    uintptr_t address;          /* functions only */
    uintptr_t tails[TAILS_MAX]; /* functions that it ends by calling */
    size_t tails_count;
    unsigned frames_min; /* further in than it */
    int64_t bytes, blocks;
};

static struct builtin functions[] = {
#define FUNCTION(function, text) { .name = #function, .why = text },
    FUNCTIONS(FUNCTION)
#undef FUNCTION
#define FUNCTION(function, text) \
    { .name = #function, .why = text, .frames_min = DEEP },
        DEEP_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

static struct builtin modules[] = {
#define MODULE(start, text) { .name = start, .why = text },
    MODULES(MODULE)
#undef MODULE
};

static struct tt_lock lock;
static struct tt_text maps; /* read once a check; grows in private memory */
static bool maps_are_read;

/* A sanitizer stands in front of many of libc's functions, and what allocates
 * is libc's own. Leaks are judged outside malloc, where the loader may be
 * asked. */
static void sanitizer_look_behind(void)
{
    void *const libc = tt_heap_is_sanitized()
                           ? dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD)
                           : NULL;
    for (size_t i = 0; libc && i < TT_COUNT(functions); i++) {
        void *const own = dlsym(libc, functions[i].name);
        if (own)
            functions[i].address = (uintptr_t)own;
    }
    if (libc)
        dlclose(libc);
}

static void addresses_fill(void)
{
    size_t i = 0;
    if (functions[0].address)
        return;
#define ADDRESS(function, text) functions[i++].address = (uintptr_t)&function;
    FUNCTIONS(ADDRESS)
    DEEP_FUNCTIONS(ADDRESS)
#undef ADDRESS
    sanitizer_look_behind();
    /* localtime's work is done by a function that libc does not export. */
    for (i = 0; i < TT_COUNT(functions); i++)
        if (functions[i].address)
            functions[i].tails_count = tt_stack_tails(
                functions[i].address, functions[i].tails, TAILS_MAX);
}

/* The base name of the file that holds an instruction. */
static bool module_name(uintptr_t pc, char *name, size_t size)
{
    struct tt_map map;
    if (!maps_are_read) {
        tt_text_make(&maps);
        maps_are_read = tt_maps_read(&maps);
    }
    if (!maps_are_read || !tt_maps_find(&maps, pc, &map))
        return false;
    size_t len;
    const char *const base = tt_map_name(&map, &len);
    if (len == 0 || len >= size)
        return false;
    memcpy(name, base, len);
    name[len] = '\0';
    return true;
}

static bool starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool name_is_libc(const char *name)
{
    return starts(name, "libc.so") || starts(name, "libc-2.") ||
           starts(name, "ld-linux") || starts(name, "libnss_") ||
           starts(name, "libresolv") || starts(name, "libasan.so");
}

static struct builtin *module_match(const char *name)
{
    for (size_t i = 0; i < TT_COUNT(modules); i++)
        if (starts(name, modules[i].name))
            return &modules[i];
    return NULL;
}

static struct builtin *function_match(uintptr_t pc, unsigned frames_in)
{
    uintptr_t start, end;
    if (!tt_stack_function(pc, &start, &end))
        return NULL;
    for (size_t i = 0; i < TT_COUNT(functions); i++) {
        if (frames_in < functions[i].frames_min)
            continue;
        if (functions[i].address && functions[i].address == start)
            return &functions[i];
        for (size_t j = 0; j < functions[i].tails_count; j++)
            if (functions[i].tails[j] == start)
                return &functions[i];
    }
    return NULL;
}

static struct builtin *stack_match(uint32_t stack)
{
    const uintptr_t *frames;
    const unsigned depth = tt_stack_frames(stack, &frames);
    char name[256];
    for (unsigned i = 0; i < depth; i++) {
        const uintptr_t pc = frames[i] - 1;
        struct builtin *match = NULL;
        if (!module_name(pc, name, sizeof name))
            return NULL;
        if (i == 0)
            match = module_match(name);
        if (!match && name_is_libc(name))
            match = function_match(pc, i);
        if (match || !name_is_libc(name))
            return match;
    }
    return NULL;
}

bool tt_builtin_covers(uint32_t stack, int64_t bytes, int64_t blocks)
{
    tt_lock_take(&lock);
    addresses_fill();
    struct builtin *const match = stack_match(stack);
    if (match) {
        match->bytes += bytes;
        match->blocks += blocks;
    }
    tt_lock_give(&lock);
    return match != NULL;
}

static void list_tell(struct tt_text *text, struct builtin *list, size_t count,
                      const char *kind)
{
    for (size_t i = 0; i < count; i++) {
        tt_text_add(text, "  %s %s (%s)", kind, list[i].name, list[i].why);
        if (list[i].blocks > 0) {
            tt_text_add(text, ": ");
            tt_text_size(text, (uint64_t)list[i].bytes);
            tt_text_add(text, " in ");
            tt_text_count(text, list[i].blocks, "block");
        }
        tt_text_add(text, "\n");
        list[i].bytes = list[i].blocks = 0;
    }
}

void tt_builtin_tell(struct tt_text *text)
{
    tt_lock_take(&lock);
    tt_text_add(text, "never counted as leaks:\n");
    list_tell(text, modules, TT_COUNT(modules), "module");
    list_tell(text, functions, TT_COUNT(functions), "function");
    tt_text_drop(&maps);
    maps_are_read = false;
    tt_lock_give(&lock);
}
