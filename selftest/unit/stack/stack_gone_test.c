/* SPDX-License-Identifier: MIT */
/* Code that was unloaded, as the maps of a process would show it. */
#include "stack/stack.h"
#include "stack/stack_gone.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Nothing of this process is there. */
#define AT       ((uintptr_t)0x100000000000)
#define FRAME    (AT + 0x123)
#define GO_TIMES 1500

/* A stack that differs from all others in its second frame. */
static uint32_t stack_new(uintptr_t second)
{
    const uintptr_t frames[] = { FRAME, second };
    const uint32_t id = tt_stack_intern(frames, 2);
    cr_assert_neq(id, 0u);
    return id;
}

/* The code of a file went away from AT. */
static void go(const char *path, int number)
{
    struct tt_stack_gone before;
    tt_stack_gone_before(&before);
    before.maps.len = 0;
    tt_text_add(&before.maps, "%llx-%llx r-xp 00001000 08:01 77 %s%d.so\n",
                (unsigned long long)AT, (unsigned long long)AT + 0x1000, path,
                number);
    tt_stack_gone_after(&before);
}

Test(stack_gone, nothing_went)
{
    const uint32_t id = stack_new(1);
    cr_expect_eq(tt_stack_gone_place(id, FRAME), FRAME);
}

Test(stack_gone, a_stack_is_in_what_was_there_when_it_was_made)
{
    const uint32_t first = stack_new(1);
    go("/one", 0);
    const uint32_t second = stack_new(2);
    go("/two", 0);
    const uint32_t third = stack_new(3);
    go("/one", 0);
    const uint32_t now = stack_new(4);
    const uintptr_t one = tt_stack_gone_place(first, FRAME);
    const uintptr_t two = tt_stack_gone_place(second, FRAME);
    cr_expect(tt_stack_gone_is(one));
    cr_expect(tt_stack_gone_is(two));
    cr_expect_neq(one, two);
    cr_expect_eq(tt_stack_gone_place(third, FRAME), one);
    cr_expect_eq(tt_stack_gone_place(now, FRAME), FRAME);
    /* Other addresses are what they were. */
    cr_expect_eq(tt_stack_gone_place(first, AT + 0x2000), AT + 0x2000);
}

Test(stack_gone, code_without_a_new_stack_takes_no_other_codes_place)
{
    const uint32_t first = stack_new(1);
    go("/one", 0);
    const uintptr_t one = tt_stack_gone_place(first, FRAME);
    for (int i = 0; i < GO_TIMES; i++)
        go(i % 2 ? "/one" : "/two", 0);
    cr_expect_eq(tt_stack_gone_place(first, FRAME), one);
    const uint32_t second = stack_new(2);
    go("/two", 0);
    cr_expect_neq(tt_stack_gone_place(second, FRAME), one);
    cr_expect(tt_stack_gone_is(tt_stack_gone_place(second, FRAME)));
}

Test(stack_gone, places_look_like_maps)
{
    struct tt_text maps;
    char wanted[128];
    const uint32_t id = stack_new(1);
    go("/no/such/file", 1);
    tt_text_make(&maps);
    tt_stack_gone_maps(&maps);
    const unsigned long long start =
        tt_stack_gone_place(id, FRAME) - (FRAME - AT);
    snprintf(wanted, sizeof wanted,
             "%llx-%llx r-xp 00001000 08:01 77 /no/such/file1.so (deleted)\n",
             start, start + 0x1000);
    cr_expect_str_eq(maps.data, wanted);
    tt_text_drop(&maps);
}

/* More files, and more often, than is remembered. */
Test(stack_gone, when_room_ends_no_name_is_wrong)
{
    static uint32_t ids[GO_TIMES];
    static uintptr_t places[GO_TIMES];
    for (int i = 0; i < GO_TIMES; i++) {
        ids[i] = stack_new((uintptr_t)i);
        go("/many", i);
    }
    const uint32_t now = stack_new(GO_TIMES);
    cr_expect_eq(tt_stack_gone_place(now, FRAME), FRAME);
    for (int i = 0; i < GO_TIMES; i++)
        places[i] = tt_stack_gone_place(ids[i], FRAME);
    /* Places of no file are above those of all files. */
    const uintptr_t unknown = places[256];
    unsigned known = 0;
    for (int i = 0; i < GO_TIMES; i++) {
        cr_expect(tt_stack_gone_is(places[i]), "%d", i);
        known += places[i] < unknown;
        for (int j = 0; j < i && places[i] < unknown; j++)
            cr_assert_neq(places[i], places[j], "%d and %d", i, j);
    }
    cr_expect_eq(known, 256u);
}
