#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py LIBTETHER PROGRAM [WITH_LSAN]: what a program has lost at its exit.

Runs each case of PROGRAM with Tether preloaded and TETHER_LOST=exit, and of
WITH_LSAN, the same program under gcc's LeakSanitizer; both must agree, and
with the list below.
"""
import os
import subprocess
import sys

LOST = {
    "lose", "past_the_end", "in_deleted_key", "in_cycle", "points_to_itself",
    "in_unaligned", "enabled_again", "in_mapping", "lost_by_handler",
}


def run(program, *arguments, **variables):
    environment = dict(os.environ, **variables)
    return subprocess.run(
        [program, *arguments], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )


def expect(good, what, done):
    if not good:
        print("%s: status %d\n%s" % (what, done.returncode, done.stderr))
    return good


def main():
    library, program = sys.argv[1:3]
    with_lsan = sys.argv[3] if len(sys.argv) > 3 else None
    tether = {"LD_PRELOAD": library, "TETHER_LOST": "exit"}
    good = True
    for case in run(program).stdout.split():
        status = 23 if case in LOST else 0
        done = run(program, case, **tether)
        good &= expect(done.returncode == status, case, done)
        good &= expect(("lost" in done.stderr) == bool(status), case, done)
        good &= expect(not status or "1.3 KiB" in done.stderr, case, done)
        if with_lsan:
            other = run(with_lsan, case)
            good &= expect(
                other.returncode == status, "LeakSanitizer, " + case, other
            )
    done = run(program, "lose", "5", **tether)
    good &= expect(done.returncode == 5, "its own status is kept", done)
    done = run(program, "lose", TETHER_EXIT_CODE="77", **tether)
    good &= expect(done.returncode == 77, "TETHER_EXIT_CODE", done)
    done = run(program, "lose", LD_PRELOAD=library)
    good &= expect(
        done.returncode == 0 and not done.stderr, "without TETHER_LOST", done
    )
    done = run(program, "lose", LD_PRELOAD=library, TETHER_LOST="never")
    good &= expect("write exit" in done.stderr, "an unknown value", done)
    sys.exit(not good)


if __name__ == "__main__":
    main()
