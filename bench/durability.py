"""What keeping everything on disk costs: writes with a log beside writes without, and reads while a snapshot runs; docs/benchmark.md has the method."""

import statistics
import time

CLIENTS = 64
BATCHES = (1, 16)
VALUE_SIZE = 32
KEYS = 100000
BASE = {"strata everysec": "strata", "strata always": "redis always", "redis everysec": "redis"}  # beside which each is shown
SNAPSHOT_VALUE_SIZE = 1024
SNAPSHOT_BYTES = {"full": 2 << 30, "check": 4 << 20}
SNAPSHOT_RATE = 20000  # reads a second: an open loop, far from what the servers can do
WAIT_S = 300
LOOK_S = 0.5


def servers(strata, redis):
    """Name and maker of each, in the order of their turns. All are pinned to one processor and write into folders on one disk."""
    return {
        "strata": lambda: strata(),
        "strata everysec": lambda: strata(appendonly="yes", appendfsync="everysec"),
        "strata always": lambda: strata(appendonly="yes", appendfsync="always"),
        "redis": lambda: redis(),
        "redis everysec": lambda: redis(appendonly="yes", appendfsync="everysec"),
        "redis always": lambda: redis(appendonly="yes", appendfsync="always"),
    }


def measure_writes(plan, makers, generate, progress):
    """Yields (batch, {server: figures of each round}). Only one server lives at a time: what one writes in the background would slow the next."""
    for batch in BATCHES:
        found = {name: [] for name in makers}
        for number in range(plan.rounds):
            for name, make in makers.items():
                with make() as server:
                    found[name].append(generate(server, mix="set", clients=CLIENTS, pipeline=batch, keys=min(KEYS, plan.keys), value_size=VALUE_SIZE,
                                                seconds=plan.seconds, warmup=plan.warmup, seed=number + 1))
                progress(f"writes in batches of {batch}, round {number + 1} of {plan.rounds}: {name}")
        progress("")
        yield batch, found


def quotient(found, name):
    base = found[BASE[name]] if name in BASE else None
    return base and round(statistics.median(ours["operations_per_s"] / theirs["operations_per_s"] for ours, theirs in zip(found[name], base)), 3)


def print_writes(batch, found):
    print(f"SET of {VALUE_SIZE} B by {CLIENTS} clients, batches of {batch}")
    for name, rounds in found.items():
        speed = statistics.median(one["operations_per_s"] for one in rounds)
        p99_us = statistics.median(one["p99_us"] for one in rounds)
        beside = f"   {quotient(found, name):5.2f}x {BASE[name]}" if name in BASE else ""
        print(f"  {name:16} {speed / 1e3:8.1f}k ops/s   p99 {p99_us:9.0f} us   CPU {min(one['server_cpu_ns'] for one in rounds):7.0f} ns min{beside}", flush=True)


def saving(client):
    """Snapshots that were asked for, and what the length of the log asks for by itself."""
    facts = client.call("INFO", "persistence")[1]
    return b"rdb_bgsave_in_progress:1" in facts or b"aof_rewrite_in_progress:1" in facts or b"aof_rewrite_scheduled:1" in facts


def wait_until_quiet(client):
    while saving(client):
        time.sleep(LOOK_S)


def reads(generate, server, keys, plan, seed):
    return generate(server, mix="get", rate=SNAPSHOT_RATE, clients=CLIENTS, keys=keys, value_size=SNAPSHOT_VALUE_SIZE, seconds=plan.seconds, warmup=plan.warmup,
                    seed=seed)


def measure_snapshot(plan, makers, generate, progress):
    """Answers for each server p99 of reads before and while it saves, and the bytes that it has resident in both."""
    keys = SNAPSHOT_BYTES["check" if plan.check else "full"] // SNAPSHOT_VALUE_SIZE
    found = {}
    for name in ("strata everysec", "redis"):
        with makers[name]() as server, server.client(timeout=WAIT_S) as client:
            generate(server, load=True, keys=keys, value_size=SNAPSHOT_VALUE_SIZE, pipeline=64)
            wait_until_quiet(client)
            before = [reads(generate, server, keys, plan, number + 1) for number in range(plan.rounds)]
            resident = server.resident_bytes()
            during, most, seconds = [], resident, 0.0
            client.call("BGSAVE")
            while saving(client) or not during:
                figures = reads(generate, server, keys, plan, len(during) + 1)
                if saving(client) or not during:  # the whole window lies within
                    during.append(figures)
                    seconds += plan.seconds
                most = max(most, server.resident_bytes())
            found[name] = {"p99_us_before": statistics.median(one["p99_us"] for one in before), "p99_us_during": statistics.median(one["p99_us"] for one in during),
                           "p99_us_during_max": max(one["p99_us"] for one in during), "windows": len(during), "seconds": seconds,
                           "resident_before": resident, "resident_max": most}  # fmt: skip
        progress(f"snapshot of {keys} entries: {name}")
    progress("")
    return keys, found


def print_snapshot(keys, found):
    print(f"GET of {SNAPSHOT_VALUE_SIZE} B, {SNAPSHOT_RATE} a second, while a snapshot of {keys:,} entries runs")
    for name, one in found.items():
        print(f"  {name:16} p99 {one['p99_us_before']:8.0f} us before, {one['p99_us_during']:8.0f} us during ({one['p99_us_during'] / one['p99_us_before']:.2f}x; "
              f"at most {one['p99_us_during_max']:.0f} in one of {one['windows']} windows)   resident {one['resident_max'] / one['resident_before'] - 1:+.1%}", flush=True)


def run(plan, record, strata, redis, generate, progress):
    makers = servers(strata, redis)
    for batch, found in measure_writes(plan, makers, generate, progress):
        print_writes(batch, found)
        record.add("durability", {"mix": "set", "batch": batch, "clients": CLIENTS, "value_size": VALUE_SIZE},
                   {"rounds": plan.rounds, "ratios": {f"{name} / {BASE[name]}": quotient(found, name) for name in BASE},
                    "ops_s": {name: round(statistics.median(one["operations_per_s"] for one in rounds)) for name, rounds in found.items()}})
    keys, found = measure_snapshot(plan, makers, generate, progress)
    print_snapshot(keys, found)
    record.add("durability", {"mix": "get", "entries": keys, "rate": SNAPSHOT_RATE, "value_size": SNAPSHOT_VALUE_SIZE}, {"servers": found})
