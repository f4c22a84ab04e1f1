/* SPDX-License-Identifier: MIT */
/*
 * The thread's record, and the end after a programmer's mistake. The message
 * leaves by one write(2), so that it is whole even when threads die together
 * and when the mistake was made inside malloc.
 */
#include "base/base.h"

#include "base/base_text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

_Thread_local struct tt_thread tt_self __attribute__((
    tls_model("initial-exec"), visibility("hidden"))) = { .is_set_up = true };

void tt_die(const char *call, const char *text, ...)
{
    char bytes[1024];
    struct tt_text line;
    va_list args;
    va_start(args, text);
    tt_enter();
    tt_text_fixed(&line, bytes, sizeof bytes);
    tt_text_add(&line, "tether: %s: ", call);
    tt_text_addv(&line, text, args);
    tt_text_add(&line, "\n");
    va_end(args);
    if (write(STDERR_FILENO, line.data, line.len) < 0)
        _exit(134);
    abort();
}
