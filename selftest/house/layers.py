#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks every #include of lib/ against the table in lib/README.md.

A file in lib/X includes public headers, its own folder, and folders with a
smaller number. What proves that the public headers suffice (lib/criterion,
examples, selftest/api, selftest/fixtures) includes nothing else of Tether.
"""
import os
import re

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
ROW = re.compile(r"^\| *(\w+) *\| *(\d+) *\|", re.MULTILINE)
SOURCES = (".c", ".h", ".cpp", ".hpp")
OUTSIDE = ("examples", "selftest/api", "selftest/fixtures")
# The one file that knows every part, and a program of its own that shares
# lib/base and a record format.
KNOWS_ALL = "lib/init.c"
OWN_PROGRAMS = {"analyse": {"analyse", "base"}}
SHARED_WITH_PROGRAMS = (
    "heap/heap_record.h",
    "reach/reach_record.h",
    "reach/reach_tables.h",
)
# What sees public headers only, and what of lib/ it sees beside them.
OUTER = {
    "config": {"config"},
    "table": {"table"},
    "criterion": {"criterion", "config", "table"},
    "process": {"process", "config"},
    "runner": {"runner", "config", "table"},
}


def includes(path):
    """Gives line number, whether quoted, and name of each include."""
    text = tree.read(path)
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start(1)) + 1
        yield line, match.group(1) == '"', match.group(2)


def allowed(folder, table):
    """Gives the folders of lib/ that a file in lib/'folder' may include."""
    if folder in OWN_PROGRAMS:
        return OWN_PROGRAMS[folder]
    if folder in OUTER:
        return OUTER[folder]
    return {
        other
        for other, layer in table.items()
        if layer < table[folder] or other == folder
    }


def check_lib(path, table, faults):
    folder = path.split("/")[1]
    if folder not in table and folder not in OWN_PROGRAMS:
        faults.add(path, 1, "lib/README.md has no row for '%s'" % folder)
        return
    may = allowed(folder, table)
    for line, quoted, name in includes(path):
        if not quoted:
            if folder != "criterion" and (
                name.startswith("criterion/") or name == "tether/criterion.h"
            ):
                faults.add(path, line, "only lib/criterion knows Criterion")
            continue
        other = name.split("/")[0]
        here = os.path.join(tree.ROOT, os.path.dirname(path), name)
        if "/" not in name and os.path.exists(here):
            continue
        if "/" not in name or ".." in name:
            faults.add(path, line, '"%s" does not name its folder' % name)
        elif other not in may and not (
            folder in OWN_PROGRAMS and name in SHARED_WITH_PROGRAMS
        ):
            faults.add(
                path, line, "lib/%s may not include lib/%s" % (folder, other)
            )


def check_outside(path, table, faults):
    """Files that see public headers only."""
    inner = set(table) | set(OWN_PROGRAMS)
    for line, _, name in includes(path):
        first = name.split("/")[0]
        if "lib/" in name or (
            first in inner and os.path.exists(os.path.join(tree.ROOT, "lib", name))
        ):
            faults.add(path, line, "'%s' is not public" % name)


def main():
    faults = tree.Faults()
    table = {
        name: int(number)
        for name, number in ROW.findall(tree.read("lib/README.md"))
    }
    if not table:
        faults.add("lib/README.md", 1, "no table of layers")
    seen = 0
    for path in tree.files(*SOURCES, under="lib"):
        seen += 1
        if path != KNOWS_ALL:
            check_lib(path, table, faults)
    for under in OUTSIDE:
        for path in tree.files(*SOURCES, under=under):
            seen += 1
            check_outside(path, table, faults)
    for path in tree.files(".h", under="include"):
        seen += 1
        for line, quoted, name in includes(path):
            if quoted:
                faults.add(path, line, "a public header includes <...> only")
            elif name.startswith("criterion/") and not path.startswith(
                "include/tether/criterion"
            ):
                faults.add(path, line, "only criterion.h knows Criterion")
    faults.end("the includes of %d files" % seen)


if __name__ == "__main__":
    main()
