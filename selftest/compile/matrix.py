#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""matrix.py CC CXX: compiles each file here in every language standard.

A comment in the file says what for:
    matrix: c c++            the languages, both if there is no such comment
    matrix-flags: -DX        more flags
    matrix-needs: glib-2.0   a pkg-config module, without which it is left out
    matrix-run:              it is also linked, without Tether, and run
    matrix-fails: TEXT       it must not compile, and the compiler says TEXT
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
STANDARDS = {
    "c": ["c99", "c11", "c17", "gnu11"],
    "c++": ["c++11", "c++14", "c++17", "c++20"],
}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# gtest.h wants C++14.
LEAST = {"gtest": ["c++14", "c++17", "c++20"]}


def told(text, key):
    """Gets what the file says of 'key'; None: nothing."""
    found = re.search(r"matrix%s:([^\n*]*)" % key, text)
    return found.group(1).strip() if found else None


def run(command):
    done = subprocess.run(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout


def module_flags(module):
    """Gets a module's flags; None: it is not installed."""
    code, said = run(["pkg-config", "--cflags", module])
    return shlex.split(said) if code == 0 else None


class Matrix:
    def __init__(self, compilers, folder):
        self.compilers = dict(zip(("c", "c++"), compilers))
        self.folder = folder
        self.done = 0
        self.faults = 0
        self.left_out = []

    def fault(self, path, standard, said):
        self.faults += 1
        print("%s -std=%s:\n%s" % (os.path.basename(path), standard, said))

    def compile(self, path, text, language, standard, flags):
        program = os.path.join(self.folder, "program")
        runs = told(text, "-run") is not None
        command = [self.compilers[language], "-x", language]
        command += ["-std=" + standard, "-O2"] + WARNINGS + flags
        command += ["-I", os.path.join(ROOT, "include"), path, "-o", program]
        command += ["-x", "none", "-lcriterion"] if runs else ["-c"]
        self.done += 1
        code, said = run(command)
        wanted = told(text, "-fails")
        if wanted is not None:
            if code == 0 or wanted not in said:
                self.fault(path, standard, "must fail with: %s\n" % wanted + said)
        elif code != 0:
            self.fault(path, standard, said)
        elif runs:
            code, said = run([program])
            if code != 0:
                self.fault(path, standard, said)

    def file(self, path):
        with open(path) as source:
            text = source.read()
        flags = shlex.split(told(text, "-flags") or "")
        module = told(text, "-needs")
        if module:
            more = module_flags(module)
            if more is None:
                self.left_out.append("%s (no %s)" % (os.path.basename(path), module))
                return
            flags += more
        for language in (told(text, "") or "c c++").split():
            for standard in STANDARDS[language]:
                if module in LEAST and standard not in LEAST[module]:
                    continue
                self.compile(path, text, language, standard, flags)


def main():
    with tempfile.TemporaryDirectory() as folder:
        matrix = Matrix(sys.argv[1:3], folder)
        for name in sorted(os.listdir(HERE)):
            if name.endswith(".c"):
                matrix.file(os.path.join(HERE, name))
        for name in matrix.left_out:
            print("left out: " + name)
        print("%d faults in %d compilations" % (matrix.faults, matrix.done))
        sys.exit(matrix.faults != 0 or matrix.done == 0)


if __name__ == "__main__":
    main()
