/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* Waits that compare values: every scalar type, every comparison, with and
 * without options, as statements. */
#include <tether/criterion.h>

extern int work(int);
enum colour { RED, GREEN };
struct unknown;
static int is_done(void *ctx)
{
    return ctx ? STOP_WAITING("it cannot come any more") : 1;
}

static void numbers(void)
{
    volatile int n = 1;
    bool yes = n;
    char c = 'c';
    signed char sc = 1;
    unsigned char uc = 1;
    short s = 1;
    unsigned short us = 1;
    unsigned u = 1;
    long l = 1;
    unsigned long ul = 1;
    long long ll = 1;
    unsigned long long ull = 1;
    float f = 1;
    double d = 1;
    long double ld = 1;
    enum colour colour = GREEN;

    ASSERT_EVENTUALLY_IS(yes, ==, true);
    ASSERT_EVENTUALLY_IS(c, ==, 'c');
    ASSERT_EVENTUALLY_IS(sc, <, 2);
    ASSERT_EVENTUALLY_IS(uc, <=, 2u);
    ASSERT_EVENTUALLY_IS(s, >, 0);
    ASSERT_EVENTUALLY_IS(us, >=, 1);
    ASSERT_EVENTUALLY_IS(n, !=, 1, .within_ms = 1);
    ASSERT_EVENTUALLY_IS(u, ==, -1, .every_ms = 1, .within_ms = 2);
    EXPECT_EVENTUALLY_IS(l, ==, u, .at_least_ms = 1);
    EXPECT_EVENTUALLY_IS(ul, ==, n);
    EXPECT_EVENTUALLY_IS(ll, ==, ul);
    EXPECT_EVENTUALLY_IS(ull, ==, ll);
    EXPECT_EVENTUALLY_IS(f, ==, 1.0);
    EXPECT_EVENTUALLY_IS(d, ==, f);
    EXPECT_EVENTUALLY_IS(ld, ==, 1);
    EXPECT_EVENTUALLY_IS(colour, ==, GREEN);
    ASSERT_CONSISTENTLY_IS(n, ==, 1);
    EXPECT_CONSISTENTLY_IS(n ? 1 : 2, ==, 1, .for_ms = 1);
}

static void pointers(struct unknown *unknown, const void *object, char *text)
{
    char array[4] = "abc";
    const volatile int *number = NULL;
    unsigned char *bytes = NULL;
    ASSERT_EVENTUALLY_IS(text, ==, "abc");
    ASSERT_EVENTUALLY_IS(array, !=, text);
    ASSERT_EVENTUALLY_IS((const char *)text, ==, array);
    ASSERT_EVENTUALLY_IS(text, !=, NULL);
    ASSERT_EVENTUALLY_IS(unknown, ==, object);
    ASSERT_EVENTUALLY_IS(number, ==, NULL);
    ASSERT_EVENTUALLY_IS(bytes, ==, object);
    ASSERT_EVENTUALLY_IS(object, ==, &array);
#ifdef __cplusplus
    enum class shade : unsigned char { DARK };
    ASSERT_EVENTUALLY_IS(shade::DARK, ==, shade::DARK);
    ASSERT_EVENTUALLY_IS(text, !=, nullptr);
    ASSERT_EVENTUALLY_IS(&work, !=, nullptr);
#endif
}

Test(values, statements)
{
    int n = work(1);
    if (n)
        ASSERT_EVENTUALLY_IS(n, ==, 1);
    else if (n == 2)
        EXPECT_CONSISTENTLY_IS(n, ==, 2);
    else
        EXPECT_EVENTUALLY_IS(n, ==, 3, .within_ms = 2);
    for (; n; n--)
        ASSERT_CONSISTENTLY_IS(n, >, 0, .every_ms = 1, .for_ms = 1);
    ASSERT_EVENTUALLY(n || STOP_WAITING("no"), .at_least_ms = 1);
    cr_assert(is_done(NULL));
    numbers();
    pointers(NULL, NULL, NULL);
}
