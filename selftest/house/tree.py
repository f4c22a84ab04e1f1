# SPDX-License-Identifier: MIT
"""What the checks of the house share: the tree's files, and telling faults."""
import os
import sys

ROOT = os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
)
LEFT_OUT = {".git", ".cache", "__pycache__"}
NO_NAMES = (".git", "core", "vgcore")


def files(*endings, under=""):
    """Gives the paths, relative to the root, of files with these endings;
    without endings of all files. Build trees are left out."""
    found = []
    for folder, folders, names in os.walk(os.path.normpath(os.path.join(ROOT, under))):
        folders[:] = [
            name
            for name in folders
            if name not in LEFT_OUT
            and not (folder == ROOT and name.startswith("build"))
        ]
        for name in names:
            if name in NO_NAMES:
                continue
            if not endings or name.endswith(endings):
                path = os.path.join(folder, name)
                found.append(os.path.relpath(path, ROOT))
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


class Faults:
    """Collects what is wrong; 'end' prints it and leaves."""

    def __init__(self):
        self.lines = []

    def add(self, path, line, text):
        self.lines.append("%s:%d: %s" % (path, line, text))

    def end(self, what):
        for line in self.lines:
            print(line)
        print("%d faults in %s" % (len(self.lines), what))
        sys.exit(1 if self.lines else 0)
