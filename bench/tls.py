"""Requests over TLS beside the same ones in the plain, of Strata and redis-server; docs/benchmark.md has the method."""

import os
import statistics
import subprocess
import tempfile

from harness.servers import free_port

CLIENTS, VALUE_SIZE = 50, 32


class Secured:
    """What adds a port of TLS to a server's options. Both servers have the same certificate (ECDSA on P-256) and ask clients for none."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()

    def options(self):
        return {"tls_port": self.port, "tls_cert_file": self.file("server.crt"), "tls_key_file": self.file("server.key"),
                "tls_ca_cert_file": self.file("ca.crt"), "tls_auth_clients": "no"}  # fmt: skip

    def file(self, name):
        return os.path.join(self.folder, name)

    def flags(self):
        return {"tls": True, "cacert": self.file("ca.crt"), "port": self.port}


def measure(plan, makers, generate, folder, progress):
    """{(mix, batch): {(server, "plain" or "tls"): [figures of each round]}}"""
    cells = [(mix, batch) for mix in plan.mixes for batch in plan.batches]
    doors = {name: Secured(folder) for name in makers}
    servers = {name: make(**doors[name].options()) for name, make in makers.items()}
    found = {cell: {(name, way): [] for name in makers for way in ("plain", "tls")} for cell in cells}
    keys = min(plan.keys, 100000)
    try:
        for server in servers.values():
            server.start()
            generate(server, load=True, verify=True, keys=keys, value_size=VALUE_SIZE, pipeline=16)
        for number in range(plan.rounds):
            for mix, batch in cells:
                for name, server in servers.items():
                    for way, flags in (("plain", {}), ("tls", doors[name].flags())):
                        figures = generate(server, mix=mix, pipeline=batch, keys=keys, value_size=VALUE_SIZE, clients=CLIENTS, verify=True,
                                           seconds=plan.seconds, warmup=plan.warmup, seed=number + 1, **flags)
                        if figures["misses"] or figures["tls"] != bool(flags):
                            raise SystemExit(f"bench: {name}, {way}: {figures}")
                        found[mix, batch][name, way].append(figures)
            progress(f"round {number + 1} of {plan.rounds}")
    finally:
        for server in servers.values():
            server.__exit__()
    progress("")
    return found


def median(rounds, field):
    return statistics.median(one[field] for one in rounds)


def quotient(ours, theirs, field="operations_per_s"):
    return round(statistics.median(one[field] / other[field] for one, other in zip(ours, theirs)), 3)


def print_cell(mix, batch, found):
    print(f"{mix.upper()} of {VALUE_SIZE} bytes, {CLIENTS} connections, batches of {batch}")
    for name in {name: None for name, _ in found}:
        plain, tls = found[name, "plain"], found[name, "tls"]
        print(f"  {name:8} plain {median(plain, 'operations_per_s'):10,.0f}/s {median(plain, 'server_cpu_ns'):6.0f} ns   TLS {median(tls, 'operations_per_s'):10,.0f}/s "
              f"{median(tls, 'server_cpu_ns'):6.0f} ns   {quotient(tls, plain):5.2f}x its plain")
    if len(found) == 4:
        print(f"  strata over TLS is {quotient(found['strata', 'tls'], found['redis', 'tls']):.2f}x redis over TLS", flush=True)


def run(plan, record, program, strata, redis, generate, progress):
    makers = {name: make for name, make in (("strata", strata), ("redis", redis)) if name in plan.servers}
    with tempfile.TemporaryDirectory(prefix="strata-bench-tls-") as folder:
        subprocess.run([program, "cert", folder], check=True, capture_output=True)
        for (mix, batch), found in measure(plan, makers, generate, folder, progress).items():
            print_cell(mix, batch, found)
            record.add("tls", {"mix": mix, "batch": batch, "value_size": VALUE_SIZE, "clients": CLIENTS},
                       {"rounds": plan.rounds,
                        "servers": {f"{name} {way}": {"ops_s": round(median(rounds, "operations_per_s")), "cpu_ns_median": round(median(rounds, "server_cpu_ns"), 1),
                                                      "p99_us": round(median(rounds, "p99_us"), 1)} for (name, way), rounds in found.items()},
                        "tls_to_plain": {name: quotient(found[name, "tls"], found[name, "plain"]) for name in makers}})
