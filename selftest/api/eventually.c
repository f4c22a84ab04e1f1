/* SPDX-License-Identifier: MIT */
/*
 * Waiting as a user's suite has it.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>
#include <tether/eventually.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int count;

static void *count_up(void *unused)
{
    for (int i = 0; i < 5; i++) {
        usleep(1000);
        atomic_fetch_add(&count, 1);
    }
    return unused;
}

Test(eventually, what_another_thread_does)
{
    pthread_t thread;
    pthread_create(&thread, NULL, count_up, NULL);
    ASSERT_EVENTUALLY(atomic_load(&count) == 5, .within_ms = 20000);
    pthread_join(thread, NULL);
}

Test(eventually, evaluates_once_a_poll)
{
    int asked = 0;
    ASSERT_EVENTUALLY(++asked == 3, .within_ms = 20000);
    cr_assert_eq(asked, 3);
}

Test(consistently, what_does_not_change)
{
    ASSERT_CONSISTENTLY(atomic_load(&count) == 0, .for_ms = 20);
    EXPECT_CONSISTENTLY(atomic_load(&count) == 0, .for_ms = 20, .every_ms = 5);
}

static int is_due(void *ctx)
{
    return ++*(int *)ctx == 2;
}

Test(eventually, with_a_predicate)
{
    int asked = 0;
    struct tether_wait wait = { .within_ms = 20000 };
    cr_assert_eq(tether_eventually(is_due, &asked, &wait), TETHER_OK);
    cr_assert_eq(wait.polls, 2);
}

/* A callback of a queue runs while a wait polls. */
static void note(const struct tether_record *record, void *ctx)
{
    tether_phantom_drop(record->phantom);
    *(int *)ctx = 1;
}

Test(eventually, polls_are_safe_points)
{
    int noted = 0;
    void *const block = malloc(8);
    tether_queue *const queue = tether_queue_make();
    tether_queue_on(queue, note, &noted);
    (void)tether_phantom_to(block, queue, NULL);
    free(block);
    cr_assert_eq(noted, 0);
    ASSERT_EVENTUALLY(noted == 1, .within_ms = 20000);
    tether_queue_drop(queue);
}
