"""C programs of tests: built into build/test/, and run against a server."""

import os
import subprocess

from harness.servers import repository


def built(name, sources, packages=()):
    """Compiles `sources` (paths); answers the program's path."""
    folder = os.path.join(repository(), "build", "test")
    os.makedirs(folder, exist_ok=True)
    program = os.path.join(folder, name)
    flags = []
    if packages:
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], check=True, capture_output=True, text=True).stdout.split()
    fresh = f"{program}.{os.getpid()}"
    command = ["cc", "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-pthread", "-o", fresh, *sources, *flags, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{name} does not compile: {done.stderr[:1500]}")
    os.replace(fresh, program)
    return program


def run(report, name, command, timeout_s):
    """Runs a program that prints ok and not ok lines itself; takes its lines over."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        report.not_ok(name, f"not done after {timeout_s} s")
        return
    lines = done.stdout.splitlines()
    for line in lines:
        if line.startswith("ok "):
            report.ok(f"{name}: {line[3:]}")
        elif line.startswith("not ok "):
            case, _, why = line[7:].partition(" - ")
            report.not_ok(f"{name}: {case}", why)
        else:
            report.note(line)
    if done.returncode != 0 and not any(line.startswith("not ok ") for line in lines):
        report.not_ok(name, f"exit status {done.returncode}: {done.stderr[-1000:]}")
    elif not lines:
        report.not_ok(name, "said nothing")
