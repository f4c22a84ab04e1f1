/* SPDX-License-Identifier: MIT */
/*
 * Where tether-analyse is, and how it is asked. When it is absent, crashes or
 * is slow the reason is kept and it is not started again: a failing test must
 * not wait a second time. Its place is told relative to the file that this
 * code was loaded from, so that build trees and moved prefixes work; that
 * file is found in the process's maps, because the loader's functions may not
 * be called inside malloc.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "report/report_analyser.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_time.h"
#include "os/os.h"
#include "os/os_maps.h"

#define WITHIN_MS 5000

#ifndef TT_ANALYSE_RELATIVE
#    define TT_ANALYSE_RELATIVE "../libexec/tether/tether-analyse"
#endif
#ifndef TT_ANALYSE_PATH
#    define TT_ANALYSE_PATH "/usr/local/libexec/tether/tether-analyse"
#endif

static char why[256]; /* it does not answer; "": it does */

static bool path_try(struct tt_text *path, const char *folder, size_t len,
                     const char *rest)
{
    path->len = 0;
    tt_text_bytes(path, folder, len);
    tt_text_add(path, "%s", rest);
    return !path->cut && access(path->data, X_OK) == 0;
}

/* Places relative to the file that this code was loaded from: a build tree,
 * the unit tests' folder in it, an installed prefix that may have moved. */
static bool analyser_beside_us(struct tt_text *path)
{
    static const char *const rests[] = { "/tether-analyse",
                                         ("/" TT_ANALYSE_RELATIVE),
                                         "/../libexec/tether/tether-analyse",
                                         "/../../libexec/tether/tether-analyse",
                                         "/../bin/tether-analyse",
                                         "/../lib/tether-analyse" };
    struct tt_text maps;
    struct tt_map map;
    bool found = false;
    tt_text_make(&maps);
    if (tt_maps_read(&maps) &&
        tt_maps_find(&maps, (uintptr_t)&analyser_beside_us, &map)) {
        while (map.path_len > 0 && map.path[map.path_len - 1] != '/')
            map.path_len--;
        for (size_t i = 0; i < TT_COUNT(rests) && map.path_len && !found; i++)
            found = path_try(path, map.path, map.path_len - 1, rests[i]);
    }
    tt_text_drop(&maps);
    return found;
}

bool tt_analyser_find(struct tt_text *path)
{
    const char *const told = tt_os_env("TETHER_ANALYSE");
    if (told && told[0])
        return path_try(path, told, strlen(told), "");
    if (analyser_beside_us(path))
        return true;
    return path_try(path, "", 0, TT_ANALYSE_PATH);
}

/* ---- the question ---- */

const char *tt_analyser_trouble(void)
{
    return why[0] ? why : NULL;
}

/* Always false, for ask to return. */
static bool trouble(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static bool trouble(const char *format, ...)
{
    va_list args;
    struct tt_text text;
    va_start(args, format);
    tt_text_fixed(&text, why, sizeof why);
    tt_text_addv(&text, format, args);
    va_end(args);
    return false;
}

static bool trouble_of_status(int status, const char *path)
{
    if (status == -1)
        return trouble("%s could not be started", path);
    if (status == -2)
        return trouble("%s gave no answer in time", path);
    if (status == -3)
        return trouble("%s crashed", path);
    if (status != 0)
        return trouble("%s ended with status %d", path, status);
    return trouble("%s gave an answer that is not understood", path);
}

static void hello_text(struct tt_text *text, const char *mode)
{
    tt_text_add(text, "tether-%s 1\n", mode);
}

static void question_write(struct tt_text *question, const char *mode,
                           const struct tt_text *maps,
                           const struct tt_text *items)
{
    const char *at = maps->data;
    struct tt_map map;
    hello_text(question, mode);
    tt_text_add(question, "pid %d\nmaps\n", (int)getpid());
    while (tt_maps_next(&at, &map)) {
        if (!map.executable)
            continue;
        tt_text_bytes(question, map.line, map.line_len);
        tt_text_bytes(question, "\n", 1);
    }
    tt_text_add(question, ".\n");
    tt_text_bytes(question, items->data, items->len);
    tt_text_add(question, "end\n");
}

static bool answer_is_whole(const struct tt_text *answer, const char *mode)
{
    static const char end[] = "\nend\n";
    const size_t len = sizeof end - 1;
    char bytes[64];
    struct tt_text hello;
    tt_text_fixed(&hello, bytes, sizeof bytes);
    hello_text(&hello, mode);
    return answer->len >= hello.len + 4 &&
           !memcmp(answer->data, hello.data, hello.len) &&
           !memcmp(answer->data + answer->len - len, end, len);
}

bool tt_analyser_ask(const char *mode, const struct tt_text *maps,
                     const struct tt_text *items, struct tt_text *answer)
{
    char path_bytes[PATH_MAX];
    struct tt_text path, question;
    if (why[0])
        return false;
    tt_text_fixed(&path, path_bytes, sizeof path_bytes);
    if (!tt_analyser_find(&path))
        return trouble("there is no program %s; set TETHER_ANALYSE", path.data);
    tt_text_make(&question);
    question_write(&question, mode, maps, items);
    const char *const argv[] = { path.data, mode, NULL };
    const int status =
        tt_os_run(argv, question.data, question.len, answer,
                  (unsigned)(tt_time_scaled_ns(WITHIN_MS) / 1000000));
    tt_text_drop(&question);
    return (status == 0 && answer_is_whole(answer, mode)) ||
           trouble_of_status(status, path.data);
}

/* ---- the answer ---- */

size_t tt_fields_split(const char *line, size_t len, struct tt_field *fields,
                       size_t max)
{
    size_t count = 0;
    const char *const end = line + len;
    while (count < max) {
        const char *const tab = memchr(line, '\t', (size_t)(end - line));
        fields[count++] =
            (struct tt_field){ line, (size_t)((tab ? tab : end) - line) };
        if (!tab)
            break;
        line = tab + 1;
    }
    return count;
}

uint64_t tt_field_number(struct tt_field field, int base)
{
    char digits[32] = "";
    memcpy(digits, field.start, TT_MIN(field.len, sizeof digits - 1));
    return strtoull(digits, NULL, base);
}

bool tt_field_is(struct tt_field field, const char *text)
{
    return field.len == strlen(text) && !memcmp(field.start, text, field.len);
}
