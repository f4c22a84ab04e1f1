/* SPDX-License-Identifier: MIT */
/*
 * TETHER_DENY in C++: operator new runs the new-handler and throws; what only
 * returns NULL does so. Under AddressSanitizer all of these are skipped.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

static void *volatile kept;
static int calls;

static bool throws_bad_alloc(void (*body)())
{
    try {
        body();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

Test(deny, new_throws, HEAP_BUDGET(.max_alloc = 64, .on_breach = TETHER_DENY))
{
    cr_assert(throws_bad_alloc([] { kept = new char[65]; }));
    cr_assert(throws_bad_alloc([] { kept = ::operator new(65); }));
    cr_assert(throws_bad_alloc(
        [] { kept = ::operator new(65, std::align_val_t(64)); }));
    cr_assert_not(throws_bad_alloc([] { kept = new char[64]; }));
    delete[] static_cast<char *>(kept);
}

Test(deny, nothrow_new_returns_null,
     HEAP_BUDGET(.max_alloc = 64, .on_breach = TETHER_DENY))
{
    kept = new (std::nothrow) char[65];
    cr_assert_null(kept);
    kept = ::operator new(65, std::nothrow);
    cr_assert_null(kept);
    kept = ::operator new(65, std::align_val_t(64), std::nothrow);
    cr_assert_null(kept);
    kept = new (std::nothrow) char[64];
    cr_assert_not_null(kept);
    delete[] static_cast<char *>(kept);
}

static void gives_up_at_the_third()
{
    if (++calls == 3)
        std::set_new_handler(nullptr);
}

Test(deny, the_handler_is_asked_again_and_again,
     HEAP_BUDGET(.max_alloc = 64, .on_breach = TETHER_DENY))
{
    calls = 0;
    std::set_new_handler(gives_up_at_the_third);
    cr_assert(throws_bad_alloc([] { kept = new char[65]; }));
    cr_assert_eq(calls, 3);
    calls = 0;
    std::set_new_handler(gives_up_at_the_third);
    kept = new (std::nothrow) char[65];
    cr_assert_null(kept);
    cr_assert_eq(calls, 3);
}

static char *reserve;

static void gives_the_reserve()
{
    calls++;
    delete[] reserve;
    reserve = nullptr;
    std::set_new_handler(nullptr);
}

Test(deny, a_handler_that_makes_room_is_enough,
     HEAP_BUDGET(.max_heap = 100, .on_breach = TETHER_DENY))
{
    calls = 0;
    reserve = new char[60];
    std::set_new_handler(gives_the_reserve);
    kept = new char[80];
    cr_assert_eq(calls, 1);
    cr_assert_not_null(kept);
    delete[] static_cast<char *>(kept);
}

static void throws_its_own()
{
    throw std::runtime_error("no memory here");
}

Test(deny, a_handler_may_throw,
     HEAP_BUDGET(.max_alloc = 200, .on_breach = TETHER_DENY))
{
    std::string what;
    std::set_new_handler(throws_its_own);
    try {
        kept = new char[201];
    } catch (const std::runtime_error &error) {
        what = error.what();
    }
    std::set_new_handler(nullptr);
    cr_assert_str_eq(what.c_str(), "no memory here");
}

/* The exception itself needs memory, which is there in any case. */
Test(deny, exceptions_pass_where_nothing_is_allowed)
{
    bool caught = false;
    std::vector<int> numbers(10, 7);
    WITHIN_BUDGET(.max_count = 0, .on_breach = TETHER_DENY) {
        caught = throws_bad_alloc([] { kept = new int; });
    }
    cr_assert(caught);
    bool kept_its_value = false;
    WITHIN_BUDGET(.max_count = 0, .on_breach = TETHER_DENY) {
        try {
            numbers.push_back(8);
        } catch (const std::bad_alloc &) {
            kept_its_value = numbers.size() == 10 && numbers[9] == 7;
        }
    }
    cr_assert(kept_its_value);
}

Test(deny, containers_have_their_guarantee,
     HEAP_BUDGET(.max_heap = KiB(4), .on_breach = TETHER_DENY, NO_LEAKS))
{
    std::vector<std::unique_ptr<std::string>> texts;
    size_t before = 0;
    try {
        for (;;) {
            before = texts.size();
            texts.push_back(
                std::unique_ptr<std::string>(new std::string(100, 'x')));
        }
    } catch (const std::bad_alloc &) {
    }
    cr_assert_geq(before, 10u);
    cr_assert_eq(texts.size(), before);
    for (const auto &text : texts)
        cr_assert_eq(text->size(), 100u);
}
