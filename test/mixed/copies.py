"""Consumers that keep copies, by the stream or by CLIENT TRACKING, while writers invalidate in every way and rules move stores: at times
everybody stops, and then no copy is old; and what was said with SYNC to be dealt with has been."""

import random
import threading
import time

from harness import encode, settle
from harness.resp import plain

KEYS = [f"{begin}:{n}" for begin in "abd" for n in range(3)] + [f"c:{n}:{m}" for n in range(3) for m in range(2)]
HERE = (
    'version: 1\nkeys:\n  "a:{id}": { ttl: 1h, stale: 10m, invalidates: ["b:{id}", "c:{id}:*"] }\n  "b:{id}": { tags: ["g:{id}"] }\n  "c:{id}:{x}": {}\n'
)
THERE = HERE.replace("keys:", "stores:\n  pages: { memory: 5mb }\nkeys:", 1).replace("ttl: 1h", "store: pages, ttl: 1h")
GROUP_S = 0.1  # between two checks
WAIT_S = 60.0
NOTICED_S = 10.0
OF_KEY = {b"deleted", b"invalidated", b"expired", b"evicted", b"created", b"replaced", b"patched"}
OF_NOTHING = {b"retagged", b"rules", b"writes-began"}


class Meeting:
    """All who take part meet twice: then nobody changes anything in between."""

    def __init__(self, parties):
        self.wanted = threading.Event()
        self.over = threading.Event()
        self.barrier = threading.Barrier(parties)

    def attend(self, between=lambda: None):
        """`between` is done after all have come and before anybody goes."""
        self.barrier.wait(WAIT_S)
        between()
        self.barrier.wait(WAIT_S)


class Party(threading.Thread):
    def __init__(self, server, seed, meeting):
        super().__init__(daemon=True)
        self.server, self.rng, self.meeting = server, random.Random(seed), meeting
        self.failure = None

    def run(self):
        try:
            self.begin()
            while not self.meeting.over.is_set():
                if self.meeting.wanted.is_set():
                    self.meeting.attend(self.when_all_stand)
                else:
                    self.step()
        except threading.BrokenBarrierError:
            pass
        except Exception as error:  # told by play()
            self.failure = error
            self.meeting.barrier.abort()

    def begin(self):
        raise NotImplementedError

    def step(self):
        raise NotImplementedError

    def when_all_stand(self):
        pass


class Keeper(Party):
    """Keeps what it has read until it is told that it may be old."""

    def __init__(self, server, seed, meeting, how):
        super().__init__(server, seed, meeting)
        self.how = how
        self.client = None
        self.copies = {}
        self.told = self.checked = 0
        self.steps_left = 0
        self.owed = None  # the position to acknowledge
        self.asker = server.client()

    def begin(self):
        if self.client:
            self.client.close()
        self.client = self.server.client(3)
        self.copies = {}
        self.steps_left = self.rng.randrange(200, 2000)
        self.ask(*self.how)

    def hear(self, members):
        self.told += 1
        if members[0][1] == b"invalidate":
            names = members[1][1]
            for name in [plain(name) for name in names] if names is not None else list(self.copies):
                self.copies.pop(name, None)
            return
        if members[0][1] != b"stream":
            raise AssertionError(f"a push {plain(members[0])}")
        record = plain(members[1])
        if record[b"kind"] in OF_KEY:
            self.copies.pop(record[b"name"], None)
        elif record[b"kind"] not in OF_NOTHING:
            self.copies.clear()
        self.owed = record[b"position"]

    def ask(self, *words):
        """The reply, after all that was pushed before it has been heard."""
        self.client.send(encode(*words))
        while True:
            kind, value = self.client.read()
            if kind != ">":
                if kind == "-":
                    raise AssertionError(f"{words} answered {value}")
                return plain((kind, value))
            self.hear(value)

    def acknowledge(self):
        while self.owed is not None and "ACK" in self.how:
            position, self.owed = self.owed, None
            self.ask("STREAM", "ACK", position)

    def step(self):
        self.steps_left -= 1
        if self.steps_left < 0:
            self.begin()
        name = self.rng.choice(KEYS)
        value = self.ask("GET", name)
        self.copies[name.encode()] = value
        self.acknowledge()

    def when_all_stand(self):
        """Nothing changes now but by expiry, which is told of when the server comes across it."""
        self.catch_up()
        names = list(self.copies)
        wrong = {name: plain(now) for name, now in zip(names, self.asker.calls([("GET", name) for name in names])) if plain(now) != self.copies[name]}

        def is_told():
            self.catch_up()
            return not any(name in self.copies for name in wrong)

        told = not wrong or settle(is_told, NOTICED_S)
        for name, now in wrong.items():
            if now is not None or not told:
                what = plain(self.asker.call("EXPLAIN", name))
                raise AssertionError(f"the copy of {name} by {' '.join(self.how)} is {self.copies.get(name)}, and it is {now}: {what}")
        self.checked += len(names)

    def catch_up(self):
        """What was recorded before a request is told before its reply."""
        for _ in range(2):
            self.ask("PING")
            self.acknowledge()


class Writer(Party):
    def begin(self):
        self.client = self.server.client()
        self.serial = 0
        self.syncs = self.complete = 0

    def change(self, name, number):
        value = b"%d-%d" % (id(self) % 1000, self.serial)
        lives = ["PX", self.rng.randint(1, 30)]  # also of what is stale after its time
        return self.rng.choice([
            ("SET", name, value), ("SET", name, value), ("SET", name, value, "TAGS", 1, f"t{number}"), ("SET", name, value, *lives),
            ("DEL", name), ("INVALIDATE", "KEY", name), ("INVALIDATE", "KEY", name, "SOFT"), ("TAG", "INVALIDATE", f"t{number}"),
            ("TAG", "INVALIDATE", f"g:{number}", "SOFT"), ("INVALIDATE", "PATTERN", "d:*"), ("INVALIDATE", "PATTERN", "a:*", "SOFT"),
            ("INVALIDATE", "REGEX", f"^c:{number}"), ("INVALIDATE", "CLASS", "b:{id}"), ("APPEND", name, "x"), ("RENAME", name, self.rng.choice(KEYS)),
            ("MSET", name, value, self.rng.choice(KEYS), value), ("GETSET", name, value), ("FLUSHDB",) if self.rng.random() < 0.02 else ("UNLINK", name),
        ])  # fmt: skip

    def step(self):
        self.serial += 1
        name = self.rng.choice(KEYS)
        dice = self.rng.random()
        if dice < 0.1:
            self.load(name)
        elif dice < 0.15:
            reply = plain(self.client.call("INVALIDATE", "KEY", name, "SYNC", 1000))
            if isinstance(reply, list):
                self.syncs += 1
                self.complete += reply[7] == 0
        else:
            self.client.call(*self.change(name, name.split(":")[1]))

    def load(self, name):
        answer = plain(self.client.call("CGET", name, "LEASE", 1000, "STALE", 60000))
        if answer[0] == b"LOAD":
            tags = self.rng.choice([(), ("TAGS", 1, f"t{name.split(':')[1]}"), ("NEGATIVE",)])
            self.client.call("CSET", name, "" if "NEGATIVE" in tags else f"loaded {self.serial}", "TOKEN", answer[1], *tags)


class Mover(Party):
    def begin(self):
        self.client = self.server.client(timeout=WAIT_S)
        self.loads = 0
        self.due = time.monotonic()

    def step(self):
        if time.monotonic() < self.due:
            self.client.call("PING")
            return
        self.loads += 1
        reply = self.client.call("RULES", "LOAD", THERE if self.loads % 2 else HERE)
        if reply != ("+", b"OK"):
            raise AssertionError(f"RULES LOAD answered {reply}")
        self.due = time.monotonic() + 0.1


WAYS = [("STREAM", "SUBSCRIBE", "WRITES", "ACK"), ("STREAM", "SUBSCRIBE", "WRITES", "PREFIX", "a:", "PREFIX", "b:", "PREFIX", "c:", "PREFIX", "d:"),
        ("CLIENT", "TRACKING", "on"), ("CLIENT", "TRACKING", "on", "BCAST"), ("CLIENT", "TRACKING", "on", "NOLOOP")]  # fmt: skip


def play(server, seed, seconds, moves):
    """Answers what was counted; raises if a copy was old."""
    meeting = Meeting(len(WAYS) + 2 + moves + 1)
    with server.client() as client:
        client.call("RULES", "LOAD", HERE)
    keepers = [Keeper(server, seed * 77 + number, meeting, how) for number, how in enumerate(WAYS)]
    writers = [Writer(server, seed * 99 + number, meeting) for number in range(2)]
    movers = [Mover(server, seed, meeting) for _ in range(moves)]
    parties = [*keepers, *writers, *movers]
    for party in parties:
        party.start()
    meetings, until = 0, time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            meeting.over.wait(GROUP_S)
            meeting.wanted.set()
            meeting.attend(meeting.wanted.clear)
            meetings += 1
    except threading.BrokenBarrierError:
        pass
    meeting.over.set()
    for party in parties:
        party.join(WAIT_S)
        if party.is_alive():
            raise AssertionError("somebody hangs")
    for party in parties:
        if party.failure:
            raise AssertionError(f"seed {seed}: {type(party).__name__}: {party.failure!r}") from party.failure
    return {"meetings": meetings, "told": sum(keeper.told for keeper in keepers), "copies checked": sum(keeper.checked for keeper in keepers),
            "syncs": sum(writer.syncs for writer in writers), "complete": sum(writer.complete for writer in writers),
            "loads": sum(mover.loads for mover in movers)}  # fmt: skip

