"""What others feel while a hundred thousand denied requests are noted in the audit log; docs/benchmark.md has the method."""

import os
import pathlib
import statistics
import subprocess
import threading
import time

from harness.resp import encode

DENIED = 100000
RATE = 10000  # denied requests a second, over all of their connections
OTHERS_RATE = 10000  # reads a second of everybody else: an open loop, far from what the server can do
ATTACKERS, BATCH = 4, 10
VALUE_SIZE = 32
SETTINGS = {"no audit log": None, "everysec": "everysec", "always": "always"}
USER = ("ACL", "SETUSER", "joe", "on", ">pw", "~mine", "+get", "+auth")


class Attack(threading.Thread):
    """One connection that asks for what it may not have, so many times, at its pace."""

    def __init__(self, server, count, rate):
        super().__init__()
        self.client, self.count, self.rate, self.denied = server.client(), count, rate, 0
        self.client.call("AUTH", "joe", "pw")

    def run(self):
        batch, begun = encode("GET", "yours") * BATCH, time.monotonic()
        for number in range(0, self.count, BATCH):
            left = begun + number / self.rate - time.monotonic()
            if left > 0:
                time.sleep(left)
            self.client.send(batch)
            self.denied += sum(self.client.read()[1].startswith(b"NOPERM") for _ in range(BATCH))
        self.client.close()


def reads(plan, generate, server, seconds):
    return generate(server, mix="get", clients=16, pipeline=1, keys=1000, value_size=VALUE_SIZE, seconds=seconds, warmup=plan.warmup, rate=min(OTHERS_RATE, plan.rate))


def is_whole(program, folder, events):
    done = subprocess.run([program, "audit", "verify", folder], capture_output=True, text=True, check=False)
    noted = sum(path.read_text().count('"error":"NOPERM"') for path in pathlib.Path(folder).glob("*.jsonl"))
    if done.returncode != 0 or noted != events:
        raise SystemExit(f"bench: {noted} of {events} denied requests are in the log; {done.stdout}")


def measure(plan, make, generate, program, sync, count):
    """(quiet, under attack) figures of the others."""
    options = {"audit_dir": "audit", "audit_sync": sync} if sync else {}
    seconds = count / min(RATE, plan.rate)
    with make(**options) as server:
        with server.client() as master:
            master.call(*USER)
        quiet = reads(plan, generate, server, seconds)
        attacks = [Attack(server, count // ATTACKERS, min(RATE, plan.rate) / ATTACKERS) for _ in range(ATTACKERS)]
        for attack in attacks:
            attack.start()
        busy = reads(plan, generate, server, seconds)
        for attack in attacks:
            attack.join()
        denied = sum(attack.denied for attack in attacks)
        server.stop()
        if sync:
            is_whole(program, os.path.join(server.folder, "audit"), denied)
        return quiet, busy, denied


def run(plan, record, make, generate, program, progress):
    count = 2000 if plan.check else DENIED
    print(f"{count} denied requests by {ATTACKERS} connections; others read {OTHERS_RATE} a second")
    for name, sync in SETTINGS.items():
        found = []
        for number in range(1 if plan.check else min(plan.rounds, 3)):
            progress(f"{name}, round {number + 1}")
            found.append(measure(plan, make, generate, program, sync, count))
        progress("")
        quiet, busy = (statistics.median(each[place]["p99_us"] for each in found) for place in (0, 1))
        print(f"  {name:14} others' p99 quiet {quiet:8.0f} us, meanwhile {busy:8.0f} us   {busy / quiet:5.2f}x", flush=True)
        record.add("audit", {"sync": sync or "none", "rate": RATE, "others_rate": OTHERS_RATE, "batch": BATCH},
                   {"denied": [each[2] for each in found], "quiet_p99_us": [each[0]["p99_us"] for each in found], "p99_us": [each[1]["p99_us"] for each in found]})
