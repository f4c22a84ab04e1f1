#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tether.ini: patterns, strength, and each error."""
import subprocess

from driver import *

GOOD = """\
# A comment.
[cache/*]
max-heap = 64KiB

[*]
; another
max-heap = 10MiB
  max-leaked = 0

[@(pool|nothing)/leaks]
max-leaked = 2000
[cache/takes_th*]
max-heap = 1KiB
"""


class Strength(Case):
    def holds(self, *tests, env={}):
        done = self.tether("config", *tests, env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_last_pattern_is_strongest_and_the_star_weakest(self):
        self.write("tether.ini", GOOD)
        self.assertEqual(
            self.holds("cache/takes_a_lot"),
            "cache/takes_a_lot\n"
            "  max-heap     64KiB      (tether.ini:3, [cache/*])\n"
            "  max-leaked   0          (tether.ini:8, [*])\n",
        )
        self.assertIn("1KiB", self.holds("cache/takes_three"))
        self.assertIn("2000", self.holds("pool/leaks"))
        self.assertIn("10MiB", self.holds("pool::leaks"))

    def test_the_environment_is_stronger(self):
        self.write("tether.ini", GOOD)
        said = self.holds("cache/takes_a_lot", env={"TETHER_MAX_HEAP": "3MiB"})
        self.assertIn("3MiB       (TETHER_MAX_HEAP in the environment)", said)

    def test_limits_hold_as_printed(self):
        self.write("tether.ini", GOOD)
        done = self.tether("run", "--", program("suite"))
        self.assertEnds(
            done, LIMIT, "max_heap broken: 1 MiB live, limit", "tether.ini:3: max-heap = 64KiB"
        )
        self.assertNotIn("leaked\n", done.stderr)

    def test_the_command_line_is_strongest(self):
        self.write("tether.ini", GOOD)
        env = {"TETHER_MAX_HEAP": "1KiB"}
        done = self.tether("run", "--max-heap=3MiB", "--", program("suite"), env=env)
        self.assertEnds(done, 0)

    def test_a_budget_in_the_source_is_stronger(self):
        self.write("tether.ini", "[*]\nmax-heap = 1KiB\nmax-total = 4KiB\n")
        done = self.tether("run", "--", program("budgets"))
        said = done.stderr
        self.assertEnds(done, LIMIT)
        self.assertIn("[FAIL] other::has_none", said)
        self.assertIn("[FAIL] suite::has_the_suites", said)
        self.assertNotIn("[FAIL] suite::has_its_own", said)
        self.assertNotIn("max_total broken: 32 KiB", said)

    def test_a_suite_reads_it_by_itself(self):
        self.write("tether.ini", "[other/*]\nmax-heap = 1KiB\n")
        done = subprocess.run(
            [program("budgets")], cwd=self.folder, capture_output=True, text=True,
            env=self.environment({}),
        )
        self.assertEnds(done, 1, "tether.ini:2: max-heap = 1KiB")

    def test_another_file(self):
        self.write("other.ini", "[*]\nmax-heap = 1KiB\n")
        for where in ({"TETHER_INI": "other.ini"}, ()), ({}, ("--ini=other.ini",)):
            done = self.tether("run", *where[1], "--", program("suite"), env=where[0])
            self.assertEnds(done, LIMIT, "other.ini:2: max-heap = 1KiB")
        self.write("tether.ini", "[*]\nmax-heap = 1KiB\n")
        self.assertEnds(self.tether("run", "--no-ini", "--", program("suite")), 0)

    def test_the_file_is_read_once(self):
        """Where a test changes the folder, the file still holds."""
        self.write("tether.ini", "[*]\nmax-heap = 1KiB\n")
        done = self.tether("run", "--", "sh", "-c", "cd / && exec " + program("suite"))
        self.assertEnds(done, LIMIT, "tether.ini:2")

    def test_of_a_program(self):
        self.write("tether.ini", "[runner_*]\nmax-alloc = 1KiB\non-breach = stop\n")
        done = self.tether("run", "--", program("process"))
        self.assertEnds(done, LIMIT, "tether.ini:2: max-alloc = 1KiB")

    def test_fixtures_and_ways(self):
        self.write("tether.ini", "[*]\nfixtures = yes\non-breach = deny\n")
        said = self.holds("a/b")
        self.assertIn("fixtures     yes", said)
        self.assertIn("on-breach    deny", said)

    def test_long_names_of_sections(self):
        name = "cache/" + "a" * 80 + "[bc]"
        self.write("tether.ini", "[%s]\nmax-heap = 1KiB\n" % name)
        self.assertIn("1KiB", self.holds("cache/" + "a" * 80 + "c"))

    def test_no_file(self):
        self.assertEnds(self.tether("config"), 0, "there is no tether.ini here")

    def test_a_good_file(self):
        self.write("tether.ini", GOOD)
        self.assertEnds(self.tether("config"), 0, "tether.ini: good, 5 values")

    def test_keys_are_listed(self):
        done = self.tether("config", "--keys")
        self.assertEnds(done, 0, "max-heap", "on-breach", "report")


class Errors(Case):
    def refused(self, text, *said):
        self.write("tether.ini", text)
        for command in ["run", "--", program("suite")], ["config"]:
            done = self.tether(*command)
            self.assertEnds(done, USAGE, *said)
            self.assertNotIn("Synthesis", done.stderr)

    def test_each(self):
        self.refused(
            "[*]\nmax-heep = 1\n",
            "tether.ini:2: unknown key 'max-heep' in [*]; did you mean 'max-heap'?",
        )
        self.refused("[*]\nqqqqqqqqqq = 1\n", "`tether config --keys` lists them")
        self.refused("[*]\n\nmax-heap = 3 kB\n", "tether.ini:3: max-heap = 3 kB is not a size")
        self.refused("[*]\nmax-count = 3KiB\n", "max-count = 3KiB is not a whole number")
        self.refused("[*]\non-breach = no\n", "is not one of: go-on stop deny")
        self.refused("[*]\nmax-heap = 99999999999999999999\n", "is not a size")
        self.refused("max-heap = 1\n", "stands before the first section")
        self.refused("[]\nmax-heap = 1\n", "tether.ini:1: a section needs a name")
        self.refused("[cache\nmax-heap = 1\n", "tether.ini:1: the section has no ]")
        self.refused("[*]\nnonsense\n", "tether.ini:2: this is neither")
        self.refused("[report]\njsn = x\n", "did you mean 'json'?")
        self.refused("[*]\nmax-heap = 1 %s\n" % ("x" * 300), "tether.ini:2: the line is longer")

    def test_all_are_told_at_once(self):
        self.write("tether.ini", "[*]\nmax-heep = 1\nmax-heap = x\n")
        self.assertEnds(self.tether("config"), USAGE, "tether.ini:2:", "tether.ini:3:")

    def test_not_there(self):
        done = self.tether("run", "--ini=none.ini", "--", program("suite"))
        self.assertEnds(done, USAGE, "none.ini: No such file")

    def test_a_suite_by_itself_runs_nothing(self):
        self.write("tether.ini", "[*]\nmax-heep = 1\n")
        done = subprocess.run(
            [program("budgets")], cwd=self.folder, capture_output=True, text=True,
            env=self.environment({}),
        )
        self.assertEnds(done, USAGE, "did you mean 'max-heap'?", "no test was run")


if __name__ == "__main__":
    main()
