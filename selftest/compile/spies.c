/* SPDX-License-Identifier: MIT */
/* matrix: c c++ */
/* Spies of functions and of pointers to them, and their assertions. */
#include <stdlib.h>
#include <tether/criterion.h>

typedef void (*end_fn)(void *);
extern int work(int);

static void see(const struct tether_spy_call *call, void *ctx)
{
    (void)ctx;
    work((int)call->count);
}

Test(spies, all)
{
    end_fn const end = free;
    end_fn spy = tether_spy_make(end, "void (ptr:dies)");
    int (*worker)(int) = tether_spy_make(work, "int (int)");
    tether_weak ref = tether_weak_to(&ref);

    spy(malloc((size_t)worker(1)));
    if (tether_spy_calls(spy))
        ASSERT_CALLED(spy, 1);
    else
        EXPECT_CALLED(worker, 1);
    if (ref.bits)
        ASSERT_CALLED_ONCE_PER_OBJECT(spy);
    else
        EXPECT_CALLED_ONCE_PER_OBJECT(spy);
    ASSERT_NEVER_CALLED_AFTER(spy, ref);
    EXPECT_NEVER_CALLED_AFTER(worker, ref);
    TETHER_ASSERT_CALLED(spy, tether_spy_visit(worker, see, NULL));
    tether_spy_drop(spy);
    tether_spy_drop(worker);
}
