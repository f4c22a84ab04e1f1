/* SPDX-License-Identifier: MIT */
/* Assertions that hold, in all the places where statements stand. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/wait.h>
#include <tether/criterion.h>
#include <unistd.h>

static char *volatile object;

__attribute__((noinline)) static void make(void)
{
    object = malloc(24);
}

Test(asserts, alive_then_collected)
{
    make();
    tether_weak ref = tether_weak_to(object);
    ASSERT_ALIVE(ref);
    EXPECT_ALIVE(ref);
    free(object);
    ASSERT_COLLECTED(ref);
    EXPECT_COLLECTED(ref);
    tether_weak_drop(ref);
}

Test(asserts, none_alive)
{
    make();
    free(object);
    ASSERT_NONE_ALIVE(make);
}

Test(asserts, enqueued)
{
    make();
    tether_queue *queue = tether_queue_make();
    tether_phantom phantom = tether_phantom_to(object, queue, NULL);
    free(object);
    ASSERT_ENQUEUED(phantom);
    tether_phantom_drop(phantom);
    tether_queue_drop(queue);
}

Test(asserts, condition_is_evaluated_once_a_poll)
{
    int polls = 0;
    ASSERT_EVENTUALLY(++polls == 5, .every_ms = 1);
    cr_assert_eq(polls, 5);
}

Test(asserts, true_at_once_is_one_poll)
{
    int polls = 0;
    ASSERT_EVENTUALLY(++polls);
    cr_assert_eq(polls, 1);
}

Test(asserts, consistently_polls_to_the_end)
{
    int polls = 0;
    ASSERT_CONSISTENTLY(++polls, .for_ms = 20, .every_ms = 2);
    cr_assert_gt(polls, 1);
}

Test(asserts, branches_without_braces)
{
    int n = 1, m = 0;
    if (n)
        ASSERT_EVENTUALLY(n == 1);
    else
        ASSERT_EVENTUALLY(n == 2);
    if (m)
        EXPECT_EVENTUALLY(m == 1);
    else
        EXPECT_EVENTUALLY(m == 0);
}

static void *object_free(void *unused)
{
    usleep(5000);
    free(object);
    return unused;
}

Test(asserts, eventually_collected_by_another_thread)
{
    pthread_t thread;
    make();
    tether_weak ref = tether_weak_to(object);
    pthread_create(&thread, NULL, object_free, NULL);
    ASSERT_EVENTUALLY_COLLECTED(ref, .within_ms = 10000);
    pthread_join(thread, NULL);
    tether_weak_drop(ref);
}

static void *thread_asserts(void *unused)
{
    ASSERT_EVENTUALLY(unused == NULL);
    return unused;
}

Test(asserts, on_another_thread)
{
    pthread_t thread;
    pthread_create(&thread, NULL, thread_asserts, NULL);
    pthread_join(thread, NULL);
}

Test(asserts, in_a_forked_child)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        ASSERT_EVENTUALLY(child == 0);
        _exit(7);
    }
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 7);
}
