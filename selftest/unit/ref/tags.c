/* SPDX-License-Identifier: MIT */
/*
 * A block finds its references by a tag in its own header: what the tag
 * displaces is read as before, flags that others set stay, and the block has
 * it back when the last reference is gone. And the lock of a shard, which
 * belongs to a thread until another one comes.
 */
#include "ref_test.h"

#include "heap/heap_block.h"
#include "ref/ref_slot.h"

#include <pthread.h>
#include <stdatomic.h>

static struct tt_block facts_of(const void *block)
{
    struct tt_block facts;
    cr_assert(tt_block_find(block, &facts));
    return facts;
}

static void same_birth(const struct tt_block *a, const struct tt_block *b)
{
    cr_assert_eq(a->stack, b->stack);
    cr_assert_eq(a->thread, b->thread);
    cr_assert_eq(a->serial, b->serial);
    cr_assert_eq(a->epoch, b->epoch);
    cr_assert_eq(a->size, b->size);
}

static void facts_stay(size_t size)
{
    char *const block = block_make(size);
    const struct tt_block before = facts_of(block);
    cr_assert_neq(before.stack, 0);
    cr_assert_neq(before.thread, 0);
    const tether_weak first = tether_weak_to(block);
    const tether_weak second = tether_weak_to(block + size / 2);
    const struct tt_block tagged = facts_of(block + size - 1);
    same_birth(&before, &tagged);
    cr_assert_eq(tagged.flags, before.flags | TT_BLOCK_REF);
    cr_assert(tt_block_flags(block, TT_BLOCK_KEEP, 0));
    tether_weak_drop(first);
    const struct tt_block other = facts_of(block);
    same_birth(&before, &other);
    cr_assert_eq(other.flags, before.flags | TT_BLOCK_REF | TT_BLOCK_KEEP);
    cr_assert_eq(tether_weak_get(second), block + size / 2);
    tether_weak_drop(second);
    const struct tt_block after = facts_of(block);
    same_birth(&before, &after);
    cr_assert_eq(after.flags, before.flags | TT_BLOCK_KEEP);
    free(block);
}

REF_TEST(tags, the_facts_of_a_small_block_stay)
{
    facts_stay(40);
}

REF_TEST(tags, the_facts_of_a_big_block_stay)
{
    facts_stay(100000);
}

/* Makes a block over and over that is 'from' bytes and becomes 'to'. */
static void facts_after_realloc(size_t from, size_t to)
{
    char *block = block_make(from);
    const struct tt_block before = facts_of(block);
    const tether_weak first = tether_weak_to(block);
    const tether_weak second = tether_weak_to(block);
    block = realloc(block, to);
    const struct tt_block after = facts_of(block);
    cr_assert_eq(after.size, to);
    cr_assert_eq(after.serial, before.serial);
    cr_assert_eq(after.thread, before.thread);
    cr_assert_neq(after.stack, before.stack);
    cr_assert_neq(after.stack, 0);
    cr_assert(after.flags & TT_BLOCK_REF);
    cr_assert_eq(tether_weak_get(first), block);
    cr_assert_eq(tether_weak_get(second), block);
    tether_weak_drop(first);
    cr_assert_eq(facts_of(block).stack, after.stack);
    free(block);
    cr_assert_null(tether_weak_get(second));
    struct tether_last_words words;
    cr_assert_eq(tether_weak_last_words(second, &words), TETHER_OK);
    cr_assert_eq(words.size, to);
    cr_assert_eq(words.alloc_stack, after.stack);
    tether_weak_drop(second);
}

REF_TEST(tags, realloc_in_place)
{
    facts_after_realloc(40, 42);
    facts_after_realloc(100000, 99000);
}

REF_TEST(tags, realloc_that_moves)
{
    facts_after_realloc(40, 900);
    facts_after_realloc(40, 100000);
    facts_after_realloc(100000, 40);
}

REF_TEST(tags, an_empty_block)
{
    void *const block = block_make(0);
    const size_t size = facts_of(block).size; /* a sanitizer says 1 */
    const tether_weak ref = tether_weak_to(block);
    free(block);
    struct tether_last_words words;
    cr_assert_eq(tether_weak_last_words(ref, &words), TETHER_OK);
    cr_assert_leq(size, 1);
    cr_assert_eq(words.size, size);
    tether_weak_drop(ref);
}

/* Any number may be asked for: what is in a header may be no tag any more. */
REF_TEST(tags, a_number_that_is_no_tag)
{
    struct tt_block block = { .stack = 7, .thread = 8 };
    tt_ref_tagged(UINT32_MAX, &block);
    tt_ref_tagged(0x7fffffff, &block);
    cr_assert_eq(block.stack, 7);
    cr_assert_eq(block.thread, 8);
}

/* --- the shard's lock --------------------------------------------------- */

enum { LOCKS = 200, TURNS = 5000 };

static struct {
    struct shard_lock lock;
    unsigned count; /* plain: only the lock makes it exact */
} counters[LOCKS];
static _Atomic unsigned at; /* the counter that the owner works on */

static void count(unsigned i)
{
    tt_shard_take(&counters[i].lock);
    counters[i].count++;
    tt_shard_give(&counters[i].lock);
}

static void *others(void *unused)
{
    for (unsigned i = 0; i < LOCKS; i++) {
        while (atomic_load(&at) < i)
            ;
        for (unsigned turn = 0; turn < TURNS; turn++)
            count(i);
    }
    return unused;
}

/* Each lock belongs to this thread first; two others come while it is at it. */
REF_TEST(lock, is_exact_while_it_changes_hands, .timeout = 60)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, others, NULL), 0);
    for (unsigned i = 0; i < LOCKS; i++) {
        count(i);
        atomic_store(&at, i);
        for (unsigned turn = 1; turn < TURNS; turn++)
            count(i);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < LOCKS; i++) {
        cr_assert_eq(counters[i].count, 3 * TURNS);
        cr_assert(counters[i].lock.shared);
    }
}

REF_TEST(lock, stays_its_owners_while_nobody_comes)
{
    static struct shard_lock lock;
    for (int i = 0; i < 3; i++) {
        tt_shard_take(&lock);
        cr_assert_eq(lock.busy, i > 0);
        tt_shard_give(&lock);
    }
    cr_assert_eq(lock.busy, 0);
    cr_assert_eq(lock.shared, 0);
    cr_assert_eq(lock.lock.word, 0);
}
