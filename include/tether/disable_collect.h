/* SPDX-License-Identifier: MIT */
/**
 * What -DTETHER_DISABLE makes of collections, soft references and pressure.
 * Part of <tether/disable.h>, which includes it.
 */
#if defined(TETHER_DISABLE_REF) && !defined(TETHER_DISABLED_SOFT)
#    define TETHER_DISABLED_SOFT
TETHER_BEGIN_DECLS
/* Nobody clears it: it reads its object until it is dropped, and then gives it
 * up. Only the object and its release fit in no number, so they leave at once:
 * a soft reference that is cleared already. */
static inline tether_soft
tether_off_soft_hold_at(const void *object, tether_release_fn release,
                        void *ctx, struct tether_soft_how how, const char *name,
                        const char *file, unsigned line)
{
    tether_soft ref = { 0 };
    release((void *)(uintptr_t)object, ctx);
    return ref;
}
static inline void *tether_off_soft_pin(tether_soft ref)
{
    return NULL;
}
static inline void tether_off_soft_unpin(tether_soft ref)
{
}
static inline enum tether_reason tether_off_soft_reason(tether_soft ref)
{
    return TETHER_CLEARED_EXHAUSTED;
}
static inline struct tether_expected
tether_off_for_reason(tether_soft ref, enum tether_reason reason)
{
    struct tether_expected expected = { 0 };
    return expected;
}
static inline void tether_off_soft_drop(tether_soft ref)
{
}
TETHER_END_DECLS
#    define tether_soft_hold_at(...) tether_off_soft_hold_at(__VA_ARGS__)
#    define tether_soft_pin(...)     tether_off_soft_pin(__VA_ARGS__)
#    define tether_soft_unpin(...)   tether_off_soft_unpin(__VA_ARGS__)
#    define tether_soft_reason(...)  tether_off_soft_reason(__VA_ARGS__)
#    define tether_for_reason(...)   tether_off_for_reason(__VA_ARGS__)
#    define tether_soft_drop(...)    tether_off_soft_drop(__VA_ARGS__)
#endif

#if defined(TETHER_DISABLE_COLLECT) && !defined(TETHER_DISABLED_COLLECT)
#    define TETHER_DISABLED_COLLECT
TETHER_BEGIN_DECLS
static inline tether_collector *
tether_off_collector_add(const struct tether_collector_table *table)
{
    return NULL;
}
static inline void tether_off_collector_remove(tether_collector *collector)
{
}
static inline struct tether_collection tether_off_collect(void)
{
    struct tether_collection nothing;
    memset(&nothing, 0, sizeof nothing);
    return nothing;
}
static inline tether_domain *
tether_off_domain_add(const struct tether_domain_table *table)
{
    return NULL;
}
static inline void tether_off_domain_remove(tether_domain *domain)
{
}
static inline void tether_off_domain_died(tether_domain *domain,
                                          const void *object)
{
}
static inline tether_weak tether_off_weak_in_at(tether_domain *domain,
                                                const void *object,
                                                const char *name,
                                                const char *file, unsigned line)
{
    tether_weak ref = { 0 };
    return ref;
}
static inline tether_status tether_off_stress_with(uint64_t every,
                                                   struct tether_stress_how how)
{
    return TETHER_NOT_FOUND;
}
static inline struct tether_release tether_off_release_memory(void)
{
    struct tether_release nothing;
    memset(&nothing, 0, sizeof nothing);
    return nothing;
}
static inline size_t tether_off_collect_visit(
    void (*see)(const struct tether_collector_row *row, void *ctx), void *ctx)
{
    return 0;
}
static inline const char *tether_off_collect_running(void)
{
    return NULL;
}
TETHER_END_DECLS
#    define tether_collector_add(...) tether_off_collector_add(__VA_ARGS__)
#    define tether_collector_remove(...) \
        tether_off_collector_remove(__VA_ARGS__)
#    define tether_domain_add(...)    tether_off_domain_add(__VA_ARGS__)
#    define tether_domain_remove(...) tether_off_domain_remove(__VA_ARGS__)
#    define tether_domain_died(...)   tether_off_domain_died(__VA_ARGS__)
#    define tether_weak_in_at(...)    tether_off_weak_in_at(__VA_ARGS__)
#    define tether_stress_with(...)   tether_off_stress_with(__VA_ARGS__)
#    define tether_release_memory()   tether_off_release_memory()
#    define tether_collect()          tether_off_collect()
#    define tether_collect_visit(...) tether_off_collect_visit(__VA_ARGS__)
#    define tether_collect_running()  tether_off_collect_running()
#endif

#if defined(TETHER_DISABLE_PRESSURE) && !defined(TETHER_DISABLED_PRESSURE)
#    define TETHER_DISABLED_PRESSURE
TETHER_BEGIN_DECLS
static inline struct tether_relief
tether_off_pressure_with(enum tether_level level,
                         struct tether_pressure_how how)
{
    struct tether_relief nothing;
    memset(&nothing, 0, sizeof nothing);
    return nothing;
}
static inline void tether_off_pressure_begin(enum tether_level level)
{
}
static inline void tether_off_pressure_end(enum tether_level level)
{
}
static inline enum tether_level tether_off_pressure_level(void)
{
    return TETHER_NO_PRESSURE;
}
static inline void tether_off_pressure_shares(unsigned moderate,
                                              unsigned critical)
{
}
static inline tether_trim *tether_off_trim_add_at(tether_trim_fn trim,
                                                  void *ctx,
                                                  struct tether_trim_how how,
                                                  const char *name)
{
    return NULL;
}
static inline void tether_off_trim_remove(tether_trim *trim)
{
}
TETHER_END_DECLS
#    define tether_pressure_with(...)   tether_off_pressure_with(__VA_ARGS__)
#    define tether_pressure_begin(...)  tether_off_pressure_begin(__VA_ARGS__)
#    define tether_pressure_end(...)    tether_off_pressure_end(__VA_ARGS__)
#    define tether_pressure_level()     tether_off_pressure_level()
#    define tether_pressure_shares(...) tether_off_pressure_shares(__VA_ARGS__)
#    define tether_trim_add_at(...)     tether_off_trim_add_at(__VA_ARGS__)
#    define tether_trim_remove(...)     tether_off_trim_remove(__VA_ARGS__)
#endif
