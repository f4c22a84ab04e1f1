#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""headers.py CC CXX [FLAG...]: compiles each public header alone.

From C99 to C23 by CC, from C++11 to C++20 by CXX, without a warning; and before
and after glib.h and gtest.h where those are installed.
"""
import os
import subprocess
import sys

import tree

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wundef"]
C = ["c99", "c11", "gnu17", "c2x"]
CXX = ["c++11", "c++14", "c++17", "c++20"]
# Other headers with names and macros of their own, as modules of pkg-config.
OTHERS = [
    ("c", "gnu17", "glib.h", "glib-2.0"),
    ("c++", "c++17", "glib.h", "glib-2.0"),
    ("c++", "c++17", "gtest/gtest.h", "gtest"),
]
# Those that include Criterion's.
CRITERION = [
    "tether/criterion.h",
    "tether/criteria.h",
    "tether/disable_criterion.h",
]


def includes(*names):
    return "".join("#include <%s>\n" % name for name in names) + "int used;\n"


def module_flags(module):
    """Gets a module's flags, its headers as the system's; None: it is not
    installed."""
    done = subprocess.run(
        ["pkg-config", "--cflags", module],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        return None
    return [part.replace("-I", "-isystem", 1) for part in done.stdout.split()]


def sources(name, others):
    """Yields what is compiled of a header: language, standard, text, flags."""
    for language, standards in (("c", C), ("c++", CXX)):
        for standard in standards:
            yield language, standard, includes(name, name), []
    for language, standard, other, module in others:
        flags = module_flags(module)
        if flags is not None:
            yield language, standard, includes(other, name), flags
            # Criterion's own macros are names of gtest's classes.
            if module != "gtest" or name not in CRITERION:
                yield language, standard, includes(name, other), flags


def compiles(compiler, language, standard, text, flags):
    """Compiles a text."""
    command = [compiler, "-x", language, "-std=" + standard, "-fsyntax-only"]
    command += WARNINGS + ["-I", os.path.join(tree.ROOT, "include")]
    done = subprocess.run(
        command + flags + ["-"],
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode == 0, done.stdout


def main():
    cc, cxx = sys.argv[1:3]
    flags = sys.argv[3:]
    faults = tree.Faults()
    headers = tree.files(".h", under="include")
    count = 0
    # They take their time: once is enough.
    plain = not any(flag.startswith("-DTETHER") for flag in flags)
    others = OTHERS if plain else []
    for header in headers:
        name = os.path.relpath(header, "include")
        for language, standard, text, more in sources(name, others):
            count += 1
            compiler = cc if language == "c" else cxx
            good, said = compiles(
                compiler, language, standard, text, flags + more
            )
            if not good:
                faults.add(
                    header,
                    1,
                    "%s -std=%s:\n%s%s" % (compiler, standard, text, said),
                )
    if not headers:
        faults.add("include", 1, "no headers")
    faults.end("%d compilations of %d headers" % (count, len(headers)))


if __name__ == "__main__":
    main()
