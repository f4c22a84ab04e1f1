/* SPDX-License-Identifier: MIT */
/**
 * What -DTETHER_DISABLE makes of <tether/reach.h>; see
 * <tether/disable.h>.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

#if defined(TETHER_DISABLE_REACH) && !defined(TETHER_DISABLED_REACH)
#    define TETHER_DISABLED_REACH
TETHER_BEGIN_DECLS
static inline enum tether_verdict tether_off_verdict(tether_weak ref)
{
    return TETHER_VERDICT_UNKNOWN;
}
static inline const char *tether_off_verdict_name(enum tether_verdict verdict)
{
    return "unknown";
}
static inline tether_status tether_off_retained_size(tether_weak ref,
                                                     size_t *bytes)
{
    *bytes = 0;
    return TETHER_BLIND;
}
static inline size_t tether_off_check_lost(void)
{
    return 0;
}
static inline tether_status tether_off_root(const void *start, size_t bytes)
{
    return TETHER_OK;
}
TETHER_END_DECLS
#    undef tether_root_add
#    define tether_verdict(...)       tether_off_verdict(__VA_ARGS__)
#    define tether_verdict_name(...)  tether_off_verdict_name(__VA_ARGS__)
#    define tether_retained_size(...) tether_off_retained_size(__VA_ARGS__)
#    define tether_check_lost(...)    tether_off_check_lost(__VA_ARGS__)
#    define tether_root_add(...)      tether_off_root(__VA_ARGS__)
#    define tether_root_remove(...)   tether_off_root(__VA_ARGS__)
#endif

#pragma GCC diagnostic pop
