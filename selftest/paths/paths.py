#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paths.py [--accept|--no-gdb|--core] ANALYSER PROGRAM GOLDEN: asks a
program of cases.

Starts PROGRAM, which says its cases and stops itself; asks ANALYSER for each
case's object, and compares the answers with the file GOLDEN (addresses are
made equal). Then gdb is attached at the same stop and must get, for each
expression that was printed, the address of the case's object.
--accept writes GOLDEN anew; gdb's word is not waived. --no-gdb does not ask
gdb. --core lets gdb write a core file, ends the program, and asks that file;
it knows no names of threads.
"""
import difflib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = re.compile(r"^  (?:held by  |perhaps by) (.*)\n      \((.*)\)$", re.MULTILINE)
# Words of a stack that nobody wrote since are another time others.
CHANCE = re.compile(r"^  perhaps by (?:.*\n)(?:    .*\n)*", re.MULTILINE)


def stopped(pid):
    with open("/proc/%d/stat" % pid, encoding="utf-8") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "T"


def start(program):
    """Starts the program and waits until it stands still."""
    process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
    for _ in range(3000):
        if stopped(process.pid):
            break
        time.sleep(0.01)
    else:
        process.kill()
        sys.exit("%s does not stop" % program)
    os.set_blocking(process.stdout.fileno(), False)
    lines = (process.stdout.read() or "").splitlines()
    said = [line.split("\t") for line in lines]
    means = {name[1:]: value for name, value in said if name[0] == "="}
    return process, means, [(name, int(address, 16))
                            for name, address in said if name[0] != "="]


def ask(analyser, image, address):
    done = subprocess.run(
        [analyser, *image, hex(address)],
        capture_output=True, text=True, check=False, timeout=60,
    )
    if done.returncode != 0:
        return "status %d: %s%s" % (done.returncode, done.stdout, done.stderr)
    return done.stdout


def same(text):
    text = re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", text)
    return re.sub(r"\bpthread_getspecific\(\d+\)|\bkey \d+",
                  lambda at: re.sub(r"\d+", "N", at.group(0)), text)


def evaluate(pid, checks, means):
    """What gdb gets for each expression."""
    for check in checks:
        for name, value in means.items():
            check[1] = re.sub(re.escape(name) + r"(\(\d+\))?",
                              "((void *)%s)" % value, check[1])
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(checks, file)
        file.flush()
        done = subprocess.run(
            ["gdb", "-batch", "-nx", "-p", str(pid), "-x",
             os.path.join(HERE, "in_gdb.py")],
            capture_output=True, text=True, check=False, timeout=300,
            env=dict(os.environ, PATHS_CHECKS=file.name,
                     DEBUGINFOD_URLS="", TETHER_OFF="1"),
        )
    lines = done.stdout.splitlines()
    wrong = [line for line in lines if line.startswith("WRONG")]
    right = [line for line in lines if line.startswith("RIGHT")]
    if len(wrong) + len(right) != len(checks):
        wrong.append("gdb answered %d of %d:\n%s%s" % (
            len(wrong) + len(right), len(checks), done.stdout, done.stderr))
    return wrong, len(right)


def compare(golden, text, clean):
    want = ""
    if os.path.exists(golden):
        with open(golden, encoding="utf-8") as file:
            want = file.read()
    return list(difflib.unified_diff(
        clean(want).splitlines(), clean(text).splitlines(), os.path.basename(golden), "now",
        lineterm=""))


def without_threads(text):
    """A core file knows no names of threads."""
    return re.sub(r"(, |^  )thread (`[^`]*`|\d+)", r"\1thread", text,
                  flags=re.MULTILINE)


def answers_of_core(analyser, process, cases):
    with tempfile.TemporaryDirectory() as folder:
        core = os.path.join(folder, "core")
        subprocess.run(
            ["gdb", "-batch", "-nx", "-p", str(process.pid), "-ex",
             "generate-core-file " + core],
            capture_output=True, check=True, timeout=300,
            env=dict(os.environ, DEBUGINFOD_URLS="", TETHER_OFF="1"))
        process.send_signal(signal.SIGKILL)
        process.wait()
        return [(name, address, ask(analyser, ["--core", core], address))
                for name, address in cases]


def main():
    arguments = sys.argv[1:]
    mode = arguments.pop(0) if arguments[0].startswith("--") else ""
    analyser, program, golden = arguments
    wrong, right, clean = [], 0, lambda text: text
    process, means, cases = start(program)
    try:
        if mode == "--core":
            clean = without_threads
            answers = answers_of_core(analyser, process, cases)
        else:
            image = ["--pid", str(process.pid)]
            answers = [(name, address, ask(analyser, image, address))
                       for name, address in cases]
        checks = [[name, expression, where, address]
                  for name, address, answer in answers
                  for expression, where in PATH.findall(answer)]
        if mode not in ("--core", "--no-gdb"):
            wrong, right = evaluate(process.pid, checks, means)
            if right == 0:
                wrong.append("no expression was evaluated")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    text = "".join("== %s\n%s" % (name, CHANCE.sub("", same(answer)))
                   for name, _, answer in answers)
    if mode == "--accept":
        with open(golden, "w", encoding="utf-8") as file:
            file.write(text)
    difference = compare(golden, text, clean)
    print("\n".join(difference + wrong))
    print("%d cases, %d expressions; gdb evaluates %d to the object, %d not"
          % (len(cases), len(checks), right, len(wrong)))
    return 1 if difference or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
