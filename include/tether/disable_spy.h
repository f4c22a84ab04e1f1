/* SPDX-License-Identifier: MIT */
/**
 * What -DTETHER_DISABLE makes of spies: the function itself stands in for its
 * spy. Part of <tether/disable.h>, which includes it.
 */
#if defined(TETHER_DISABLE_SPY) && !defined(TETHER_DISABLED_SPY)
#    define TETHER_DISABLED_SPY
#    undef tether_spy_calls
#    undef tether_spy_visit
#    undef tether_spy_drop
TETHER_BEGIN_DECLS
static inline tether_function
tether_off_spy_make_at(tether_function function, const char *name,
                       const char *signature, int arity, const char *file,
                       unsigned line)
{
    return function;
}
static inline size_t tether_off_spy_calls(tether_function spy)
{
    return 0;
}
static inline size_t tether_off_spy_visit(tether_function spy,
                                          tether_spy_fn see, void *ctx)
{
    return 0;
}
static inline void tether_off_spy_drop(tether_function spy)
{
}
TETHER_END_DECLS
#    define tether_spy_make_at(...) tether_off_spy_make_at(__VA_ARGS__)
#    define tether_spy_calls(spy)   tether_off_spy_calls((tether_function)(spy))
#    define tether_spy_visit(spy, see, ctx) \
        tether_off_spy_visit((tether_function)(spy), (see), (ctx))
#    define tether_spy_drop(spy) tether_off_spy_drop((tether_function)(spy))
#endif
