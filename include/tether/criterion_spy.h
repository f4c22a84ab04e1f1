/* SPDX-License-Identifier: MIT */
#ifndef TETHER_CRITERION_SPY_H
#define TETHER_CRITERION_SPY_H
/**
 * The assertions of spies; a part of <tether/criterion.h>, which includes it.
 */
#include <stddef.h>
#include <tether/api.h>
#include <tether/spy.h>

/** The spy was called so many times: no more, no less. */
#define TETHER_ASSERT_CALLED(spy, times) \
    tether_criterion_called((tether_function)(spy), (times), TETHER_HERE_, 1)
#define TETHER_EXPECT_CALLED(spy, times) \
    tether_criterion_called((tether_function)(spy), (times), TETHER_HERE_, 0)

/** The spy was called, and for no object twice. An object is the first
 *  argument, or the result, that has a role other than data. */
#define TETHER_ASSERT_CALLED_ONCE_PER_OBJECT(spy) \
    tether_criterion_called_once((tether_function)(spy), TETHER_HERE_, 1)
#define TETHER_EXPECT_CALLED_ONCE_PER_OBJECT(spy) \
    tether_criterion_called_once((tether_function)(spy), TETHER_HERE_, 0)

/** The object of the tether_weak reference is dead, and no call of the spy
 *  began after its death. It must have died after the spy was made. */
#define TETHER_ASSERT_NEVER_CALLED_AFTER(spy, ref) \
    tether_criterion_not_after((tether_function)(spy), (ref), TETHER_HERE_, 1)
#define TETHER_EXPECT_NEVER_CALLED_AFTER(spy, ref) \
    tether_criterion_not_after((tether_function)(spy), (ref), TETHER_HERE_, 0)

#ifndef TETHER_PREFIXED_ONLY
#    define ASSERT_CALLED                 TETHER_ASSERT_CALLED
#    define EXPECT_CALLED                 TETHER_EXPECT_CALLED
#    define ASSERT_CALLED_ONCE_PER_OBJECT TETHER_ASSERT_CALLED_ONCE_PER_OBJECT
#    define EXPECT_CALLED_ONCE_PER_OBJECT TETHER_EXPECT_CALLED_ONCE_PER_OBJECT
#    define ASSERT_NEVER_CALLED_AFTER     TETHER_ASSERT_NEVER_CALLED_AFTER
#    define EXPECT_NEVER_CALLED_AFTER     TETHER_EXPECT_NEVER_CALLED_AFTER
#endif

TETHER_BEGIN_DECLS

TETHER_API void tether_criterion_called(tether_function spy, size_t times,
                                        const char *file, unsigned line,
                                        int stop);
TETHER_API void tether_criterion_called_once(tether_function spy,
                                             const char *file, unsigned line,
                                             int stop);
TETHER_API void tether_criterion_not_after(tether_function spy, tether_weak ref,
                                           const char *file, unsigned line,
                                           int stop);

TETHER_END_DECLS
#endif
