/* SPDX-License-Identifier: MIT */
/*
 * A window's profile, named and written to a file of its own in the folder
 * that TETHER_PROFILE names. The command `tether` reads these files:
 *
 *   tether-profile 1
 *   test    cache::evicts
 *   peak    <microseconds> <live bytes>        the highest
 *   live    <microseconds> <live bytes>        in the order of time
 *   mark    <microseconds> <what>              a broken limit, a collection
 *   row     <peak blocks> <bytes> <allocations> <bytes> <live blocks> <bytes>
 *   at      <function> <path> <line>          innermost first
 *
 * with tabs between the fields.
 */
#include "report/report.h"

#include "budget/budget_profile.h"
#include "os/os.h"
#include "report/report_stack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define RESOLVED_MAX 4096 /* stacks that are named in one run */

struct writing {
    struct tt_text text;
    uint32_t stacks[RESOLVED_MAX];
    size_t count;
};

static struct writing writing;

static void stack_collect(const struct tt_profile_row *row, void *ctx)
{
    struct writing *const to = ctx;
    if (to->count == RESOLVED_MAX) {
        tt_stacks_resolve(to->stacks, to->count);
        to->count = 0;
    }
    to->stacks[to->count++] = row->stack;
}

/* A field has no tab and no line's end in it. */
static void field_add(struct tt_text *text, const char *field)
{
    for (; *field; field++) {
        const char byte = (unsigned char)*field < 0x20 ? '?' : *field;
        tt_text_bytes(text, &byte, 1);
    }
}

static void frame_write(struct tt_text *text, const struct tt_name *frame)
{
    tt_text_add(text, "at\t");
    if (frame->function)
        field_add(text, frame->function);
    else
        tt_name_text(text, frame);
    tt_text_add(text, "\t");
    field_add(text, frame->path     ? frame->path
                    : frame->module ? frame->module->name
                                    : "");
    tt_text_add(text, "\t%u\n", frame->line);
}

static void row_write(const struct tt_profile_row *row, void *ctx)
{
    struct writing *const to = ctx;
    const struct tt_name *frames[TT_STACK_SHOWN_MAX];
    const size_t count = tt_stack_shown(row->stack, frames, TT_STACK_SHOWN_MAX);
    tt_text_add(&to->text,
                "row\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64
                "\t%" PRId64 "\t%" PRId64 "\n",
                row->peak_blocks, row->peak_bytes, row->total_count,
                row->total_bytes, row->live_blocks, row->live_bytes);
    for (size_t i = 0; i < count; i++)
        frame_write(&to->text, frames[i]);
}

static void point_write(struct tt_text *text, const char *word,
                        const struct tt_profile_point *point)
{
    tt_text_add(text, "%s\t%" PRId64 "\t%" PRId64 "\n", word,
                point->time_ns / 1000, point->live_bytes);
}

static void course_write(struct tt_text *text,
                         const struct tt_profile_course *course)
{
    point_write(text, "peak", &course->peak);
    for (size_t i = 0; i < course->points_count; i++)
        point_write(text, "live", &course->points[i]);
    for (size_t i = 0; i < course->marks_count; i++)
        tt_text_add(text, "mark\t%" PRId64 "\t%s\n",
                    course->marks[i].time_ns / 1000, course->marks[i].what);
}

static bool text_write(const struct tt_text *text, const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    size_t done = 0;
    while (fd >= 0 && done < text->len) {
        const ssize_t len = write(fd, text->data + done, text->len - done);
        if (len < 0 && errno != EINTR)
            break;
        done += len > 0 ? (size_t)len : 0;
    }
    if (fd >= 0)
        close(fd);
    return done == text->len;
}

void tt_report_profile(const char *name)
{
    static unsigned number; /* of the windows of this process */
    const char *const folder = tt_os_env("TETHER_PROFILE");
    const int before = errno;
    char path[512];
    if (!folder)
        return;
    writing.count = 0;
    tt_profile_visit(stack_collect, &writing);
    tt_stacks_resolve(writing.stacks, writing.count);
    tt_text_make(&writing.text);
    tt_text_add(&writing.text, "tether-profile 1\ntest\t");
    field_add(&writing.text, name);
    tt_text_add(&writing.text, "\n");
    course_write(&writing.text, tt_profile_course());
    tt_profile_visit(row_write, &writing);
    snprintf(path, sizeof path, "%s/%d-%u", folder, (int)getpid(), number++);
    if (!text_write(&writing.text, path))
        dprintf(STDERR_FILENO, "tether: %s: the profile was not written: %m\n",
                path);
    tt_text_drop(&writing.text);
    errno = before;
}
