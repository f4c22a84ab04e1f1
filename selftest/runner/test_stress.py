#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`tether stress`: the smallest set of collections that fails."""
import re
import unittest

from driver import *

FAILS = ["--filter", "stress/fails_when_two_meet"]


class Stress(Case):
    def test_the_two_are_found(self):
        done = self.tether("stress", "--", program("stress"), *FAILS)
        self.assertEnds(done, 1, "2 of 50 collections make it fail")
        found = re.search(r"TETHER_STRESS_AT=(\d+),(\d+)", done.stdout)
        self.assertEqual(int(found[2]) - int(found[1]), 11)

    def test_every_so_many(self):
        done = self.tether("stress", "-n1", "-v", "--", program("stress"), *FAILS)
        self.assertEnds(done, 1, "2 of 50", "trial 1: fails with 50 collections")
        done = self.tether("stress", "-n7", "--", program("stress"), *FAILS)
        self.assertEnds(done, 0, "it passes with 7 collections")

    def test_one_that_passes(self):
        done = self.tether(
            "stress", "--", program("stress"), "--filter", "stress/passes"
        )
        self.assertEnds(done, 0, "it passes with 50 collections")

    def test_several_tests(self):
        done = self.tether("stress", "--", program("stress"))
        self.assertEnds(done, USAGE, "2 tests ran", "--filter")

    def test_without_tether(self):
        done = self.tether("stress", "--", "true")
        self.assertEnds(done, BLIND, "is it linked with Tether?")

    def test_one_that_fails_anyway(self):
        done = self.tether("stress", "--", "false")
        self.assertEnds(done, USAGE, "fails without any collection")

    def test_options(self):
        self.assertEnds(self.tether("stress"), USAGE, "no program")
        done = self.tether("stress", "--every=none", "--", "true")
        self.assertEnds(done, USAGE, "--every=none is no number")
        done = self.tether("stress", "--pressure=9", "--", "true")
        self.assertEnds(done, USAGE, "--pressure=9")


if __name__ == "__main__":
    main()
