#!/bin/sh
# SPDX-License-Identifier: MIT
#
# demo.sh [FOLDER]: runs the suite of the document store, then the same suite
# on the store with each of three seeded defects, and says what to look at.
#
# FOLDER holds the built suites. Without it they are built first.
# Exits with 0 when each suite did exactly what it should, and with 1 if not.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tables=${ISO_CODES_FOLDER:-/usr/share/iso-codes/json}
trouble=0
# jansson recurses into a document: eight frames would not reach its caller.
export TETHER_STACK_DEPTH="${TETHER_STACK_DEPTH:-32}"

say()
{
    printf '%s\n' "$@"
}

title()
{
    say "" "$1" "$(printf '%s' "$1" | sed 's/./=/g')" ""
}

give_up()
{
    say "demo.sh: $1" >&2
    exit 1
}

wrong()
{
    say "" "NOT AS EXPECTED: $1"
    trouble=1
}

# Built by make against an installed Tether; in Tether's own tree ./dev does
# it, and comes back here with a folder.
build()
{
    [ ! -f "$here/../../lib/tether.map" ] || exec "$here/../../dev" demo
    make -C "$here" all || give_up "the build failed"
    suites=$here/build
}

# Runs a suite, one test after the other so that messages stay together, and
# keeps what it wrote.
run()
{
    suite=$1
    "$suites/$suite" --jobs 1 >"$log" 2>&1
    result=$?
}

# Each failed test, sorted, one a line: "store::lets_an_evicted_document_go".
failed_tests()
{
    sed -n 's/^\[FAIL\] \([a-z_:0-9]*\): .*/\1/p' "$log" | sort
}

# The failed tests whose messages name no line of the store.
unplaced_tests()
{
    awk '/^\[FAIL\]/ { if (!placed) print $2
                      placed = 0; next }
         /^\[----\] .*test_[a-z_]*\.c:/ { next } # where the assertion stands
         /(document|store)[a-z_]*\.c:[0-9]+/ { placed = 1 }
        ' "$log" | sed 's/:$//'
}

good()
{
    title "The store as it should be"
    run test_document_store
    cat "$log"
    [ "$result" -eq 0 ] || wrong "the good store's suite should pass"
}

# seeded DEFECT FILE TESTS: TESTS should fail, and no others.
seeded()
{
    title "The store with a defect: $1"
    run "test_$1"
    grep -v '^\[heap\]' "$log"
    expected=$(printf '%s\n' $3 | sort)
    [ "$result" -ne 0 ] || wrong "the suite should fail"
    [ "$(failed_tests)" = "$expected" ] ||
        wrong "exactly these should fail: $(say $expected)"
    [ -z "$(unplaced_tests)" ] ||
        wrong "no file and line of the allocation: $(unplaced_tests)"
    say "" "The mistake:   diff $2 seeded/$1/$2"
}

suites=${1:-}
[ -r "$tables/iso_3166-1.json" ] || give_up \
    "no tables in $tables: install Debian's iso-codes, or set ISO_CODES_FOLDER"
[ -n "$suites" ] || build
[ -x "$suites/test_document_store" ] || give_up "no suites in $suites"
log=$(mktemp) || give_up "no temporary file"
trap 'rm -f "$log"' EXIT

good
seeded forgotten_index store_evict.c \
    "store::lets_an_evicted_document_go store::does_not_find_what_was_evicted"
say "What happened: evict() forgot the index by family, which holds it." \
    "Look at:       'still alive', and at the line that allocated it."

seeded missing_decref document_load.c "document::that_is_a_schema_is_refused"
say "What happened: a refused file's parsed tree was never given back." \
    "Look at:       the leak's stack: document_load.c says who parsed it."

seeded unbounded_growth store_get.c \
    "store::stays_small_however_much_is_read_through_it"
say "What happened: reading through the store adds, but never evicts." \
    "Look at:       the limit as written, and who holds most at that instant."

title "What to read next"
say "test_document_store.c  the suite that you just saw, 23 tests" \
    "README.md (here)       how the example is built, and its layout" \
    "README.md (Tether's)   the first test of your own in ten lines"
[ "$trouble" -eq 0 ] || give_up "not all was as expected, see above"
