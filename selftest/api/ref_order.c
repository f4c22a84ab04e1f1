/* SPDX-License-Identifier: MIT */
/*
 * Queues of weak and phantom references: their order, and what is said of
 * another one. The messages are compared whole.
 */
#include <criterion/criterion.h>
#include <tether/check.h>
#include <tether/criterion.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
/* No jump in place of the call. */
#define STAY __asm__ volatile("" ::: "memory")

/* clang-format off */
#line 10 "session.c"
static NOINLINE char *session_new(void) { char *s = malloc(9); STAY; return s; }
static NOINLINE void session_free(char *session) { free(session); STAY; }
static NOINLINE void cache_free(char *s) { free(s); __asm__ volatile("nop"); }
#line 25 "ref_order.c"
/* clang-format on */

static tether_queue *queue;
static struct tether_message why;

static enum tether_outcome order(const uint64_t *refs, size_t count)
{
    return tether_check_enqueued_in_order(queue, refs, count, &why);
}

Test(ref_order, weak_and_phantom_in_one_queue)
{
    struct tether_record record;
    char *const alice = session_new();
    char *const bob = session_new();
    queue = tether_queue_make();
    const tether_weak a = tether_weak_in_queue(alice, queue, &queue);
    const tether_phantom b = tether_phantom_to(bob, queue, NULL);
    ASSERT_QUEUE_EMPTY(queue);
    cr_assert_eq(tether_queue_peek(queue, &record), TETHER_EMPTY);
    session_free(alice);
    session_free(bob);
    ASSERT_COLLECTED(a);
    ASSERT_ENQUEUED_IN_ORDER(queue, a, b);
    EXPECT_ENQUEUED_IN_ORDER(queue, b);
    cr_assert(tether_weak_enqueued(a));
    cr_assert_eq(tether_queue_peek(queue, &record), TETHER_OK);
    cr_assert_eq(record.kind, TETHER_REF_WEAK);
    cr_assert_eq(record.weak.bits, a.bits);
    cr_assert_eq(record.phantom.bits, 0);
    cr_assert_eq(record.tag, (void *)&queue);
    cr_assert_eq(tether_queue_poll(queue, &record), TETHER_OK);
    cr_assert_eq(record.weak.bits, a.bits);
    cr_assert_eq(tether_queue_poll(queue, &record), TETHER_OK);
    cr_assert_eq(record.kind, TETHER_REF_PHANTOM);
    cr_assert_eq(record.phantom.bits, b.bits);
    ASSERT_QUEUE_EMPTY(queue);
    ASSERT_ENQUEUED_IN_ORDER(queue, a, b); /* they did enter */
    tether_weak_drop(a);
    tether_phantom_drop(b);
    tether_queue_drop(queue);
}

Test(ref_order, another_order_says_what_came)
{
    char *const alice = session_new();
    char *const bob = session_new();
    char *const carol = session_new();
    char *const dave = session_new();
    queue = tether_queue_make();
    const tether_weak a = tether_weak_in_queue(alice, queue, NULL);
    const tether_phantom b = tether_phantom_to(bob, queue, NULL);
    const tether_weak c = tether_weak_in_queue(carol, queue, NULL);
    const tether_weak d = tether_weak_in_queue(dave, queue, NULL);
    session_free(bob);
    cache_free(dave);
    session_free(alice);
    const uint64_t two[] = { a.bits, b.bits };
    cr_assert_eq(order(two, 2), TETHER_FAILED);
    cr_assert_str_eq(
        why.text,
        "`alice` was to enter the queue before `bob`, but came after it\n"
        "  record 1  `bob`, freed by session_free (session.c:11)\n"
        "  record 2  `dave`, freed by cache_free (session.c:12), was not "
        "asked for\n"
        "  record 3  `alice`, freed by session_free (session.c:11)");
    const uint64_t three[] = { b.bits, c.bits, a.bits };
    cr_assert_eq(order(three, 3), TETHER_FAILED);
    cr_assert_str_eq(
        why.text,
        "the queue has no record of `carol`: `carol` is still alive: 9 B, "
        "allocated by session_new (session.c:10)\n"
        "  record 1  `bob`, freed by session_free (session.c:11)\n"
        "  record 2  `dave`, freed by cache_free (session.c:12), was not "
        "asked for\n"
        "  record 3  `alice`, freed by session_free (session.c:11)\n"
        "  missing   `carol` is still alive: 9 B, allocated by session_new "
        "(session.c:10)");
    cr_assert_eq(tether_check_queue_empty(queue, &why), TETHER_FAILED);
    cr_assert_str_eq(why.text,
                     "the queue is not empty: 3 records are in it\n"
                     "  record 1  `bob`, freed by session_free (session.c:11)\n"
                     "  record 2  `dave`, freed by cache_free (session.c:12)\n"
                     "  record 3  `alice`, freed by session_free "
                     "(session.c:11)");
    const uint64_t right[] = { b.bits, d.bits, a.bits };
    cr_assert_eq(order(right, 3), TETHER_PASSED);
    const uint64_t twice[] = { b.bits, b.bits };
    cr_assert_eq(order(twice, 2), TETHER_FAILED);
    free(carol);
    tether_queue_drop(queue);
}

Test(ref_order, a_reference_elsewhere)
{
    char *const alice = session_new();
    char *const bob = session_new();
    char *const carol = session_new();
    tether_queue *const other = tether_queue_make();
    queue = tether_queue_make();
    const tether_weak a = tether_weak_to(alice);
    const tether_weak b = tether_weak_in_queue(bob, other, NULL);
    const tether_weak c = tether_weak_in_queue(carol, queue, NULL);
    free(alice);
    free(bob);
    cr_assert_not(tether_weak_enqueued(a));
    cr_assert_eq(order(&a.bits, 1), TETHER_FAILED);
    cr_assert_str_eq(why.text,
                     "the queue has no record of `alice`: `alice` has no "
                     "queue: make it with tether_weak_in_queue or "
                     "tether_phantom_to\n"
                     "  missing   `alice` has no queue: make it with "
                     "tether_weak_in_queue or tether_phantom_to");
    cr_assert_eq(order(&b.bits, 1), TETHER_FAILED);
    cr_assert_not_null(strstr(why.text, "`bob` has another queue\n"));
    tether_queue_drop(queue);
    free(carol);
    cr_assert_not(tether_weak_enqueued(c));
    tether_queue_drop(other);
}

static void see(const struct tether_record *record, void *seen)
{
    strcat(seen, record->words.name);
    if (record->kind == TETHER_REF_WEAK)
        tether_weak_drop(record->weak); /* it is a visit of copies */
}

Test(ref_order, a_visit_takes_nothing)
{
    char seen[64] = "";
    char *const a = session_new();
    char *const b = session_new();
    queue = tether_queue_make();
    (void)tether_weak_in_queue(a, queue, NULL);
    const tether_phantom stays = tether_phantom_to(b, queue, NULL);
    free(b);
    free(a);
    cr_assert_eq(tether_queue_visit(queue, see, seen), 2);
    cr_assert_str_eq(seen, "ba");
    cr_assert_eq(tether_queue_visit(queue, see, seen), 1);
    ASSERT_ENQUEUED_IN_ORDER(queue, stays);
    tether_phantom_drop(stays);
    ASSERT_QUEUE_EMPTY(queue);
    tether_queue_drop(queue);
}

static void *free_it(void *block)
{
    free(block);
    return NULL;
}

Test(ref_order, deaths_of_several_threads)
{
    enum { MANY = 8 };
    tether_weak refs[MANY];
    queue = tether_queue_make();
    for (int i = 0; i < MANY; i++) {
        pthread_t thread;
        char *const block = session_new();
        refs[i] = tether_weak_in_queue(block, queue, NULL);
        pthread_create(&thread, NULL, free_it, block);
        pthread_join(thread, NULL);
    }
    ASSERT_ENQUEUED_IN_ORDER(queue, refs[0], refs[1], refs[2], refs[3], refs[4],
                             refs[5], refs[6], refs[7]);
    tether_queue_drop(queue);
}

Test(ref_order, a_forked_child_has_its_own_queue)
{
    int status = 0;
    char *const alice = session_new();
    queue = tether_queue_make();
    const tether_weak a = tether_weak_in_queue(alice, queue, NULL);
    const pid_t child = fork();
    if (child == 0) {
        free(alice);
        ASSERT_ENQUEUED_IN_ORDER(queue, a);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    ASSERT_QUEUE_EMPTY(queue);
    free(alice);
    ASSERT_ENQUEUED_IN_ORDER(queue, a);
    tether_queue_drop(queue);
}

/* ---- last words ---- */

Test(ref_order, who_lives_at_the_address_now)
{
    struct tether_last_words words;
    char text[4096];
    char *const alice = session_new();
    const tether_weak a = tether_weak_to(alice);
    cr_assert_eq(tether_weak_last_words(a, &words), TETHER_STILL_ALIVE);
    cr_assert_null(words.now.address);
    session_free(alice);
    cr_assert_eq(tether_weak_last_words(a, &words), TETHER_OK);
    cr_assert_str_eq(words.name, "alice");
    cr_assert_null(words.type);
    cr_assert_eq(words.size, 9);
    cr_assert_null(words.now.address);
    tether_stack_text(words.free_stack, text, sizeof text);
    cr_assert_not_null(strstr(text, "session_free"));
    char *heir = session_new();
    for (int i = 0; i < 100000 && heir != alice; i++)
        heir = session_new(); /* the suite's heap is thrown away */
    if (heir != alice)
        cr_skip("the allocator did not use the address again");
    cr_assert_eq(tether_weak_last_words(a, &words), TETHER_OK);
    cr_assert_eq(words.now.address, (void *)heir);
    cr_assert_eq(words.now.size, 9);
    cr_assert_neq(words.now.serial, 0);
    tether_stack_text(words.now.stack, text, sizeof text);
    cr_assert_not_null(strstr(text, "session_new"));
    cr_assert_null(tether_weak_get(a));
    tether_weak_drop(a);
}
