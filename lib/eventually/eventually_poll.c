/* SPDX-License-Identifier: MIT */
/*
 * Polling, told apart from the question: the caller asks, tether_polling_next
 * takes the answer, decides, and sleeps until the next one is due. There is
 * one answer at the start, and only an answer that was asked for at or after
 * the deadline ends the wait as a timeout: a question that takes long, or a
 * machine that is busy, costs no chance.
 *
 * A wait is told by two numbers, time and polls, because on a busy machine
 * time alone says little.
 */
#include "base/base_lock.h"
#include "base/base_options.h"
#include "base/base_time.h"
#include "eventually/eventually.h"
#include "os/os.h"

#include <string.h>
#include <tether/collect.h>
#include <tether/ref.h>

#define WITHIN_MS_DEFAULT 1000u
#define FOR_MS_DEFAULT    200u
#define PAUSE_MS_FIRST    1u
#define PAUSE_MS_MAX      100u
#define NS_PER_MS         UINT64_C(1000000)

/* Was a time of zero written? */
static bool is_zero(const struct tether_wait *wait, const char *field,
                    unsigned ms)
{
    return !ms && tt_option_written(wait->text, field);
}

/* Is the time there, as a value or as text? */
static bool is_given(const struct tether_wait *wait, const char *field,
                     unsigned ms)
{
    return ms || tt_option_written(wait->text, field);
}

/* What of another kind of wait is there, or NULL. */
static const char *foreign_find(const struct tether_wait *wait, bool eventually)
{
    if (eventually && is_given(wait, "for_ms", wait->for_ms))
        return ".for_ms is for CONSISTENTLY";
    if (!eventually && is_given(wait, "within_ms", wait->within_ms))
        return ".within_ms is for EVENTUALLY";
    if (!eventually && is_given(wait, "at_least_ms", wait->at_least_ms))
        return ".at_least_ms is for EVENTUALLY";
    return NULL;
}

static const char *zero_find(const struct tether_wait *wait)
{
    return is_zero(wait, "within_ms", wait->within_ms) ? ".within_ms is 0"
           : is_zero(wait, "for_ms", wait->for_ms)     ? ".for_ms is 0"
           : is_zero(wait, "every_ms", wait->every_ms) ? ".every_ms is 0"
           : is_zero(wait, "at_least_ms", wait->at_least_ms)
               ? ".at_least_ms is 0"
               : NULL;
}

/* Fills in the defaults. Returns what is wrong with the options, or NULL. */
static const char *options_get(struct tether_wait *wait,
                               enum tether_poll_kind kind)
{
    const bool eventually = kind == TETHER_POLL_EVENTUALLY;
    unsigned *const length_ms = eventually ? &wait->within_ms : &wait->for_ms;
    const char *wrong = foreign_find(wait, eventually);
    if (!wrong)
        wrong = zero_find(wait);
    if (wrong)
        return wrong;
    if (!*length_ms)
        *length_ms = eventually ? WITHIN_MS_DEFAULT : FOR_MS_DEFAULT;
    if (wait->every_ms > *length_ms)
        return ".every_ms exceeds the whole wait";
    if (wait->at_least_ms >= *length_ms)
        return ".at_least_ms is not below .within_ms";
    return NULL;
}

/*
 * The reason for which the thread's innermost wait is to stop. It is no
 * pointer to the wait, which a longjmp may have left behind: a wait puts what
 * it found here aside, and back when it is decided.
 */
static _Thread_local const char *stopped;

int tether_stop_waiting(const char *reason)
{
    if (!reason)
        tt_die("tether_stop_waiting", "'reason' is NULL; give it a sentence");
    stopped = reason;
    return 0;
}

void tt_polling_end(struct tether_polling *polling, tether_status status)
{
    polling->status = status;
    stopped = polling->outer_stopped;
}

bool tt_polling_stop(struct tether_polling *polling)
{
    if (!stopped)
        return false;
    polling->wait.stopped = stopped;
    tt_polling_end(polling, TETHER_STOPPED);
    return true;
}

void tether_polling_begin(struct tether_polling *polling,
                          enum tether_poll_kind kind, struct tether_wait wait)
{
    memset(polling, 0, sizeof *polling);
    wait.polls = wait.elapsed_ms = 0;
    wait.stopped = options_get(&wait, kind);
    polling->status = wait.stopped ? TETHER_REFUSED : TETHER_EMPTY;
    polling->wait = wait;
    polling->kind = kind;
    polling->begin_ns = polling->asked_ns = tt_os_now_ns();
    polling->deadline_ns =
        polling->begin_ns + tt_time_scaled_ns(kind == TETHER_POLL_EVENTUALLY
                                                  ? wait.within_ms
                                                  : wait.for_ms);
    polling->pause_ns =
        tt_time_scaled_ns(wait.every_ms ? wait.every_ms : PAUSE_MS_FIRST);
    polling->too_early_ns =
        wait.at_least_ms
            ? polling->begin_ns + tt_time_scaled_ns(wait.at_least_ms)
            : 0;
    if (polling->status != TETHER_EMPTY)
        return;
    polling->outer_stopped = stopped;
    stopped = NULL;
    tether_safepoint();
}

uint64_t tt_polling_wake_ns(struct tether_polling *polling)
{
    const uint64_t wake_ns = tt_os_now_ns() + polling->pause_ns;
    if (!polling->wait.every_ms)
        polling->pause_ns =
            TT_MIN(polling->pause_ns * 2, tt_time_scaled_ns(PAUSE_MS_MAX));
    return TT_MIN(wake_ns, polling->deadline_ns);
}

void tt_polling_count(struct tether_polling *polling)
{
    polling->wait.polls++;
    polling->wait.elapsed_ms =
        (unsigned)((tt_os_now_ns() - polling->begin_ns) / NS_PER_MS);
}

/* Signals must not make polls of their own, and the thread must not be
 * cancelled in here: no nanosleep. */
static void sleep_until(uint64_t until_ns)
{
    _Atomic uint32_t nobody = 0;
    uint64_t now_ns;
    while ((now_ns = tt_os_now_ns()) < until_ns)
        tt_futex_wait(&nobody, 0, (int64_t)(until_ns - now_ns));
}

void tt_polling_between(const struct tether_polling *polling)
{
    if (polling->wait.collect)
        (void)tether_collect();
    else
        tether_safepoint();
}

int tether_polling_next(struct tether_polling *polling, int answer)
{
    tether_status at_yes = TETHER_OK;
    tether_status at_deadline = TETHER_TIMEOUT;
    if (polling->status != TETHER_EMPTY)
        return 0;
    tt_polling_count(polling);
    if (tt_polling_stop(polling))
        return 0;
    if (polling->kind == TETHER_POLL_CONSISTENTLY) {
        answer = !answer;
        at_yes = TETHER_TIMEOUT;
        at_deadline = TETHER_OK;
    } else if (polling->asked_ns < polling->too_early_ns) {
        at_yes = TETHER_TOO_EARLY;
    }
    if (answer || polling->asked_ns >= polling->deadline_ns) {
        tt_polling_end(polling, answer ? at_yes : at_deadline);
        return 0;
    }
    sleep_until(tt_polling_wake_ns(polling));
    tt_polling_between(polling);
    polling->asked_ns = tt_os_now_ns();
    return 1;
}
