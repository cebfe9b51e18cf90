"""A server with every door open, and clients that behave well, for test/hostile and the soak of the same name."""

import contextlib
import json
import os
import pathlib
import subprocess

import attackers
from harness import Client, Strata, settle

# Attackers may fill the memory; what is guaranteed to others' keys stays theirs.
STORES = """stores:
  default: { memory: 60% }
  attack: { keys: ["attack:*"], memory: 10% }
"""
CLIENTS, RATE, KEYS, VALUE_SIZE = 8, 2000, 50000, 200
LIMIT_S = 120


@contextlib.contextmanager
def exposed(folder, memory_mb, **options):
    """Yields a server that listens for RESP and HTTP, plain and over TLS, and keeps a log; and where attackers find it."""
    program = os.environ["STRATA_PROGRAM"]
    certificates = pathlib.Path(folder) / "certs"
    subprocess.run([program, "cert", str(certificates)], check=True, capture_output=True, timeout=60)
    config = pathlib.Path(folder) / "strata.yaml"
    config.write_text(STORES)
    doors = attackers.ports()
    with Strata(config=config, threads=2, maxmemory=f"{memory_mb}mb", maxclients=1000, appendonly="yes", stream="yes", tls_cert_file=certificates / "server.crt",
                tls_key_file=certificates / "server.key", tls_ca_cert_file=certificates / "ca.crt", tls_auth_clients="no", **doors, **options) as server:  # fmt: skip
        yield server, attackers.Target(program, server.port, doors["tls_port"], doors["http_port"], doors["http_tls_port"])


def bench(server, *words):
    command = [os.environ["STRATA_PROGRAM"], "bench", "--port", str(server.port), "--json", "--keys", str(KEYS), "--value-size", str(VALUE_SIZE), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if not done.stdout:
        raise AssertionError(f"well-behaved clients are not served: {done.stderr.strip()[:300]} (the server {'lives' if server.alive() else 'is gone'}: {server.last_words()[-1500:]})")
    return json.loads(done.stdout)


def load(server):
    """Entries that are read; from then on nobody who does not know the keeper's password may do more than attackers may."""
    bench(server, "--load", "--pipeline", "16")
    with server.client() as master:
        for request in attackers.RIGHTS:
            if master.call(*request) != ("+", b"OK"):
                raise AssertionError(f"{request} is refused")


def reads(server, seconds, seed):
    """Figures of reads at a fixed rate, whose time counts from when they were due."""
    return bench(server, "--mix", "get", "--rate", str(RATE), "--clients", str(CLIENTS), "--relaxed", "--verify", "--seconds", str(seconds), "--seed", str(seed))


def recovers(server):
    """All connections of attackers go, and new clients are served."""

    def alone():
        with server.client() as client:
            return b"connected_clients:1\r\n" in client.call("INFO", "clients")[1]

    if not settle(alone, 90, 0.5):
        with server.client() as client:
            client.call("AUTH", attackers.KEEPER, attackers.PASSWORD)
            raise AssertionError(client.call("CLIENT", "LIST")[1][:2000])
    with Client(server.address, timeout=10) as client:
        if client.call("SET", "attack:after", "all") != ("+", b"OK") or client.call("GET", "attack:after") != ("$", b"all"):
            raise AssertionError("a new client is not served")
