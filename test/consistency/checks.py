"""Both checkers against a server of several threads, with much memory and with little."""

import os

from harness import Strata, programs

HERE = os.path.dirname(os.path.realpath(__file__))


def source(name):
    return os.path.join(HERE, name)


# At the tight limit the log is compacted all the time, under the readers' eyes; what lives is a few megabytes.
LIMITS = {"roomy": "1gb", "tight": "64mb"}


def check(report, seed, reads, timeout_s, threads=4):
    for name in ("monotonic", "mixture"):
        program = programs.built(name, [source(f"{name}.c"), source("peer.c")])
        for limit, maxmemory in LIMITS.items():
            case = f"{name}, {limit} memory"
            with Strata(maxmemory=maxmemory, maxmemory_policy="noeviction", threads=threads) as server:
                programs.run(report, case, [program, "127.0.0.1", server.port, seed, reads], timeout_s)
                report.expect(f"{case}: the server still runs", server.alive(), server.last_words())
                status = server.stop()
                report.expect(f"{case}: it ends in order", status == 0, f"exit status {status}: {server.last_words()}")
