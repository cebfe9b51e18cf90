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
        self.dropped_all = self.told_all = self.gaps = self.exact = self.records = self.kills = 0

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
    """A change; with `elsewhere` of nothing that the consumer keeps."""
    if elsewhere:
        return encode("SET", b"other:%d:" % serial + b"x" * 300, "v")
    group, number = rng.randrange(GROUPS), rng.randrange(KEYS_PER_GROUP)
    name, tag = name_of(group, number), b"tagg%d" % group
    what = rng.random()
    if what < 0.4:
        return encode("SET", name, b"%d" % serial, "TAGS", 1, tag)
    if what < 0.6:
        return encode("DEL", name)
    if what < 0.8:
        return encode("TAG", "INVALIDATE", tag)
    if what < 0.88:
        return encode("INVALIDATE", "KEY", name, "REASON", "because")
    if what < 0.92:
        return encode("APPEND", name, b"+")
    if what < 0.95:
        return encode("INVALIDATE", "PATTERN", b"g%d:1*" % group)
    if what < 0.9998:
        return encode("SET", b"other:%d:" % serial + b"x" * 300, "v")
    return encode("FLUSHDB")


def run(server, seed, steps, batch=BATCH):
    """Answers the consumer after `steps` changes; raises if one of its copies is old."""
    rng = random.Random(seed)
    consumer = Consumer(server)
    writers = [server.client() for _ in range(3)]
    owed = [0] * len(writers)
    consumer.come()
    done = away = 0
    elsewhere = False
    while done < steps:
        at = rng.randrange(len(writers))
        count = rng.randrange(1, batch)
        writers[at].send(b"".join(command(rng, done + n, elsewhere) for n in range(count)))
        owed[at] += count
        done += count
        if rng.random() < 0.5 or owed[at] > 2000:
            for _ in range(owed[at]):
                reply = writers[at].read()
                if reply[0] == "-":
                    raise AssertionError(f"a writer got {reply!r}")
            owed[at] = 0
        if consumer.client is None:
            away -= 1
            if away <= 0:
                consumer.come()
                elsewhere = False
            continue
        consumer.read_some(rng.randrange(200))
        for _ in range(rng.randrange(8)):
            consumer.fetch(name_of(rng.randrange(GROUPS), rng.randrange(KEYS_PER_GROUP)))
        if rng.random() < 0.06:
            consumer.die()
            away = rng.choice([1, 2, 5, 20, 200, 300])
            elsewhere = rng.random() < 0.3
    if consumer.client is None:
        consumer.come()
    for client, count in zip(writers, owed):
        for _ in range(count):
            client.read()
    position = plain(writers[0].call("STREAM", "POSITION"))[1]
    consumer.catch_up(position)
    for name, value in consumer.copies.items():
        now = plain(writers[0].call("GET", name))
        if now != value:
            raise AssertionError(f"seed {seed}: the copy of {name} is {value}, and it is {now}")
    for client in writers + [consumer.client]:
        client.close()
    return consumer


__all__ = ["Closed", "Consumer", "run"]
