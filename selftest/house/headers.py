#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""headers.py CC CXX [FLAG...]: compiles each public header alone.

As C99, C11 and C17 by CC, as C++11 and C++20 by CXX, without a warning.
"""
import os
import subprocess
import sys

import tree

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wundef"]
C = ["c99", "c11", "c17"]
CXX = ["c++11", "c++20"]


def compiles(compiler, language, standard, header, flags):
    """Compiles a file that includes 'header' only, twice."""
    name = os.path.relpath(header, "include")
    text = "#include <%s>\n#include <%s>\nint used;\n" % (name, name)
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
    for header in headers:
        for compiler, language, standards in ((cc, "c", C), (cxx, "c++", CXX)):
            for standard in standards:
                count += 1
                good, said = compiles(
                    compiler, language, standard, header, flags
                )
                if not good:
                    faults.add(
                        header, 1, "%s -std=%s:\n%s" % (compiler, standard, said)
                    )
    if not headers:
        faults.add("include", 1, "no headers")
    faults.end("%d compilations of %d headers" % (count, len(headers)))


if __name__ == "__main__":
    main()
