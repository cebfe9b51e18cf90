"""Keys that expire in the same second: how long others wait meanwhile, and when the memory is back."""

import os
import re
import subprocess

from harness import Strata, programs

HERE = os.path.dirname(os.path.realpath(__file__))
PAUSE_US_MAX = 1000
GONE_MS_MAX = 5000
MIB = 1 << 20


def one_round(report, mode, seed, keys, seconds, load=None):
    """Answers what the program said, as {word: number}, with the memory before and after."""
    program = programs.built("burst", [os.path.join(HERE, "burst.c"), os.path.join(HERE, "..", "consistency", "peer.c")])
    with Strata(maxmemory="1gb", maxmemory_policy="noeviction") as server:
        with server.client() as client:
            before = used_memory(client)
            done = subprocess.run([program, mode, "127.0.0.1", str(server.port), str(seed), str(keys), str(seconds)],
                                  capture_output=True, text=True, timeout=seconds + 120)
            after = used_memory(client)
        if done.returncode != 0:
            report.not_ok(f"{mode}: the probers are answered", (done.stdout + done.stderr)[-1000:])
            return None
        said = dict(re.findall(r"^(loaded|gone|kept) (-?\d+)$", done.stdout, re.M))
        said = {word: int(number) for word, number in said.items()}
        for phase, figures in re.findall(r"^(quiet|burst) (.*)$", done.stdout, re.M):
            for word, number in re.findall(r"(\w+) (\d+)", figures):
                said[f"{phase} {word}"] = int(number)
        said["before"], said["after"] = before, after
        report.note(f"{mode}, {keys} keys, seed {seed}: gone {said['gone']} ms after the last one's time; latency in us: "
                    + "; ".join(f"{phase} p50 {said[f'{phase} p50']}, p99 {said[f'{phase} p99']}, p99.9 {said[f'{phase} p999']}, max {said[f'{phase} max']}"
                                for phase in ("quiet", "burst"))
                    + f"; used memory {before / MIB:.1f} MiB before, {after / MIB:.1f} after")
        return said


def used_memory(client):
    text = client.call("INFO", "memory")[1].decode()
    return int(re.search(r"^used_memory:(\d+)", text, re.M).group(1))


def expect_gone(report, mode, said, keys):
    report.expect(f"{mode}: all are gone within {GONE_MS_MAX} ms", said["gone"] <= GONE_MS_MAX and said["kept"] <= keys // 100,
                  f"{said['gone']} ms, {said['kept']} left")
    if mode == "together":
        # What stays is the index, which does not shrink: under 32 bytes for each key that there was.
        limit = said["before"] + 32 * keys + 8 * MIB
        report.expect(f"{mode}: their memory is back", said["after"] <= limit, f"{said['after']} bytes used, at most {limit} expected")


def expect_no_pause(report, mode, rounds):
    """Noise of the machine comes and goes; a pause of the server's own comes in every round. The engine's own slices are measured without
    such noise by test/engine/expire.c."""
    quiet, pause = max(said["quiet max"] for said in rounds), min(said["burst max"] for said in rounds)
    report.expect(f"{mode}: nobody waits {PAUSE_US_MAX} us longer than before", pause <= quiet + PAUSE_US_MAX,
                  f"in each of {len(rounds)} rounds somebody waited for at least {pause} us; before, for at most {quiet}")
