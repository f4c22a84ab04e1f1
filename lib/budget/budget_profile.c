/* SPDX-License-Identifier: MIT */
/*
 * The profile at the peak, exact and in one step an event.
 *
 * Copying all rows at each new peak would cost a pass over them for every
 * allocation of a heap that grows. But a row that does not change between two
 * peaks has the same value at both. So peaks are numbered, a row keeps the
 * number of the last peak at which its value is known, and only when it is
 * about to change, and there was a newer peak, its value is kept as that of
 * the newest peak. At the end a row that did not change since the newest peak
 * has there what it has now.
 *
 * Locks: profile.lock, for every event: a profile is exact with threads too,
 * and is taken on request only. Nothing is called while it is held.
 */
#include "budget/budget_profile.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "budget/budget.h"
#include "os/os.h"

#define STACKS_MAX        ((size_t)1 << 20)
#define INTERVAL_FIRST_NS 10000

struct row {
    int64_t live_bytes, live_blocks;
    int64_t peak_bytes, peak_blocks; /* at peak number 'known' */
    int64_t total_bytes, total_count;
    uint64_t known;
};

_Atomic bool tt_profile_on;

static struct {
    struct tt_lock lock;
    struct row *rows; /* by stack; sparse */
    size_t used;      /* the highest stack + 1 */
    int64_t live, highest;
    uint64_t peaks; /* the number of the newest */
    int64_t begin_ns, interval_ns;
    struct tt_profile_course course;
} profile;

void profile_begin(void)
{
    if (!tt_os_env("TETHER_PROFILE"))
        return;
    profile.rows = tt_map_sparse(STACKS_MAX * sizeof *profile.rows);
    profile.used = 0;
    profile.live = profile.highest = 0;
    profile.peaks = 0;
    profile.course.points_count = profile.course.marks_count = 0;
    profile.course.peak = (struct tt_profile_point){ 0 };
    profile.interval_ns = INTERVAL_FIRST_NS;
    profile.begin_ns = (int64_t)tt_os_now_ns();
    tt_profile_on = profile.rows != NULL;
}

void profile_end(void)
{
    if (!tt_profile_on)
        return;
    tt_profile_on = false;
    tt_lock_take(&profile.lock);
    tt_unmap(profile.rows, STACKS_MAX * sizeof *profile.rows);
    profile.rows = NULL;
    tt_lock_give(&profile.lock);
}

void profile_child(void)
{
    tt_lock_reset(&profile.lock);
    profile_end();
}

static void row_change(struct row *row, int64_t bytes)
{
    if (row->known != profile.peaks) {
        row->peak_bytes = row->live_bytes;
        row->peak_blocks = row->live_blocks;
        row->known = profile.peaks;
    }
    row->live_bytes += bytes;
    row->live_blocks += bytes > 0 ? 1 : -1;
    if (bytes > 0) {
        row->total_bytes += bytes;
        row->total_count++;
    }
}

static int64_t now_ns(void)
{
    return (int64_t)tt_os_now_ns() - profile.begin_ns;
}

/* Every second point goes when there is no room, and from then on they are
 * twice as far apart: a course of any length has between half and all of its
 * points. */
static void points_thin(struct tt_profile_course *course)
{
    for (size_t i = 0; i < PROFILE_POINTS_MAX / 2; i++)
        course->points[i] = course->points[i * 2];
    course->points_count = PROFILE_POINTS_MAX / 2;
    profile.interval_ns *= 2;
}

static void course_see(bool is_peak)
{
    struct tt_profile_course *const course = &profile.course;
    const struct tt_profile_point now = { now_ns(), profile.live };
    const size_t count = course->points_count;
    if (is_peak)
        course->peak = now;
    if (count &&
        now.time_ns < course->points[count - 1].time_ns + profile.interval_ns)
        return;
    if (count == PROFILE_POINTS_MAX)
        points_thin(course);
    course->points[course->points_count++] = now;
}

void tt_profile_mark(const char *what)
{
    struct tt_profile_course *const course = &profile.course;
    if (!tt_profile_on)
        return;
    tt_lock_take(&profile.lock);
    if (course->marks_count < PROFILE_MARKS_MAX)
        course->marks[course->marks_count++] =
            (struct tt_profile_mark){ now_ns(), what };
    tt_lock_give(&profile.lock);
}

const struct tt_profile_course *tt_profile_course(void)
{
    return &profile.course;
}

void profile_see(uint32_t stack, int64_t bytes)
{
    if (bytes == 0 || stack >= STACKS_MAX)
        return;
    tt_lock_take(&profile.lock);
    if (profile.rows) {
        row_change(&profile.rows[stack], bytes);
        profile.used = TT_MAX(profile.used, (size_t)stack + 1);
        profile.live += bytes;
        const bool is_peak = profile.live > profile.highest;
        if (is_peak) {
            profile.highest = profile.live;
            profile.peaks++;
        }
        course_see(is_peak);
    }
    tt_lock_give(&profile.lock);
}

size_t tt_profile_visit(void (*see)(const struct tt_profile_row *row,
                                    void *ctx),
                        void *ctx)
{
    size_t seen = 0;
    for (size_t stack = 0; profile.rows && stack < profile.used; stack++) {
        const struct row *const row = &profile.rows[stack];
        const bool changed = row->known == profile.peaks;
        const struct tt_profile_row shown = {
            .stack = (uint32_t)stack,
            .peak_bytes = changed ? row->peak_bytes : row->live_bytes,
            .peak_blocks = changed ? row->peak_blocks : row->live_blocks,
            .live_bytes = row->live_bytes,
            .live_blocks = row->live_blocks,
            .total_bytes = row->total_bytes,
            .total_count = row->total_count,
        };
        if (row->total_count == 0)
            continue;
        see(&shown, ctx);
        seen++;
    }
    return seen;
}
