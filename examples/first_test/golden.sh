#!/bin/sh
# SPDX-License-Identifier: MIT
#
# golden.sh PROGRAM GOLDEN: compares what a suite prints with a golden file.
# Left out is what differs between builds and runs: times, folders, the table
# of numbers, and what libc's debug information would add. To renew the file:
#   golden.sh PROGRAM GOLDEN --renew
set -u
printed=$(mktemp) || exit 1
trap 'rm -f "$printed"' EXIT

"$1" --jobs 1 2>&1 | sed -e '/^\[heap\]/d' -e 's/: ([0-9.]*s)$//' \
    -e 's/ *$//' -e 's/strdup.*$/strdup/' \
    -e 's#^\(\[----\] \)[^ ]*/#\1#' >"$printed"
if [ "${3:-}" = --renew ]; then
    cp "$printed" "$2"
else
    diff -u "$2" "$printed"
fi
