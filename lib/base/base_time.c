/* SPDX-License-Identifier: MIT */
/*
 * Reads TETHER_TIME_SCALE once. strtod is not used: its decimal point is the
 * locale's, the environment's is not.
 */
#include "base/base_time.h"

#include "base/base_text.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define SCALE_MAX 1e6
#define NS_MAX    4e18 /* 126 years: a deadline cannot overflow */

bool tt_time_scale_read(const char *text, double *scale)
{
    double value = 0;
    double unit = 1;
    bool digits = false;
    bool point = false;
    for (; *text; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9' || value > SCALE_MAX)
            return false;
        digits = true;
        value = value * 10 + (*text - '0');
        if (point)
            unit *= 10;
        if (unit > 1e9)
            return false;
    }
    if (!digits || value <= 0 || value / unit > SCALE_MAX)
        return false;
    *scale = value / unit;
    return true;
}

static void scale_warn(const char *text)
{
    char bytes[256];
    struct tt_text line;
    tt_text_fixed(&line, bytes, sizeof bytes);
    tt_text_add(&line,
                "tether: TETHER_TIME_SCALE=%.60s is no number above 0 and up "
                "to 1000000; waits are not scaled\n",
                text);
    if (write(STDERR_FILENO, line.data, line.len) < 0)
        return; /* nobody is there to be told */
}

double tt_time_scale(void)
{
    static _Atomic double scale; /* 0: not read yet */
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    double value = atomic_load_explicit(&scale, memory_order_relaxed);
    if (TT_LIKELY(value > 0))
        return value;
    const char *const text = getenv("TETHER_TIME_SCALE");
    value = 1;
    if (text && *text && !tt_time_scale_read(text, &value) &&
        !atomic_flag_test_and_set(&warned))
        scale_warn(text);
    atomic_store_explicit(&scale, value, memory_order_relaxed);
    return value;
}

uint64_t tt_time_scaled_ns(unsigned ms)
{
    const double ns = (double)ms * 1e6 * tt_time_scale();
    return ns < 1 ? 1 : ns > NS_MAX ? (uint64_t)NS_MAX : (uint64_t)ns;
}
