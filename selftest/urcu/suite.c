/* SPDX-License-Identifier: MIT */
/*
 * What a program gives to call_rcu and defer_rcu is dead after a collection.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <tether/criterion.h>
#include <unistd.h>

#if defined(RCU_QSBR)
#    include <urcu-qsbr.h>
#elif defined(RCU_BP)
#    include <urcu-bp.h>
#else
#    include <urcu.h>
#endif
#include <urcu-defer.h>

struct node {
    struct rcu_head head;
    char bytes[64];
};

static void node_free(struct rcu_head *head)
{
    free(caa_container_of(head, struct node, head));
}

static void reader_begin(void)
{
    rcu_register_thread();
}

static void reader_end(void)
{
    rcu_unregister_thread();
}

/* Its thread may still sleep when the node is given to it. */
static tether_weak node_defer(void)
{
    struct node *node = malloc(sizeof *node);
    tether_weak ref = tether_weak_to(node);

    call_rcu(&node->head, node_free);
    return ref;
}

TestSuite(urcu, .init = reader_begin, .fini = reader_end);

Test(urcu, a_collection_waits_for_call_rcu)
{
    for (int i = 0; i < 20; i++) {
        tether_weak ref = node_defer();
        cr_assert_eq(tether_collect().status, TETHER_OK);
        cr_assert_null(tether_weak_get(ref));
        tether_weak_drop(ref);
    }
}

static struct tether_collector_row seen;
static char seen_name[64];

static void row_see(const struct tether_collector_row *row, void *ctx)
{
    (void)ctx;
    seen = *row;
    snprintf(seen_name, sizeof seen_name, "%s", row->name);
}

Test(urcu, it_is_a_collector_with_a_name_and_numbers)
{
    /* Its thread is made now, not counted in what follows. */
    tether_weak_drop(node_defer());
    tether_collect();
    node_defer();
    tether_collect();
    cr_assert_eq(tether_collect_visit(row_see, NULL), 1);
    cr_assert_str_eq(seen_name, "liburcu");
    cr_assert_geq(seen.rounds, 1);
}

Test(urcu, assert_collected_collects)
{
    tether_weak ref = node_defer();

    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}

Test(urcu, a_collection_waits_for_defer_rcu)
{
    void *object = malloc(40);
    tether_weak ref = tether_weak_to(object);

    rcu_defer_register_thread();
    defer_rcu(free, object);
    ASSERT_ALIVE(ref);
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
    rcu_defer_unregister_thread();
}

#ifndef RCU_QSBR
/* A barrier would wait for this thread itself. */
Test(urcu, inside_a_reader_it_does_not_wait, .timeout = 20)
{
    tether_weak ref = node_defer();

    rcu_read_lock();
    cr_assert_eq(tether_collect().status, TETHER_OK);
    rcu_read_unlock();
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}
#endif

/* The thread that frees is not there. */
Test(urcu, a_forked_child_does_not_wait, .timeout = 20)
{
    int status = -1;
    tether_weak_drop(node_defer());
    tether_collect();
    pid_t child = fork();

    if (child == 0) {
        alarm(10);
        _exit(tether_collect().status == TETHER_OK ? 0 : 1);
    }
    waitpid(child, &status, 0);
    cr_assert_eq(status, 0);
}
