"""How often a cache still has what is asked for, when every server may take the same memory; docs/benchmark.md has the method."""

import contextlib
import json
import lzma
import math
import pathlib
import shutil
import tempfile

from harness.servers import Memcached, Redis, Server, StrataServer

MIB = 1 << 20
LIMIT_LEAST_MIB = 8  # below it a server's fixed needs are more than the cache
COPIES_MAX = 99
TOLERANCE = 0.02  # of the growth that was aimed at
ATTEMPTS_MAX = 9
MEDIAN_BYTES, SIGMA = 230, 1.0
REPLAY_LIMIT_S = 3600
BATCH, BATCH_MAX = 32, 1024  # requests of each copy that are sent together
SIMULATED = "lru simulated"
HERE = pathlib.Path(__file__).resolve().parent


# -------------------------------------------------------------------------------------------- servers


def pinned(kind, core):
    """The same server on one processor; taskset becomes the server, so the process id is its own."""
    return type("Pinned" + kind.__name__, (kind,),
                {"command": lambda self: ["taskset", "-c", str(core), *super(type(self), self).command()]})


class SizedMemcached(Memcached):
    """Objects of several megabytes are allowed, as far as they fit."""

    def __init__(self, limit_bytes):
        super().__init__()
        self.limit_mib = max(1, round(limit_bytes / MIB))

    def command(self):
        largest = min(16384, self.limit_mib * 1024 // 2)
        return ["/usr/bin/memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-u", "root", "-t", "1",
                "-m", str(self.limit_mib), "-I", f"{largest}k"]


class Contender:
    """A server that can be started with any limit."""

    def __init__(self, name, start, protocol="resp", step=4096, switches=()):
        self.name, self.start, self.protocol, self.step, self.switches = name, start, protocol, step, switches

    def settled(self, setting):
        """The setting that the server understands."""
        return max(self.step, round(setting / self.step) * self.step)


def contenders(program, core, names, shards, hash_tag):
    strata, redis, memcached = (pinned(kind, core) for kind in (StrataServer, Redis, SizedMemcached))
    known = {
        "strata": [Contender("strata", lambda limit: strata(program, threads=1, maxmemory=limit), step=MIB // 16)],
        "redis": [Contender(f"redis {policy}", lambda limit, policy=policy: redis(
            maxmemory=limit, maxmemory_policy=f"allkeys-{policy}")) for policy in ("lru", "lfu")],
        "memcached": [Contender("memcached", memcached, protocol="memcached", step=MIB)],
    }
    chosen = [one for name in names if name in known for one in known[name]]
    if "strata" in names:
        chosen += [Contender(f"strata, {count} shards", lambda limit, count=count: strata(
            program, threads=1, maxmemory=limit, shards=count), step=MIB // 16) for count in shards]
        if hash_tag:
            chosen.append(Contender("strata, one tag", lambda limit: strata(program, threads=1, maxmemory=limit),
                                    step=MIB // 16, switches=["--hash-tag"]))
    return chosen


# -------------------------------------------------------------------------------------------- one run


class Pair:
    """A trace and a share of its objects' bytes."""

    def __init__(self, name, path, percent, described, least_mib):
        self.name, self.path, self.percent = name, path, percent
        share = described["bytes"] * percent / 100
        self.copies = min(COPIES_MAX, math.ceil(least_mib * MIB / share))
        self.limit = round(share * self.copies)
        self.requests = described["requests"] * self.copies

    def flags(self):
        return ["--trace", str(self.path), "--copies", str(self.copies), "--batch", str(min(BATCH_MAX, BATCH * self.copies)),
                "--median", str(MEDIAN_BYTES), "--sigma", str(SIGMA), "--json"]

    def figure(self):
        return {"trace": self.name, "percent": self.percent, "copies": self.copies, "limit_bytes": self.limit}


class Replayer:
    """Runs `strata bench replay`; `run` is the function that starts a program on the generator's processor."""

    def __init__(self, run, program):
        self.run, self.program = run, program

    def describe(self, path):
        return self.replay(["--trace", str(path), "--describe", "--json"])

    def replay(self, words):
        done = self.run([self.program, "bench", "replay", *words], REPLAY_LIMIT_S)
        if not done.stdout:
            raise SystemExit(f"bench: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def simulate(self, pair):
        return {"hit_ratio": self.replay([*pair.flags(), "--simulate", str(pair.limit)])["hit_ratio"], "growth_bytes": pair.limit}

    def measure(self, contender, pair, setting):
        """One replay against a fresh server: its figures beside how far its resident set grew."""
        with contender.start(setting) as server:
            address = ["--port", str(server.port), "--protocol", contender.protocol]
            self.run([self.program, "bench", *address, "--clients", "1", "--requests", "1", "--keys", "1"], 60)
            empty = server.resident_bytes()
            figures = self.replay([*pair.flags(), *address, *contender.switches])
            growth, peak = server.resident_bytes() - empty, server.resident_peak_bytes() - empty
        return {**{name: figures[name] for name in ("hit_ratio", "byte_hit_ratio", "wrong", "refused", "seconds")},
                "setting_bytes": setting, "growth_bytes": growth, "peak_bytes": peak}


# ---------------------------------------------------------------------------------------- equal memory


def off(run, pair):
    """How far the growth is from the limit, as a share of it."""
    return run["growth_bytes"] / pair.limit - 1


def next_setting(runs, pair, contender):
    """Where the growth should meet the limit: between the nearest runs on both sides, else along the last run's proportion."""
    below = max((run for run in runs if off(run, pair) < 0), key=lambda run: run["setting_bytes"], default=None)
    above = min((run for run in runs if off(run, pair) >= 0), key=lambda run: run["setting_bytes"], default=None)
    if below and above and below["setting_bytes"] < above["setting_bytes"]:
        share = -off(below, pair) / (off(above, pair) - off(below, pair))
        share = min(0.9, max(0.1, share))
        return contender.settled(below["setting_bytes"] + share * (above["setting_bytes"] - below["setting_bytes"]))
    nearest = min(runs, key=lambda run: abs(off(run, pair)))
    return contender.settled(nearest["setting_bytes"] - off(nearest, pair) * pair.limit)


def between(runs, pair):
    """A server whose limit has coarse steps: the ratio on the straight line between the two runs around the limit."""
    below = max((run for run in runs if off(run, pair) < 0), key=lambda run: off(run, pair), default=None)
    above = min((run for run in runs if off(run, pair) >= 0), key=lambda run: off(run, pair), default=None)
    if not below or not above:
        return min(runs, key=lambda run: abs(off(run, pair)))
    share = -off(below, pair) / (off(above, pair) - off(below, pair))
    mixed = {name: below[name] + share * (above[name] - below[name]) for name in ("hit_ratio", "byte_hit_ratio", "growth_bytes")}
    return {**above, **mixed, "between": [below["growth_bytes"], above["growth_bytes"]]}


def at_equal_memory(replayer, contender, pair, attempts_max, progress):
    """The run in which the server grew by as much as the pair allows."""
    runs, setting = [], contender.settled(pair.limit)
    while len(runs) < attempts_max and setting not in [run["setting_bytes"] for run in runs]:
        runs.append(replayer.measure(contender, pair, setting))
        progress(f"{pair.name} {pair.percent} %: {contender.name} with {setting / MIB:.2f} MiB grew {off(runs[-1], pair):+.1%} off")
        if abs(off(runs[-1], pair)) <= TOLERANCE:
            break
        setting = next_setting(runs, pair, contender)
    found = runs[-1] if abs(off(runs[-1], pair)) <= TOLERANCE else between(runs, pair)
    return {**found, "wrong": sum(run["wrong"] for run in runs), "attempts": len(runs)}


# ----------------------------------------------------------------------------------------- all of them


@contextlib.contextmanager
def unpacked(folders, names):
    """{name: path of the text} of all traces of the folders."""
    target = pathlib.Path(tempfile.mkdtemp(prefix="strata-traces-"))
    try:
        found = {}
        for folder in folders:
            for packed in sorted(folder.glob("*.txt.xz")):
                name = packed.name.removesuffix(".txt.xz")
                if name in found or (names and name not in names):
                    continue
                found[name] = target / f"{name}.txt"
                with lzma.open(packed, "rb") as source, open(found[name], "wb") as text:
                    shutil.copyfileobj(source, text)
        yield found
    finally:
        shutil.rmtree(target, ignore_errors=True)


def measure(plan, replayer, core, progress):
    """Yields (pair, {server: figures})."""
    folders = [HERE / "traces"] + ([pathlib.Path(plan.traces)] if plan.traces else [])
    servers = contenders(replayer.program, core, plan.servers, plan.shards, plan.hash_tag)
    with unpacked(folders, plan.only) as traces:
        if not traces:
            raise SystemExit("bench: there is no such trace")
        for name, path in traces.items():
            described = replayer.describe(path)
            for percent in plan.percents:
                pair = Pair(name, path, percent, described, plan.least_mib)
                found = {one.name: at_equal_memory(replayer, one, pair, plan.attempts, progress) for one in servers}
                found[SIMULATED] = replayer.simulate(pair)
                progress("")
                yield pair, found


def print_pair(pair, found):
    print(f"{pair.name}, {pair.percent} % of all bytes: {pair.limit / MIB:.1f} MiB" +
          (f" ({pair.copies} copies)" if pair.copies > 1 else ""))
    for name, run in found.items():
        notes = "" if name == SIMULATED else (
            f"   grew {off(run, pair):+6.1%} (peak {run['peak_bytes'] / pair.limit - 1:+.0%}), set to {run['setting_bytes'] / MIB:.2f} MiB"
            f"{', between two settings' if 'between' in run else ''}"
            f"{', %d refused' % run['refused'] if run['refused'] else ''}{', %d WRONG' % run['wrong'] if run['wrong'] else ''}")
        print(f"  {name:18} {run['hit_ratio']:.4f}{notes}", flush=True)


def run(plan, record, replayer, core, progress):
    """Answers 1 if a server gave a wrong value."""
    ratios, pairs, wrong = {}, 0, 0
    for pair, found in measure(plan, replayer, core, progress):
        print_pair(pair, found)
        record.add("hitratio", pair.figure(), {"servers": {name: {
            key: round(value, 4) if isinstance(value, float) else value for key, value in run.items()} for name, run in found.items()}})
        pairs += 1
        for name, run in found.items():
            ratios.setdefault(name, [])
            if abs(off(run, pair)) <= TOLERANCE:
                ratios[name].append(run["hit_ratio"])
            wrong += run.get("wrong", 0)
    print(f"mean of {pairs} pairs: " + ", ".join(
        f"{name} {sum(list_) / len(list_):.4f}" if len(list_) == pairs else f"{name} - (equal memory in {len(list_)} of {pairs})"
        for name, list_ in ratios.items()))
    return 1 if wrong else 0
