"""A consumer that keeps copies, is killed and comes back, while others invalidate; in the end its copies are right.

Run by test/stream/run with few steps and by test/soak/stream with many.
"""

import fnmatch
import random
import select

from harness import Closed, encode
from harness.resp import plain

GROUPS = 60
KEYS_PER_GROUP = 20
BATCH = 40
KILLS_MIN = 5  # fewer, or fewer copies compared, show nothing
COPIES_MIN = 300
KEY_KINDS = {b"deleted", b"expired", b"evicted", b"invalidated", b"retagged", b"created", b"replaced", b"patched"}
ALL_KINDS = {b"flushed", b"swapped", b"rules", b"lost", b"began", b"writes-began"}


def name_of(group, number):
    return b"g%d:%d" % (group, number)


class Consumer:
    """Copies of values by key. It knows of each key which tag it bears."""

    def __init__(self, server):
        self.server = server
        self.client = None
        self.copies = {}
        self.run = self.position = None
        self.dropped_all = self.told_all = self.gaps = self.exact = self.records = self.kills = self.checked = 0

    def shows_something(self):
        return self.kills >= KILLS_MIN and self.checked >= COPIES_MIN

    def come(self):
        self.client = self.server.client(3)
        at = ["FROM", self.run, self.position] if self.run else []
        reply = plain(self.client.call("STREAM", "SUBSCRIBE", *at, "WRITES", "PREFIX", "g"))
        self.run = reply[b"run"]
        self.position = reply[b"position"] if self.position is None else self.position

    def die(self):
        """Whatever is on its way is lost."""
        self.client.close()
        self.client = None
        self.kills += 1

    def drop(self, condition):
        for name in [name for name in self.copies if condition(name)]:
            del self.copies[name]

    def drop_all(self):
        self.copies.clear()
        self.dropped_all += 1

    def drop_group(self, kind, text):
        if kind in (b"keys", b"written"):
            self.drop(lambda name: name.startswith(text))
        elif kind == b"tag":
            self.drop(lambda name: b"tag" + name.split(b":")[0] == text)
        elif kind == b"pattern":
            self.drop(lambda name: fnmatch.fnmatchcase(name.decode(), text.decode()))
        else:
            raise AssertionError(f"a {kind} is unsure")

    def hear(self, members):
        record = plain(members[1])
        kind = record[b"kind"]
        if record[b"position"] < self.position:
            raise AssertionError(f"position {record[b'position']} after {self.position}")
        self.records += 1
        if kind in KEY_KINDS:
            self.copies.pop(record[b"name"], None)
        elif kind in (b"tag", b"pattern"):
            self.drop_group(kind, record[b"name"])
        elif kind in ALL_KINDS:
            self.told_all += 1
            self.drop_all()
        elif kind == b"gap":
            self.gaps += 1
            if record[b"unsure"] == b"anything":
                self.told_all += 1
                self.drop_all()
            else:
                self.exact += 1
                for part in record[b"unsure"]:
                    self.drop_group(*part)
        else:
            raise AssertionError(f"a {kind}")
        self.position = record[b"position"]

    def read_reply(self):
        while True:
            kind, members = self.client.read()
            if kind != ">":
                return plain((kind, members))
            self.hear(members)

    def read_some(self, most):
        """Pushes that are there."""
        for _ in range(most):
            if not self.client.buffered() and not select.select([self.client.socket], [], [], 0)[0]:
                return
            kind, members = self.client.read()
            if kind != ">":
                raise AssertionError(f"a {kind} that nobody asked for")
            self.hear(members)

    def fetch(self, name):
        self.client.send(encode("GET", name))
        value = self.read_reply()
        if value is not None:
            self.copies[name] = value

    def catch_up(self, position):
        while self.position < position:
            self.client.send(encode("STREAM", "POSITION"))
            reply = self.read_reply()
            # What does not concern it moves no position here: when nothing is left, a command is answered behind all records.
            if reply[1] >= position:
                break
        for _ in range(3):
            self.client.send(encode("PING"))
            self.read_reply()


def command(rng, serial, elsewhere):
    """A change; with `elsewhere` mostly of nothing that the consumer keeps."""
    if elsewhere and rng.random() < 0.9:
        return encode("SET", b"other:%d:" % serial + b"x" * 300, "v")
    group, number = rng.randrange(GROUPS), rng.randrange(KEYS_PER_GROUP)
    name, tag = name_of(group, number), b"tagg%d" % group
    what = rng.random()
    if what < 0.3:
        return encode("SET", name, b"%d" % serial, "TAGS", 1, tag)
    if what < 0.5:
        return encode("DEL", name)
    if what < 0.53:
        return encode("TAG", "INVALIDATE", tag)
    if what < 0.65:
        return encode("INVALIDATE", "KEY", name, "REASON", "because")
    if what < 0.7:
        return encode("APPEND", name, b"+")
    if what < 0.72:
        return encode("INVALIDATE", "PATTERN", b"g%d:1?" % group)
    if what < 0.9998:
        return encode("SET", b"other:%d:" % serial + b"x" * 300, "v")
    return encode("FLUSHDB")


class Writers:
    """Clients that send changes without waiting for every answer."""

    def __init__(self, server):
        self.clients = [server.client() for _ in range(3)]
        self.owed = [0] * len(self.clients)

    def write(self, at, commands):
        self.clients[at].send(b"".join(commands))
        self.owed[at] += len(commands)

    def settle(self, at):
        for _ in range(self.owed[at]):
            reply = self.clients[at].read()
            if reply[0] == "-":
                raise AssertionError(f"a writer got {reply!r}")
        self.owed[at] = 0

    def settle_all(self):
        for at in range(len(self.clients)):
            self.settle(at)


def check(consumer, writers, seed):
    """While nothing changes, the consumer catches up; then each of its copies has to be right."""
    writers.settle_all()
    asker = writers.clients[0]
    consumer.catch_up(plain(asker.call("STREAM", "POSITION"))[1])
    names = list(consumer.copies)
    for name, now in zip(names, asker.calls([("GET", name) for name in names])):
        if plain(now) != consumer.copies[name]:
            raise AssertionError(f"seed {seed}: the copy of {name} is {consumer.copies[name]}, and it is {plain(now)}")
    return len(names)


def run(server, seed, steps):
    """Answers the consumer after `steps` changes, or up to three times as many if these show nothing; raises if one of its copies is old."""
    rng = random.Random(seed)
    consumer, writers = Consumer(server), Writers(server)
    consumer.come()
    done = away = next_check = 0
    elsewhere = False
    while done < steps or (done < 3 * steps and not consumer.shows_something()):
        at = rng.randrange(len(writers.clients))
        count = rng.randrange(1, BATCH) * (5 if elsewhere else 1)
        writers.write(at, [command(rng, done + n, elsewhere) for n in range(count)])
        done += count
        if rng.random() < 0.5 or writers.owed[at] > 2000:
            writers.settle(at)
        if consumer.client is None:
            away -= 1
            if away <= 0:
                consumer.come()
                elsewhere = False
            continue
        consumer.read_some(rng.randrange(200))
        for _ in range(rng.randrange(30)):
            consumer.fetch(name_of(rng.randrange(GROUPS), rng.randrange(KEYS_PER_GROUP)))
        if done > next_check:
            consumer.checked += check(consumer, writers, seed)
            next_check = done + 300
        if rng.random() < 0.06:
            consumer.die()
            elsewhere = rng.random() < 0.3
            away = rng.choice([1, 1, 2, 2, 5, 20, 60]) + 40 * elsewhere
    if consumer.client is None:
        consumer.come()
    consumer.checked += check(consumer, writers, seed)
    for client in [*writers.clients, consumer.client]:
        client.close()
    return consumer


__all__ = ["Closed", "Consumer", "run"]
