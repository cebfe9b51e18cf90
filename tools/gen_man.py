#!/usr/bin/env python3
"""Makes the manual pages of libstrata from include/strata/strata.h, so that the two cannot differ.

    gen_man.py HEADER FOLDER        writes FOLDER/strata.3 and a page for each section of the header, with links

A section is a comment of dashes and a title. What stands between it and the next belongs to its page: functions with the comment
before them, structs, enums and constants as they are written.
"""

import datetime
import os
import pathlib
import re
import sys
import textwrap

# Page of each section of the header, and what it says in one line.
PAGES = {
    "statuses": ("strata_status_text", "what the calls of libstrata answer"),
    "opening": ("strata_open", "open and close a cache"),
    "reading": ("strata_get", "read from a cache"),
    "pinning": ("strata_pin", "read large values in place"),
    "writing": ("strata_set", "write to a cache"),
    "whole caches": ("strata_scan", "walk, clear, measure and maintain a cache"),
}
SECTION = re.compile(r"^/\* -+ ([a-z ]+) \*/$", re.M)


class Item:
    """A comment and the declarations that it stands before."""

    def __init__(self, comment, code):
        self.comment, self.code = comment, code

    @property
    def functions(self):
        """(result, name, parameters) of each function."""
        found = []
        for result, name, parameters in re.findall(r"^STRATA_API (.+?)(strata_\w+)\((.*?)\);", self.code, re.M | re.S):
            parameters = re.sub(r"\s+", " ", parameters)
            found.append((result.strip(), name, [] if parameters == "void" else parameters.split(", ")))
        return found

    @property
    def data(self):
        """What is no function: structs, enums, constants and types."""
        return re.sub(r"^STRATA_API .+?;\n?", "", self.code, flags=re.M | re.S).strip("\n")


def uncomment(text):
    lines = [re.sub(r"^ ?\* ?", "", line.rstrip()) for line in text[2:-2].strip().splitlines()]
    return "\n".join(lines).strip()


def items(text):
    """The items of a part of the header: blocks between empty lines, of a comment or a declaration or both."""
    found = []
    for block in re.findall(r"(?:/\*.*?\*/\n)?(?:(?!\n\n).)*", text, re.S):
        block = block.strip("\n")
        if not block or block.startswith(("#ifdef", "#endif", "#if ")):
            continue
        comment = re.match(r"/\*.*?\*/", block, re.S)
        code = block[comment.end():] if comment else block
        found.append(Item(uncomment(comment.group(0)) if comment else "", code.strip("\n")))
    return found


def escape(text):
    """A line that mdoc takes as text."""
    text = text.replace("\\", "\\e")
    return "\\&" + text if re.match(r"['.]", text) else text


def quoted(words):
    return " ".join('"' + escape(word).replace('"', '""') + '"' for word in words)


def literal(text):
    return [".Bd -literal -offset indent"] + [escape(line) for line in text.splitlines()] + [".Ed"]


def prose(text):
    """Paragraphs; indented lines stay as they are, `Word: ...` paragraphs become a list."""
    out, at = [], 0
    lines = text.splitlines()
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            if out and out[-1] != ".Pp":
                out.append(".Pp")
            at += 1
        elif line.startswith("    "):
            block = []
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                block.append(lines[at])
                at += 1
            if out and out[-1] == ".Pp":
                out.pop()
            out += literal(textwrap.dedent("\n".join(block)).strip("\n"))
            out.append(".Pp")
        elif re.match(r"[A-Z]\w+: ", line):
            word, rest = line.split(":", 1)
            at += 1
            while at < len(lines) and re.match(r" {2,}\S", lines[at]):
                rest += " " + lines[at].strip()
                at += 1
            if out and out[-1] == ".Pp":
                out.pop()
            if out and out[-1] == ".El":
                out.pop()
            else:
                out.append(".Bl -tag -width Threads")
            out += [f".It {word}", *sentences(rest.strip()), ".El"]
        else:
            paragraph = []
            while at < len(lines) and lines[at].strip() and not lines[at].startswith("    "):
                paragraph.append(lines[at].strip())
                at += 1
            out += sentences(" ".join(paragraph))
    while out and out[-1] == ".Pp":
        out.pop()
    return out


def sentences(text):
    """A sentence begins a line, as mdoc wants it, and no line is longer than 80 characters."""
    out = []
    for part in re.split(r"(?<=[\w)][.:?]) (?=[A-Z])", text):
        out += [escape(line) for line in textwrap.wrap(part, 78, break_long_words=False, break_on_hyphens=False)]
    return out


def head(name, date):
    return [f".Dd {date}", f".Dt {name.upper()} 3", ".Os"]


def page(title, about, parts, date):
    main = PAGES[title][0]
    functions = [function for item in parts for function in item.functions]
    names = [name for _, name, _ in functions]
    names.sort(key=lambda name: name != main)
    out = head(main, date) + [".Sh NAME"]
    out += [f".Nm {name} ," for name in names[:-1]] + [f".Nm {names[-1]}", f".Nd {about}", ".Sh SYNOPSIS", ".In strata/strata.h"]
    for result, name, parameters in functions:
        out += [f".Ft {quoted([result])}", f".Fn {name} {quoted(parameters or ['void'])}"]
    out += [".Sh DESCRIPTION", "What is true of every call is in", ".Xr strata 3 ."]
    for item in parts:
        for _, name, _ in item.functions:
            out.append(f".Ss {name}")
        if item.functions:
            out += prose(item.comment)
            if item.data:
                out += literal(item.data)
        else:
            out += [".Pp", *prose(item.comment)] if item.comment else []
            out += literal(item.data) if item.data else []
    out += [".Sh SEE ALSO", *see_also(main)]
    return names, "\n".join(out) + "\n"


def see_also(own):
    others = sorted(name for name, _ in PAGES.values() if name != own)
    others = ["strata"] + others if own != "strata" else others
    return [f".Xr {name} 3" + (" ," if name != others[-1] else "") for name in others]


def overview(header, sections, date):
    rest = header.partition("\n")[2]
    out = head("strata", date) + [".Sh NAME", ".Nm strata", ".Nd a cache in your own process", ".Sh SYNOPSIS", ".In strata/strata.h",
                                  ".Pp", "cc program.c $(pkg-config --cflags --libs strata)", ".Sh DESCRIPTION"]
    out += prose(rest.strip())
    out += [".Sh FUNCTIONS"]
    for title, parts in sections.items():
        name, about = PAGES[title]
        out += [f".Ss {about[0].upper()}{about[1:]}", "See", f".Xr {name} 3 .", ".Bl -tag -width Ds"]
        for item in parts:
            for _, function, _ in item.functions:
                first = re.split(r"(?<=[a-z0-9)_])[.:] ", item.comment.replace("\n", " ") + " ")[0].strip().rstrip(".")
                out += [f".It Fn {function}", *sentences(first + ".")]
        out.append(".El")
    out += [".Sh SEE ALSO", ".Xr strata 1 ,", *see_also("strata")]
    return "\n".join(out) + "\n"


def main():
    text = pathlib.Path(sys.argv[1]).read_text()
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    now = int(os.environ.get("SOURCE_DATE_EPOCH", datetime.datetime.now().timestamp()))
    moment = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    date = f"{moment:%B} {moment.day}, {moment.year}"
    header = uncomment(re.match(r"/\*.*?\*/", text, re.S).group(0))
    parts = SECTION.split(text)
    sections = {title: items(part) for title, part in zip(parts[1::2], parts[2::2])}
    if set(sections) != set(PAGES):
        sys.exit(f"gen_man.py: the header has the sections {sorted(sections)}, the pages are {sorted(PAGES)}")
    (folder / "strata.3").write_text(overview(header, sections, date))
    documented = set()
    for title, section in sections.items():
        names, written = page(title, PAGES[title][1], section, date)
        (folder / f"{PAGES[title][0]}.3").write_text(written)
        for name in names:
            if name != PAGES[title][0]:
                (folder / f"{name}.3").write_text(f".so man3/{PAGES[title][0]}.3\n")
        documented.update(names)
    everything = set(re.findall(r"\b(strata_\w+)\(", re.sub(r"/\*.*?\*/", "", text, flags=re.S)))
    if everything - documented - {"strata_visit"}:
        sys.exit(f"gen_man.py: on no page: {sorted(everything - documented)}")


if __name__ == "__main__":
    main()
