#!/bin/sh
# SPDX-License-Identifier: MIT
#
# golden.sh PROGRAM GOLDEN: compares what a suite prints with a golden file.
# Times differ from run to run and are left out. To renew the file:
#   golden.sh PROGRAM GOLDEN --renew
set -u
printed=$(mktemp) || exit 1
trap 'rm -f "$printed"' EXIT

"$1" --jobs 1 2>&1 | sed 's/: ([0-9.]*s)$//; s/ *$//' >"$printed"
if [ "${3:-}" = --renew ]; then
    cp "$printed" "$2"
else
    diff -u "$2" "$printed"
fi
