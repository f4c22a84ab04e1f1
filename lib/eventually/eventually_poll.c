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
#include "base/base_options.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tether/eventually.h>

#define WITHIN_MS_DEFAULT 1000
#define FOR_MS_DEFAULT    200
#define PAUSE_MS_MAX      100
#define NS_PER_MS         1000000ull

/* TETHER_TIME_SCALE multiplies every time; what is no number above 0 is 1. */
static double poll_scale(void)
{
    const char *text = tt_os_env("TETHER_TIME_SCALE");
    double scale = text ? strtod(text, NULL) : 1;
    return scale > 0 && scale < 1e6 ? scale : 1;
}

static uint64_t poll_scaled_ns(unsigned ms)
{
    return (uint64_t)((double)ms * poll_scale() * (double)NS_PER_MS);
}

/* A time as the options say: written, not 0, or the default. */
static unsigned poll_option(const struct tether_wait *wait, const char *field,
                            unsigned value, unsigned otherwise)
{
    return value || tt_option_written(wait->text, field) ? value : otherwise;
}

static bool poll_contradicts(const struct tether_polling *polling)
{
    const struct tether_wait *wait = &polling->wait;
    if (!wait->every_ms && tt_option_written(wait->text, "every_ms"))
        return true;
    if (polling->kind == TETHER_POLL_EVENTUALLY)
        return wait->for_ms != 0;
    return wait->within_ms != 0;
}

void tether_polling_begin(struct tether_polling *polling,
                          enum tether_poll_kind kind, struct tether_wait wait)
{
    memset(polling, 0, sizeof *polling);
    polling->wait = wait;
    polling->wait.polls = polling->wait.elapsed_ms = 0;
    polling->kind = kind;
    polling->status = TETHER_EMPTY;
}

static void poll_clock_start(struct tether_polling *polling, uint64_t now_ns)
{
    struct tether_wait *wait = &polling->wait;
    unsigned *total_ms = &wait->for_ms;
    if (polling->kind == TETHER_POLL_EVENTUALLY) {
        total_ms = &wait->within_ms;
        *total_ms =
            poll_option(wait, "within_ms", *total_ms, WITHIN_MS_DEFAULT);
    } else {
        *total_ms = poll_option(wait, "for_ms", *total_ms, FOR_MS_DEFAULT);
    }
    polling->begin_ns = now_ns;
    polling->deadline_ns = now_ns + poll_scaled_ns(*total_ms);
    polling->pause_ns =
        wait->every_ms ? poll_scaled_ns(wait->every_ms) : NS_PER_MS;
}

static void poll_sleep(struct tether_polling *polling, uint64_t now_ns)
{
    uint64_t wake_ns = now_ns + polling->pause_ns;
    if (wake_ns > polling->deadline_ns)
        wake_ns = polling->deadline_ns;
    struct timespec wake = { .tv_sec = (time_t)(wake_ns / 1000000000u),
                             .tv_nsec = (long)(wake_ns % 1000000000u) };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL) != 0)
        ;
    if (!polling->wait.every_ms)
        polling->pause_ns =
            TT_MIN(polling->pause_ns * 2, PAUSE_MS_MAX * NS_PER_MS);
}

int tether_polling_next(struct tether_polling *polling, int answer)
{
    uint64_t now_ns = tt_os_now_ns();
    tether_status at_yes = TETHER_OK, at_deadline = TETHER_TIMEOUT;

    if (polling->wait.polls++ == 0) {
        if (poll_contradicts(polling)) {
            polling->status = TETHER_REFUSED;
            return 0;
        }
        poll_clock_start(polling, now_ns);
    }
    polling->wait.elapsed_ms =
        (unsigned)((now_ns - polling->begin_ns) / NS_PER_MS);
    if (polling->kind == TETHER_POLL_CONSISTENTLY) {
        answer = !answer;
        at_yes = TETHER_TIMEOUT;
        at_deadline = TETHER_OK;
    }
    if (answer || polling->asked_ns >= polling->deadline_ns) {
        polling->status = answer ? at_yes : at_deadline;
        return 0;
    }
    if (now_ns < polling->deadline_ns)
        poll_sleep(polling, now_ns);
    polling->asked_ns = tt_os_now_ns();
    return 1;
}
