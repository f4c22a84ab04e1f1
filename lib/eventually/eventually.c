/* SPDX-License-Identifier: MIT */
/*
 * Waits with a predicate, and the wait for a death. The latter does not poll:
 * the free wakes it. Only when a queue has a callback, or .every_ms asks for
 * it, does it wake for safe points between, because such a callback may be
 * what frees the object.
 */
#include "eventually/eventually.h"

#include "os/os.h"
#include "ref/ref.h"

static void wait_given(const char *call, const struct tether_wait *wait)
{
    if (!wait)
        tt_die(call, "'wait' is NULL; give it a struct tether_wait");
}

static tether_status wait_poll(const char *call, enum tether_poll_kind kind,
                               tether_predicate is_true, void *ctx,
                               struct tether_wait *wait)
{
    struct tether_polling polling;
    wait_given(call, wait);
    if (!is_true)
        tt_die(call, "'is_true' is NULL; give it a function");
    tether_polling_begin(&polling, kind, *wait);
    if (polling.status == TETHER_EMPTY)
        while (tether_polling_next(&polling, is_true(ctx)))
            ;
    wait->polls = polling.wait.polls;
    wait->elapsed_ms = polling.wait.elapsed_ms;
    wait->stopped = polling.wait.stopped;
    return polling.status;
}

tether_status tether_eventually(tether_predicate is_true, void *ctx,
                                struct tether_wait *wait)
{
    return wait_poll("tether_eventually", TETHER_POLL_EVENTUALLY, is_true, ctx,
                     wait);
}

tether_status tether_consistently(tether_predicate is_true, void *ctx,
                                  struct tether_wait *wait)
{
    return wait_poll("tether_consistently", TETHER_POLL_CONSISTENTLY, is_true,
                     ctx, wait);
}

/* Sleeps until the object is dead or a poll is due. */
static void death_sleep(const char *call, uint64_t bits,
                        struct tether_polling *polling)
{
    const uint64_t wake_ns =
        polling->wait.every_ms || polling->wait.collect || tt_ref_callbacks()
            ? tt_polling_wake_ns(polling)
            : polling->deadline_ns;
    while (tt_os_now_ns() < wake_ns && !tt_ref_wait(call, bits, wake_ns))
        ;
}

tether_status tether_eventually_collected(tether_weak ref,
                                          struct tether_wait *wait)
{
    static const char call[] = "tether_eventually_collected";
    struct tether_polling polling;
    wait_given(call, wait);
    tether_polling_begin(&polling, TETHER_POLL_EVENTUALLY, *wait);
    if (polling.status == TETHER_EMPTY && tt_ref_blind(ref.bits))
        tt_polling_end(&polling, TETHER_BLIND);
    while (polling.status == TETHER_EMPTY) {
        const uint64_t now_ns = tt_os_now_ns();
        const bool dead = tt_ref_wait(call, ref.bits, 0);
        tt_polling_count(&polling);
        if (tt_polling_stop(&polling))
            break;
        if (dead)
            tt_polling_end(&polling, now_ns < polling.too_early_ns
                                         ? TETHER_TOO_EARLY
                                         : TETHER_OK);
        else if (now_ns >= polling.deadline_ns)
            tt_polling_end(&polling, TETHER_TIMEOUT);
        else
            death_sleep(call, ref.bits, &polling);
        if (polling.status == TETHER_EMPTY)
            tt_polling_between(&polling);
    }
    wait->polls = polling.wait.polls;
    wait->elapsed_ms = polling.wait.elapsed_ms;
    wait->stopped = polling.wait.stopped;
    return polling.status;
}
