"""Two servers side by side: sends the same to both, compares, counts, and starts afresh after a difference."""

import collections

import commands
import compare
import rdb
from harness import Closed, Redis, Strata, encode, settle
from values import Values

BATCH_UNITS = 50
SPOILED = 0.12
RECASED = 0.1
SHOWN_BYTES = 160
ENDING_S = 0.3  # how long a server that closed a connection may take to be seen as ended
ENDS_MAX = 8


def shown(thing):
    text = repr(thing)
    return text if len(text) <= SHOWN_BYTES else text[: SHOWN_BYTES // 2] + "..." + text[-SHOWN_BYTES // 2 :]


def versus(one, other):
    """Both replies, or of two unordered lists only what is in one of them."""
    if one[0] == other[0] and one[0] in "*~" and one[1] and other[1] and len(one[1]) > 6:
        ours, theirs = {repr(member) for member in one[1]}, {repr(member) for member in other[1]}
        return f"only Strata {shown(sorted(ours - theirs))}, only redis-server {shown(sorted(theirs - ours))}"
    return f"Strata {shown(one)}, redis-server {shown(other)}"


class Session:
    def __init__(self, seed, **options):
        self.seed = seed
        self.values = Values(seed)
        options = {"maxmemory": "4gb", "maxmemory_policy": "noeviction", "slowlog_log_slower_than": 100_000_000, **options}
        self.ours = Strata(**options)
        self.theirs = Redis(**options)
        self.counted = collections.Counter()  # successful replies by label
        self.operations = 0
        self.errors = 0
        self.differences = {}  # label: text of the first
        self.pairs = {}
        self.ends = 0  # of our server, unexpected

    def __enter__(self):
        self.ours.__enter__()
        self.theirs.__enter__()
        self.values.payload = self._payloads()
        return self

    def __exit__(self, *_):
        self.close()
        self.ours.__exit__()
        self.theirs.__exit__()

    def _payloads(self):
        """Payloads as redis-server writes them: integers, compressed, plain."""
        made = []
        with self.theirs.client() as client:
            for setting in ("yes", "no"):
                client.call("CONFIG", "SET", "rdbcompression", setting)
                for _ in range(40):
                    client.call("SET", "x", self.values.value())
                    made.append(client.call("DUMP", "x")[1])
                client.call("SET", "x", b"abcabcabd" * 3000)
                made.append(client.call("DUMP", "x")[1])
            client.call("FLUSHALL")
        return lambda: self.values.random.choice(made)

    # ---------------------------------------------------------- connections

    def pair(self, name, protocol=2):
        """Two connections, one to each server, under a name; kept."""
        if name not in self.pairs:
            self.pairs[name] = (self.ours.client(protocol), self.theirs.client(protocol))
        return self.pairs[name]

    def close(self, name=None):
        for one in [name] if name else list(self.pairs):
            for client in self.pairs.pop(one, ()):
                client.close()

    def afresh(self):
        self.close()
        for server in (self.ours, self.theirs):
            with server.client() as client:
                client.call("FLUSHALL")

    # -------------------------------------------------------------- compare

    def differs(self, label, text):
        self.differences.setdefault(label, text)

    def count(self, label, reply, fails=False):
        self.operations += 1
        if reply[0] == "-":
            self.errors += 1
        if (reply[0] == "-") == fails:
            self.counted[label] += 1

    def both(self, name, *arguments, rule=compare.equal, protocol=2, label=None):
        """One request to both; answers our reply. A difference is an error here."""
        ours, theirs = self.pair(name, protocol)
        data = encode(*arguments)
        ours.send_all(data)
        theirs.send_all(data)
        return self.both_read(name, arguments, rule, label)

    def both_read(self, name, arguments=(), rule=compare.equal, label=None):
        ours, theirs = self.pairs[name]
        one, other = ours.read(), theirs.read()
        self.count(label or (str(arguments[0]) if arguments else "push"), other)
        if not compare.agree(rule, one, other):
            raise AssertionError(f"{shown(arguments)}: {versus(one, other)}")
        return one

    # --------------------------------------------------------------- random

    def units(self):
        """For ever: (form, steps), every form as often as its weight says, in random order."""
        deck = [one for one in commands.FORMS for _ in range(one.weight)]
        while True:
            self.values.random.shuffle(deck)
            for one in deck:
                steps = one.steps(self.values)
                spoiled = False
                if len(steps) == 1:
                    step = steps[0]
                    if one.spoil and self.values.chance(SPOILED):
                        step.arguments = commands.spoiled(self.values, step.arguments)
                        steps = commands.looked_at(steps)
                        spoiled = True
                    elif self.values.chance(RECASED):
                        step.arguments = commands.recased(self.values, step.arguments)
                yield one, steps, spoiled

    def batch(self, protocol, units):
        """Sends some units to both, pipelined, and compares. After the first difference both start afresh."""
        plan = [(None, commands.Step(["HELLO", protocol], compare.hello), False)]
        plan.append((None, commands.Step(["SELECT", self.values.one_of(0, 0, 0, 0, 0, 0, 1)]), False))
        for one, steps, spoiled in units:
            for step in steps:
                counts = step.counted or (step is steps[-1] and not any(other.counted for other in steps))
                plan.append((one, step, counts and not spoiled))
        data = b"".join(encode(*step.arguments) for _, step, _ in plan)
        ours, theirs = self.pair(protocol)
        try:
            ours.send_all(data)
        except Closed:
            pass  # the replies up to there are read below
        theirs.send_all(data)
        for at, (one, step, counts) in enumerate(plan):
            other = theirs.read()
            try:
                reply = ours.read()
            except (Closed, TimeoutError, AssertionError, ValueError) as error:
                reply = ("closed", f"{type(error).__name__}: {error}")
            label = one.label if one else step.arguments[0]
            if counts:
                self.count(label, other, one.fails)
            else:
                self.count("other", other)
            if not compare.agree(step.rule, reply, other):
                before = " after " + "; ".join(shown(s.arguments) for _, s, _ in plan[max(0, at - 2) : at])
                self.differs(
                    label,
                    f"RESP{protocol} {shown(step.arguments)}: {versus(reply, other)}{before}",
                )
                if reply[0] == "closed":
                    self.revive("; ".join(shown(s.arguments) for _, s, _ in plan[max(0, at - 30) : at + 30]))
                else:
                    self.drain(ours, theirs, len(plan) - at - 1)
                self.afresh()
                return

    @staticmethod
    def drain(ours, theirs, count):
        """Reads what is still to come of a batch, so that nothing of it runs after the two have started afresh."""
        for client in (ours, theirs):
            try:
                for _ in range(count):
                    client.read()
            except (Closed, TimeoutError, AssertionError, ValueError):
                pass

    def revive(self, requests):
        """After an unexpected close: if the server has ended, says with what, and starts both again so that the rest is tested."""
        if not settle(lambda: not self.ours.alive(), ENDING_S):
            return
        status = self.ours.stop()
        self.ends += 1
        self.differs("server", f"ended with status {status}, the last output {self.ours.last_words()!r}, around these requests: {requests}")
        if self.ends > ENDS_MAX:
            raise AssertionError("the server has ended too often")
        self.close()
        self.theirs.stop()
        self.ours.start()
        self.theirs.start()

    def run_random(self, operations):
        units = self.units()
        target = self.operations + operations
        protocol = 2
        while self.operations < target:
            self.batch(protocol, [next(units) for _ in range(BATCH_UNITS)])
            protocol = 5 - protocol
