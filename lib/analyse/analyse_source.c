/* SPDX-License-Identifier: MIT */
/*
 * What the source says about a block: the text of the call that allocated it,
 * from the column that the line table gives on. 'malloc(sizeof(struct job))',
 * 'calloc(n, sizeof *job)', 'g_new(struct job, 1)', 'new job(...)', or the
 * variable that the result goes to, whose type its function declares.
 *
 * Functions that only pass an allocation on are skipped: by their name, or
 * because their line says no type.
 */
#include "analyse/analyse_typing.h"

#include <ctype.h>
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX   1024
#define FRAMES_MAX 6

bool analyse_source_is_wrapper(const char *function)
{
    static const char *const names[] = {
        "malloc",        "calloc",         "realloc",       "xmalloc",
        "xcalloc",       "xrealloc",       "xzalloc",       "zmalloc",
        "g_malloc",      "g_malloc0",      "g_realloc",     "g_malloc_n",
        "g_malloc0_n",   "g_realloc_n",    "g_slice_alloc", "g_slice_alloc0",
        "safe_malloc",   "safe_calloc",    "my_malloc",     "mem_alloc",
        "operator new",  "operator new[]", "reallocarray",  "memalign",
        "aligned_alloc", "posix_memalign", "strdup",        "strndup",
        "g_strdup",      "xstrdup",
    };
    for (size_t i = 0; function && i < sizeof names / sizeof *names; i++)
        if (!strcmp(function, names[i]))
            return true;
    /* Templates of the standard library, and the functions made of them. */
    return function && (!strncmp(function, "std::", 5) ||
                        !strncmp(function, "__gnu_cxx::", 11));
}

/* ---- text ---- */

struct text {
    char bytes[TEXT_MAX]; /* some lines, the wanted one first */
    size_t column;        /* of the call, from 0 */
    size_t start;         /* of the statement */
};

/* Reads the line and the few after it that a long call may take; lines before
 * it only if the statement began there. */
static bool text_read(const struct analyse_place *place, struct text *text)
{
    FILE *const from = place->path ? fopen(place->path, "r") : NULL;
    char *line = NULL;
    size_t capacity = 0, len = 0;
    if (!from)
        return false;
    for (int number = 1;
         number < place->line + 4 && getline(&line, &capacity, from) >= 0;
         number++) {
        const size_t bytes = strlen(line);
        if (number < place->line || len + bytes >= TEXT_MAX)
            continue;
        memcpy(text->bytes + len, line, bytes);
        len += bytes;
    }
    text->bytes[len] = '\0';
    free(line);
    fclose(from);
    text->column = place->column > 0 ? (size_t)place->column - 1 : 0;
    if (text->column >= len)
        text->column = 0;
    for (text->start = text->column; text->start > 0; text->start--)
        if (strchr(";{}", text->bytes[text->start - 1]))
            break;
    /* The call ends with its statement. */
    char *const end = strchr(text->bytes + text->column, ';');
    if (end)
        *end = '\0';
    return len > 0;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Copies a type's name: words, '::', without qualifiers and stars. */
static const char *name_read(const char *text, char *name, size_t bytes)
{
    size_t len = 0;
    while (isspace((unsigned char)*text) || *text == '(')
        text++;
    for (;;) {
        const size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz"
                                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789_:");
        if (word == 0 || len + word + 2 >= bytes)
            break;
        if (strncmp(text, "const", word) != 0 &&
            strncmp(text, "class", word) != 0) {
            if (len)
                name[len++] = ' ';
            memcpy(name + len, text, word);
            len += word;
        }
        text += word;
        while (isspace((unsigned char)*text))
            text++;
    }
    name[len] = '\0';
    return text;
}

/* ---- variables of the function ---- */

struct scope {
    struct analyse_types *types;
    Dwarf_Die *scopes;
    int count;
    bool is_cxx;
};

static bool scope_open(struct analyse_image *image, struct analyse_types *types,
                       uint64_t address, struct scope *scope)
{
    const uint32_t module = analyse_module_at(image, address);
    if (module == NONE)
        return false;
    struct analyse_code *const code = analyse_code_of(image, module);
    const uint64_t link = address - code->bias;
    for (size_t i = 0; i < code->units_count; i++) {
        Dwarf_Die lines = code->units[i].lines, die = code->units[i].die;
        if (dwarf_haspc(&lines, link) <= 0)
            continue;
        *scope =
            (struct scope){ .types = types, .is_cxx = code->units[i].is_cxx };
        scope->count = dwarf_getscopes(&die, link, &scope->scopes);
        return scope->count > 0;
    }
    return false;
}

static struct analyse_type *scope_variable(const struct scope *scope,
                                           const char *name)
{
    for (int i = 0; i < scope->count; i++) {
        Dwarf_Die child;
        if (dwarf_child(&scope->scopes[i], &child) != 0)
            continue;
        do {
            const int tag = dwarf_tag(&child);
            const char *const is = dwarf_diename(&child);
            if ((tag == DW_TAG_variable || tag == DW_TAG_formal_parameter) &&
                is && !strcmp(is, name))
                return analyse_type_of(scope->types, &child, scope->is_cxx);
        } while (dwarf_siblingof(&child, &child) == 0);
    }
    return NULL;
}

/* A function that returns 'void *' passes on what it does not know. */
static bool returns_void(struct analyse_types *types, const struct scope *scope)
{
    for (int i = 0; i < scope->count; i++) {
        const int tag = dwarf_tag(&scope->scopes[i]);
        if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine)
            continue;
        struct analyse_type *const type =
            analyse_type_of(types, &scope->scopes[i], scope->is_cxx);
        return type->kind == TYPE_POINTER && type->to->kind == TYPE_VOID;
    }
    return true;
}

static struct analyse_type *field_named(struct analyse_type *type,
                                        const char *name)
{
    if (type->kind == TYPE_POINTER || type->kind == TYPE_ARRAY)
        type = type->to;
    analyse_type_fields(type);
    for (size_t i = 0; i < type->fields_count; i++)
        if (type->fields[i].name && !strcmp(type->fields[i].name, name))
            return type->fields[i].type;
    for (size_t i = 0; i < type->fields_count; i++)
        if (!type->fields[i].name &&
            analyse_type_is_aggregate(type->fields[i].type)) {
            struct analyse_type *const inner =
                field_named(type->fields[i].type, name);
            if (inner)
                return inner;
        }
    return NULL;
}

/* The type of 'a', '*a', 'a->b.c', 'a[0]'. NULL: more than that. */
static struct analyse_type *expression_type(const struct scope *scope,
                                            const char *text, const char **end)
{
    char name[128];
    int stars = 0;
    for (; *text && (isspace((unsigned char)*text) || strchr("*(", *text));
         text++)
        stars += *text == '*';
    size_t len = 0;
    while (is_word(text[len]))
        len++;
    if (len == 0 || len >= sizeof name || isdigit((unsigned char)*text))
        return NULL;
    memcpy(name, text, len);
    name[len] = '\0';
    struct analyse_type *type = scope_variable(scope, name);
    for (text += len; type; text += len) {
        const size_t lead = !strncmp(text, "->", 2) ? 2 : *text == '.';
        if (*text == '[') {
            text += strcspn(text, "]") + (strchr(text, ']') != NULL);
            type = type->to;
            len = 0;
            continue;
        }
        if (lead == 0)
            break;
        text += lead;
        for (len = 0; is_word(text[len]) && len + 1 < sizeof name; len++)
            name[len] = text[len];
        name[len] = '\0';
        type = field_named(type, name);
    }
    for (; type && stars > 0; stars--)
        type = type->to;
    *end = text;
    return type;
}

/* ---- forms of calls ---- */

static struct analyse_type *sizeof_type(struct analyse_types *types,
                                        const struct scope *scope,
                                        const char *text)
{
    char name[256];
    const char *end;
    const char *const rest = name_read(text, name, sizeof name);
    if (*rest == ')' || *rest == '*') {
        struct analyse_type *const type = analyse_type_named(types, name);
        if (type && *rest == ')')
            return type;
    }
    return expression_type(scope, text, &end);
}

/* 'sizeof' in the call: of several that of a struct, else the first. */
static struct analyse_type *sizeof_find(struct analyse_types *types,
                                        const struct scope *scope,
                                        const char *text)
{
    struct analyse_type *best = NULL;
    for (const char *at = text; (at = strstr(at, "sizeof")) != NULL; at += 6) {
        struct analyse_type *const type =
            is_word(at[6]) ? NULL : sizeof_type(types, scope, at + 6);
        if (type && (!best || (!analyse_type_is_aggregate(best) &&
                               analyse_type_is_aggregate(type))))
            best = type;
    }
    return best;
}

static struct analyse_type *named_find(struct analyse_types *types,
                                       const char *text)
{
    static const char *const forms[] = { "new ",          "g_new(",
                                         "g_new0(",       "g_slice_new(",
                                         "g_slice_new0(", "make_unique<",
                                         "make_shared<" };
    char name[256];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const char *const at = strstr(text, forms[i]);
        if (!at || (at > text && is_word(at[-1])))
            continue;
        name_read(at + strlen(forms[i]), name, sizeof name);
        struct analyse_type *const type = analyse_type_named(types, name);
        if (type)
            return type;
    }
    return NULL;
}

/* 'struct job *job = make();', 'job = make();', 'q->head = make();' */
static struct analyse_type *assigned_find(const struct scope *scope,
                                          const struct text *text)
{
    const char *const line = text->bytes + text->start;
    const char *const call = text->bytes + text->column;
    const char *at = strchr(line, '=');
    const char *end;
    if (!at || at >= call || at[1] == '=' || at == line)
        return NULL;
    while (at > line && isspace((unsigned char)at[-1]))
        at--;
    const char *start = at;
    while (start > line && (is_word(start[-1]) || strchr(".->[]", start[-1])))
        start--;
    struct analyse_type *const type = expression_type(scope, start, &end);
    return type && end == at && type->kind == TYPE_POINTER &&
                   type->to->kind != TYPE_VOID
               ? type->to
               : NULL;
}

/* 'std::allocator<T>::allocate' and its like say T in their name. */
static struct analyse_type *allocator_find(struct analyse_types *types,
                                           const char *function)
{
    static const char lead[] = "new_allocator<", end[] = ">::allocate";
    const char *const start = function ? strstr(function, lead) : NULL;
    const char *const stop = start ? strstr(start, end) : NULL;
    if (!stop)
        return NULL;
    const char *const name = start + sizeof lead - 1;
    size_t len = (size_t)(stop - name);
    while (len > 0 && name[len - 1] == ' ')
        len--;
    if (len > 0 && name[len - 1] == '*')
        return NULL; /* of pointers: what points to the block knows */
    return analyse_type_named(types, analyse_text("%.*s", (int)len, name));
}

/* 'job_new(...)': a function that the unit declares to return a pointer. */
static struct analyse_type *called_find(struct analyse_types *types,
                                        const struct scope *scope,
                                        const char *call)
{
    char name[128];
    size_t len = 0;
    Dwarf_Die unit, child;
    for (; is_word(call[len]) && len + 1 < sizeof name; len++)
        name[len] = call[len];
    name[len] = '\0';
    if (scope->count == 0 || call[len] != '(' ||
        !dwarf_diecu(&scope->scopes[0], &unit, NULL, NULL) ||
        dwarf_child(&unit, &child) != 0)
        return NULL;
    do {
        const char *const is = dwarf_diename(&child);
        if (dwarf_tag(&child) != DW_TAG_subprogram || !is ||
            strcmp(is, name) != 0)
            continue;
        struct analyse_type *const type =
            analyse_type_of(types, &child, scope->is_cxx);
        return type->kind == TYPE_POINTER && type->to->kind != TYPE_VOID
                   ? type->to
                   : NULL;
    } while (dwarf_siblingof(&child, &child) == 0);
    return NULL;
}

static struct analyse_type *
place_type(struct analyse_image *image, struct analyse_types *types,
           uint64_t address, const struct analyse_place *place, bool *passes_on)
{
    struct text text;
    struct scope scope = { .types = types };
    *passes_on = true;
    if (!scope_open(image, types, address, &scope))
        return NULL;
    *passes_on = analyse_source_is_wrapper(place->function) ||
                 returns_void(types, &scope);
    struct analyse_type *type = allocator_find(types, place->function);
    if (type || !text_read(place, &text))
        return type;
    const char *const call = text.bytes + text.column;
    type = sizeof_find(types, &scope, call);
    if (!type)
        type = named_find(types, text.bytes + text.start);
    if (!type)
        type = assigned_find(&scope, &text);
    if (!type)
        type = called_find(types, &scope, call);
    free(scope.scopes);
    return type;
}

struct analyse_type *analyse_source_type(struct analyse_image *image,
                                         struct analyse_types *types,
                                         uint32_t stack)
{
    struct analyse_place places[4];
    const uint64_t *frames;
    bool passes_on;
    const size_t count = analyse_stack_frames(image, stack, &frames);
    for (size_t i = 0; i < count && i < FRAMES_MAX; i++) {
        const uint64_t address = frames[i] - 1;
        const size_t found = analyse_code_places(image, address, places, 4);
        for (size_t j = 0; j < found; j++) {
            struct analyse_type *const type =
                place_type(image, types, address, &places[j], &passes_on);
            if (type && type->kind != TYPE_VOID)
                return type;
            if (!passes_on && !places[j].inlined)
                return NULL;
        }
    }
    return NULL;
}
