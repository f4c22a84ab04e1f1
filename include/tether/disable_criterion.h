/* SPDX-License-Identifier: MIT */
#ifndef TETHER_DISABLE_CRITERION_H
#define TETHER_DISABLE_CRITERION_H
/**
 * What -DTETHER_DISABLE makes of <tether/criterion.h>: see tether/disable.h.
 */
#include <tether/criterion.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

TETHER_BEGIN_DECLS
static inline uint64_t tether_off_scope_begin(struct tether_budget given,
                                              const void *frame)
{
    return 0;
}
static inline uint64_t tether_off_scope_pressure(enum tether_level level,
                                                 const void *frame)
{
    return 0;
}
static inline uint64_t tether_off_scope_one_time(void)
{
    return 0;
}
static inline void tether_off_scope_end(struct tether_scope *scope)
{
}
static inline void tether_off_criterion_collected(tether_weak ref,
                                                  const char *file,
                                                  unsigned line, int stop)
{
}
static inline void tether_off_criterion_alive(tether_weak ref, const char *file,
                                              unsigned line, int stop)
{
}
static inline void tether_off_criterion_unreachable(tether_weak ref,
                                                    const char *file,
                                                    unsigned line, int stop)
{
}
static inline void tether_off_criterion_held(tether_weak ref, const void *start,
                                             size_t bytes, const char *name,
                                             const char *file, unsigned line,
                                             int stop)
{
}
static inline void tether_off_criterion_retained(tether_weak ref, size_t bytes,
                                                 const char *file,
                                                 unsigned line, int stop)
{
}
static inline void tether_off_criterion_none_alive(void (*function)(void),
                                                   const char *name,
                                                   const char *file,
                                                   unsigned line, int stop)
{
}
static inline void tether_off_criterion_enqueued(tether_phantom ref,
                                                 const char *file,
                                                 unsigned line, int stop)
{
}
static inline void tether_off_criterion_in_order(tether_queue *queue,
                                                 const uint64_t *refs,
                                                 size_t count, const char *file,
                                                 unsigned line, int stop)
{
}
static inline void tether_off_criterion_queue_empty(tether_queue *queue,
                                                    const char *file,
                                                    unsigned line, int stop)
{
}
static inline void tether_off_criterion_called(tether_function spy,
                                               size_t times, const char *file,
                                               unsigned line, int stop)
{
}
static inline void tether_off_criterion_called_once(tether_function spy,
                                                    const char *file,
                                                    unsigned line, int stop)
{
}
static inline void tether_off_criterion_not_after(tether_function spy,
                                                  tether_weak ref,
                                                  const char *file,
                                                  unsigned line, int stop)
{
}
static inline void
tether_off_criterion_polled(const struct tether_polling *polling,
                            const char *written, const char *file,
                            unsigned line, int stop)
{
}
static inline void
tether_off_criterion_compared(const struct tether_comparing *comparing,
                              const char *written, const char *file,
                              unsigned line, int stop)
{
}
static inline void tether_off_criterion_await(tether_weak ref,
                                              struct tether_wait wait,
                                              const char *file, unsigned line,
                                              int stop)
{
}
static inline int tether_off_criterion_is_collected(tether_weak ref,
                                                    int expected, char **why)
{
    return expected;
}
static inline int tether_off_criterion_is_alive(tether_weak ref, int expected,
                                                char **why)
{
    return expected;
}
static inline int tether_off_criterion_is_enqueued(tether_phantom ref,
                                                   int expected, char **why)
{
    return expected;
}
static inline int tether_off_criterion_is_queue_empty(tether_queue *queue,
                                                      int expected, char **why)
{
    return expected;
}
static inline int tether_off_criterion_is_none_alive(void (*function)(void),
                                                     const char *name,
                                                     int expected, char **why)
{
    return expected;
}
TETHER_END_DECLS
#define tether_scope_begin(...)    tether_off_scope_begin(__VA_ARGS__)
#define tether_scope_pressure(...) tether_off_scope_pressure(__VA_ARGS__)
#define tether_scope_one_time(...) tether_off_scope_one_time(__VA_ARGS__)
#define tether_scope_end           tether_off_scope_end
#define tether_criterion_collected(...) \
    tether_off_criterion_collected(__VA_ARGS__)
#define tether_criterion_alive(...) tether_off_criterion_alive(__VA_ARGS__)
#define tether_criterion_unreachable(...) \
    tether_off_criterion_unreachable(__VA_ARGS__)
#define tether_criterion_not_held_by(...) tether_off_criterion_held(__VA_ARGS__)
#define tether_criterion_held_only_by(...) \
    tether_off_criterion_held(__VA_ARGS__)
#define tether_criterion_retained(...) \
    tether_off_criterion_retained(__VA_ARGS__)
#define tether_criterion_no_dangling(...) \
    tether_off_criterion_unreachable(__VA_ARGS__)
#define tether_criterion_none_alive(...) \
    tether_off_criterion_none_alive(__VA_ARGS__)
#define tether_criterion_enqueued(...) \
    tether_off_criterion_enqueued(__VA_ARGS__)
#define tether_criterion_in_order(...) \
    tether_off_criterion_in_order(__VA_ARGS__)
#define tether_criterion_queue_empty(...) \
    tether_off_criterion_queue_empty(__VA_ARGS__)
#define tether_criterion_called(...) tether_off_criterion_called(__VA_ARGS__)
#define tether_criterion_called_once(...) \
    tether_off_criterion_called_once(__VA_ARGS__)
#define tether_criterion_not_after(...) \
    tether_off_criterion_not_after(__VA_ARGS__)
#define tether_criterion_polled(...) tether_off_criterion_polled(__VA_ARGS__)
#define tether_criterion_compared(...) \
    tether_off_criterion_compared(__VA_ARGS__)
#define tether_criterion_is_collected(...) \
    tether_off_criterion_is_collected(__VA_ARGS__)
#define tether_criterion_is_alive(...) \
    tether_off_criterion_is_alive(__VA_ARGS__)
#define tether_criterion_is_enqueued(...) \
    tether_off_criterion_is_enqueued(__VA_ARGS__)
#define tether_criterion_is_queue_empty(...) \
    tether_off_criterion_is_queue_empty(__VA_ARGS__)
#define tether_criterion_is_none_alive(...) \
    tether_off_criterion_is_none_alive(__VA_ARGS__)
#define tether_criterion_await(...) tether_off_criterion_await(__VA_ARGS__)

#pragma GCC diagnostic pop
#endif
