"""The random requests of the differential test, while all keys are put into the warm tier again and again: a server with a tier answers as one without."""

import commands
from harness import Strata
from harness.resp import to_bytes
from session import Session

KEYS = [b"k%d" % i for i in range(40)] + [b"n%d" % i for i in range(12)] + [b"f%d" % i for i in range(6)] + [b"b%d" % i for i in range(6)]
# What these say is about where an entry stands in memory, or how long it has.
APART = ("OBJECT", "MEMORY", "DEBUG")
WALKS = (b"KEYS", b"SCAN", b"RANDOMKEY")  # in a transaction they see what is in memory
ATTEMPTS = 3


class Tiered(Session):
    """Between any two requests a key may go to the tier. One worker: another one could take a key away between a command's reading and its work."""

    def __init__(self, seed, tier):
        super().__init__(seed)
        theirs = self.theirs
        self.ours = Strata(**{**tier, **theirs.options, "threads": 1})
        self.demoted = 0

    def batch(self, protocol, units):
        units = [unit for unit in units if not (unit[0].command or "").upper().startswith(APART) and not walks_in_transaction(unit[1])]
        with self.ours.client() as client:
            for db in (0, 1):
                client.call("SELECT", db)
                self.demoted += client.call("TIER", "DEMOTE", *KEYS)[1]
        mixed = []
        for unit in units:
            if self.values.random.random() < 0.3:
                keys = self.values.random.sample(KEYS, 8)
                mixed.append((None, [commands.Step(["TIER", "DEMOTE", *keys], lambda ours, theirs: True)], True))
            mixed.append(unit)
        super().batch(protocol, mixed)


def walks_in_transaction(steps):
    return len(steps) > 1 and any(to_bytes(step.arguments[0]).upper() in WALKS for step in steps)


def play(report, seed, operations, tier):
    """Answers the differences."""
    with Tiered(seed, tier) as session:
        session.run_random(operations)
        report.note(f"seed {seed}: {session.operations} operations, {session.demoted} keys put there between batches")
        if session.demoted < operations // 20:
            raise AssertionError(f"only {session.demoted} keys were put there")
        return [f"{label}: {text}" for label, text in session.differences.items()]


def differential(report, seed, operations, tier):
    """A key that is created evicts what has its fingerprint in the tier, once in some thousands: by another hash, that of the next start, it is another one. What comes
    back each time is no eviction."""
    with report.case("random requests are answered as by redis-server, wherever keys stand"):
        for _ in range(ATTEMPTS):
            wrong = play(report, seed, operations, tier)
            if not wrong:
                return
        raise AssertionError("\n".join(wrong))
