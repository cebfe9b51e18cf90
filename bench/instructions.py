"""How many instructions of the server a read or a write takes, with and without rules and tags, and for a user with some rights; docs/benchmark.md has the method."""

import contextlib
import re
import socket
import statistics

from harness.resp import encode
from harness.servers import StrataServer

KEYS = 8192  # what a seed does to some is evened out by the others
BATCH = 16
PATTERNS = 1000
VALUE = b"v" * 32
TAGS = ("team:7", "plan:gold")  # of every entry
WARM_UP = 8192  # operations before those that are counted
MAPPED = "64mb"
BASE = "plain"
USER = ("ACL", "SETUSER", "app", "on", "nopass", "~service*", "+@read", "+@write")
SETTINGS = {BASE: (), "the audit log": ("audit",), "a user with ~service*": ("user",), "two tags": ("tags",), "1,000 patterns": ("rules",), "1,000 patterns, two tags": ("rules", "tags")}


def key_of(number):
    """Its class is one of the thousand, if there are any."""
    return f"service{number * 7 % PATTERNS}:user:{100000 + number}:settings"


def manifest():
    """A thousand classes, one a service, as `RULES LOAD` takes them."""
    classes = "\n".join(f'  "service{number}:user:{{id}}:settings": {{ owner: api }}' for number in range(PATTERNS))
    return f"version: 1\nservices: [api]\nkeys:\n{classes}\n"


def request_of(mix, number, tagged):
    if mix == "get":
        return ("GET", key_of(number))
    return ("SET", key_of(number), VALUE, *(("TAGS", len(TAGS), *TAGS) if tagged else ()))


class Session:
    """One connection that says the same batches again and again, and looks at every reply."""

    def __init__(self, client, mix, tagged):
        self.socket = client.socket
        self.batches = [b"".join(encode(*request_of(mix, at + i, tagged)) for i in range(BATCH)) for at in range(0, KEYS, BATCH)]
        self.replies = BATCH * (b"$%d\r\n%b\r\n" % (len(VALUE), VALUE) if mix == "get" else b"+OK\r\n")

    def play(self, operations):
        for number in range(operations // BATCH):
            self.socket.sendall(self.batches[number % len(self.batches)])
            replies = self.socket.recv(len(self.replies), socket.MSG_WAITALL)
            if replies != self.replies:
                raise SystemExit(f"bench: the server answered {replies!r}")


def prepare(client, has):
    if "rules" in has:
        reply = client.call("RULES", "LOAD", manifest())
        if reply != ("+", b"OK"):
            raise SystemExit(f"bench: RULES LOAD answered {reply!r}")
    if "user" in has and (client.call(*USER), client.call("AUTH", "app", "")) != (("+", b"OK"), ("+", b"OK")):
        raise SystemExit("bench: there is no such user")
    Session(client, "set", "tags" in has).play(KEYS)


def instructions_of(program, has, mix, operations):
    """What the whole life of a server takes in which a client says so many, beside what it says first."""
    counter = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    options = {"audit_dir": "audit"} if "audit" in has else {}
    with StrataServer(program, under=counter, threads=1, maxmemory=MAPPED, **options) as server:
        with contextlib.closing(server.client(timeout=300.0)) as client:
            prepare(client, has)
            Session(client, mix, "tags" in has).play(WARM_UP + operations)
        server.stop()
        found = re.search(r"Collected\s*:\s*(\d+)", server.log())
        if not found:
            raise SystemExit(f"bench: callgrind counted nothing: {server.log()[-500:]}")
        return int(found.group(1))


def per_operation(program, has, mix, operations, rounds, check):
    """The difference of two lives, one without the operations: start, loading and stop are in both. Each life draws another seed for its
    index, which moves an operation by some five instructions, so the median of several counts."""
    counts = (operations,) if check else (0, operations)  # to see that it works, one life will do
    *idle, busy = (statistics.median(instructions_of(program, has, mix, count) for _ in range(rounds)) for count in counts)
    return (busy - sum(idle)) / operations


def run(plan, record, program, progress):
    for mix in [mix for mix in plan.mixes if mix in ("get", "set")]:
        found = {}
        for name, has in SETTINGS.items():
            progress(f"{mix}, {name}")
            found[name] = per_operation(program, has, mix, plan.operations, plan.rounds, plan.check)
        progress("")
        print(f"{mix.upper()} {len(VALUE)} B, batches of {BATCH}: instructions an operation")
        for name, instructions in found.items():
            ratio = instructions / found[BASE]
            print(f"  {name:26} {instructions:8.0f}   {ratio:5.3f}x", flush=True)
        record.add("instructions", {"mix": mix, "batch": BATCH, "keys": KEYS, "value_size": len(VALUE), "tags": len(TAGS), "patterns": PATTERNS},
                   {"operations": plan.operations, "rounds": plan.rounds, "instructions": {name: round(value, 1) for name, value in found.items()},
                    "ratios": {name: round(value / found[BASE], 4) for name, value in found.items()}})
