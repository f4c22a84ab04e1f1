#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""abi.py [--write] CLANG [BUILD]: what the libraries promise, and keep.

lib/tether.abi lists the signature of every public function, and the fields of
every public struct, as clang reads them in include/tether/. This checks that
the list is that of the headers, that the version scripts name the functions
of the headers, and that the libraries in BUILD export what the scripts name.
--write writes the list and the functions' part of the version scripts anew.
"""
import json
import os
import re
import subprocess
import sys

import tree

ABI = "lib/tether.abi"
HEAD = """\
# The public functions and structs of Tether, by header, as clang reads them.
# Written by selftest/house/abi.py --write, and compared with the headers by a
# test: a change here is a change of the interface.
"""
# Names that are not of Tether's: the malloc family and what the plug-in wraps
# are written into the version scripts by hand.
OWN = re.compile(r"^tether_\w+$")
LIBRARIES = {
    "tether": ("lib/tether.map", "lib/libtether.so"),
    "criterion": ("lib/tether-criterion.map", "lib/libtether-criterion.so"),
}


def library_of(header):
    return "criterion" if header in (
        "criterion.h",
        "criterion_spy.h",
        "criteria.h",
    ) else "tether"


# --- reading the headers ---------------------------------------------------


def declarations(clang, header):
    """Gives what clang knows of 'tether_*' in a header, in its order."""
    path = os.path.join(tree.ROOT, "include", "tether", header)
    flags = ["-I", os.path.join(tree.ROOT, "include")]
    flags += os.environ.get("CRITERION_CFLAGS", "").split()
    said = subprocess.run(
        [clang, "-std=gnu11", "-fsyntax-only", "-x", "c"]
        + ["-Xclang", "-ast-dump=json", "-Xclang", "-ast-dump-filter=tether_"]
        + flags
        + [path],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    decoder = json.JSONDecoder()
    at = 0
    while at < len(said):
        found, at = decoder.raw_decode(said, at)
        yield found
        while at < len(said) and said[at].isspace():
            at += 1


def parameter(declaration):
    kind = declaration["type"]["qualType"]
    kind = re.sub(r" at [^)]*:\d+:\d+\)", ")", kind)  # where no name is
    name = declaration.get("name", "")
    if "(*)" in kind:
        return kind.replace("(*)", "(*%s)" % name)
    array = re.match(r"(.*?)((?:\[\d+\])+)$", kind)
    if array:
        kind, name = array.group(1), name + array.group(2)
    kind = kind.strip()
    return (kind + ("" if kind.endswith("*") else " ") + name).strip()


def describe_function(found):
    kind = found["type"]["qualType"]
    result = kind[: kind.index("(")].strip()
    takes = [
        parameter(inner)
        for inner in found.get("inner", [])
        if inner["kind"] == "ParmVarDecl"
    ]
    if found.get("variadic"):
        takes.append("...")
    return "%s%s%s(%s)" % (
        result,
        "" if result.endswith("*") else " ",
        found["name"],
        ", ".join(takes) or "void",
    )


def describe_struct(found):
    fields = [
        parameter(inner)
        for inner in found.get("inner", [])
        if inner["kind"] == "FieldDecl"
    ]
    return "struct %s { %s; }" % (found["name"], "; ".join(fields))


def read_headers(clang):
    """Gives, by header, the public functions and structs, each declared
    in the first header (by include order: the one that defines it) once."""
    functions, lines, seen = {}, {}, set()
    headers = [
        os.path.basename(path)
        for path in tree.files(".h", under="include/tether")
    ]
    # Includers come last, so that a name counts for its own header.
    headers.sort(key=lambda h: (h in ("tether.h", "criterion.h"), h))
    texts = {h: tree.read("include/tether/" + h) for h in headers}
    for header in headers:
        for found in declarations(clang, header):
            name = found.get("name", "")
            if not re.search(r"\b%s\b" % re.escape(name), texts[header]):
                continue
            if found["kind"] == "FunctionDecl":
                if found.get("storageClass") == "static" or name in seen:
                    continue
                seen.add(name)
                if defined_elsewhere(name, header, texts):
                    seen.discard(name)
                    continue
                functions[name] = header
                lines.setdefault(header, []).append(describe_function(found))
            elif found["kind"] == "RecordDecl" and found.get(
                "completeDefinition"
            ):
                if not re.search(r"struct %s\s*\{" % name, texts[header]):
                    continue
                lines.setdefault(header, []).append(describe_struct(found))
    return functions, lines


def defined_elsewhere(name, header, texts):
    """Does another header declare this function, and this one only use it?"""
    declared = re.compile(r"TETHER_API[^;]*\b%s\(" % re.escape(name))
    if declared.search(texts[header]):
        return False
    return any(declared.search(text) for text in texts.values())


def write_list(lines):
    text = HEAD
    for header in sorted(lines):
        text += "\n## %s\n" % header + "\n".join(lines[header]) + "\n"
    return text


# --- version scripts and libraries -----------------------------------------


def script_names(path):
    text = re.sub(r"/\*.*?\*/", "", tree.read(path), flags=re.DOTALL)
    body = text[text.index("global:") + len("global:") : text.index("local:")]
    return [name.strip() for name in body.split(";") if name.strip()]


def write_script(path, names):
    """Puts Tether's own names, one a line, in the place of those there."""
    text = tree.read(path)
    start = text.index("global:\n") + len("global:\n")
    kept = re.sub(r"[ \t]*tether_[\w*]+;[ \t]*\n?", "", text[start:])
    own = "".join("    %s;\n" % name for name in sorted(names))
    with open(os.path.join(tree.ROOT, path), "w", encoding="utf-8") as file:
        file.write(text[:start] + own + kept)


def exported(library):
    said = subprocess.run(
        ["nm", "-D", "--defined-only", library],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return {line.split()[2].split("@")[0] for line in said.splitlines()}


def compare(faults, path, what, have, should):
    for name in sorted(should - have):
        faults.add(path, 1, "%s: lacks %s" % (what, name))
    for name in sorted(have - should):
        faults.add(path, 1, "%s: has %s, which is not promised" % (what, name))


def check(functions, lines, build, faults):
    if not os.path.exists(os.path.join(tree.ROOT, ABI)) or tree.read(
        ABI
    ) != write_list(lines):
        faults.add(ABI, 1, "differs from the headers; see abi.py --write")
    sanitized = "-fsanitize=address" in cache_flags(build) if build else False
    for key, (script, library) in LIBRARIES.items():
        names = script_names(script)
        promised = {n for n, h in functions.items() if library_of(h) == key}
        own = {name for name in names if name.startswith("tether_")}
        compare(faults, script, "the headers' names", own, promised)
        if len(names) != len(set(names)):
            faults.add(script, 1, "a name stands there twice")
        if not build or not os.path.exists(os.path.join(build, library)):
            continue
        have = exported(os.path.join(build, library))
        should = set(names)
        if sanitized:
            # AddressSanitizer's malloc stays: most of the family is absent.
            should = {n for n in should if OWN.match(n) or n in have}
        compare(faults, library, "the script's names", have, should)


def cache_flags(build):
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        return "".join(l for l in file if l.startswith("CMAKE_C_FLAGS:"))


def main():
    arguments = sys.argv[1:]
    write = "--write" in arguments
    arguments = [a for a in arguments if a != "--write"]
    clang, build = arguments[0], (arguments + [None])[1]
    functions, lines = read_headers(clang)
    if write:
        with open(os.path.join(tree.ROOT, ABI), "w", encoding="utf-8") as file:
            file.write(write_list(lines))
        for key, (script, _) in LIBRARIES.items():
            names = [n for n, h in functions.items() if library_of(h) == key]
            write_script(script, names)
    faults = tree.Faults()
    check(functions, lines, build, faults)
    faults.end("the interface of %d functions" % len(functions))


if __name__ == "__main__":
    main()
