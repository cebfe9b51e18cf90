"""How long a server takes until it serves what it has kept: from a snapshot, and from a log alone; docs/benchmark.md has the method."""

import os
import statistics
import time

from harness.servers import Redis, StrataServer

ENTRIES = {"full": 5000000, "quick": 1000000, "check": 20000}
KEY_SIZE, VALUE_SIZE = 16, 32
MEMORY = "4gb"
WAIT_S = 120
STEP_S = 0.002
CLOCK_HZ = os.sysconf("SC_CLK_TCK")

# What the servers are told when the data is made, and when it is read again. No snapshot is taken by itself.
STRATA = {"maxmemory": MEMORY, "appendonly": "yes", "appendfsync": "no", "auto_aof_rewrite_percentage": 0}
REDIS_LOG = {"appendonly": "yes", "appendfsync": "no", "aof_use_rdb_preamble": "no", "auto_aof_rewrite_percentage": 0}
KINDS = {"strata snapshot": STRATA, "redis snapshot": {}, "strata log": STRATA, "redis log": REDIS_LOG}
BESIDE = {"strata snapshot": "redis snapshot", "strata log": "redis log"}


def maker(name, program):
    """A server that keeps its folder when it ends; its first life fills it."""
    options = KINDS[name]
    return StrataServer(program, **options) if name.startswith("strata") else Redis(**options)


def is_served(server):
    with server.client(timeout=WAIT_S) as client:
        return client.call("PING")[0] == "+"


def wait_until_served(server):
    """Answers how long it took from the start of the process on; tried every two milliseconds, as a client would."""
    begun = time.monotonic()
    server.launch()
    while time.monotonic() - begun < WAIT_S:
        if not server.alive():
            raise SystemExit(f"bench: it did not start: {server.last_words()}")
        try:
            if is_served(server):
                return time.monotonic() - begun
        except OSError:
            pass
        time.sleep(STEP_S)
    raise SystemExit("bench: it is still loading")


def processor_s(server):
    with open(f"/proc/{server.pid}/stat") as stat:
        words = stat.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / CLOCK_HZ


def kill(server):
    server.process.kill()
    server.process.wait()


def fill(name, server, generate, entries):
    server.start()
    generate(server, load=True, keys=entries, key_size=KEY_SIZE, value_size=VALUE_SIZE, pipeline=64)
    with server.client(timeout=WAIT_S) as client:
        if name.endswith("snapshot"):
            client.call("SAVE")
    server.stop()


def measure(server, entries):
    seconds = wait_until_served(server)
    figures = {"seconds": seconds, "processor_s": processor_s(server)}
    with server.client(timeout=WAIT_S) as client:
        if client.call("DBSIZE")[1] != entries:
            raise SystemExit("bench: entries are missing")
    kill(server)
    return figures


def bytes_of(folder):
    return sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(folder) for name in names if name != "log")


def run(plan, record, program, generate, progress):
    entries = ENTRIES["check" if plan.check else "quick" if plan.quick else "full"]
    servers = {name: maker(name, program) for name in KINDS}
    found = {name: [] for name in KINDS}
    try:
        for name, server in servers.items():
            server.label, server.protocol = name.split()[0], "resp"
            fill(name, server, generate, entries)
            progress(f"{entries} entries: {name}")
        sizes = {name: bytes_of(server.folder) for name, server in servers.items()}
        for number in range(plan.rounds):
            for name, server in servers.items():
                found[name].append(measure(server, entries))
                progress(f"round {number + 1} of {plan.rounds}: {name}")
        progress("")
    finally:
        for server in servers.values():
            server.__exit__()
    report(entries, found, sizes)
    record.add("start", {"entries": entries, "key_size": KEY_SIZE, "value_size": VALUE_SIZE},
               {"rounds": plan.rounds, "ratios": {f"{name} / {BESIDE[name]}": quotient(found, name) for name in BESIDE},
                "seconds": {name: [round(one["seconds"], 3) for one in rounds] for name, rounds in found.items()},
                "processor_s_min": {name: min(one["processor_s"] for one in rounds) for name, rounds in found.items()}, "bytes": sizes})


def quotient(found, name):
    return round(statistics.median(ours["seconds"] / theirs["seconds"] for ours, theirs in zip(found[name], found[BESIDE[name]])), 3)


def report(entries, found, sizes):
    print(f"From the start of the process to the first answer: {entries:,} entries of {KEY_SIZE} + {VALUE_SIZE} bytes, {os.cpu_count()} processors")
    for name, rounds in found.items():
        seconds = [one["seconds"] for one in rounds]
        beside = f"   {quotient(found, name):.2f}x {BESIDE[name]}" if name in BESIDE else ""
        print(f"  {name:16} {statistics.median(seconds):6.2f} s   {min(seconds):.2f} to {max(seconds):.2f}   processors {min(one['processor_s'] for one in rounds):6.2f} s min"
              f"   {sizes[name] / 1e6:6.0f} MB{beside}", flush=True)
