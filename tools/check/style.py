"""Format, headers that compile alone, and the length of functions and files."""

import concurrent.futures
import os
import re
import subprocess

from tree import ROOT, debug_is_built, exceptions, files

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 900


def check_format(complaints):
    sources = files(".c", ".h")
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, sources)], capture_output=True, text=True,
                            check=False)
    bad = sorted(set(re.findall(r"^(/[^:\n]+):\d+:\d+: error", result.stderr, re.M)))
    for path in bad:
        complaints.add(path, 0, "is not formatted; run ./dev fmt")
    if result.returncode and not bad:
        complaints.add(".clang-format", 0, result.stderr.strip() or "clang-format failed")


def check_headers(complaints):
    """Every header compiles with nothing before it, so that its includes are complete."""
    if not debug_is_built():
        complaints.add("build/debug", 0, "does not build, so that generated headers are missing")
        return
    generated = ROOT / "build/debug/src"

    def compile_alone(path):
        result = subprocess.run(
            ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror",
             "-I", str(ROOT / "src"), "-I", str(ROOT / "include"), "-I", str(generated), "-I", str(ROOT / "test/unit"), "-x", "c", "-"],
            input=f'#include "{path}"\n', capture_output=True, text=True, check=False)
        return path, result

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for path, result in pool.map(compile_alone, files(".h")):
            if result.returncode:
                first = re.sub(r"^.*?error: ", "", result.stderr.split("error:", 1)[-1].splitlines()[0].strip())
                complaints.add(path, 0, f"does not compile alone ({first}); include what it uses")


def blank_out(text):
    """The text with comments, strings and characters replaced by spaces; lines stay where they are."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group(0)), text)


def functions(text):
    """Yields (name, line of its opening brace, number of lines) of every function of a C file."""
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda found: re.sub(r"[^\n]", " ", found.group(0)), blank_out(text),
                  flags=re.M)
    depth, statement, opened = 0, 0, None
    for found in re.finditer(r"[{};]", text):
        at, sign = found.start(), found.group(0)
        if sign == "{":
            if depth == 0:
                head = text[statement:at]
                named = re.search(r"(\w+)\s*\(", head)
                is_function = named and "=" not in head and head.rstrip().endswith(")")
                opened = (named.group(1), text.count("\n", 0, at) + 1) if is_function else None
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                if opened:
                    name, line = opened
                    yield name, line, text.count("\n", 0, at) + 2 - line
                statement = at + 1
        elif depth == 0:
            statement = at + 1


def check_functions(complaints):
    allowed = exceptions("function")
    for path in files(".c", ".h"):
        short = path.relative_to(ROOT)
        for name, line, lines in functions(path.read_text(errors="replace")):
            place = f"{short}:{name}"
            if lines > FUNCTION_LINES_MAX and allowed.pop(place, None) is None:
                complaints.add(path, line, f"{name} has {lines} lines; over {FUNCTION_LINES_MAX} a reader loses it. Move a step of "
                               "it into a helper, or if it is a table or a switch, list it in tools/check/exceptions.txt")
            elif lines <= FUNCTION_LINES_MAX:
                continue
    complain_unneeded("function", allowed, complaints)


def check_files(complaints):
    allowed = exceptions("file")
    for path in files(".c", ".h", ".py", ".js", ".mjs", ".ts", ".tsx", ".css", ".sh"):
        short = str(path.relative_to(ROOT))
        lines = path.read_bytes().count(b"\n")
        if lines > FILE_LINES_MAX and allowed.pop(short, None) is None:
            complaints.add(path, 0, f"has {lines} lines; over {FILE_LINES_MAX} it has more than one subject. Split it by subject")
    complain_unneeded("file", allowed, complaints)


def complain_unneeded(rule, allowed, complaints):
    for place in allowed:
        complaints.add("tools/check/exceptions.txt", 0, f"{rule} {place} is not needed any more; remove the line")
