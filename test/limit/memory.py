"""The runs at the memory limit: resident memory as the kernel counts it while load.c or sizes.c works."""

import os
import threading

from harness import Strata, programs
from harness.servers import is_strata

HERE = os.path.dirname(os.path.realpath(__file__))
MIB = 1 << 20
LIMIT_MB = 256
OVER_PERCENT = 5
UNDER_PERCENT = 5
CONSTANT_MIB = 24  # program, stacks, buffers of connections; stated in the documentation of maxmemory
LIVE_PERCENT = 70
SAMPLE_S = 0.2


class Sampler(threading.Thread):
    """Remembers the highest resident memory."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.done = threading.Event()
        self.highest = server.resident_bytes()
        self.samples = 0
        self.start()

    def run(self):
        while not self.done.wait(SAMPLE_S):
            try:
                self.highest = max(self.highest, self.server.resident_bytes())
            except (AssertionError, OSError):
                return  # the server is gone; the report says so
            self.samples += 1

    def finish(self):
        self.done.set()
        self.join()
        return self.highest


def info(server):
    with server.client() as client:
        text = client.call("INFO", "everything")[1].decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def run(report, seed, seconds, policy, kind):
    program = programs.built("load", [os.path.join(HERE, "load.c"), os.path.join(HERE, "..", "consistency", "peer.c")])
    allowed = LIMIT_MB * MIB * (100 + OVER_PERCENT) // 100 + CONSTANT_MIB * MIB
    case = f"{kind} at {LIMIT_MB} MB with {policy}"
    with Strata(maxmemory=f"{LIMIT_MB}mb", maxmemory_policy=policy) as server:
        sampler = Sampler(server)
        command = [program, kind, "127.0.0.1", server.port, seed, seconds, LIMIT_MB * MIB, LIVE_PERCENT]
        programs.run(report, case, command, seconds + 120)
        highest = sampler.finish()
        report.expect(f"{case}: the server still runs", server.alive(), server.last_words())
        if server.alive():
            figures = info(server)
            used, peak = int(figures["used_memory"]), int(figures.get("used_memory_peak", 0))
            report.note(
                f"{case}: resident at most {highest / MIB:.1f} MiB ({sampler.samples} samples), used_memory {used / MIB:.1f} MiB, "
                f"peak {peak / MIB:.1f} MiB, {figures['evicted_keys']} evicted, {figures['expired_keys']} expired, keys {figures.get('db0', 'none')}"
            )
            report.expect(
                f"{case}: resident memory within {allowed / MIB:.0f} MiB", highest <= allowed or server.sanitized(), f"{highest / MIB:.1f} MiB of {allowed / MIB:.1f}"
            )
            if is_strata():
                report.expect(f"{case}: used_memory within the limit", used <= LIMIT_MB * MIB, f"{used} of {LIMIT_MB * MIB}")
            if kind == "live":
                report.expect(f"{case}: nothing evicted", figures["evicted_keys"] == "0", f"evicted_keys:{figures['evicted_keys']}")
            else:
                report.expect(f"{case}: the limit was reached", used > LIMIT_MB * MIB * 6 // 10, f"used_memory {used / MIB:.1f} MiB only")
        status = server.stop()
        report.expect(f"{case}: it ends in order", status == 0, f"exit status {status}: {server.last_words()}")


def sizes(report, seed, seconds, limit_mb, kind):
    """What the server grows by beyond its empty self, while far more of one kind of sizes is written than fits: the limit, within 5 %."""
    program = programs.built("sizes", [os.path.join(HERE, "sizes.c"), os.path.join(HERE, "..", "consistency", "peer.c")])
    case = f"{kind} sizes at {limit_mb} MB"
    with Strata(maxmemory=f"{limit_mb}mb", maxmemory_policy="allkeys-lfu") as server:
        with server.client() as client:
            client.call("PING")
        empty = server.resident_bytes()
        programs.run(report, case, [program, kind, "127.0.0.1", server.port, seed, seconds, limit_mb * MIB], seconds + 200)
        report.expect(f"{case}: the server still runs", server.alive(), server.last_words())
        if not server.alive():
            return
        highest, last, figures = server.resident_peak_bytes(), server.resident_bytes(), info(server)
        most, end = (100 * (resident - empty) / (limit_mb * MIB) for resident in (highest, last))
        report.note(
            f"{case}: empty {empty / MIB:.1f} MiB; grown by {most:.1f} % of the limit at the peak, by {end:.1f} % at the end; "
            f"used_memory {int(figures['used_memory']) / MIB:.1f} MiB, {figures['evicted_keys']} evicted"
        )
        report.expect(f"{case}: something had to go", figures["evicted_keys"] != "0", "nothing was evicted")
        if is_strata():
            within = 100 - UNDER_PERCENT <= end and most <= 100 + OVER_PERCENT
            report.expect(f"{case}: grown by the limit, within {OVER_PERCENT} %", within or server.sanitized(), f"{most:.1f} % at the peak, {end:.1f} % at the end")
        status = server.stop()
        report.expect(f"{case}: it ends in order", status == 0, f"exit status {status}: {server.last_words()}")


def both(report, seed, seconds):
    run(report, seed, seconds, "allkeys-lfu", "mixed")
    run(report, seed, seconds, "noeviction", "live")


def all_sizes(report, seed, seconds, limit_mb):
    for kind in ("fixed", "mixed", "wide"):
        sizes(report, seed, seconds, limit_mb, kind)
