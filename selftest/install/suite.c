/* SPDX-License-Identifier: MIT */
/*
 * A user's suite, as an installed Tether sees it: the tests whose name begins
 * with 'good' pass; the test 'fails/object_is_alive' has to fail, and its
 * message to name this file's allocation.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>

#include <stdlib.h>
#include <string.h>

struct session {
    char name[32];
};

static struct session *session_new(const char *name)
{
    struct session *session = calloc(1, sizeof *session);
    if (session)
        strncpy(session->name, name, sizeof session->name - 1);
    return session;
}

Test(good, object_dies, HEAP_BUDGET(.max_heap = KiB(4), NO_LEAKS))
{
    struct session *alice = session_new("alice");
    tether_weak ref = tether_weak_to(alice);

    ASSERT_ALIVE(ref);
    free(alice);
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}

Test(fails, object_is_alive)
{
    struct session *alice = session_new("alice");
    tether_weak ref = tether_weak_to(alice);

    ASSERT_COLLECTED(ref);
    free(alice);
}
