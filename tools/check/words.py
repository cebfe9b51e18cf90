"""Words that do not belong in the tree, tests that wait, and documents whose links and commands lead nowhere."""

import re

from style import complain_unneeded
from tree import ROOT, exceptions, files

# Each pattern with what to do instead. Written so that this file does not match itself.
WORDS = [
    (re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"), "do it now, or write it down where plans are kept"),
    (re.compile(r"(?<![\w.~-])/(wo" r"rk|ho" r"me|ro" r"ot)/[\w.]"), "a path of one machine; write it relative to the tree"),
    (re.compile(r"\b(not (yet )?implem" r"ented)\b", re.I), "a promise; keep it or leave the thing out"),
]
WAITS = [
    (re.compile(r"(^|[^\w.-])((time\.|asyncio\.)?(u|nano)?sle" r"ep)(\s*\(|\s+\$?[0-9\"{])"),
     "wait for the thing itself: a line of output, a reply, a child's end; time inside the engine is an argument"),
    (re.compile(r"\b(pk" r"ill|kill" r"all)\b"), "end your own child by its number"),
]
TEXT = (".c", ".h", ".py", ".js", ".mjs", ".ts", ".tsx", ".css", ".html", ".sh", ".md", ".yaml", ".yml", ".build", ".txt", ".json", ".rs", ".go", "run",
        "dev")


def check_lines(rule, paths, patterns, complaints):
    allowed = exceptions(rule)
    needed = set()
    for path in paths:
        short = str(path.relative_to(ROOT))
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for pattern, instead in patterns:
                found = pattern.search(line)
                if not found:
                    continue
                if short in allowed:
                    needed.add(short)
                else:
                    complaints.add(path, number, f"`{found.group(0).strip()}`: {instead}")
    complain_unneeded(rule, {place: why for place, why in allowed.items() if place not in needed}, complaints)


def check_words(complaints):
    check_lines("word", [path for path in files() if path.name != "package-lock.json" and
                         (path.name.endswith(TEXT) or path.suffix == "")], WORDS, complaints)


def check_sleeps(complaints):
    tests = [path for path in files() if (path.is_relative_to(ROOT / "test") and path.suffix != ".md") or
             path.name.endswith("_test.c")]
    check_lines("sleep", tests, WAITS, complaints)


def check_links(complaints):
    """Every relative link of a document leads to a file."""
    for path in files(".md"):
        text = re.sub(r"^```.*?^```", lambda found: re.sub(r"[^\n]", "", found.group(0)), path.read_text(), flags=re.M | re.S)
        for number, line in enumerate(text.splitlines(), 1):
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
                if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists():
                    complaints.add(path, number, f"the link to {target} leads nowhere")


def check_readme(complaints):
    """Every `./dev COMMAND` that a document names is one."""
    commands = set(re.findall(r"^#: (\w+)", (ROOT / "dev").read_text(), re.M))
    for path in files(".md"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for command in re.findall(r"(?<![\w/])\./dev +([a-z]\w*)", line):
                if command not in commands:
                    complaints.add(path, number, f"there is no command ./dev {command}; ./dev help lists them")
