/* SPDX-License-Identifier: MIT */
#ifndef TT_RUNNER_PROFILE_H
#define TT_RUNNER_PROFILE_H
/*
 * The profiles that the windows of a run wrote, and pprof's form of them.
 */
#include <stdbool.h>

/* Makes a folder for the profiles and tells the programs to be run of it. */
bool profile_begin(void);

/* Writes what is in the folder to 'path' (gzip'ed protobuf); removes it. */
bool profile_end(const char *path);

#endif
