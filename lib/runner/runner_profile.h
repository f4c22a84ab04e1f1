/* SPDX-License-Identifier: MIT */
#ifndef TT_RUNNER_PROFILE_H
#define TT_RUNNER_PROFILE_H
/*
 * The profiles that the windows of a run wrote, as one JSON value:
 *
 *   { "frames": [[function, path, line], ...],
 *     "windows": [{ "test": "cache::evicts",
 *                   "peak": [microseconds, bytes],
 *                   "live": [[microseconds, bytes], ...],
 *                   "marks": [[microseconds, what], ...],
 *                   "rows": [{ "values": [6 numbers], "frames": [...] }] }] }
 *
 * A row's values are blocks and bytes alive at the peak, allocations and bytes
 * allocated, blocks and bytes left; its frames are indices, innermost first.
 */
#include <jansson.h>
#include <stdbool.h>

#define PROFILE_VALUES 6

/* Makes a folder for the profiles and tells the programs to be run of it. */
bool profile_begin(void);

/* Reads what is in the folder and removes it. NULL: it was not readable, and
 * that has been said. */
json_t *profile_end(void);

/* Writes the form that pprof reads: gzip'ed protobuf. */
bool pprof_write(const json_t *profile, const char *path);

#endif
