/* SPDX-License-Identifier: MIT */
/**
 * What -DTETHER_DISABLE makes of the API: the headers alone suffice, nothing
 * is checked, nothing is waited for, and no library is needed. Each public
 * header that users call includes this file at its end with the name of its
 * part, and gets inline functions in place of the library's. References are
 * empty, queues stay empty, numbers are 0 and TETHER_BLIND.
 *
 * There is no guard round the whole: each part has its own, because a header
 * may be half read when another one includes this file.
 */
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

#if defined(TETHER_DISABLE_STATUS) && !defined(TETHER_DISABLED_STATUS)
#    define TETHER_DISABLED_STATUS
TETHER_BEGIN_DECLS
static inline const char *tether_off_status_name(tether_status status)
{
    return "TETHER_OK";
}
static inline const char *tether_off_status_text(tether_status status)
{
    return "Tether is disabled";
}
TETHER_END_DECLS
#    define tether_status_name(...) tether_off_status_name(__VA_ARGS__)
#    define tether_status_text(...) tether_off_status_text(__VA_ARGS__)
#endif

#if defined(TETHER_DISABLE_HEAP) && !defined(TETHER_DISABLED_HEAP)
#    define TETHER_DISABLED_HEAP
TETHER_BEGIN_DECLS
static inline tether_status tether_off_stats(struct tether_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    return TETHER_BLIND;
}
static inline tether_status tether_off_stats_thread(struct tether_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    return TETHER_BLIND;
}
static inline tether_status tether_off_block_of(const void *address,
                                                struct tether_block *block)
{
    memset(block, 0, sizeof *block);
    return TETHER_BLIND;
}
static inline unsigned tether_off_stack_text(uint32_t stack, char *text,
                                             size_t size)
{
    if (size)
        *text = 0;
    return 0;
}
static inline struct tether_snapshot *tether_off_snapshot(void)
{
    return NULL;
}
static inline void tether_off_snapshot_drop(struct tether_snapshot *snapshot)
{
}
static inline size_t
tether_off_snapshot_diff(const struct tether_snapshot *before,
                         const struct tether_snapshot *after,
                         struct tether_site *sites, size_t max)
{
    return 0;
}
static inline size_t tether_off_live_from(void (*function)(void), size_t *bytes)
{
    if (bytes)
        *bytes = 0;
    return 0;
}
static inline tether_status tether_off_keep(const void *address)
{
    return TETHER_OK;
}
static inline void tether_off_one_time_begin(void)
{
}
static inline void tether_off_one_time_end(void)
{
}
TETHER_END_DECLS
#    define tether_stats(...)          tether_off_stats(__VA_ARGS__)
#    define tether_stats_thread(...)   tether_off_stats_thread(__VA_ARGS__)
#    define tether_block_of(...)       tether_off_block_of(__VA_ARGS__)
#    define tether_stack_text(...)     tether_off_stack_text(__VA_ARGS__)
#    define tether_snapshot(...)       tether_off_snapshot(__VA_ARGS__)
#    define tether_snapshot_drop(...)  tether_off_snapshot_drop(__VA_ARGS__)
#    define tether_snapshot_diff(...)  tether_off_snapshot_diff(__VA_ARGS__)
#    define tether_live_from(...)      tether_off_live_from(__VA_ARGS__)
#    define tether_keep(...)           tether_off_keep(__VA_ARGS__)
#    define tether_one_time_begin(...) tether_off_one_time_begin(__VA_ARGS__)
#    define tether_one_time_end(...)   tether_off_one_time_end(__VA_ARGS__)
#endif

#if defined(TETHER_DISABLE_BUDGET) && !defined(TETHER_DISABLED_BUDGET)
#    define TETHER_DISABLED_BUDGET
TETHER_BEGIN_DECLS
static inline void tether_off_budget_set(struct tether_budget *budget,
                                         enum tether_limit limit,
                                         uint64_t value)
{
}
static inline int tether_off_budget_get(const struct tether_budget *budget,
                                        enum tether_limit limit,
                                        uint64_t *value)
{
    return 0;
}
static inline tether_status
tether_off_budget_begin(struct tether_budget *budget)
{
    return TETHER_OK;
}
static inline tether_status tether_off_budget_end(struct tether_budget *budget)
{
    return TETHER_OK;
}
static inline tether_status
tether_off_budget_result(const struct tether_budget *budget,
                         struct tether_budget_result *result)
{
    memset(result, 0, sizeof *result);
    return TETHER_BLIND;
}
TETHER_END_DECLS
#    define tether_budget_set(...)    tether_off_budget_set(__VA_ARGS__)
#    define tether_budget_get(...)    tether_off_budget_get(__VA_ARGS__)
#    define tether_budget_begin(...)  tether_off_budget_begin(__VA_ARGS__)
#    define tether_budget_end(...)    tether_off_budget_end(__VA_ARGS__)
#    define tether_budget_result(...) tether_off_budget_result(__VA_ARGS__)
#endif

#if defined(TETHER_DISABLE_REF) && !defined(TETHER_DISABLED_REF)
#    define TETHER_DISABLED_REF
TETHER_BEGIN_DECLS
static inline tether_weak tether_off_weak_to_at(const void *object,
                                                const char *name,
                                                const char *file, unsigned line)
{
    tether_weak ref = { 0 };
    return ref;
}
static inline void *tether_off_weak_get(tether_weak ref)
{
    return NULL;
}
static inline void tether_off_weak_drop(tether_weak ref)
{
}
static inline tether_status
tether_off_weak_last_words(tether_weak ref, struct tether_last_words *words)
{
    memset(words, 0, sizeof *words);
    return TETHER_BLIND;
}
static inline tether_status
tether_off_quarantine_with(tether_weak ref, struct tether_quarantine_how how)
{
    return TETHER_BLIND;
}
static inline size_t tether_off_quarantine_check(void)
{
    return 0;
}
static inline tether_queue *tether_off_queue_make(void)
{
    static char queue;
    return (tether_queue *)&queue;
}
static inline void tether_off_queue_drop(tether_queue *queue)
{
}
static inline tether_phantom
tether_off_phantom_to_at(const void *object, tether_queue *queue, void *tag,
                         const char *name, const char *file, unsigned line)
{
    tether_phantom ref = { 0 };
    return ref;
}
static inline int tether_off_phantom_enqueued(tether_phantom ref)
{
    return 0;
}
static inline tether_weak
tether_off_weak_in_queue_at(const void *object, tether_queue *queue, void *tag,
                            const char *name, const char *file, unsigned line)
{
    tether_weak ref = { 0 };
    return ref;
}
static inline int tether_off_weak_enqueued(tether_weak ref)
{
    return 0;
}
static inline tether_status tether_off_queue_peek(tether_queue *queue,
                                                  struct tether_record *record)
{
    memset(record, 0, sizeof *record);
    return TETHER_EMPTY;
}
static inline size_t tether_off_queue_visit(tether_queue *queue,
                                            tether_record_fn see, void *ctx)
{
    return 0;
}
static inline void tether_off_phantom_drop(tether_phantom ref)
{
}
static inline tether_status tether_off_queue_poll(tether_queue *queue,
                                                  struct tether_record *record)
{
    memset(record, 0, sizeof *record);
    return TETHER_EMPTY;
}
static inline tether_status tether_off_queue_wait(tether_queue *queue,
                                                  unsigned within_ms,
                                                  struct tether_record *record)
{
    memset(record, 0, sizeof *record);
    return TETHER_EMPTY;
}
static inline size_t tether_off_queue_drain(tether_queue *queue,
                                            tether_record_fn see, void *ctx)
{
    return 0;
}
static inline void tether_off_queue_on(tether_queue *queue,
                                       tether_record_fn see, void *ctx)
{
}
static inline void tether_off_safepoint(void)
{
}
TETHER_END_DECLS
#    define tether_weak_to_at(...)      tether_off_weak_to_at(__VA_ARGS__)
#    define tether_weak_get(...)        tether_off_weak_get(__VA_ARGS__)
#    define tether_weak_drop(...)       tether_off_weak_drop(__VA_ARGS__)
#    define tether_weak_last_words(...) tether_off_weak_last_words(__VA_ARGS__)
#    define tether_quarantine_with(...) tether_off_quarantine_with(__VA_ARGS__)
#    define tether_quarantine_check(...) \
        tether_off_quarantine_check(__VA_ARGS__)
#    define tether_queue_make(...)    tether_off_queue_make(__VA_ARGS__)
#    define tether_queue_drop(...)    tether_off_queue_drop(__VA_ARGS__)
#    define tether_phantom_to_at(...) tether_off_phantom_to_at(__VA_ARGS__)
#    define tether_phantom_enqueued(...) \
        tether_off_phantom_enqueued(__VA_ARGS__)
#    define tether_phantom_drop(...) tether_off_phantom_drop(__VA_ARGS__)
#    define tether_weak_in_queue_at(...) \
        tether_off_weak_in_queue_at(__VA_ARGS__)
#    define tether_weak_enqueued(...) tether_off_weak_enqueued(__VA_ARGS__)
#    define tether_queue_peek(...)    tether_off_queue_peek(__VA_ARGS__)
#    define tether_queue_visit(...)   tether_off_queue_visit(__VA_ARGS__)
#    define tether_queue_poll(...)    tether_off_queue_poll(__VA_ARGS__)
#    define tether_queue_wait(...)    tether_off_queue_wait(__VA_ARGS__)
#    define tether_queue_drain(...)   tether_off_queue_drain(__VA_ARGS__)
#    define tether_queue_on(...)      tether_off_queue_on(__VA_ARGS__)
#    define tether_safepoint(...)     tether_off_safepoint(__VA_ARGS__)
#endif

#if defined(TETHER_DISABLE_EVENTUALLY) && !defined(TETHER_DISABLED_EVENTUALLY)
#    define TETHER_DISABLED_EVENTUALLY
TETHER_BEGIN_DECLS
static inline tether_status tether_off_eventually(tether_predicate is_true,
                                                  void *ctx,
                                                  struct tether_wait *wait)
{
    return TETHER_OK;
}
static inline tether_status tether_off_consistently(tether_predicate is_true,
                                                    void *ctx,
                                                    struct tether_wait *wait)
{
    return TETHER_OK;
}
static inline tether_status
tether_off_eventually_collected(tether_weak ref, struct tether_wait *wait)
{
    return TETHER_OK;
}
static inline void tether_off_polling_begin(struct tether_polling *polling,
                                            enum tether_poll_kind kind,
                                            struct tether_wait wait)
{
    memset(polling, 0, sizeof *polling);
}
static inline int tether_off_polling_next(struct tether_polling *polling,
                                          int answer)
{
    return 0;
}
static inline int tether_off_stop_waiting(const char *reason)
{
    return 0;
}
static inline void
tether_off_comparing_begin(struct tether_comparing *comparing,
                           enum tether_poll_kind kind, struct tether_wait wait,
                           const char *comparison, struct tether_value wanted)
{
    memset(comparing, 0, sizeof *comparing);
}
static inline int tether_off_comparing_next(struct tether_comparing *comparing,
                                            struct tether_value value)
{
    return 0;
}
TETHER_END_DECLS
#    define tether_stop_waiting(...)    tether_off_stop_waiting(__VA_ARGS__)
#    define tether_comparing_begin(...) tether_off_comparing_begin(__VA_ARGS__)
#    define tether_comparing_next(...)  tether_off_comparing_next(__VA_ARGS__)
#    define tether_eventually(...)      tether_off_eventually(__VA_ARGS__)
#    define tether_consistently(...)    tether_off_consistently(__VA_ARGS__)
#    define tether_eventually_collected(...) \
        tether_off_eventually_collected(__VA_ARGS__)
#    define tether_polling_begin(...) tether_off_polling_begin(__VA_ARGS__)
#    define tether_polling_next(...)  tether_off_polling_next(__VA_ARGS__)
#endif

#include <tether/disable_collect.h>
#include <tether/disable_spy.h>

#pragma GCC diagnostic pop
