"""Pages of documentation whose `console` blocks are run: every line after `$` is a command, what follows is what it prints.

`...` in an expected line stands for anything, on a line of its own for any lines.
"""

import os
import pathlib
import re
import shutil


def steps(text):
    """(command, expected output) of every step of a page."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append([line[2:], []])
            else:
                found[-1][1].append(line)
    return [(command, "\n".join(lines)) for command, lines in found]


def fits(expected, got):
    lines = [".*" if line == "..." else re.escape(line).replace(re.escape("..."), "[^\n]*") for line in expected.splitlines()]
    return re.fullmatch("\n".join(lines), "\n".join(line.rstrip() for line in got.splitlines()), re.S) is not None


def environment(folder, program=None, port=None):
    """An environment for commands: redis-cli prints as it does on a terminal (and talks to `port`), `strata` is the program."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    client = folder / "redis-cli"
    to = f"-p {port} " if port else ""
    client.write_text(f'#!/bin/sh\nexec {shutil.which("redis-cli")} --no-raw {to}"$@"\n')
    client.chmod(0o755)
    if program:
        (folder / "strata").symlink_to(program)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
