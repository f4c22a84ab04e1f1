#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`tether run` on suites and on other programs."""
import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import termios
import unittest

from driver import *


class Suites(Case):
    def test_each_test_has_its_numbers(self):
        tests = self.report("--", program("suite"))
        numbers = {
            name: (row["peak_bytes"], row["count"], row["leaked_bytes"])
            for name, row in tests.items()
        }
        self.assertEqual(
            numbers,
            {
                "cache/takes_a_lot": (1 << 20, 1, 0),
                "cache/takes_three": (10, 3, 0),
                "pool/leaks": (1234, 1, 1234),
                "pool/is_noisy": (10, 1, 0),
                "end/is_killed": (777, 1, None),
                "end/fails": (0, 0, 0),
            },
        )

    def test_its_own_status_comes_back(self):
        done = self.tether("run", "--", program("suite"), env={"FAIL": "1"})
        self.assertEnds(done, 1, "told to fail", "[heap]")

    def test_a_limit_that_broke(self):
        done = self.tether("run", "--max-heap=100KiB", "--", program("suite"))
        self.assertEnds(
            done, LIMIT, "max_heap broken: 1 MiB live", "cache::takes_a_lot"
        )

    def test_leaks(self):
        done = self.tether("run", "--max-leaked=0", "--", program("suite"))
        self.assertEnds(done, LEAK, "1 block, 1.2 KiB leaked", "suite.c:")

    def test_a_limit_is_stronger_than_leaks(self):
        done = self.tether(
            "run", "--max-leaked=0", "--max-heap=100KiB", "--", program("suite")
        )
        self.assertEnds(done, LIMIT)

    def test_the_programs_own_arguments(self):
        tests = self.report("--", program("suite"), "--filter", "cache/*", "-j1")
        self.assertEqual(len(tests), 2)

    def test_a_suite_that_make_starts(self):
        self.write("Makefile", "all:\n\t@%s --filter 'pool/l*'\n" % program("suite"))
        tests = self.report("--", "make")
        self.assertEqual(tests["pool/leaks"]["leaked_bytes"], 1234)
        self.assertIn("make", tests)

    def test_under_address_sanitizer(self):
        if not os.path.exists(program("suite_asan")):
            self.fail("runner_suite_asan was not built")
        done = self.tether(
            "run", "--max-heap=100KiB", "--", program("suite_asan"), "--filter", "c*/*",
            env={"ASAN_OPTIONS": "detect_leaks=0"},
        )
        self.assertEnds(done, LIMIT, "max_heap broken", "suite.c:")

    def test_a_suite_that_is_linked_with_tether(self):
        tests = self.report("--", program("budgets"))
        self.assertEqual(tests["other/has_none"]["peak_bytes"], 8192)

    def test_a_table_is_printed_once(self):
        for name in "suite", "budgets":
            done = self.tether("run", "--", program(name))
            self.assertEqual(done.stderr.count("largest    total"), 1, done.stderr)

    def test_quiet_prints_none(self):
        done = self.tether("run", "-q", "--", program("suite"))
        self.assertNotIn("largest", done.stderr)

    def test_what_cannot_be_checked(self):
        env = {"TETHER_OFF": "1"}
        done = self.tether("run", "--", program("suite"), env=env)
        self.assertEnds(done, BLIND, "6 tests unchecked: TETHER_OFF is set")


class Programs(Case):
    def run_process(self, *way, options=(), **more):
        return self.tether("run", *options, "--", program("process"), *way, **more)

    def test_numbers_of_a_program(self):
        row = self.report("--", program("process"))["runner_process"]
        self.assertEqual(row["peak_bytes"], 5000)
        self.assertEqual(row["count"], 1)
        self.assertEqual(row["leaked_bytes"], 0)

    def test_leaks_are_those_after_everything_has_ended(self):
        row = self.report("--", program("process"), "leak")["runner_process"]
        self.assertEqual(row["leaked_bytes"], 4321)
        row = self.report("--", program("process"), "late")["runner_process"]
        self.assertEqual(row["leaked_bytes"], 0)

    def test_ways_to_end(self):
        for way, status in ("exit", 7), ("_exit", 8), ("signal", 128 + 15), ("thread", 5):
            with self.subTest(way):
                self.assertEnds(self.run_process(way), status, "runner_process")

    def test_numbers_survive_the_ways_to_end(self):
        for way, status in ("_exit", 8), ("signal", 143):
            tests = self.report("--", program("process"), way, status=status)
            self.assertGreaterEqual(tests["runner_process"]["peak_bytes"], 5000)
            self.assertIsNone(tests["runner_process"]["leaked_bytes"])

    def test_what_goes_through_is_unchanged(self):
        done = self.run_process("echo", "out", input="in\n")
        self.assertEqual(done.stdout, "in\nout")

    def test_a_forked_child_is_measured_by_itself(self):
        done = self.run_process("fork", options=["--max-heap=100KiB"])
        self.assertEnds(done, LIMIT, "max_heap broken")
        self.assertIn("take_much", done.stderr)

    def test_a_program_that_is_executed(self):
        tests = self.report("--", program("process"), "exec")
        self.assertIn("true", tests)

    def test_a_limit_tells_and_the_status_is_its_own(self):
        done = self.run_process(options=["--max-alloc=4KiB"])
        self.assertEnds(
            done, LIMIT, "tether: runner_process, process", "max_alloc broken"
        )

    def test_a_bad_free(self):
        done = self.run_process("twice")
        self.assertEnds(done, LIMIT, "free")

    def test_a_signal_is_handed_on(self):
        child = subprocess.Popen(
            [TETHER, "run", "--", program("process"), "wait"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.folder, env=self.environment({}),
        )
        self.assertEqual(child.stdout.readline(), "waiting\n")
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=60)  # closes the pipes
        self.assertEqual(child.returncode, 128 + signal.SIGTERM)
        self.assertIn("runner_process", said)

    def test_a_script(self):
        path = self.write("script", "#!/bin/sh\n%s leak\n" % program("process"))
        os.chmod(path, 0o755)
        tests = self.report("--", "./script")
        self.assertEqual(tests["runner_process"]["leaked_bytes"], 4321)


class Progress(Case):
    def on_terminal(self, *options, env={}):
        """What a terminal of 24 lines shows in the end, and all that came."""
        try:
            pid, terminal = pty.fork()
        except OSError as error:
            self.skipTest("no terminal can be had here: %s" % error)
        if pid == 0:
            os.chdir(self.folder)
            os.execve(
                TETHER,
                [TETHER, "run", *options, "--", program("process"), "sleep"],
                self.environment({"TERM": "xterm", **env}),
            )
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        came = b""
        try:
            while True:
                some = os.read(terminal, 4096)
                if not some:
                    break
                came += some
        except OSError:
            pass
        os.waitpid(pid, 0)
        os.close(terminal)
        return came.decode()

    def test_the_last_line_shows_it(self):
        came = self.on_terminal("--max-heap=100KiB")
        self.assertRegex(came, r"\[#########\.+\] 49\.8 KiB of 100 KiB  runner_process")
        self.assertIn("\033[1;23r", came)
        self.assertTrue(came.rindex("\033[r") > came.rindex("49.8 KiB of"))
        self.assertIn("[heap]", came)

    def test_not_where_it_is_not_wanted(self):
        self.assertNotIn("\033[", self.on_terminal("-q"))
        self.assertNotIn("\033[", self.on_terminal(env={"TERM": "dumb"}))

    def test_not_in_a_file(self):
        done = self.tether("run", "--", program("process"), "sleep")
        self.assertNotIn("\033", done.stderr + done.stdout)
        self.assertEqual(done.stdout, "one\ntwo\nthree\n")


class Refusals(Case):
    def test_static(self):
        done = self.tether("run", program("static"))
        self.assertEnds(done, NOT_RUN, "is linked statically")

    def test_other_rights(self):
        if os.geteuid() != 0:
            self.skipTest("only root can make such a file")
        path = os.path.join(self.folder, "other")
        shutil.copy("/bin/true", path)
        os.chown(path, 65534, 65534)
        os.chmod(path, 0o4755)
        done = self.tether("run", "./other")
        self.assertEnds(done, NOT_RUN, "runs with other rights than yours")

    def test_not_there(self):
        self.assertEnds(self.tether("run", "./nothing"), NOT_FOUND, "not found")
        self.assertEnds(self.tether("run", "nothing-of-that"), NOT_FOUND, "in PATH")

    def test_a_folder(self):
        self.assertEnds(self.tether("run", "/"), NOT_RUN, "is no file")

    def test_no_program(self):
        self.assertEnds(self.tether("run"), USAGE, "tether run -- ./tests")
        self.assertEnds(self.tether("gate"), USAGE, "tether gate -- ./tests")

    def test_bad_options(self):
        self.assertEnds(self.tether("run", "--max-heap=8MB", "ls"), USAGE, "--max-heap=8MB")
        self.assertEnds(self.tether("run", "--max-count=8KiB", "ls"), USAGE, "whole number")
        self.assertEnds(self.tether("run", "--on-breach=x", "ls"), USAGE, "go-on stop deny")
        self.assertEnds(self.tether("run", "--nonsense", "ls"), USAGE, "nonsense")

    def test_commands(self):
        self.assertEnds(self.tether("gaet"), USAGE, "did you mean 'gate'?")
        self.assertEnds(self.tether(), USAGE, "Usage: tether")
        self.assertEnds(self.tether("--help"), 0, "tether run --max-heap")
        for command in "run", "gate", "config", "diff", "merge", "stress", "doctor":
            self.assertEnds(self.tether(command, "--help"), 0, "Example:")

    def test_a_report_that_cannot_be_written(self):
        done = self.tether("run", "--json=no/such/folder", program("process"))
        self.assertEnds(done, USAGE, "no/such/folder: No such file")

    def test_environment_that_is_no_limit(self):
        env = {"TETHER_MAX_HEAP": "much"}
        done = self.tether("run", program("process"), env=env)
        self.assertEnds(done, USAGE, "TETHER_MAX_HEAP=much is no size")


class Doctor(Case):
    def test_all_is_well(self):
        done = self.tether("doctor", program("suite"))
        self.assertEnds(done, 0, "allocations are counted", "files and lines")

    def test_a_static_program(self):
        done = self.tether("doctor", program("static"))
        self.assertEnds(done, BLIND, "is linked statically")


if __name__ == "__main__":
    main()
