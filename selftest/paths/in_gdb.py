# SPDX-License-Identifier: MIT
"""Runs inside gdb, which is attached to a program of cases that stands still.

PATHS_CHECKS names a file with [case, expression, where, address] of each
path. Each expression is evaluated as a user would paste it: in the thread and
the frame that its root's sentence names. One line for each that is not the
object's address.
"""
import json
import os
import re
import sys

import gdb

# What GNU's standard library tells gdb of its containers: so '.get()' and
# '[2]' need no code in the program.
sys.path.insert(0, "/usr/share/gcc/python")
try:
    from libstdcxx.v6.xmethods import register_libstdcxx_xmethods

    register_libstdcxx_xmethods(None)
except ImportError:
    pass

FOLD = re.compile(r"\{([^{}]*) x(\d+)\}")
FOLD_AROUND = re.compile(r"\{([^{}]*) x(\d+), from ([^{}]*)\}")


def unfold(expression):
    """Writes repeated steps out: 'a{->b x3}' is 'a->b->b->b'."""
    while True:
        around = FOLD_AROUND.search(expression)
        if around:
            step, times, text = around.group(1), int(around.group(2)), around.group(3)
            for _ in range(times):
                text = step.replace("_", text, 1)
            expression = expression.replace(around.group(0), text)
            continue
        fold = FOLD.search(expression)
        if not fold:
            return expression
        expression = expression.replace(
            fold.group(0), fold.group(1) * int(fold.group(2)), 1
        )


def threads():
    return sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)


def select(frame):
    """Selects a frame, and the language that is spoken there."""
    frame.select()
    gdb.execute("frame", to_string=True)


def frames():
    """All frames of the selected thread."""
    frame = gdb.newest_frame()
    while frame is not None:
        yield frame
        frame = frame.older()


def value(expression):
    result = gdb.parse_and_eval(expression)
    return int(result.cast(gdb.lookup_type("unsigned long")))


def evaluate(expression, where):
    """Gives the value, or what gdb says against it."""
    thread_name = re.search(r"thread `([^`]*)`", where)
    function = re.search(r"`[^`]*` of (\S+?)[,;]", where)
    function = function or re.search(r"frame of (\S+)", where)
    for thread in threads():
        if thread_name and thread.name != thread_name.group(1):
            continue
        if not thread_name and thread.num != 1:
            continue
        thread.switch()
        if "register %" in where:
            select(gdb.newest_frame())
            return value(expression)
        if not function or "static" in where:
            # Where the program's own language is spoken.
            for frame in frames():
                if frame.name() == "main" or frame.older() is None:
                    select(frame)
                    break
            return value(expression)
        said = "no frame of %s" % function.group(1)
        for frame in frames():
            if frame.name() and frame.name().split("(")[0] == function.group(1):
                select(frame)
                return value(expression)
        return said
    return "no such thread"


def main():
    gdb.execute("set width 0")
    gdb.execute("set scheduler-locking on")
    gdb.execute("handle SIGSTOP nostop noprint nopass")
    gdb.execute("set max-value-size unlimited")
    gdb.execute(
        "macro define container_of(p, t, m)"
        " ((t *)((char *)(p) - (unsigned long)&((t *)0)->m))"
    )
    with open(os.environ["PATHS_CHECKS"], encoding="utf-8") as checks:
        for case, expression, where, address in json.load(checks):
            try:
                got = evaluate(unfold(expression), where)
            except gdb.error as error:
                got = str(error)
            if got != address:
                print("WRONG %s: %s is %s (%s)" % (
                    case, expression, hex(got) if isinstance(got, int) else got, where))
            else:
                print("RIGHT %s" % case)


main()
