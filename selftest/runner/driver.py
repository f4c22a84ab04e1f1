# SPDX-License-Identifier: MIT
"""What the tests of the command share: running it in an empty folder."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

TETHER, BIN = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])

LIMIT, LEAK, BLIND, USAGE, NOT_RUN, NOT_FOUND = 101, 102, 103, 104, 126, 127


def program(name):
    return os.path.join(BIN, "runner_" + name)


class Case(unittest.TestCase):
    """A test in a folder of its own; tether.* there is what users have."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tether.")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def read(self, name):
        with open(os.path.join(self.folder, name)) as file:
            return file.read()

    def environment(self, env):
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TETHER_") and name != "LD_PRELOAD"
        }
        clean.update(env)
        return clean

    def tether(self, *arguments, env={}, input=None):
        """Runs the command; gives the finished process."""
        return subprocess.run(
            [TETHER, *arguments],
            cwd=self.folder,
            env=self.environment(env),
            input=input,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def report(self, *arguments, env={}, status=0):
        """`tether run --json`; gives the tests by name."""
        done = self.tether("run", "--json=report.json", *arguments, env=env)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        tests = json.loads(self.read("report.json"))["tests"]
        return {test["test"]: test for test in tests}

    def assertEnds(self, done, status, *texts):
        """It ended so, and said each text."""
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, status, said)
        for text in texts:
            self.assertIn(text, said)


def main():
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=1)
