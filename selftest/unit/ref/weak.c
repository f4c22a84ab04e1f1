/* SPDX-License-Identifier: MIT */
/*
 * Weak references on one thread: every promise of <tether/ref.h>.
 */
#include "ref_test.h"

#include "ref/ref_slot.h"

#include <errno.h>

REF_TEST(weak, reads_the_object_until_it_is_freed)
{
    char *const alice = block_make(40);
    const tether_weak ref = tether_weak_to(alice);
    cr_assert_eq(tether_weak_get(ref), alice);
    free(alice);
    cr_assert_null(tether_weak_get(ref));
    tether_weak_drop(ref);
}

REF_TEST(weak, is_no_address)
{
    void *const block = block_make(40);
    const tether_weak ref = tether_weak_to(block);
    cr_assert(ref.bits >> 63);
    cr_assert_neq(ref.bits, (uint64_t)(uintptr_t)block);
    tether_weak_drop(ref);
    free(block);
}

REF_TEST(weak, a_recycled_address_is_another_object)
{
    enum { TRIES = 10000 };
    void *const first = block_make(64);
    const tether_weak ref = tether_weak_to(first);
    free(first);
    void *blocks[TRIES];
    bool recycled = false;
    for (int i = 0; i < TRIES; i++) {
        blocks[i] = block_make(64);
        recycled |= blocks[i] == first;
        cr_assert_null(tether_weak_get(ref));
    }
    if (!recycled && tt_heap_is_sanitized())
        cr_skip("AddressSanitizer keeps freed addresses out of use");
    cr_assert(recycled, "the address never came back: nothing was tested");
    for (int i = 0; i < TRIES; i++)
        free(blocks[i]);
    tether_weak_drop(ref);
}

REF_TEST(weak, both_lives_of_an_address_have_references)
{
    void *const first = block_make(64);
    const tether_weak old = tether_weak_to(first);
    free(first);
    void *second = block_make(64);
    for (int i = 0; i < 10000 && second != first; i++)
        second = block_make(64);
    if (second != first && tt_heap_is_sanitized())
        cr_skip("AddressSanitizer keeps freed addresses out of use");
    cr_assert_eq(second, first);
    const tether_weak new = tether_weak_to(second);
    cr_assert_null(tether_weak_get(old));
    cr_assert_eq(tether_weak_get(new), second);
    free(second);
    cr_assert_null(tether_weak_get(new));
    tether_weak_drop(old);
    tether_weak_drop(new);
}

REF_TEST(weak, an_interior_pointer_is_kept_as_given)
{
    char *const block = block_make(5000);
    const tether_weak ref = tether_weak_to(block + 4900);
    cr_assert_eq(tether_weak_get(ref), block + 4900);
    free(block);
    cr_assert_null(tether_weak_get(ref));
    tether_weak_drop(ref);
}

REF_TEST(weak, follows_realloc_that_moves)
{
    char *block = block_make(32);
    char *const old = block;
    const tether_weak base = tether_weak_to(block);
    const tether_weak inner = tether_weak_to(block + 8);
    bool moved = false;
    for (size_t size = 64; size <= (16u << 20); size *= 2) {
        block = realloc(block, size);
        cr_assert_not_null(block);
        moved |= block != old;
        cr_assert_eq(tether_weak_get(base), block);
        cr_assert_eq(tether_weak_get(inner), block + 8);
        cr_assert_null(tt_ref_check());
    }
    cr_assert(moved);
    block = realloc(block, 24);
    cr_assert_eq(tether_weak_get(base), block);
    free(block);
    cr_assert_null(tether_weak_get(base));
    cr_assert_null(tether_weak_get(inner));
    tether_weak_drop(base);
    tether_weak_drop(inner);
}

REF_TEST(weak, realloc_to_nothing_is_a_death)
{
    void *const block = block_make(32);
    const tether_weak ref = tether_weak_to(block);
    void *const rest = realloc(block, 0);
    cr_assert_null(rest);
    cr_assert_null(tether_weak_get(ref));
    tether_weak_drop(ref);
}

REF_TEST(weak, many_references_on_one_block_die_together)
{
    enum { MANY = 1000 };
    tether_weak refs[MANY];
    char *const block = block_make(MANY);
    for (int i = 0; i < MANY; i++)
        refs[i] = tether_weak_to(block + i);
    for (int i = 0; i < MANY; i += 3)
        tether_weak_drop(refs[i]);
    cr_assert_null(tt_ref_check());
    for (int i = 0; i < MANY; i++)
        if (i % 3)
            cr_assert_eq(tether_weak_get(refs[i]), block + i);
    free(block);
    for (int i = 0; i < MANY; i++)
        if (i % 3) {
            cr_assert_null(tether_weak_get(refs[i]));
            tether_weak_drop(refs[i]);
        }
    cr_assert_eq(tt_ref_count(), 0);
}

REF_TEST(weak, the_last_drop_takes_the_blocks_flag_away)
{
    struct tt_block facts;
    void *const block = block_make(100);
    const tether_weak one = tether_weak_to(block);
    const tether_weak two = tether_weak_to(block);
    cr_assert(tt_block_find(block, &facts) && (facts.flags & TT_BLOCK_REF));
    tether_weak_drop(one);
    cr_assert(tt_block_find(block, &facts) && (facts.flags & TT_BLOCK_REF));
    tether_weak_drop(two);
    cr_assert(tt_block_find(block, &facts) && !(facts.flags & TT_BLOCK_REF));
    free(block);
}

REF_TEST(weak, last_words_tell_how_it_died)
{
    struct tether_last_words words;
    char *const alice = block_make(96);
    const tether_weak ref = tether_weak_to(alice);
    cr_assert_eq(tether_weak_last_words(ref, &words), TETHER_STILL_ALIVE);
    cr_assert_str_eq(words.name, "alice");
    cr_assert_eq(words.size, 96);
    cr_assert_eq(words.freed_ns, 0);
    free(alice);
    cr_assert_eq(tether_weak_last_words(ref, &words), TETHER_OK);
    cr_assert_str_eq(words.name, "alice");
    cr_assert_eq(words.size, 96);
    cr_assert_eq(words.free_thread, tt_thread_number());
    cr_assert_gt(words.freed_ns, 0);
    tether_weak_drop(ref);
}

REF_TEST(weak, names_are_copies)
{
    struct tether_last_words words;
    char name[] = "first";
    void *const block = block_make(8);
    const tether_weak first = tether_weak_to_at(block, name, "a.c", 1);
    memcpy(name, "other", sizeof name);
    const tether_weak second = tether_weak_to_at(block, name, "a.c", 1);
    tether_weak_last_words(first, &words);
    cr_assert_str_eq(words.name, "first");
    tether_weak_last_words(second, &words);
    cr_assert_str_eq(words.name, "other");
    tether_weak_drop(first);
    tether_weak_drop(second);
    free(block);
}

REF_TEST(weak, works_as_a_function_without_a_name)
{
    struct tether_last_words words;
    tether_weak (*const make)(const void *) = tether_weak_to;
    void *const block = block_make(8);
    const tether_weak ref = make(block);
    cr_assert_eq(tether_weak_get(ref), block);
    tether_weak_last_words(ref, &words);
    cr_assert_str_eq(words.name, "an object");
    tether_weak_drop(ref);
    free(block);
}

REF_TEST(weak, a_death_keeps_errno)
{
    void *const block = block_make(8);
    const tether_weak ref = tether_weak_to(block);
    errno = EDOM;
    free(block);
    cr_assert_eq(errno, EDOM);
    tether_weak_drop(ref);
    cr_assert_eq(errno, EDOM);
}

REF_TEST(weak, drop_of_a_zeroed_one_does_nothing)
{
    tether_weak_drop((tether_weak){ 0 });
    tether_phantom_drop((tether_phantom){ 0 });
    cr_assert_eq(tt_ref_count(), 0);
}

REF_TEST(weak, dropped_slots_come_back_after_65536_more)
{
    void *const block = block_make(8);
    const tether_weak first = tether_weak_to(block);
    tether_weak_drop(first);
    for (unsigned i = 1; i < TT_REF_REMEMBERED + TT_DROPS_AHEAD; i++) {
        const tether_weak ref = tether_weak_to(block);
        cr_assert_neq((uint32_t)ref.bits, (uint32_t)first.bits);
        tether_weak_drop(ref);
    }
    bool back = false;
    for (unsigned i = 0; i < 2 * TT_DROPS_DRAWN && !back; i++) {
        const tether_weak ref = tether_weak_to(block);
        back = (uint32_t)ref.bits == (uint32_t)first.bits;
        cr_assert_neq(ref.bits, first.bits);
        tether_weak_drop(ref);
    }
    cr_assert(back);
    free(block);
}

REF_TEST(weak, a_slot_retires_with_its_last_generation)
{
    void *const block = block_make(8);
    tether_weak ref = tether_weak_to(block);
    struct ref_slot *const slot = slot_at((uint32_t)ref.bits);
    const uint64_t last = REF_TAG | (uint64_t)SLOT_GENERATION_MAX << 32;
    atomic_store(&slot->state, last | SLOT_USED);
    ref.bits = last | (uint32_t)ref.bits;
    cr_assert_eq(tether_weak_get(ref), block);
    tether_weak_drop(ref);
    cr_assert(atomic_load(&slot->state) & SLOT_RETIRED);
    for (unsigned i = 0; i < TT_REF_REMEMBERED + 2 * TT_DROPS_AHEAD; i++) {
        const tether_weak other = tether_weak_to(block);
        cr_assert_neq((uint32_t)other.bits, (uint32_t)ref.bits);
        tether_weak_drop(other);
    }
    free(block);
}

REF_TEST(weak, what_is_known_is_kept_after_the_drop)
{
    struct tt_ref_about about;
    char *const alice = block_make(77);
    const tether_weak ref = tether_weak_to(alice);
    cr_assert_not(tt_ref_about_dropped(ref.bits, &about));
    free(alice);
    tether_weak_drop(ref);
    cr_assert(tt_ref_about_dropped(ref.bits, &about));
    cr_assert_str_eq(about.name, "alice");
    cr_assert_eq(about.words.size, 77);
    cr_assert_eq(about.words.free_thread, tt_thread_number());
    cr_assert_not(about.alive);
}
