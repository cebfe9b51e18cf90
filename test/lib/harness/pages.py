"""Pages of documentation whose `console` blocks are run: every line after `$` is a command, what follows is what it prints.

`...` in an expected line stands for anything, on a line of its own for any lines. A comment `<!-- until: COMMAND -->` between blocks, which readers do not
see, is run again and again until its exit status is 0: what somebody at a terminal would see before he types on.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess

from harness.servers import settle

ROOT = pathlib.Path(__file__).resolve().parents[3]
TIMEOUT_S = 120
SETTLE_S = 60


def steps(text):
    """(command, expected output) of every step of a page; without an output it is a condition to wait for."""
    found = []
    for block, condition in re.findall(r"^```console\n(.*?)^```|^<!-- until: (.*?) -->", text, re.M | re.S):
        if condition:
            found.append([condition, None])
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append([line[2:], []])
            else:
                found[-1][1].append(line)
    return [(command, lines if lines is None else "\n".join(lines)) for command, lines in found]


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


def run_line(line, folder, commands):
    """What a line of a page prints. If it takes too long, all that it has begun ends with it."""
    with subprocess.Popen(["sh", "-c", line], cwd=folder, env=commands, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          start_new_session=True) as shell:  # fmt: skip
        try:
            return shell.communicate(timeout=TIMEOUT_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            return shell.communicate()[0] + f"\n(it took more than {TIMEOUT_S} s)"


def wait_for(report, line, folder, commands):
    def holds():
        return subprocess.run(["sh", "-c", line], cwd=folder, env=commands, capture_output=True, timeout=TIMEOUT_S, check=False).returncode == 0

    report.expect(f"at last: {line}", settle(holds, SETTLE_S), "it does not come about")


def run_against(report, page, server, steps_min, ports=()):
    """Runs every command of a page against a server that has been started, as if it were at port 7379; then stops it. `ports`: pairs of others, as
    the page has them and as they are."""

    def placed(command):
        for shown, port in [(7379, server.port), *ports]:
            command = command.replace(str(shown), str(port))
        return command

    found = steps((ROOT / page).read_text())
    report.expect(f"{page} shows commands", len(found) >= steps_min, f"only {len(found)}")
    commands = environment(os.path.join(server.folder, "bin"), program=server.program)
    for command, expected in found:
        if expected is None:
            wait_for(report, placed(command), server.folder, commands)
            continue
        said = run_line(placed(command), server.folder, commands)
        report.expect(command[:100], fits(expected, said), f"{page} says:\n{expected}\nit is:\n{said}")
    status = server.stop()
    report.expect("the server stops in order", status == 0, f"exit status {status}: {server.last_words()}")
