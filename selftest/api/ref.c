/* SPDX-License-Identifier: MIT */
/*
 * References as a user's suite has them: assertions, queues, threads.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>
#include <tether/tether.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct session {
    char *user;
    struct session *next;
};

static struct session *session_new(const char *user)
{
    struct session *const session = malloc(sizeof *session);
    session->user = strdup(user);
    session->next = NULL;
    return session;
}

static void session_free(struct session *session)
{
    free(session->user);
    free(session);
}

static void *free_soon(void *session)
{
    usleep(5000);
    session_free(session);
    return NULL;
}

Test(ref, alive_then_collected, HEAP_BUDGET(NO_LEAKS))
{
    struct session *const alice = session_new("alice");
    const tether_weak ref = tether_weak_to(alice);
    const tether_weak name = tether_weak_to(alice->user);
    ASSERT_ALIVE(ref);
    EXPECT_ALIVE(name);
    cr_assert_eq(tether_weak_get(ref), alice);
    session_free(alice);
    ASSERT_COLLECTED(ref);
    EXPECT_COLLECTED(name);
    tether_weak_drop(ref);
    tether_weak_drop(name);
}

Test(ref, a_reference_is_no_leak_and_holds_nothing, HEAP_BUDGET(NO_LEAKS))
{
    struct session *const alice = session_new("alice");
    (void)tether_weak_to(alice);
    session_free(alice);
}

Test(ref, follows_realloc)
{
    char *text = malloc(16);
    const tether_weak ref = tether_weak_to(text);
    text = realloc(text, 1 << 20);
    ASSERT_ALIVE(ref);
    cr_assert_eq(tether_weak_get(ref), text);
    free(text);
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}

Test(ref, last_words_of_another_thread)
{
    struct tether_last_words words;
    struct session *const alice = session_new("alice");
    const tether_weak ref = tether_weak_to(alice);
    pthread_t thread;
    cr_assert_eq(tether_weak_last_words(ref, &words), TETHER_STILL_ALIVE);
    cr_assert_eq(words.size, sizeof *alice);
    pthread_create(&thread, NULL, free_soon, alice);
    pthread_join(thread, NULL);
    cr_assert_eq(tether_weak_last_words(ref, &words), TETHER_OK);
    cr_assert_str_eq(words.name, "alice");
    cr_assert_eq(words.size, sizeof *alice);
    cr_assert_neq(words.free_thread, 0);
    cr_assert_neq(words.free_stack, 0);
    tether_weak_drop(ref);
}

Test(ref, phantoms_report_deaths_in_order)
{
    struct tether_record record;
    struct session *const alice = session_new("alice");
    struct session *const bob = session_new("bob");
    tether_queue *const queue = tether_queue_make();
    const tether_phantom first = tether_phantom_to(alice, queue, alice);
    const tether_phantom second = tether_phantom_to(bob, queue, bob);
    cr_assert_eq(tether_queue_poll(queue, &record), TETHER_EMPTY);
    session_free(bob);
    session_free(alice);
    ASSERT_ENQUEUED(first);
    ASSERT_ENQUEUED(second);
    cr_assert_eq(tether_queue_poll(queue, &record), TETHER_OK);
    cr_assert_str_eq(record.words.name, "bob");
    cr_assert_eq(tether_queue_wait(queue, 1000, &record), TETHER_OK);
    cr_assert_str_eq(record.words.name, "alice");
    tether_phantom_drop(first);
    tether_phantom_drop(second);
    tether_queue_drop(queue);
}

Test(ref, eventually_collected)
{
    pthread_t thread;
    struct session *const alice = session_new("alice");
    const tether_weak ref = tether_weak_to(alice);
    pthread_create(&thread, NULL, free_soon, alice);
    ASSERT_EVENTUALLY_COLLECTED(ref, .within_ms = 20000);
    pthread_join(thread, NULL);
    tether_weak_drop(ref);
}

/* A destructor that makes and drops references of its own. */
static tether_weak watched;

static void destructor(struct session *session)
{
    const tether_weak own = tether_weak_to(session->user);
    free(session->user);
    EXPECT_COLLECTED(own);
    tether_weak_drop(own);
    tether_weak_drop(watched);
    free(session);
}

Test(ref, inside_a_destructor)
{
    struct session *const alice = session_new("alice");
    const tether_weak ref = tether_weak_to(alice);
    watched = tether_weak_to(alice);
    destructor(alice);
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}
