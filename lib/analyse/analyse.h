/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_H
#define TT_ANALYSE_H
/*
 * What the parts of tether-analyse share.
 *
 * Words. A request is one address to be named. A mapping is one line of the
 * caller's /proc/PID/maps. A module is a file that code was mapped from. A
 * unit is a compilation unit. A link address is an address as the file counts
 * it, before the loader moved the module.
 *
 * The program lives for milliseconds: it frees nothing but open files.
 */
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* The pipe's languages, one for each mode. The first line of both sides;
 * another number is another language. lib/report/report_names.c and
 * report_functions.c speak the other side. */
#define ANALYSE_HELLO           "tether-names 1"
#define ANALYSE_FUNCTIONS_HELLO "tether-functions 1"

struct analyse_mapping {
    uint64_t start, end; /* addresses */
    uint64_t offset;     /* in the file */
    const char *path;    /* as in maps, " (deleted)" included */
    bool writable;
};

enum analyse_kind {
    ANALYSE_CODE,
    ANALYSE_DATA, /* a variable */
    ANALYSE_TLS   /* a thread-local one: 'link' is in the TLS segment */
};

struct analyse_request {
    enum analyse_kind kind;
    uint64_t address;   /* as asked; of a variable any code of its module */
    bool is_return;     /* a return address: the call is before it */
    uint32_t index;     /* order of the question */
    int mapping;        /* -1: in none */
    uint64_t link;      /* link address of the instruction, module's */
    const char *symbol; /* best symbol so far, or NULL */
    uint64_t symbol_at;
    bool symbol_sized; /* the address is inside the symbol's size */
    bool named;        /* debug information named it */
};

struct analyse_input {
    pid_t pid; /* the caller, 0 if not told */
    struct analyse_mapping *mappings;
    size_t mappings_count;
    struct analyse_request *requests;
    size_t requests_count;
    const char **functions; /* names to be found */
    size_t functions_count;
};

/* Reads a question that begins with the line 'hello'. Returns NULL, or what
 * is wrong with it. */
const char *analyse_input_read(FILE *from, const char *hello,
                               struct analyse_input *input);

/* Reads the lines of a /proc/PID/maps. */
void analyse_maps_read(FILE *from, struct analyse_input *input);

enum analyse_debug {
    ANALYSE_DEBUG_YES,
    ANALYSE_DEBUG_NONE,   /* the file was read and has none */
    ANALYSE_DEBUG_SYSTEM, /* libc and its like: not looked for */
    ANALYSE_UNREADABLE    /* deleted, or no ELF file */
};

struct analyse_module {
    const char *name; /* base name */
    enum analyse_debug debug;
    int fd;
    Elf *elf;
    int debug_fd;
    Elf *debug_elf; /* a file of its own, or NULL */
    Elf *mini_elf;  /* .gnu_debugdata: symbols, packed; or NULL */
    Dwarf *dwarf;   /* NULL: no debug information */
};

/* Opens the file behind a mapping. 'debug_root' is /usr/lib/debug. */
void analyse_module_open(struct analyse_module *module,
                         const struct analyse_input *input,
                         const struct analyse_mapping *mapping,
                         const char *debug_root);
void analyse_module_close(struct analyse_module *module);

/* Finds a section that the file has bytes of. NULL: there is none. */
Elf_Scn *analyse_section_named(Elf *elf, const char *name);

/* Turns a file offset into a link address. */
bool analyse_module_link(const struct analyse_module *module, uint64_t offset,
                         uint64_t *link);

/* The other way round: where in the file a link address is. */
bool analyse_module_offset(const struct analyse_module *module, uint64_t link,
                           uint64_t *offset);

/* Finds a separate file with debug information, by build id or debug link.
 * Returns its descriptor, -1 if there is none. */
int analyse_debug_find(Elf *elf, const char *path, const char *debug_root);

/* Unpacks the symbols that a stripped file may carry in .gnu_debugdata. NULL:
 * it carries none. */
Elf *analyse_debug_mini(Elf *elf);

/* A symbol. */
struct analyse_symbol {
    uint64_t at, size; /* link address, bytes (0: not known) */
    const char *name;
    bool is_global;
};

/* Calls back for each symbol of a kind in all symbol tables of a module.
 * Returns whether static functions are among them. */
typedef void (*analyse_symbol_see)(const struct analyse_symbol *symbol,
                                   void *ctx);
bool analyse_symbols_visit(const struct analyse_module *module,
                           enum analyse_kind kind, analyse_symbol_see see,
                           void *ctx);

/* Finds the symbols of requests (of one kind, sorted by link address) in one
 * pass. */
void analyse_symbols(const struct analyse_module *module,
                     struct analyse_request **requests, size_t count);

/* Gets a symbol as people write it: C++ names are demangled if the machine
 * has libstdc++. */
const char *analyse_demangle(const char *symbol);

/* The same with parameters. NULL: it is no mangled name. */
char *analyse_demangle_whole(const char *symbol);

/* Cuts the parameters off a demangled name. */
void analyse_parameters_cut(char *name);

/* Is a symbol, or a part that the compiler split off it (work.cold), the
 * function that people call 'name'? As it is mangled, or as C++ writes it:
 * with or without parameters, template arguments, type of the result. */
bool analyse_is_called(const char *symbol, const char *name);

/* How far a symbol is from what somebody wrote; *shown is how people would
 * write it. */
size_t analyse_name_distance(const char *symbol, const char *name,
                             const char **shown);

/* One frame of an answer; an address inside inlined code has several. */
struct analyse_frame {
    const char *function;
    const char *path; /* absolute where known; NULL: not known */
    int line;
    bool inlined; /* into the next frame */
};

#define ANALYSE_FRAMES_MAX 16

struct analyse_units; /* the range table of a module */
struct analyse_units *analyse_units_make(Dwarf *dwarf);

/* Names a link address, innermost frame first. Returns the number of frames,
 * 0 when no unit covers it. */
size_t analyse_units_find(const struct analyse_units *units, uint64_t link,
                          struct analyse_frame *frames);

/* A function that debug information describes. */
struct analyse_definition {
    const char *name;    /* qualified where it is C++ */
    const char *mangled; /* or NULL */
    Dwarf_Die *die;
    bool is_inline; /* no code of its own here: inlined into others */
};
typedef void (*analyse_definition_see)(
    const struct analyse_definition *definition, void *ctx);
void analyse_units_visit(const struct analyse_units *units,
                         analyse_definition_see see, void *ctx);

/* Puts the scopes of C++ before a name: 'ns::cls::name'. */
const char *analyse_name_qualified(Dwarf_Die *die, const char *bare);

/* Answer a question on 'to'. */
void analyse_names(const struct analyse_input *input, const char *debug_root,
                   FILE *to);
void analyse_functions(const struct analyse_input *input,
                       const char *debug_root, FILE *to);

/* Writes a field of a record: a tab or a newline in it would break it. */
void analyse_field_put(FILE *to, const char *text);

/* malloc that ends the program when there is no memory. */
void *analyse_alloc(size_t bytes);

/* Grows an array of 'size'-byte things to hold one more than 'count'. */
void *analyse_grow(void *array, size_t count, size_t size);

#endif
