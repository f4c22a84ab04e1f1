/* SPDX-License-Identifier: MIT */
/* Signatures as text: what is read, and what is said of what is not. */
#include "spy/spy_parts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct spy_signature read;
static char why[512];

static bool reads(const char *text)
{
    struct tt_text said;
    tt_text_fixed(&said, why, sizeof why);
    return spy_signature_read(text, &read, &said);
}

Test(spy_signature, roles)
{
    cr_assert(reads("ptr:born (ptr:dies, char *:kept,ptr : data , ptr:borrowed,"
                    " struct node **:moved)"));
    cr_assert_eq(read.result.role, SPY_BORN);
    cr_assert_eq(read.count, 5u);
    cr_assert_eq(read.arg[0].role, SPY_DIES);
    cr_assert_eq(read.arg[1].role, SPY_KEPT);
    cr_assert_eq(read.arg[2].role, SPY_DATA);
    cr_assert_eq(read.arg[3].role, SPY_BORROWED);
    cr_assert_eq(read.arg[4].role, SPY_MOVED);
    for (unsigned i = 0; i < read.count; i++)
        cr_assert_eq(read.arg[i].type->ffi, &ffi_type_pointer);
}

Test(spy_signature, types)
{
    static const struct {
        const char *name;
        size_t size;
    } each[] = {
        { "bool", 1 },         { "char", 1 },     { "unsigned  char", 1 },
        { "short", 2 },        { "uint16_t", 2 }, { "int", sizeof(int) },
        { "unsigned", 4 },     { "int32", 4 },    { "long", sizeof(long) },
        { "size_t", 8 },       { "ssize", 8 },    { "unsigned long long", 8 },
        { "uintptr_t", 8 },    { "float", 4 },    { "double", 8 },
        { "long double", 16 }, { "ptr", 8 },      { "uint64_t", 8 },
    };
    char text[64];
    for (size_t i = 0; i < TT_COUNT(each); i++) {
        snprintf(text, sizeof text, "%s ( %s )", each[i].name, each[i].name);
        cr_assert(reads(text), "%s: %s", text, why);
        cr_assert_eq(read.result.type->ffi->size, each[i].size, "%s", text);
        cr_assert_eq(read.arg[0].type->ffi->size, each[i].size, "%s", text);
        cr_assert_eq(read.count, 1u);
    }
}

Test(spy_signature, no_arguments)
{
    cr_assert(reads("void ()"));
    cr_assert_eq(read.count, 0u);
    cr_assert(reads("void(void) "));
    cr_assert_eq(read.count, 0u);
}

Test(spy_signature, refusals)
{
    static const struct {
        const char *text, *says;
    } each[] = {
        { "", "it has to read like" },
        { "void", "it has to read like" },
        { "void (ptr", "it has to read like" },
        { "void (ptr) x", "it has to read like" },
        { "(ptr)", "there is no type before the (" },
        { "void (ptr,)", "an argument is empty" },
        { "void (ptr, void)", "argument 2 is void" },
        { "void (foo)", "`foo` is no type" },
        { "void (pointr)", "did you mean `pointer`?" },
        { "int (ptr, ...)", "a function with `...` cannot be spied on" },
        { "void (struct point)", "`struct point` is passed by value" },
        { "void (ptr:deis)", "`deis` is no role" },
        { "void (int:dies)", "only a ptr can be an object" },
        { "ptr:dies (int)", "the only role of a result is born" },
        { "void (ptr:)", "`` is no role" },
        { "void (int,int,int,int,int,int,int,int,int,int,int,int,int,int,int,"
          "int,int)",
          "there are more than 16 arguments" },
    };
    for (size_t i = 0; i < TT_COUNT(each); i++) {
        cr_assert(!reads(each[i].text), "%s", each[i].text);
        cr_assert(strstr(why, each[i].says), "\"%s\" says: %s", each[i].text,
                  why);
    }
}

Test(spy_signature, a_long_item)
{
    char text[200];
    memset(text, 'x', sizeof text);
    memcpy(text, "void (", 6);
    memcpy(text + sizeof text - 2, ")", 2);
    cr_assert(!reads(text));
    cr_assert(strstr(why, "too long to be an argument"));
}
