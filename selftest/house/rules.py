#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the rules of the house that a script can check.

Licence line, length of functions, files and lines, no unfinished marks, no
paths of one machine, names led by their folder, platform code in lib/os only.
"""
import os
import re

import tree

C_FILES = (".c", ".h", ".cpp", ".hpp")
CODE = C_FILES + (".py", ".sh", ".cmake", "CMakeLists.txt")
TEXT = CODE + (".md", ".in", ".json", ".map", ".debian", ".ini")
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
COLUMNS_MAX = 80

# Written in pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
MACHINE = re.compile("/wo" + "rk/|/tmp/" + r"wt\b|/ho" + r"me/\w|/ro" + "ot/")
PLATFORM = re.compile(r"^\s*#.*\b(__linux__|__x86_64__|__aarch64__)\b")
PLATFORM_FOLDERS = ("lib/os/", "lib/stack/")


def is_code(path):
    if path.endswith(CODE):
        return True
    if "." in os.path.basename(path):
        return False
    return tree.read(path).startswith("#!")


def check_licence(path, text, faults):
    head = "\n".join(text.split("\n", 3)[:3])
    if "SPDX-License-Identifier: MIT" not in head:
        faults.add(path, 1, "no SPDX line at the top")


def check_words(path, text, faults):
    for number, line in enumerate(text.split("\n"), 1):
        if UNFINISHED.search(line):
            faults.add(path, number, "an unfinished mark")
        if MACHINE.search(line):
            faults.add(path, number, "a path of one machine")


def check_functions(path, lines, faults):
    """A function's body stands between braces in the first column."""
    start = 0
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            length = number - start + 1
            if length > FUNCTION_LINES_MAX:
                faults.add(path, start, "a function of %d lines" % length)
            start = 0


def check_c(path, lines, faults):
    check_functions(path, lines, faults)
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            faults.add(path, number, "a line of %d columns" % len(line))
        if "\t" in line:
            faults.add(path, number, "a tabulator")
        if (
            path.startswith("lib/")
            and PLATFORM.search(line)
            and not path.startswith(PLATFORM_FOLDERS)
        ):
            faults.add(path, number, "platform code outside lib/os")
    parts = path.split("/")
    if parts[0] == "lib" and len(parts) == 3:
        if not parts[2].startswith((parts[1] + "_", parts[1] + ".")):
            faults.add(path, 1, "the name is not led by '%s_'" % parts[1])


def check_unique(paths, faults):
    """A file of lib/ has a name of its own in lib/."""
    seen = {}
    for path in paths:
        name = os.path.basename(path)
        if name in seen:
            faults.add(path, 1, "same name as " + seen[name])
        seen[name] = path


def main():
    faults = tree.Faults()
    paths = tree.files()
    for path in paths:
        binary = not (path.endswith(TEXT) or "." not in os.path.basename(path))
        if binary:
            continue
        text = tree.read(path)
        lines = text.split("\n")
        check_words(path, text, faults)
        if is_code(path):
            check_licence(path, text, faults)
            if len(lines) - 1 > FILE_LINES_MAX:
                faults.add(path, 1, "a file of %d lines" % (len(lines) - 1))
        if path.endswith(C_FILES):
            check_c(path, lines, faults)
    check_unique(tree.files(*C_FILES, under="lib"), faults)
    faults.end("the rules of %d files" % len(paths))


if __name__ == "__main__":
    main()
