#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""golden.py [--accept] BIN [CASE...]: compares what fixtures print.

A case is a file whose first line is the command, with variables before it:

    $ TETHER_STRICT=1 fixture_plug_places -j1 --xml

and whose rest is what the command wrote to standard output and to standard
error, and its exit status. BIN is the folder of the fixtures. Only times are
made equal. What is written as XML, JSON or TAP must also be valid.
--accept writes the cases anew, from their first lines.
"""
import difflib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.dom.minidom

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VARIABLE = re.compile(r"^[A-Z_]+=")

# What is another time by time.
SAME = [
    # What a new thread takes for thread-local storage is libc's business.
    (re.compile(r"\[heap\] .* (\S*thread\S*)"), r"[heap] SIZES \1"),
    (re.compile(r"\(\d+\.\d\ds\)"), "(TIME)"),
    (re.compile(r'time="\d+\.\d+"'), 'time="TIME"'),
    (re.compile(r"\b\d+ ms, \d+ polls?\b"), "N ms, N polls"),
    (re.compile(r"\b\d+ polls? in \d+ ms\b"), "N polls in N ms"),
    (re.compile(r"\bafter \d+ ms\b"), "after N ms"),
    (re.compile(r"\bwaited \d+ ms\b"), "waited N ms"),
    (re.compile(r"\bin \d+ polls?\b"), "in N polls"),
    (re.compile(r"\b\d+ polls?\b"), "N polls"),
]


def same(text):
    text = text.replace(ROOT + "/", "")
    for pattern, put in SAME:
        text = pattern.sub(put, text)
    return text


def check_xml(text):
    xml.dom.minidom.parseString(text)
    if shutil.which("xmllint"):
        subprocess.run(["xmllint", "--noout", "-"], input=text, text=True, check=True)


def check_tap(text):
    """A TAP 13 stream: version, plan, as many results, YAML that is closed."""
    lines = text.splitlines()
    assert lines[0] == "TAP version 13", lines[0]
    plan = [line for line in lines if re.match(r"1\.\.\d+$", line)]
    assert len(plan) == 1, plan
    results, inside = 0, False
    for line in lines[1:]:
        if inside:
            assert line.startswith("  ") or not line, line
            inside = line != "  ..."
        elif re.match(r"(not )?ok\b", line):
            results += 1
        elif line == "  ---":
            inside = True
        else:
            assert not line or line.startswith("#") or line in plan, line
    assert not inside, "the YAML block is not closed"
    assert results == int(plan[0][3:]), (results, plan)


CHECKS = {"--xml": check_xml, "--json": json.loads, "--tap": check_tap}


def run(folder, command):
    words = shlex.split(command)
    environment = dict(os.environ, LC_ALL="C.UTF-8", TERM="dumb")
    for name in list(environment):
        if name.startswith("TETHER_") and name != "TETHER_ANALYSE":
            del environment[name]
    while VARIABLE.match(words[0]):
        name, value = words.pop(0).split("=", 1)
        environment[name] = value
    arguments = words[1:]
    done = subprocess.run(
        [os.path.join(os.path.abspath(folder), words[0])] + arguments,
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=30,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    for argument in arguments:
        if argument in CHECKS:
            CHECKS[argument](out)
    return "$ %s\n--- standard output\n%s--- standard error\n%s--- status %d\n" % (
        command,
        same(out),
        same(err),
        done.returncode,
    )


def judge(folder, path, accept):
    with open(path, encoding="utf-8") as file:
        expected = file.read()
    command = expected.split("\n", 1)[0]
    assert command.startswith("$ "), path
    got = run(folder, command[2:])
    if accept:
        with open(path, "w", encoding="utf-8") as file:
            file.write(got)
        return True
    for line in difflib.unified_diff(
        expected.splitlines(), got.splitlines(), path, "now", lineterm=""
    ):
        print(line)
    return got == expected


def main():
    arguments = sys.argv[1:]
    accept = "--accept" in arguments
    arguments = [word for word in arguments if word != "--accept"]
    folder, cases = arguments[0], arguments[1:]
    if not cases:
        cases = sorted(
            os.path.join(HERE, name)
            for name in os.listdir(HERE)
            if name.endswith(".txt") and name != "CMakeLists.txt"
        )
    good = [judge(folder, case, accept) for case in cases]
    print("%d of %d cases are as expected" % (sum(good), len(good)))
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
