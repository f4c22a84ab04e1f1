#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# bench_wake.sh PROGRAM BUILD: the program needs Tether as its heap.
set -euo pipefail
LD_PRELOAD="$2/lib/libtether.so" "$1"
