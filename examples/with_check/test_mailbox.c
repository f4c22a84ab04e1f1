/* SPDX-License-Identifier: MIT */
/*
 * The suite. It is built twice: with the mailbox as it should be, and with one
 * that copies a key, hands no letters to its thread, and leaves them behind.
 */
#include "check_tether.h"
#include "mailbox.h"

#include <stdlib.h>

static struct mailbox *mailbox;

static void setup(void)
{
    mailbox = mailbox_new();
}

static void teardown(void)
{
    mailbox_free(mailbox);
}

START_TEST(letters_stay)
{
    const tether_weak letter = tether_weak_to(mailbox_put(mailbox, "hello"));
    ck_assert_alive(letter);
    mailbox_clear(mailbox);
    ck_assert_eventually_collected(letter, 200);
    tether_weak_drop(letter);
}
END_TEST

START_TEST(letters_are_counted)
{
    mailbox_put(mailbox, "hello");
    ck_assert_eventually(mailbox_count(mailbox) == 1, 100);
}
END_TEST

START_TEST(looking_allocates_nothing)
{
    mailbox_put(mailbox, "hello");
    CK_WITHIN_BUDGET(.max_count = 0)
    {
        mailbox_find(mailbox, "he");
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *const suite = suite_create("mailbox");
    TCase *const tcase = tcase_create("letters");
    tcase_add_tether(tcase);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, letters_stay);
    tcase_add_test(tcase, letters_are_counted);
    tcase_add_test(tcase, looking_allocates_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    SRunner *const runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
