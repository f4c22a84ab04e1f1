/* SPDX-License-Identifier: MIT */
/*
 * The assertions: each asks libtether, which answers and words the failure.
 * The message is 8 KiB on the stack and is not touched when the check passes.
 */
#include "criterion_plug.h"

/* Every assertion is a safe place to find scopes that a longjmp skipped. */
#define ASSERTION_BEGIN()    \
    TETHER_KEEP_REGISTERS(); \
    tt_scopes_sweep(__builtin_frame_address(0))

static void assert_done(enum tether_outcome outcome,
                        const struct tether_message *why, const char *file,
                        unsigned line, int stop)
{
    if (outcome == TETHER_PASSED)
        return;
    if (outcome == TETHER_UNCHECKED) {
        if (tt_plug.off)
            return;
        if (!tt_plug.strict && !tt_is_forked())
            tt_skip(why->text);
    }
    tt_tell(file, line, why->text);
    if (stop || tt_is_forked())
        tt_leave();
}

void tether_criterion_collected(tether_weak ref, const char *file,
                                unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_collected(ref, &why), &why, file, line, stop);
}

void tether_criterion_alive(tether_weak ref, const char *file, unsigned line,
                            int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_alive(ref, &why), &why, file, line, stop);
}

void tether_criterion_unreachable(tether_weak ref, const char *file,
                                  unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_unreachable(ref, &why), &why, file, line,
                    stop);
}

void tether_criterion_not_held_by(tether_weak ref, const void *start,
                                  size_t bytes, const char *name,
                                  const char *file, unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    const struct tether_holder holder = { start, bytes, name };
    if (!tt_plug.off)
        assert_done(tether_check_not_held_by(ref, &holder, &why), &why, file,
                    line, stop);
}

void tether_criterion_held_only_by(tether_weak ref, const void *start,
                                   size_t bytes, const char *name,
                                   const char *file, unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    const struct tether_holder holder = { start, bytes, name };
    if (!tt_plug.off)
        assert_done(tether_check_held_only_by(ref, &holder, &why), &why, file,
                    line, stop);
}

void tether_criterion_retained(tether_weak ref, size_t bytes, const char *file,
                               unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_retained(ref, bytes, &why), &why, file, line,
                    stop);
}

void tether_criterion_no_dangling(tether_weak ref, const char *file,
                                  unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_no_dangling(ref, &why), &why, file, line,
                    stop);
}

void tether_criterion_none_alive(void (*function)(void), const char *name,
                                 const char *file, unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_none_alive(function, name, &why), &why, file,
                    line, stop);
}

void tether_criterion_enqueued(tether_phantom ref, const char *file,
                               unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_enqueued(ref, &why), &why, file, line, stop);
}

void tether_criterion_in_order(tether_queue *queue, const uint64_t *refs,
                               size_t count, const char *file, unsigned line,
                               int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_enqueued_in_order(queue, refs, count, &why),
                    &why, file, line, stop);
}

void tether_criterion_queue_empty(tether_queue *queue, const char *file,
                                  unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_queue_empty(queue, &why), &why, file, line,
                    stop);
}

void tether_criterion_called(tether_function spy, size_t times,
                             const char *file, unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_called(spy, times, &why), &why, file, line,
                    stop);
}

void tether_criterion_called_once(tether_function spy, const char *file,
                                  unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_called_once_per_object(spy, &why), &why, file,
                    line, stop);
}

void tether_criterion_not_after(tether_function spy, tether_weak ref,
                                const char *file, unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_never_called_after(spy, ref, &why), &why, file,
                    line, stop);
}

/* A wait needs no instrument, so it goes on when Tether is switched off:
 * what comes after it in the test relies on it. */
void tether_criterion_polled(const struct tether_polling *polling,
                             const char *written, const char *file,
                             unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    assert_done(tether_check_polling(polling, written, &why), &why, file, line,
                stop);
}

void tether_criterion_compared(const struct tether_comparing *comparing,
                               const char *written, const char *file,
                               unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    assert_done(tether_check_comparing(comparing, written, &why), &why, file,
                line, stop);
}

void tether_criterion_await(tether_weak ref, struct tether_wait wait,
                            const char *file, unsigned line, int stop)
{
    struct tether_message why;
    ASSERTION_BEGIN();
    if (!tt_plug.off)
        assert_done(tether_check_eventually_collected(ref, &wait, &why), &why,
                    file, line, stop);
}
