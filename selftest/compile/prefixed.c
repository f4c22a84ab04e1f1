/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* matrix-flags: -DTETHER_PREFIXED_ONLY */
/* With TETHER_PREFIXED_ONLY no unprefixed name is taken; the twins work. */
#include <tether/criterion.h>

#if defined(HEAP_BUDGET) || defined(NO_LEAKS) || defined(WITHIN_BUDGET) ||    \
    defined(ONE_TIME) || defined(KiB) || defined(MiB) || defined(GiB) ||      \
    defined(ASSERT_COLLECTED) || defined(EXPECT_COLLECTED) ||                 \
    defined(ASSERT_ALIVE) || defined(EXPECT_ALIVE) ||                         \
    defined(ASSERT_NONE_ALIVE) || defined(EXPECT_NONE_ALIVE) ||               \
    defined(ASSERT_ENQUEUED) || defined(EXPECT_ENQUEUED) ||                   \
    defined(ASSERT_ENQUEUED_IN_ORDER) || defined(EXPECT_ENQUEUED_IN_ORDER) || \
    defined(ASSERT_QUEUE_EMPTY) || defined(EXPECT_QUEUE_EMPTY) ||             \
    defined(ASSERT_EVENTUALLY) || defined(EXPECT_EVENTUALLY) ||               \
    defined(ASSERT_CONSISTENTLY) || defined(EXPECT_CONSISTENTLY) ||           \
    defined(ASSERT_EVENTUALLY_IS) || defined(EXPECT_EVENTUALLY_IS) ||         \
    defined(ASSERT_CONSISTENTLY_IS) || defined(EXPECT_CONSISTENTLY_IS) ||     \
    defined(STOP_WAITING) || defined(ASSERT_EVENTUALLY_COLLECTED) ||          \
    defined(EXPECT_EVENTUALLY_COLLECTED)
#    error "an unprefixed name is there"
#endif

static void make(void)
{
}

Test(prefixed, all,
     TETHER_HEAP_BUDGET(TETHER_NO_LEAKS, .max_heap = TETHER_MiB(1),
                        .max_alloc = TETHER_KiB(1), .max_total = TETHER_GiB(1)))
{
    tether_weak ref = tether_weak_to(&ref);
    tether_phantom phantom = tether_phantom_to(&ref, NULL, NULL);
    TETHER_WITHIN_BUDGET(.max_count = 0)
    {
    }
    TETHER_ONE_TIME
    {
    }
    TETHER_ASSERT_COLLECTED(ref);
    TETHER_EXPECT_COLLECTED(ref);
    TETHER_ASSERT_ALIVE(ref);
    TETHER_EXPECT_ALIVE(ref);
    TETHER_ASSERT_NONE_ALIVE(make);
    TETHER_EXPECT_NONE_ALIVE(make);
    TETHER_ASSERT_ENQUEUED(phantom);
    TETHER_EXPECT_ENQUEUED(phantom);
    TETHER_ASSERT_ENQUEUED_IN_ORDER(NULL, phantom);
    TETHER_EXPECT_ENQUEUED_IN_ORDER(NULL, phantom, ref);
    TETHER_ASSERT_QUEUE_EMPTY(NULL);
    TETHER_EXPECT_QUEUE_EMPTY(NULL);
    TETHER_ASSERT_EVENTUALLY(1, .within_ms = 1);
    TETHER_EXPECT_EVENTUALLY(1);
    TETHER_ASSERT_CONSISTENTLY(1, .for_ms = 1);
    TETHER_EXPECT_CONSISTENTLY(1);
    TETHER_ASSERT_EVENTUALLY_IS(1, ==, 1, .within_ms = 1);
    TETHER_EXPECT_EVENTUALLY_IS(1, ==, 1);
    TETHER_ASSERT_CONSISTENTLY_IS(1, ==, 1, .for_ms = 1);
    TETHER_EXPECT_CONSISTENTLY_IS(1, ==, 1);
    TETHER_EXPECT_EVENTUALLY(1 || TETHER_STOP_WAITING("no"));
    TETHER_ASSERT_EVENTUALLY_COLLECTED(ref, .within_ms = 1);
    TETHER_EXPECT_EVENTUALLY_COLLECTED(ref);
}
