#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""judge.py PROGRAM: runs the suite of bad frees and judges what it prints.

For each depth of stacks: every test fails and none crashes, each message says
what the pointer is and has the stacks of allocation, first free and now, as
far as the depth allows, and the heap is sound after each.
"""
import os
import re
import subprocess
import sys

TWICE = ["allocated", "first"]
EXPECTED = {
    "double_free": ("double free of a 100 B block", TWICE),
    "double_free_of_a_large_block": ("double free of a 97.7 KiB block", TWICE),
    "double_free_of_an_empty_block": ("double free of a block", TWICE),
    "double_free_on_another_thread": ("double free of a 100 B block", TWICE),
    "double_free_among_busy_threads": ("double free of a 100 B block", TWICE),
    "double_free_in_a_forked_child": ("double free of a 100 B block", TWICE),
    "inside_a_block": ("free of a pointer 16 B into a block of 100 B", ["allocated"]),
    "inside_a_large_block": (
        "free of a pointer 5000 B into a block of 1 MiB",
        ["allocated"],
    ),
    "odd_pointer": ("free of a pointer 1 B into a block of 100 B", ["allocated"]),
    "of_the_stack": ("it is on the stack of thread 1", []),
    "of_a_global": ("it is a global of misuse", []),
    "of_code": ("it is constant data or code of misuse", []),
    "of_a_mapping": ("it is in mapped memory that no malloc returned", []),
    "of_nothing": ("it is not mapped: no memory is there", []),
    "realloc_of_a_freed_block": (
        "realloc of a 100 B block that was freed already",
        TWICE,
    ),
    "realloc_inside_a_block": (
        "realloc of a pointer 16 B into a block of 100 B",
        ["allocated"],
    ),
    "realloc_of_a_global": ("it is a global of misuse", []),
    "free_of_a_global_in_a_forked_child": ("it is a global of misuse", []),
}
STACKS = {
    "allocated": r"allocated by +makes \(misuse\.c:\d+\)",
    "first": r"first freed by +frees_first \(misuse\.c:\d+\)",
}
NOW = r"by +(frees_again|reallocs_again) \(misuse\.c:\d+\)\n"


def run(program, test, depth):
    environment = dict(os.environ, TETHER_STACK_DEPTH=str(depth))
    done = subprocess.run(
        [program, "-j1", "--filter", "misuse/" + test],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return done.returncode, done.stdout


def missing(test, depth, code, text):
    """What is not as it should be, in words."""
    said, stacks = EXPECTED[test]
    plain = re.sub(r"^\[----\] {0,3}", "", text, flags=re.M)
    if code != 1 or "Failing: 1 | Crashing: 0" not in text:
        yield "one failure"
    if "[WARN] the heap is sound" not in text:
        yield "a sound heap"
    if said not in plain:
        yield said
    if not re.search(NOW, plain):
        yield "the stack of the call"
    if not re.search(r"^ +misuse_%s_impl|^ +(child_)?frees_\w+ " % test, plain, re.M):
        yield "who called"
    for stack in stacks:
        if stack == "allocated" and depth == 0:
            continue
        if not re.search(STACKS[stack], plain):
            yield "the stack: " + stack
    if "forked_child" in test and "the child ended with" in plain:
        yield "a child that ended with 1"
    for line in text.splitlines():
        if len(line) > 80 and not re.search(r"^\[heap\]|_impl ", line):
            yield "a line of at most 80 columns: " + line


def main():
    faults = 0
    for depth in (0, 1, 8, 64):
        for test in EXPECTED:
            code, text = run(sys.argv[1], test, depth)
            lacks = list(missing(test, depth, code, text))
            if lacks:
                faults += 1
                print("%s at depth %d lacks:" % (test, depth))
                print("\n".join("  " + lack for lack in lacks))
                print(text)
    print("%d faults in %d runs" % (faults, 4 * len(EXPECTED)))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
