// SPDX-License-Identifier: MIT
// Spies in C++, which knows the number of a function's arguments.
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <tether/criterion.h>

extern "C" void leave(void *object) noexcept
{
    std::free(object);
}

static int throws(int n)
{
    if (n == 3)
        throw std::runtime_error("three");
    return n;
}

static int any(int first, ...)
{
    return first;
}

Test(spy_cxx, counts)
{
    void (*spy)(void *) = tether_spy_make(leave, "void (ptr:dies)");
    spy(std::malloc(7));
    ASSERT_CALLED(spy, 1);
    ASSERT_CALLED_ONCE_PER_OBJECT(spy);
    tether_spy_drop(spy);
}

Test(spy_cxx, an_exception_passes)
{
    int (*spy)(int) = tether_spy_make(throws, "int (int)");
    int caught = 0;
    for (int n = 0; n < 6; n++)
        try {
            spy(n);
        } catch (const std::runtime_error &) {
            caught++;
        }
    cr_assert_eq(caught, 1);
    ASSERT_CALLED(spy, 6);
    tether_spy_drop(spy);
}

Test(spy_cxx, a_wrong_number_of_arguments_stops, .signal = SIGABRT)
{
    tether_spy_make(throws, "int (int, int)");
}

Test(spy_cxx, a_variadic_function_stops, .signal = SIGABRT)
{
    tether_spy_make(any, "int (int)");
}
