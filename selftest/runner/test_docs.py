#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages and completions say what the command knows."""
import re
import subprocess

from driver import *

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


def read(*path):
    with open(os.path.join(ROOT, *path)) as file:
        return file.read()


class Pages(Case):
    def test_they_are_well_formed(self):
        for page in "tether.1", "tether.ini.5", "tether.7":
            done = subprocess.run(
                ["groff", "-mandoc", "-ww", "-Tutf8", os.path.join(ROOT, "docs/man", page)],
                capture_output=True, text=True,
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""), page)

    def test_each_option_is_in_the_page(self):
        page = read("docs", "man", "tether.1")
        for command in "run", "gate", "config", "merge":
            said = self.tether(command, "--help").stdout
            options = set(OPTION.findall(said.split("Example:")[0]))
            for option in options - {"help", "usage", "version", "output", "ini"}:
                self.assertIn("-" + option, page, command)

    def test_each_key_is_in_the_page(self):
        page = read("docs", "man", "tether.ini.5")
        keys = self.tether("config", "--keys").stdout
        for line in keys.splitlines():
            self.assertIn(line.split()[0], page)

    def test_each_variable_is_in_the_page(self):
        page = read("docs", "man", "tether.7")
        rows = re.findall(r"^\| (`TETHER_.*?) \|", read("README.md"), re.MULTILINE)
        self.assertGreater(len(rows), 8)
        for variable in re.findall(r"`(TETHER_[A-Z_]+)", " ".join(rows)):
            self.assertIn(variable, page)


class Completion(Case):
    def complete(self, *words):
        script = (
            "source %s/docs/completion/tether.bash; compopt() { :; };"
            "COMP_WORDS=(%s); COMP_CWORD=%d; _tether; echo ${COMPREPLY[@]}"
            % (ROOT, " ".join((TETHER,) + words), len(words))
        )
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_commands(self):
        self.assertEqual(self.complete("ga"), {"gate"})

    def test_options(self):
        self.assertEqual(self.complete("run", "--max-h"), {"--max-heap="})
        self.assertIn("--accept", self.complete("gate", "--a"))

    def test_what_is_the_programs(self):
        self.assertEqual(self.complete("run", "--", "./tests", "--max"), set())


if __name__ == "__main__":
    main()
