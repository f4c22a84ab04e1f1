/* SPDX-License-Identifier: MIT */
/*
 * How a failure leaves the worker. It travels as Criterion's own: one call
 * sends file, line and message. What may be done next depends on where it
 * happened: the test's own thread leaves by criterion_abort_test; another
 * thread, or malloc, cannot, and ends the process with status 0 (Criterion has
 * the failure already); a forked child has no line to the runner, so it
 * writes to stderr and ends with 1.
 *
 * Locks: 'sending' serialises what the worker's threads send. A failure that
 * happens while its own thread sends (Criterion allocates there) is kept and
 * sent after.
 */
#include "criterion_plug.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX 880
#define TEXT_BYTES_MAX 8192

extern void __gcov_dump(void) __attribute__((weak));

struct tt_plug tt_plug;

static pthread_mutex_t sending = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool is_sending;

/* What failed while 'sending' was held by the failing thread itself. */
static struct {
    bool is_set;
    char file[256];
    unsigned line;
    char message[TEXT_BYTES_MAX];
} kept;

bool tt_is_forked(void)
{
    return tt_plug.pid && getpid() != tt_plug.pid;
}

static void tell_stderr(const char *file, unsigned line, const char *message)
{
    char text[TEXT_BYTES_MAX + 512];
    int len = snprintf(text, sizeof text, "%s:%u: Assertion Failed\n%s\n", file,
                       line, message);
    if (len > 0) {
        size_t bytes = (size_t)len < sizeof text ? (size_t)len : sizeof text;
        ssize_t written = write(STDERR_FILENO, text, bytes);
        (void)written;
    }
}

void tt_framework(bool is_running)
{
    static bool was_running;
    if (is_running == was_running ||
        !pthread_equal(pthread_self(), tt_plug.thread))
        return;
    was_running = is_running;
    if (is_running)
        tether_uncounted_begin();
    else
        tether_uncounted_end();
}

static void send_begin(void)
{
    tether_uncounted_begin();
    pthread_mutex_lock(&sending);
    is_sending = true;
}

static void send_end(void)
{
    while (kept.is_set) {
        struct criterion_assert_stats stats = { .message = kept.message,
                                                .passed = false,
                                                .line = kept.line,
                                                .file = kept.file };
        kept.is_set = false;
        tt_real()->send(&stats);
    }
    is_sending = false;
    pthread_mutex_unlock(&sending);
    tether_uncounted_end();
}

static void send_keep(const struct criterion_assert_stats *stats)
{
    snprintf(kept.file, sizeof kept.file, "%s", stats->file);
    snprintf(kept.message, sizeof kept.message, "%s", stats->message);
    kept.line = stats->line;
    kept.is_set = true;
}

void tether_criterion_send(struct criterion_assert_stats *stats)
{
    if (!stats->passed)
        atomic_fetch_add(&tt_plug.failed, 1);
    if (tt_plug.phase == TT_PHASE_NONE || tt_is_forked()) {
        tt_real()->send(stats);
        return;
    }
    if (is_sending) {
        send_keep(stats);
        return;
    }
    send_begin();
    tt_real()->send(stats);
    send_end();
}

void tether_criterion_node_send(const char *file, size_t line,
                                struct cri_assert_node *tree)
{
    atomic_fetch_add(&tt_plug.failed, 1);
    tt_criteria_explain(tree);
    if (tt_plug.phase == TT_PHASE_NONE || tt_is_forked() || is_sending) {
        tt_real()->node_send(file, line, tree);
        return;
    }
    send_begin();
    tt_real()->node_send(file, line, tree);
    send_end();
}

void tt_tell(const char *file, unsigned line, const char *message)
{
    char text[TEXT_BYTES_MAX];
    if (tt_plug.phase != TT_PHASE_TEST || tt_is_forked()) {
        tell_stderr(file, line, message);
        return;
    }
    tt_escape(message, text, sizeof text);
    tether_criterion_send(&(struct criterion_assert_stats){
        .message = text, .passed = false, .line = line, .file = file });
}

void tt_tell_later(const char *file, unsigned line, const char *message)
{
    char text[TEXT_BYTES_MAX];
    if (kept.is_set)
        return;
    atomic_fetch_add(&tt_plug.failed, 1);
    tt_escape(message, text, sizeof text);
    send_keep(&(struct criterion_assert_stats){
        .message = text, .line = line, .file = file });
}

void tt_send_kept(void)
{
    if (kept.is_set && !tt_is_forked()) {
        send_begin();
        send_end();
    }
}

void tt_log(enum criterion_severity severity, const char *text)
{
    if (tt_plug.phase == TT_PHASE_NONE || tt_is_forked() || is_sending) {
        tt_real()->log(severity, "%s", text);
        return;
    }
    send_begin();
    tt_real()->log(severity, "%s", text);
    send_end();
}

void tt_leave_process(void)
{
    if (tt_is_forked())
        _exit(1);
    if (__gcov_dump)
        __gcov_dump();
    /* Whatever failed in it, Criterion 2.4 passes a theory whose process ends
     * by an exit, with any status. */
    if (tt_plug.in_theory)
        kill(getpid(), SIGKILL);
    _exit(0);
}

void tt_leave(void)
{
    if (tt_is_forked() || !pthread_equal(pthread_self(), tt_plug.thread))
        tt_leave_process();
    tether_criterion_abort();
}

void tether_criterion_abort(void)
{
    if (!tt_is_forked()) {
        tt_plug.in_point = false;
        tt_framework(true);
    }
    tt_real()->abort();
    abort();
}

void tether_criterion_skip(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!tt_is_forked())
        tt_framework(true);
    tt_real()->skip("%s", text);
    abort();
}

void tether_criterion_die(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!tt_is_forked())
        tt_framework(true);
    tt_real()->die("%s", text);
}

void tt_skip(const char *why)
{
    if (tt_plug.failed || tt_is_forked() ||
        !pthread_equal(pthread_self(), tt_plug.thread))
        tt_leave();
    char text[256];
    tt_escape(why, text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    tether_criterion_skip("%s", text);
}

/* The length of the UTF-8 sequence at 'at' that XML allows; 0: it is none. */
static size_t escape_sequence(const unsigned char *at)
{
    static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = at[0] < 0x80   ? 1
                 : at[0] < 0xc2 ? 0
                 : at[0] < 0xe0 ? 2
                 : at[0] < 0xf0 ? 3
                 : at[0] < 0xf5 ? 4
                                : 0;
    unsigned code = at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    if (len > 1 &&
        (code < least[len] || code > 0x10ffff ||
         (code >= 0xd800 && code < 0xe000) || (code & 0xfffe) == 0xfffe))
        return 0;
    return len;
}

/* What stands for the character at 'at', of which *len bytes are taken. */
static const char *escape_one(const char *at, char *same, size_t *len)
{
    *len = 1;
    switch (*at) {
    case '"':
        return "'";
    case '\\':
        return "/";
    case '<':
        return "\xe2\x80\xb9"; /* U+2039 */
    case '&':
        return "\xef\xbc\x86"; /* U+FF06 */
    }
    /* The end of the CDATA that Criterion's XML puts the first line in. */
    if (at[0] == ']' && at[1] == ']' && at[2] == '>')
        return "] ";
    if ((unsigned char)*at < ' ' || *at == 0x7f)
        return " ";
    size_t sequence = escape_sequence((const unsigned char *)at);
    if (!sequence)
        return "?";
    *len = sequence;
    memcpy(same, at, sequence);
    same[sequence] = '\0';
    return same;
}

void tt_escape(const char *text, char *out, size_t size)
{
    size_t used = 0, line = 0, len;
    char same[5];
    text += strspn(text, " \n\t\r");
    if (!*text)
        text = "it failed, and says no more";
    for (; *text; text += len) {
        if (*text == '\n') {
            len = strspn(text, "\n");
            if (!text[len] || used + 1 >= size)
                break;
            out[used++] = '\n';
            line = 0;
            continue;
        }
        const char *put = escape_one(text, same, &len);
        size_t bytes = strlen(put);
        if (used + bytes >= size)
            break;
        if (line + bytes > LINE_BYTES_MAX)
            continue;
        memcpy(out + used, put, bytes);
        used += bytes;
        line += bytes;
    }
    out[used] = '\0';
}
