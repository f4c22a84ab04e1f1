/* SPDX-License-Identifier: MIT */
/*
 * The suite. It is built twice: with the lookup as it should be, and with one
 * that keeps a lock, a name and an answer.
 */
#include "cmocka_tether.h"
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

static void answer_comes(void **state)
{
    (void)state;
    struct lookup *const lookup = lookup_new();
    lookup_start(lookup, "alice");
    assert_eventually(lookup_answer(lookup) != NULL, 200);
    assert_string_equal(lookup_answer(lookup), "alice.example");
    lookup_free(lookup);
}

/* By hand, with no thread. */
static char *answer_make(void)
{
    return strdup("bob.example");
}

static void answer_dies(void **state)
{
    (void)state;
    char *const answer = answer_make();
    const tether_weak ref = tether_weak_to(answer); /* NOLINT(*Malloc) */
    assert_object_alive(ref);
#ifndef SEEDED
    free(answer);
#endif
    assert_collected(ref);
    tether_weak_drop(ref);
}

static void nothing_is_left(void **state)
{
    (void)state;
    struct lookup *const lookup = lookup_new();
#ifdef SEEDED
    (void)lookup;
#else
    lookup_free(lookup);
#endif
}

static void answers_are_short(void **state)
{
    (void)state;
    char *const answer = answer_make();
#ifdef SEEDED
    char *const page = malloc(4096);
    free(page);
#endif
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tether_unit_test(answer_comes),
        tether_unit_test(answer_dies),
        tether_unit_test(nothing_is_left),
        tether_unit_test(answers_are_short, .max_alloc = 64, .max_count = 2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
