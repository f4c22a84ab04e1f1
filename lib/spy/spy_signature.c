/* SPDX-License-Identifier: MIT */
/*
 * Signatures as text: "void (ptr:dies, ptr:data)". An item is a type, written
 * as people write it, and behind a colon what the value means.
 */
#include "spy/spy_parts.h"

#include "base/base_word.h"

#include <string.h>

#define ITEM_MAX 64 /* bytes of one */

/* Each integer under its own name, with _t where C has that. */
static const struct spy_type types[] = {
    { "void", &ffi_type_void, TETHER_VALUE_UNSIGNED },
    { "ptr", &ffi_type_pointer, TETHER_VALUE_POINTER },
    { "pointer", &ffi_type_pointer, TETHER_VALUE_POINTER },
    { "bool", &ffi_type_uint8, TETHER_VALUE_BOOL },
    { "_Bool", &ffi_type_uint8, TETHER_VALUE_BOOL },
    { "char", &ffi_type_schar, TETHER_VALUE_CHAR },
    { "schar", &ffi_type_schar, TETHER_VALUE_SIGNED },
    { "signed char", &ffi_type_schar, TETHER_VALUE_SIGNED },
    { "uchar", &ffi_type_uchar, TETHER_VALUE_UNSIGNED },
    { "unsigned char", &ffi_type_uchar, TETHER_VALUE_UNSIGNED },
    { "short", &ffi_type_sshort, TETHER_VALUE_SIGNED },
    { "ushort", &ffi_type_ushort, TETHER_VALUE_UNSIGNED },
    { "unsigned short", &ffi_type_ushort, TETHER_VALUE_UNSIGNED },
    { "int", &ffi_type_sint, TETHER_VALUE_SIGNED },
    { "uint", &ffi_type_uint, TETHER_VALUE_UNSIGNED },
    { "unsigned", &ffi_type_uint, TETHER_VALUE_UNSIGNED },
    { "unsigned int", &ffi_type_uint, TETHER_VALUE_UNSIGNED },
    { "long", &ffi_type_slong, TETHER_VALUE_SIGNED },
    { "ulong", &ffi_type_ulong, TETHER_VALUE_UNSIGNED },
    { "unsigned long", &ffi_type_ulong, TETHER_VALUE_UNSIGNED },
    { "long long", &ffi_type_sint64, TETHER_VALUE_SIGNED },
    { "unsigned long long", &ffi_type_uint64, TETHER_VALUE_UNSIGNED },
    { "size", &ffi_type_ulong, TETHER_VALUE_UNSIGNED },
    { "ssize", &ffi_type_slong, TETHER_VALUE_SIGNED },
    { "ptrdiff", &ffi_type_slong, TETHER_VALUE_SIGNED },
    { "intptr", &ffi_type_slong, TETHER_VALUE_SIGNED },
    { "uintptr", &ffi_type_ulong, TETHER_VALUE_UNSIGNED },
    { "int8", &ffi_type_sint8, TETHER_VALUE_SIGNED },
    { "int16", &ffi_type_sint16, TETHER_VALUE_SIGNED },
    { "int32", &ffi_type_sint32, TETHER_VALUE_SIGNED },
    { "int64", &ffi_type_sint64, TETHER_VALUE_SIGNED },
    { "uint8", &ffi_type_uint8, TETHER_VALUE_UNSIGNED },
    { "uint16", &ffi_type_uint16, TETHER_VALUE_UNSIGNED },
    { "uint32", &ffi_type_uint32, TETHER_VALUE_UNSIGNED },
    { "uint64", &ffi_type_uint64, TETHER_VALUE_UNSIGNED },
    { "float", &ffi_type_float, TETHER_VALUE_FLOAT },
    { "double", &ffi_type_double, TETHER_VALUE_DOUBLE },
    { "long double", &ffi_type_longdouble, TETHER_VALUE_LONG_DOUBLE },
};

static const char *const roles[] = {
    [SPY_PLAIN] = "",      [SPY_DIES] = "dies",         [SPY_BORN] = "born",
    [SPY_DATA] = "data",   [SPY_BORROWED] = "borrowed", [SPY_KEPT] = "kept",
    [SPY_MOVED] = "moved",
};

const char *spy_role_name(enum spy_role role)
{
    return roles[role];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Copies up to 'end', without blanks at the ends and doubled ones inside.
 * False: it is too long to be anything. */
static bool word_copy(const char *from, const char *end, char *to)
{
    size_t len = 0;
    for (; from < end; from++) {
        if (is_blank(*from) && (!len || is_blank(to[len - 1])))
            continue;
        if (len == ITEM_MAX - 1)
            return false;
        to[len++] = is_blank(*from) ? ' ' : *from;
    }
    while (len && to[len - 1] == ' ')
        len--;
    to[len] = 0;
    return true;
}

static const struct spy_type *type_find(const char *name)
{
    const size_t len = strlen(name);
    if (len && name[len - 1] == '*')
        return type_find("ptr");
    for (size_t i = 0; i < TT_COUNT(types); i++) {
        const size_t own = strlen(types[i].name);
        if (!strncmp(name, types[i].name, own) &&
            (len == own || !strcmp(name + own, "_t")))
            return &types[i];
    }
    return NULL;
}

static void type_unknown(const char *name, struct tt_text *why)
{
    size_t best = 0;
    if (!strcmp(name, "...")) {
        tt_text_add(why, "a function with `...` cannot be spied on: nobody "
                         "knows what to pass on.\n"
                         "  Spy on a function of your own that calls it");
        return;
    }
    if (!strncmp(name, "struct ", 7) || !strncmp(name, "union ", 6)) {
        tt_text_add(why,
                    "`%s` is passed by value, which a spy cannot do.\n"
                    "  Spy on a function that takes a pointer to it",
                    name);
        return;
    }
    for (size_t i = 1; i < TT_COUNT(types); i++)
        if (tt_word_distance(name, types[i].name) <
            tt_word_distance(name, types[best].name))
            best = i;
    tt_text_add(why, "`%s` is no type", name);
    if (tt_word_distance(name, types[best].name) <= tt_word_slip(name))
        tt_text_add(why, "; did you mean `%s`?", types[best].name);
    tt_text_add(why, "\n  Types are void, ptr, bool, char, int, uint, long, "
                     "size, int8 to uint64,\n  float, double and others: "
                     "see <tether/spy.h>; a pointer of any kind is ptr");
}

static bool role_read(const char *name, struct spy_item *item, bool is_result,
                      struct tt_text *why)
{
    for (size_t i = 1; i < TT_COUNT(roles); i++)
        if (!strcmp(name, roles[i]))
            item->role = (enum spy_role)i;
    if (item->role == SPY_PLAIN) {
        tt_text_add(why,
                    "`%s` is no role\n  Roles are dies, born, borrowed, kept, "
                    "moved and data",
                    name);
        return false;
    }
    if (item->type->kind != TETHER_VALUE_POINTER) {
        tt_text_add(why, "`%s:%s` has a role, but only a ptr can be an object",
                    item->type->name, name);
        return false;
    }
    if (is_result && item->role != SPY_BORN) {
        tt_text_add(why,
                    "the result is `%s`, but the only role of a result is born",
                    name);
        return false;
    }
    return true;
}

static bool item_read(const char *start, const char *end, struct spy_item *item,
                      bool is_result, struct tt_text *why)
{
    char type[ITEM_MAX], role[ITEM_MAX];
    const char *colon = memchr(start, ':', (size_t)(end - start));
    if (!word_copy(start, colon ? colon : end, type) ||
        !word_copy(colon ? colon + 1 : end, end, role)) {
        tt_text_add(why, "`%.*s` is too long to be an argument", ITEM_MAX,
                    start);
        return false;
    }
    if (!type[0]) {
        tt_text_add(why, is_result ? "there is no type before the ("
                                   : "an argument is empty");
        return false;
    }
    *item = (struct spy_item){ type_find(type), SPY_PLAIN };
    if (!item->type) {
        type_unknown(type, why);
        return false;
    }
    return !colon || role_read(role, item, is_result, why);
}

/* The arguments, from behind '(' up to its ')'. */
static bool args_read(const char *at, const char *close,
                      struct spy_signature *signature, struct tt_text *why)
{
    char whole[ITEM_MAX];
    if (word_copy(at, close, whole) && (!whole[0] || !strcmp(whole, "void")))
        return true;
    for (;;) {
        const char *comma = memchr(at, ',', (size_t)(close - at));
        const char *const end = comma ? comma : close;
        if (signature->count == TETHER_SPY_ARGS_MAX) {
            tt_text_add(why, "there are more than %d arguments",
                        TETHER_SPY_ARGS_MAX);
            return false;
        }
        struct spy_item *const item = &signature->arg[signature->count++];
        if (!item_read(at, end, item, false, why))
            return false;
        if (item->type->ffi == &ffi_type_void) {
            tt_text_add(why, "argument %u is void; an argument has a type",
                        signature->count);
            return false;
        }
        if (!comma)
            return true;
        at = comma + 1;
    }
}

bool spy_signature_read(const char *text, struct spy_signature *signature,
                        struct tt_text *why)
{
    const char *const open = strchr(text, '(');
    const char *const close = open ? strchr(open, ')') : NULL;
    memset(signature, 0, sizeof *signature);
    if (!close || close[1 + strspn(close + 1, " \t\n")]) {
        tt_text_add(why, "it has to read like \"void (ptr:dies, size)\": the "
                         "result's type,\n  then the arguments in one pair of "
                         "brackets");
        return false;
    }
    return item_read(text, open, &signature->result, true, why) &&
           args_read(open + 1, close, signature, why);
}

/* ---- values ---- */

uint64_t spy_value_pack(const struct spy_type *type, const void *from)
{
    uint64_t bits = 0;
    double real;
    if (type->kind == TETHER_VALUE_LONG_DOUBLE)
        real = (double)*(const long double *)from;
    else if (type->kind == TETHER_VALUE_FLOAT)
        real = (double)*(const float *)from;
    else {
        if (type->ffi != &ffi_type_void)
            memcpy(&bits, from, TT_MIN(type->ffi->size, sizeof bits));
        return bits;
    }
    memcpy(&bits, &real, sizeof bits);
    return bits;
}

struct tether_value spy_value_unpack(const struct spy_type *type, uint64_t bits)
{
    struct tether_value value = { .kind = type->kind, .as.count = bits };
    double real;
    const unsigned unused = 64 - 8 * (unsigned)TT_MIN(type->ffi->size, 8);
    switch (type->kind) {
    case TETHER_VALUE_FLOAT:
    case TETHER_VALUE_DOUBLE:
    case TETHER_VALUE_LONG_DOUBLE:
        memcpy(&real, &bits, sizeof real);
        value.real = (long double)real;
        break;
    case TETHER_VALUE_SIGNED:
    case TETHER_VALUE_CHAR:
        value.as.number = (int64_t)(bits << unused) >> unused;
        break;
    case TETHER_VALUE_POINTER:
        value.as.object = (const void *)(uintptr_t)bits;
        break;
    default:
        break;
    }
    return value;
}
