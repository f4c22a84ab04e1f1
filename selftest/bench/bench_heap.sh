#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# bench_heap.sh PROGRAM BUILD: runs the program under each allocator, in turn
# and several times over, and prints the least of each as a ratio to glibc and
# to mimalloc. A busy machine disturbs all alike.
set -euo pipefail
program="$1" build="$2"
here="$(cd "$(dirname "$0")" && pwd)"
tether="$build/lib/libtether.so"
lsan="$program-lsan"
gcc -O2 -g -D_GNU_SOURCE -fno-omit-frame-pointer -fno-builtin-malloc \
    -fsanitize=leak "$here/bench_heap.c" -o "$lsan" -ldl -lpthread
size="$(printf '#include <tether/budget.h>\n#include <stdio.h>\nint main(void){printf("%%zu",sizeof(struct tether_budget));}\n' |
    gcc -I"$here/../../include" -x c - -o "$program-size" && "$program-size")"

allocators=(glibc mimalloc tether-0 tether-8 lsan)
run() {
    case "$1" in
    glibc) "$program" "$2" ;;
    mimalloc) LD_PRELOAD=libmimalloc.so.2 "$program" "$2" ;;
    tether-*) BENCH_BUDGET_BYTES="$size" TETHER_STACK_DEPTH="${1#tether-}" \
        LD_PRELOAD="$tether" "$program" "$2" ;;
    lsan) ASAN_OPTIONS=detect_leaks=0 LSAN_OPTIONS=detect_leaks=0 "$lsan" "$2" ;;
    esac
}

printf '%-10s' "" && printf '%12s' "${allocators[@]}" && echo
for what in mixed words json memory16 memory4096; do
    declare -A least=()
    for _ in 1 2 3; do
        for allocator in "${allocators[@]}"; do
            value="$(run "$allocator" "$what")"
            old="${least[$allocator]:-}"
            if [ -z "$old" ] || awk "BEGIN { exit !($value < $old) }"; then
                least[$allocator]="$value"
            fi
        done
    done
    case "$what" in
    json) unit="us" ;;
    memory*) unit="B" ;;
    *) unit="ns" ;;
    esac
    printf '%-10s' "$what"
    for allocator in "${allocators[@]}"; do
        printf '%9.1f %-2s' "${least[$allocator]}" "$unit"
    done
    printf '\n%-10s' "  / glibc"
    for allocator in "${allocators[@]}"; do
        awk -v a="${least[$allocator]}" -v b="${least[glibc]}" \
            'BEGIN { printf "%12.2f", (b > 0 ? a / b : 0) }'
    done
    printf '\n%-10s' "  / mi"
    for allocator in "${allocators[@]}"; do
        awk -v a="${least[$allocator]}" -v b="${least[mimalloc]}" \
            'BEGIN { printf "%12.2f", (b > 0 ? a / b : 0) }'
    done
    echo
    unset least
done
