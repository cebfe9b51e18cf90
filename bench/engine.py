"""What the engine's calls cost inside a process, beside the floor of the same run; docs/benchmark.md has the method."""

import json

LIMIT_S = 3600
WAYS = {"alone": "alone", "row": "one after the other", "batch": "batches of 64"}


def measure(plan, start, program):
    """Yields what `strata bench engine` says for each number of entries."""
    for entries in plan.entries:
        command = [program, "bench", "engine", "--entries", str(entries), "--rounds", str(plan.rounds),
                   "--operations", str(plan.operations), "--json"]
        done = start(command, LIMIT_S)
        if done.returncode != 0 or not done.stdout:
            raise SystemExit(f"bench: {done.stderr.strip()}")
        yield json.loads(done.stdout)


def cell(figure, is_floor):
    if not figure:
        return f"{'':25}"
    ratio = "" if is_floor else f"{figure['ratio']:.2f}x"
    return f"{figure['ns']:9.1f} ({figure['ns_min']:7.1f}) {ratio:>7}"


def print_table(found):
    print(f"{found['entries']:,} entries, {(found['live_bytes'] + found['index_bytes']) >> 20} MiB: "
          "ns an operation, median (least), ratio to the floor")
    print(f"  {'':16}" + "".join(f"{title:>25}" for title in WAYS.values()))
    for subject, figures in found["subjects"].items():
        print(f"  {subject:16}" + "".join(cell(figures.get(way), subject == "floor") for way in WAYS))
    for threads, figures in found["threads"].items():
        print(f"  {'get hit, %s thr.' % threads:16}" + "".join(cell(figures.get(way), False) for way in WAYS) +
              ("   ratio: to one thread" if threads == "1" else ""))
    print(flush=True)


def run(plan, record, start, program):
    for found in measure(plan, start, program):
        print_table(found)
        record.add("engine", {"entries": found["entries"], "key_size": 20, "value_size": 32},
                   {name: found[name] for name in ("rounds", "index_bytes", "live_bytes", "subjects", "threads")})
