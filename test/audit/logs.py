"""Audit logs as the tests read them."""

import json
import os
import pathlib
import subprocess

from harness.servers import settle

PROGRAM = os.environ["STRATA_PROGRAM"]
ALL = "authentication administration rules invalidation denied connection data-read data-write"


def files(folder):
    return sorted(pathlib.Path(folder).glob("audit-*.jsonl"))


def lines(folder):
    return [json.loads(line) for path in files(folder) for line in path.read_text().splitlines()]


def events(folder, **wanted):
    """Events with these fields; `class_` is the class."""
    wanted = {name.rstrip("_"): value for name, value in wanted.items()}
    return [line for line in lines(folder) if line["kind"] == "event" and all(line.get(name) == value for name, value in wanted.items())]


def audit(*words):
    done = subprocess.run([PROGRAM, "audit", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def verify(folder, *words):
    code, text = audit("verify", "--json", *words, *(folder if isinstance(folder, list) else [folder]))
    return code, json.loads(text) if text.startswith("{") else text


def good(folder, *words):
    code, result = verify(folder, *words)
    assert code == 0, (code, result)
    return result


def facts(client):
    text = client.call("INFO", "audit")[1].decode()
    return {name: int(value) for name, _, value in (line.partition(":") for line in text.splitlines()) if value.isdigit()}


def written(client):
    """All that was noted up to now is in the files."""
    def is_there():
        found = facts(client)
        return found["audit_waiting"] == 0

    assert settle(is_there, 20), facts(client)
