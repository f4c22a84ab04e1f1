#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`tether gate`: what opens it and what shuts it."""
from driver import *


class Gate(Case):
    def gate(self, *options, env={}, only="*/*"):
        return self.tether(
            "gate", *options, "--", program("suite"), "--filter", only, env=env
        )

    def accept(self, *options, env={}):
        done = self.gate("--accept", *options, env=env)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(self.read("tether.lock"))["tests"]

    def test_without_a_lock(self):
        done = self.gate()
        self.assertEnds(done, USAGE, "there is no tether.lock", "--accept")
        self.assertNotIn("Synthesis", done.stderr)

    def test_what_is_accepted_opens(self):
        tests = self.accept()
        self.assertEqual(
            tests["pool/leaks"], {"peak": 1234, "count": 1, "leaked": 1234}
        )
        self.assertEqual(tests["end/is_killed"], {"peak": 777, "count": 1})
        self.assertEnds(self.gate(), 0, "gate open: 6 tests, 0 grew")

    def test_the_lock_has_one_test_a_line_in_order(self):
        self.accept()
        lines = self.read("tether.lock").splitlines()
        tests = [line for line in lines if "/" in line]
        self.assertEqual(tests, sorted(tests))
        self.assertEqual(len(tests), 6)

    def test_growth_shuts(self):
        self.accept()
        done = self.gate(env={"GROW": "200000"})
        self.assertEnds(
            done,
            LIMIT,
            "gate SHUT: 6 tests, 3 grew",
            "cache/takes_a_lot: peak grew from 1.0 MiB to 1.2 MiB (+19.1 %)",
            "cache/takes_three: number of allocations grew from 3 to 4 (+33.3 %)",
            "pool/leaks: leaked grew from 1.2 KiB to 197 KiB",
        )

    def test_growth_within_the_tolerance(self):
        self.accept()
        done = self.gate(only="cache/takes_a_lot", env={"GROW": "100000"})
        self.assertEnds(done, 0, "0 grew", "5 gone")
        done = self.gate("--tolerance=5", only="cache/takes_a_lot", env={"GROW": "100000"})
        self.assertEnds(done, LIMIT, "1 grew")

    def test_one_is_accepted_and_the_rest_stays(self):
        self.accept()
        before = json.loads(self.read("tether.lock"))["tests"]
        tests = self.accept("--accept=pool/l*", env={"GROW": "200000"})
        self.assertEqual(tests["pool/leaks"]["peak"], 201234)
        before["pool/leaks"] = tests["pool/leaks"]
        self.assertEqual(tests, before)

    def test_no_test_matches(self):
        self.accept()
        done = self.gate("--accept=nothing/*")
        self.assertEnds(done, USAGE, "no test matches 'nothing/*'")

    def test_a_new_test(self):
        self.accept()
        lock = json.loads(self.read("tether.lock"))
        del lock["tests"]["pool/leaks"]
        self.write("tether.lock", json.dumps(lock))
        self.assertEnds(self.gate(), 0, "pool/leaks: not in the lock", "1 new")
        self.assertEnds(self.gate("--strict"), LIMIT, "1 new")

    def test_a_test_that_is_gone(self):
        self.accept()
        lock = json.loads(self.read("tether.lock"))
        lock["tests"]["a/b"] = {"peak": 1, "count": 1}
        self.write("tether.lock", json.dumps(lock))
        self.assertEnds(self.gate(), 0, "a/b: in the lock, but no such test ran", "1 gone")
        self.assertNotIn("a/b", self.accept())

    def test_noise_is_found_and_borne(self):
        tests = self.accept("--runs=8", env={"NOISE": "1"})
        self.assertTrue(tests["pool/is_noisy"].get("noisy"))
        self.assertNotIn("noisy", tests["cache/takes_three"])

    def test_tests_that_fail_are_not_judged(self):
        self.accept()
        done = self.gate(env={"FAIL": "1"})
        self.assertEnds(done, 1, "the tests themselves did not pass")
        before = self.read("tether.lock")
        self.gate("--accept", env={"FAIL": "1"})
        self.assertEqual(self.read("tether.lock"), before)

    def test_from_a_report(self):
        self.accept()
        self.report("--", program("suite"), env={"GROW": "200000"})
        done = self.tether("gate", "--from=report.json")
        self.assertEnds(done, LIMIT, "3 grew")

    def test_a_lock_that_is_none(self):
        for text in "{", "[]", "{}", '{"schema": 9, "tests": {}}', "":
            with self.subTest(text):
                self.write("tether.lock", text)
                self.assertEnds(self.gate(), USAGE, "tether.lock")

    def test_a_row_that_is_none(self):
        text = '{"schema": 1, "tests": {"pool/leaks": {"peak": "much"}}}'
        self.write("tether.lock", text)
        self.assertEnds(self.gate(), USAGE, "pool/leaks")

    def test_bad_numbers(self):
        self.assertEnds(self.gate("--tolerance=x"), USAGE, "--tolerance=x")
        self.assertEnds(self.gate("--runs=-1"), USAGE, "--runs=-1")


if __name__ == "__main__":
    main()
