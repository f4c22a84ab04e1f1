/* SPDX-License-Identifier: MIT */
/*
 * The first test again, on a greeter that keeps more than it should.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>

static char *last_greeting;

static char *greeting_make(const char *text)
{
    last_greeting = strdup(text);
    return last_greeting;
}

static void greeting_drop(char *greeting)
{
    if (greeting != last_greeting)
        free(greeting);
}

Test(first, greeting_dies, HEAP_BUDGET(.max_heap = KiB(4), NO_LEAKS))
{
    char *greeting = greeting_make("hello");
    tether_weak ref = tether_weak_to(greeting);

    ASSERT_ALIVE(ref);
    greeting_drop(greeting);
    ASSERT_COLLECTED(ref);
}

Test(first, greeting_is_given_back, HEAP_BUDGET(NO_LEAKS))
{
    greeting_drop(greeting_make("hello"));
}

Test(first, greetings_are_short, HEAP_BUDGET(.max_alloc = 16))
{
    free(greeting_make("a very good morning to you all"));
}
