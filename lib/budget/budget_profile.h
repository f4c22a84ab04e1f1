/* SPDX-License-Identifier: MIT */
#ifndef TT_BUDGET_PROFILE_H
#define TT_BUDGET_PROFILE_H
/*
 * A window's heap profile: what each stack allocated, and what of it was
 * alive when the window's live bytes were at their highest.
 *
 * Hook: profile_see runs inside malloc and free.
 */
#include "base/base.h"

/* What one stack did in the window. Blocks of 0 bytes are left out. */
struct tt_profile_row {
    uint32_t stack;
    int64_t peak_bytes, peak_blocks; /* alive at the window's peak */
    int64_t live_bytes, live_blocks; /* alive now */
    int64_t total_bytes, total_count;
};

#define PROFILE_POINTS_MAX 512
#define PROFILE_MARKS_MAX  64

/* How the live bytes went. Times are from the window's begin. */
struct tt_profile_course {
    struct tt_profile_point {
        int64_t time_ns, live_bytes;
    } points[PROFILE_POINTS_MAX];
    size_t points_count;
    struct tt_profile_point peak;
    struct tt_profile_mark {
        int64_t time_ns;
        const char *what; /* a constant: "max_heap", "collection" */
    } marks[PROFILE_MARKS_MAX];
    size_t marks_count; /* further ones are left out */
};

/* Is a profile being taken? Read without a lock. */
extern _Atomic bool tt_profile_on;

/* Begins with nothing where TETHER_PROFILE is set; else does nothing. */
void profile_begin(void);
void profile_end(void);
void profile_child(void);

/* A block of 'bytes' is born, or dies ('bytes' negative). */
void profile_see(uint32_t stack, int64_t bytes);

#endif
