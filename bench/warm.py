"""The warm tier: reads of what stands in memory and of what stands on SSD, apart and side by side, beside the disk itself; docs/benchmark.md has the method.

Keys of memory and of the tier differ in their length, so each reader knows where its keys stand."""

import concurrent.futures
import mmap
import os
import random
import statistics
import time

from harness import encode

VALUE_SIZE = 1000
MEMORY = {"full": 32 << 20, "check": 16 << 20}
TIMES = 10  # the data are so many times the memory
TIERED_KEY, MEMORY_KEY = 20, 12  # bytes
MEMORY_KEYS = 5_000
ZIPF_SHARE = 2  # of memory and keys for that part, so that most keys are asked for several times
CLIENTS = 16
RATES = {"memory": 5_000, "tier": 1_000}  # a second: so few that the generators, which share a processor, are not what is measured
ZIPF = 0.9
BLOCK = 4096
WAIT_S = 300


def key(number, size):
    return b"key:" + b"%0*d" % (size - 4, number)


def fill(client, keys, progress):
    """Writes everything, and puts it into the tier as it comes; answers how many are there."""
    gone, step = 0, 2000
    for first in range(0, keys, step):
        names = [key(number, TIERED_KEY) for number in range(first, min(first + step, keys))]
        client.calls([("SET", name, name * (VALUE_SIZE // TIERED_KEY)) for name in names])
        deadline = time.monotonic() + WAIT_S
        while names and time.monotonic() < deadline:  # a tier whose buffers are full takes no more for a moment
            replies = client.calls([("TIER", "DEMOTE", name) for name in names])
            gone += sum(reply[1] for reply in replies)
            names = [name for name, reply in zip(names, replies) if reply[1] != 1]
        progress(f"{first + step} of {keys} keys")
    client.calls([("SET", key(number, MEMORY_KEY), b"x" * VALUE_SIZE) for number in range(MEMORY_KEYS)])
    for _ in range(3):
        client.calls([("GET", key(number, MEMORY_KEY)) for number in range(MEMORY_KEYS)])
    return gone


def figures(client):
    text = client.call("INFO", "tier")[1].decode()
    return {name: int(number) for name, number in (line.split(":", 1) for line in text.splitlines() if ":" in line) if number.isdigit()}


def disk(path, reads, rate):
    """Latencies of pread past the page cache: two blocks at random places, as many at a time as there are clients, at the rate of the readers."""
    file = os.open(path, os.O_RDONLY | os.O_DIRECT)
    blocks = os.fstat(file).st_size // BLOCK - 2
    begin = time.monotonic()

    def read(number):
        buffer = mmap.mmap(-1, 2 * BLOCK)
        due = begin + number / rate
        while time.monotonic() < due:
            time.sleep(max(0, due - time.monotonic()))
        before = time.perf_counter_ns()
        os.preadv(file, [buffer], random.randrange(blocks) * BLOCK)
        return (time.perf_counter_ns() - before) / 1000

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        found = sorted(pool.map(read, range(reads)))
    os.close(file)
    return {"p50_us": statistics.median(found), "p99_us": found[len(found) * 99 // 100]}


def read(generate, server, where, keys, plan, seed, instead=False, relaxed=False):
    """`instead`: at the rate of `where`, but of memory. `relaxed`: leaves the processor to the other generator, and its own latencies are up to 2 ms too long."""
    memory = where == "memory" or instead
    return generate(server, mix="get", rate=RATES[where] if not plan.check else 500, clients=CLIENTS, keys=MEMORY_KEYS if memory else keys, key_size=MEMORY_KEY if memory else TIERED_KEY,
                    value_size=VALUE_SIZE, seconds=plan.seconds, warmup=plan.warmup, seed=seed, **({"relaxed": True} if relaxed else {}))


def both(generate, server, keys, plan, seed, other):
    """Two generators, which share a processor: the second one sleeps between requests, as two that watch the clock would wait for each other."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = [pool.submit(read, generate, server, "memory", keys, plan, seed), pool.submit(read, generate, server, "tier", keys, plan, seed, other == "memory", True)]
        return [one.result() for one in found]


def middle(rounds):
    return {name: statistics.median(one[name] for one in rounds) for name in ("p50_us", "p99_us")}


def tell(what, one):
    print(f"  {what:58} p50 {one['p50_us']:8.0f} us   p99 {one['p99_us']:8.0f} us", flush=True)


def measure_apart(plan, strata, generate, keys, memory, progress):
    with strata(maxmemory=memory, warm_file="warm", warm_size=f"{(keys * (VALUE_SIZE + 200) >> 20) + 64}mb", warm_promote_hits=7, warm_demote_idle=0) as server, \
            server.client(timeout=WAIT_S) as client:
        gone = fill(client, keys, progress)
        before = figures(client)
        found = {name: [] for name in ("memory", "tier", "memory beside memory", "memory beside", "tier beside", "disk")}
        for number in range(plan.rounds):
            found["memory"].append(read(generate, server, "memory", keys, plan, number + 1))
            found["tier"].append(read(generate, server, "tier", keys, plan, number + 1))
            found["memory beside memory"].append(both(generate, server, keys, plan, number + 1, "memory")[0])
            beside = both(generate, server, keys, plan, number + 1, "tier")
            found["memory beside"].append(beside[0])
            found["tier beside"].append(beside[1])
            rate = RATES["tier"] if not plan.check else 500
            found["disk"].append(disk(os.path.join(server.folder, "warm"), int(rate * plan.seconds), rate))
            progress(f"round {number + 1} of {plan.rounds}")
        after = figures(client)
        missed = sum(one["misses"] for name in ("tier", "tier beside") for one in found[name])
        asked = sum(one["gets"] for name in ("tier", "tier beside") for one in found[name])
    hits = after["tier_hits"] - before["tier_hits"]
    return gone, {name: middle(rounds) for name, rounds in found.items()}, {"asked": asked, "missed": missed, "hits": hits, "reads": after["tier_reads"] - before["tier_reads"],
                                                                          "reads_from_buffers": after["tier_reads_from_buffers"] - before["tier_reads_from_buffers"]}


def measure_zipf(plan, strata, generate, keys, memory, progress):
    """As a cache is used: what is missed is written. Answers shares of hits, and bytes on flash for a byte requested."""
    with strata(maxmemory=memory, warm_file="warm", warm_size=f"{(keys * (VALUE_SIZE + 200) >> 20) // 2}mb") as server, server.client(timeout=WAIT_S) as client:
        draw, asked, missed = random.Random(1), 0, 0
        for _ in range(20 if plan.check else 2000):
            numbers = [min(keys - 1, int(keys * draw.random() ** (1 / (1 - ZIPF)))) for _ in range(1000)]
            names = [key(number, TIERED_KEY) for number in numbers]
            replies = client.calls([("GET", name) for name in names])
            lost = [name for name, reply in zip(names, replies) if reply[1] is None]
            client.calls([("SET", name, name * (VALUE_SIZE // TIERED_KEY)) for name in lost])
            asked, missed = asked + len(names), missed + len(lost)
            progress(f"{asked} reads")
        found = figures(client)
        timed = generate(server, mix="get", rate=2 * RATES["tier"] if not plan.check else 500, clients=CLIENTS, keys=keys, key_size=TIERED_KEY, value_size=VALUE_SIZE, zipf=ZIPF,
                         seconds=plan.seconds, warmup=plan.warmup, seed=1)
    return {"asked": asked, "missed": missed, "tier_hits": found["tier_hits"], "demoted": found["tier_demoted"], "promoted": found["tier_promoted"],
            "written_bytes": found["tier_written_bytes"], "requested_bytes": asked * VALUE_SIZE, "p50_us": timed["p50_us"], "p99_us": timed["p99_us"]}


def run(plan, record, strata, generate, progress):
    memory = MEMORY["check" if plan.check else "full"]
    keys = TIMES * memory // (VALUE_SIZE + 100)
    gone, found, counts = measure_apart(plan, strata, generate, keys, memory, progress)
    progress("")
    print(f"GET of {VALUE_SIZE} B; memory {memory >> 20} MiB, {keys:,} keys on SSD ({keys * VALUE_SIZE >> 20} MiB, {gone:,} put there), {MEMORY_KEYS:,} in memory; {CLIENTS} clients, open loop")
    tell(f"hits of memory, {RATES['memory']} a second", found["memory"])
    tell(f"the same beside {RATES['tier']} other reads a second of memory", found["memory beside memory"])
    tell(f"the same beside {RATES['tier']} reads a second of the tier", found["memory beside"])
    tell(f"hits of the tier, {RATES['tier']} a second", found["tier"])
    tell("the same beside the reads of memory", found["tier beside"])
    tell("pread of 8 KiB past the page cache, same file and rate", found["disk"])
    print(f"  {counts['asked']:,} asked of the tier, {counts['missed']:,} missed, {counts['reads']:,} records read, {counts['reads_from_buffers']:,} of them from its buffers", flush=True)
    record.add("warm", {"value_size": VALUE_SIZE, "keys": keys, "memory": memory, "clients": CLIENTS, "rates": RATES}, {"latency": found, "counts": counts})
    keys, memory = keys // ZIPF_SHARE, memory // ZIPF_SHARE
    zipf = measure_zipf(plan, strata, generate, keys, memory, progress)
    progress("")
    print(f"Popularity as by Zipf {ZIPF}, what is missed is written: {zipf['asked']:,} reads, {100 * zipf['missed'] / zipf['asked']:.1f} % missed, "
          f"{100 * zipf['tier_hits'] / zipf['asked']:.1f} % from the tier; {zipf['written_bytes'] / zipf['requested_bytes']:.2f} bytes on flash a byte requested")
    tell(f"all reads, {2 * RATES['tier']} a second", zipf)
    record.add("warm", {"value_size": VALUE_SIZE, "keys": keys, "memory": memory, "zipf": ZIPF}, zipf)
