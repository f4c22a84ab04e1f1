#!/bin/sh
# SPDX-License-Identifier: MIT
#
# golden.sh PROGRAM GOLDEN: compares what a suite prints with a golden file.
# Left out is what differs between builds and runs: folders, numbers of polls
# and milliseconds, the framework's own frames, and what its debug information
# or libc's would add. To renew the file:
#   golden.sh PROGRAM GOLDEN --renew
set -u
printed=$(mktemp) || exit 1
trap 'rm -f "$printed"' EXIT

"$1" 2>&1 | sed -e 's#[^ ]*/\([a-z_]*\.c\)#\1#' \
    -e 's/ ([0-9]* polls in [0-9]* ms)/ (N polls in N ms)/' \
    -e 's/waited [0-9]* ms/waited N ms/' -e 's/strdup.*$/strdup/' \
    -e '/^ *\(called by\)* *\(srunner_run\|tcase_run\|_cmocka_run\)/d' \
    -e '/^no debug information in lib/,+1d' >"$printed"
if [ "${3:-}" = --renew ]; then
    cp "$printed" "$2"
else
    diff -u "$2" "$printed"
fi
