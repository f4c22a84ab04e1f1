/* SPDX-License-Identifier: MIT */
/*
 * The engine of all waits: a question, a deadline, and the polls between. One
 * poll is made at the start and one that begins at the deadline or after it,
 * so that a slow machine or a slow predicate never makes a wait end with an
 * old answer.
 *
 * A wait for a death does not poll: the free wakes it. Only when a queue has
 * a callback does it wake for safe points, because that callback may be what
 * frees the object.
 */
#include "base/base.h"
#include "base/base_lock.h"
#include "base/base_options.h"
#include "base/base_time.h"
#include "os/os.h"
#include "ref/ref.h"

#include <tether/eventually.h>

#define WITHIN_MS_DEFAULT 1000u
#define FOR_MS_DEFAULT    200u
#define EVERY_MS_FIRST    1u
#define EVERY_MS_MAX      100u

/* A wait under way. */
struct wait {
    struct tether_wait *told; /* the caller's */
    uint64_t start_ns;
    uint64_t until_ns;
    uint64_t every_ns;     /* to the next poll */
    uint64_t every_ns_max; /* it doubles up to this */
};

/* An option's value; false: it was written as zero. */
static bool option_get(const struct tether_wait *wait, const char *field,
                       unsigned written, unsigned otherwise, unsigned *value)
{
    *value = written ? written : otherwise;
    return written || !tt_option_written(wait->text, field);
}

/* Starts a wait of the length in 'field', which the other length must not
 * accompany. False: the options contradict each other. */
static bool wait_start(struct wait *wait, struct tether_wait *told,
                       const char *field, unsigned written, unsigned otherwise,
                       unsigned foreign, const char *foreign_field)
{
    unsigned long_ms;
    unsigned every_ms;
    told->polls = 0;
    told->elapsed_ms = 0;
    if (!option_get(told, field, written, otherwise, &long_ms) ||
        !option_get(told, "every_ms", told->every_ms, 0, &every_ms))
        return false;
    if (foreign || tt_option_written(told->text, foreign_field) ||
        every_ms > long_ms)
        return false;
    wait->told = told;
    wait->every_ns = tt_time_scaled_ns(every_ms ? every_ms : EVERY_MS_FIRST);
    wait->every_ns_max = tt_time_scaled_ns(every_ms ? every_ms : EVERY_MS_MAX);
    wait->start_ns = tt_os_now_ns();
    wait->until_ns = wait->start_ns + tt_time_scaled_ns(long_ms);
    return true;
}

static bool wait_within(struct wait *wait, struct tether_wait *told)
{
    return wait_start(wait, told, "within_ms", told->within_ms,
                      WITHIN_MS_DEFAULT, told->for_ms, "for_ms");
}

static bool wait_for(struct wait *wait, struct tether_wait *told)
{
    return wait_start(wait, told, "for_ms", told->for_ms, FOR_MS_DEFAULT,
                      told->within_ms, "within_ms");
}

/* Ends a wait and notes how long it took. */
static tether_status wait_end(const struct wait *wait, tether_status status)
{
    wait->told->elapsed_ms =
        (unsigned)((tt_os_now_ns() - wait->start_ns) / 1000000);
    return status;
}

/* The time of the next poll: the interval's end or the deadline. */
static uint64_t wait_next_ns(struct wait *wait)
{
    const uint64_t now = tt_os_now_ns();
    if (now >= wait->until_ns)
        return now;
    const uint64_t next = now + wait->every_ns;
    wait->every_ns = TT_MIN(wait->every_ns * 2, wait->every_ns_max);
    return TT_MIN(next, wait->until_ns);
}

/* Signals must not make polls of their own, and a cancelled thread must not
 * end in here: no nanosleep. */
static void sleep_until(uint64_t until_ns)
{
    _Atomic uint32_t nobody = 0;
    uint64_t now;
    while ((now = tt_os_now_ns()) < until_ns)
        tt_futex_wait(&nobody, 0, (int64_t)(until_ns - now));
}

/* Polls until the answer is 'wanted'; false when the deadline came first. */
static bool wait_poll(struct wait *wait, tether_predicate is_true, void *ctx,
                      bool wanted)
{
    for (;;) {
        const bool last = tt_os_now_ns() >= wait->until_ns;
        tether_safepoint();
        wait->told->polls++;
        if ((is_true(ctx) != 0) == wanted)
            return true;
        if (last)
            return false;
        sleep_until(wait_next_ns(wait));
    }
}

static void wait_arguments(const char *call, bool has_predicate,
                           const struct tether_wait *wait)
{
    if (!has_predicate)
        tt_die(call, "'is_true' is NULL; give it a function");
    if (!wait)
        tt_die(call, "'wait' is NULL; give it a struct tether_wait");
}

tether_status tether_eventually(tether_predicate is_true, void *ctx,
                                struct tether_wait *told)
{
    struct wait wait;
    wait_arguments("tether_eventually", is_true != NULL, told);
    if (!wait_within(&wait, told))
        return TETHER_REFUSED;
    const bool came = wait_poll(&wait, is_true, ctx, true);
    return wait_end(&wait, came ? TETHER_OK : TETHER_TIMEOUT);
}

tether_status tether_consistently(tether_predicate is_true, void *ctx,
                                  struct tether_wait *told)
{
    struct wait wait;
    wait_arguments("tether_consistently", is_true != NULL, told);
    if (!wait_for(&wait, told))
        return TETHER_REFUSED;
    const bool broke = wait_poll(&wait, is_true, ctx, false);
    return wait_end(&wait, broke ? TETHER_TIMEOUT : TETHER_OK);
}

/* When the sleeper must be up again although nobody freed the object. */
static uint64_t death_next_ns(struct wait *wait)
{
    return wait->told->every_ms || tt_ref_callbacks() ? wait_next_ns(wait)
                                                      : wait->until_ns;
}

tether_status tether_eventually_collected(tether_weak ref,
                                          struct tether_wait *told)
{
    static const char call[] = "tether_eventually_collected";
    struct wait wait;
    wait_arguments(call, true, told);
    if (!wait_within(&wait, told))
        return TETHER_REFUSED;
    if (tt_ref_blind(ref.bits))
        return TETHER_BLIND;
    bool dead = false;
    for (bool last = false; !dead && !last;) {
        last = tt_os_now_ns() >= wait.until_ns;
        tether_safepoint();
        told->polls++;
        dead = tt_ref_wait(call, ref.bits, 0);
        uint64_t up_ns = dead || last ? 0 : death_next_ns(&wait);
        while (!dead && tt_os_now_ns() < up_ns)
            dead = tt_ref_wait(call, ref.bits, up_ns);
    }
    return wait_end(&wait, dead ? TETHER_OK : TETHER_TIMEOUT);
}
