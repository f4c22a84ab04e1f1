#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# bench_start.sh PROGRAM BUILD: what Tether adds to the start of a worker. All
# programs load libcriterion; the last also opens and closes a window with a
# budget, as the plug-in does around each test.
set -euo pipefail
program="$1" build="$2"
here="$(cd "$(dirname "$0")" && pwd)"
out="$(dirname "$program")"

make_one() {
    local name="$1"
    shift
    gcc -O2 -x c - -o "$out/start-$name" -I"$here/../../include" \
        -L"$build/lib" -Wl,-rpath,"$build/lib" -Wl,--no-as-needed "$@"
}
nothing='#include <stdlib.h>
int main(void) { void *volatile p = malloc(10); free(p); return 0; }'
window='#include <stdlib.h>
#include <tether/tether.h>
int main(void)
{
    struct tether_budget budget = { TETHER_BUDGET_INIT };
    tether_budget_set(&budget, TETHER_MAX_LEAKED, 0);
    tether_window_begin("bench/start");
    tether_window_budget(&budget);
    tether_budget_begin(&budget);
    void *volatile p = malloc(10);
    free(p);
    tether_budget_end(&budget);
    tether_window_end(TETHER_CHECK_LEAKS);
    return 0;
}'
make_one plain -lcriterion <<<"$nothing"
make_one mimalloc -lmimalloc -lcriterion <<<"$nothing"
make_one tether -ltether-criterion -ltether -lcriterion <<<"$nothing"
make_one window -ltether-criterion -ltether -lcriterion <<<"$window"

mapfile -t times < <("$program" "$out/start-plain" "$out/start-mimalloc" \
    "$out/start-tether" "$out/start-window")
awk -v p="${times[0]}" -v m="${times[1]}" -v t="${times[2]}" -v w="${times[3]}" \
    'BEGIN {
        printf "start of a process: %.2f ms\n", p
        printf "  with mimalloc           %+.2f ms\n", m - p
        printf "  with Tether             %+.2f ms\n", t - p
        printf "  and a window, a budget  %+.2f ms\n", w - p
    }'
