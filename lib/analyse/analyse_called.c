/* SPDX-License-Identifier: MIT */
/*
 * How functions are called: from symbols to what people read and write.
 *
 * What the compiler splits off a function or makes a copy of bears its symbol,
 * a dot and a word (work.cold, work.part.0, work.constprop.0): no name in C or
 * C++ has a dot, so all up to it is the function's own.
 */
#include "analyse/analyse.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_word.h"

/* ---- as C++ writes it ---- */

/* '(anonymous namespace)' is no list of parameters. */
static size_t anonymous_length(const char *at)
{
    static const char text[] = "(anonymous namespace)";
    return strncmp(at, text, sizeof text - 1) ? 0 : sizeof text - 1;
}

/* The signs of 'operator<<', 'operator()' are no brackets. */
static size_t operator_length(const char *at)
{
    if (strncmp(at, "operator", 8) != 0)
        return 0;
    return strncmp(at + 8, "()", 2) ? 8 + strspn(at + 8, "<>=-+*/ ") : 10;
}

void analyse_parameters_cut(char *name)
{
    int depth = 0;
    for (char *at = name; *at; at++) {
        const size_t whole = anonymous_length(at) + operator_length(at);
        if (whole) {
            at += whole - 1;
        } else if (*at == '<') {
            depth++;
        } else if (*at == '>') {
            depth--;
        } else if (*at == '(' && depth == 0) {
            *at = '\0';
            return;
        }
    }
}

/* Steps over the type of the result, which functions made from templates
 * have: 'void* ns::make<int>'. */
static char *result_skip(char *name)
{
    char *start = name;
    int depth = 0;
    for (char *at = name; *at; at++) {
        const size_t anonymous = anonymous_length(at);
        if (operator_length(at))
            break; /* the name itself; the rest is what it converts to */
        if (anonymous)
            at += anonymous - 1;
        else if (*at == '<')
            depth++;
        else if (*at == '>')
            depth--;
        else if (*at == ' ' && depth == 0)
            start = at + 1;
    }
    return start + strspn(start, "*& ");
}

/* Cuts what a template was made for off the end: 'ns::make<int>'. */
static void arguments_cut(char *name)
{
    size_t at = strlen(name);
    int depth = 0;
    if (at == 0 || name[at - 1] != '>' || strstr(name, "operator"))
        return;
    while (at-- > 0) {
        if (name[at] == '>')
            depth++;
        else if (name[at] == '<' && --depth == 0)
            break;
    }
    name[at] = '\0';
}

char *analyse_demangle_whole(const char *symbol)
{
    typedef char *(*demangle_fn)(const char *, char *, size_t *, int *);
    static demangle_fn demangle;
    static bool looked;
    if (strncmp(symbol, "_Z", 2) != 0)
        return NULL;
    if (!looked) {
        void *const library = dlopen("libstdc++.so.6", RTLD_LAZY);
        if (library)
            demangle = (demangle_fn)dlsym(library, "__cxa_demangle");
        looked = true;
    }
    int status = -1;
    char *const name = demangle ? demangle(symbol, NULL, NULL, &status) : NULL;
    return status == 0 ? name : NULL;
}

const char *analyse_demangle(const char *symbol)
{
    char *const name = analyse_demangle_whole(symbol);
    if (!name)
        return symbol;
    analyse_parameters_cut(name);
    return name;
}

/* ---- is it this one? ---- */

/* The length of a symbol without the version of an exported one and without
 * what the compiler added. */
static size_t symbol_length(const char *symbol)
{
    return symbol[0] ? 1 + strcspn(symbol + 1, ".@") : 0;
}

static bool same_but_blanks(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, " ");
        b += strspn(b, " ");
        if (*a != *b)
            return false;
        if (!*a)
            return true;
    }
}

/* The last word of what somebody wrote, that is part of the mangled name too.
 * An operator has no such word: 0 bytes. */
static const char *word_last(const char *name, size_t *len)
{
    const char *word = name;
    int depth = 0;
    for (const char *at = name; *at; at++) {
        const size_t anonymous = anonymous_length(at);
        if (operator_length(at)) {
            *len = 0;
            return at;
        }
        if (anonymous)
            at += anonymous - 1;
        else if (*at == '<')
            depth++;
        else if (*at == '>')
            depth--;
        else if (*at == '(')
            break;
        else if (depth == 0 && !strncmp(at, "::", 2))
            word = at + 2;
    }
    word += *word == '~';
    *len = strcspn(word, "<( ");
    return word;
}

static bool whole_is_called(char *whole, const char *name)
{
    char *const clone = strstr(whole, " [clone");
    if (clone)
        *clone = '\0';
    if (same_but_blanks(whole, name))
        return true;
    analyse_parameters_cut(whole);
    if (same_but_blanks(whole, name))
        return true;
    char *const own = result_skip(whole);
    if (same_but_blanks(own, name))
        return true;
    arguments_cut(own);
    return same_but_blanks(own, name);
}

bool analyse_is_called(const char *symbol, const char *name)
{
    const size_t len = symbol_length(symbol);
    size_t word_len;
    if (strlen(name) == len && !memcmp(symbol, name, len))
        return true;
    if (strncmp(symbol, "_Z", 2) != 0)
        return false;
    /* Taking a mangled name apart is what costs: only those that may be it. */
    const char *const word = word_last(name, &word_len);
    if (word_len && !memmem(symbol, len, word, word_len))
        return false;
    char *const exported = strndup(symbol, strcspn(symbol, "@"));
    char *const whole = exported ? analyse_demangle_whole(exported) : NULL;
    const bool same = whole && whole_is_called(whole, name);
    free(whole);
    free(exported);
    return same;
}

/* Words whose lengths differ by more cannot be a slip of each other: most are
 * told apart by that. */
static size_t word_distance(const char *name, const char *own)
{
    const size_t a = strlen(name), b = strlen(own);
    return (a > b ? a - b : b - a) > tt_word_slip(name)
               ? TT_WORD_FAR
               : tt_word_distance(name, own);
}

size_t analyse_name_distance(const char *symbol, const char *name,
                             const char **shown)
{
    const size_t len = symbol_length(symbol);
    char own[128];
    *shown = NULL;
    if (!strncmp(symbol, "_Z", 2) && strncmp(name, "_Z", 2) != 0) {
        /* A name without a scope is none that has one. */
        char *const whole = symbol[2] == 'N' && !strstr(name, "::")
                                ? NULL
                                : analyse_demangle_whole(symbol);
        if (!whole)
            return TT_WORD_FAR;
        analyse_parameters_cut(whole);
        *shown = result_skip(whole);
        return word_distance(name, *shown);
    }
    if (len >= sizeof own)
        return TT_WORD_FAR;
    memcpy(own, symbol, len);
    own[len] = '\0';
    const size_t distance = word_distance(name, own);
    *shown = distance <= tt_word_slip(name) ? strdup(own) : NULL;
    return distance;
}
