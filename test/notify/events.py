"""Random commands for Strata and redis-server side by side, and what a listener hears of them."""

import random

from harness import encode, seed
from harness.resp import plain

KEYS = ["a", "b", "c", "d", "long:" + "k" * 60]
VALUES = ["", "1", "-7", "2.5", "hello", "v" * 100, "w" * 5000]
DATABASES = 3
PATTERN = "__key*__:*"
END = "__keyend__:"
LETTERS = ["KEAmn", "KEAmn", "KEA", "Kg$", "E$", "Eg", "Km", "Kn", "KExg", "KE", ""]


class Listener:
    """Hears everything; `until` reads as far as what was published as an end."""

    def __init__(self, server, protocol=2, pattern=PATTERN):
        self.client = server.client(protocol)
        self.client.call("PSUBSCRIBE", pattern)

    def until(self, end):
        heard = []
        while True:
            message = plain(self.client.read())
            if message[2] == END.encode() and message[3] == end:
                return heard
            heard.append((message[2], message[3]))

    def next(self):
        message = plain(self.client.read())
        return (message[2], message[3])

    def close(self):
        self.client.close()


class Draw:
    def __init__(self, number, dump):
        self.random = random.Random(number)
        self.dump = dump

    def one(self, *choices):
        return self.random.choice(choices)

    def key(self):
        return self.random.choice(KEYS)

    def keys(self, least=1):
        return [self.key() for _ in range(self.random.randrange(least, 5))]

    def value(self):
        return self.random.choice(VALUES)

    def pairs(self):
        return [word for key in self.keys() for word in (key, self.value())]

    def expiry(self):
        """In the future, far enough."""
        return self.one(["EX", "1000"], ["PX", "1000000"], ["EXAT", "9999999999"], ["PXAT", "9999999999999"])

    def set(self):
        options = [self.one("NX", "XX")] if self.random.random() < 0.3 else []
        options += ["GET"] if self.random.random() < 0.2 and "NX" not in options else []
        options += self.one([], [], ["KEEPTTL"], self.expiry())
        return ["SET", self.key(), self.value(), *options]

    def bits(self):
        operations = []
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(40)
            operations += self.one(["GET", "u8", at], ["SET", "u8", at, self.random.randrange(3)], ["INCRBY", "i5", at, 1],
                                   ["OVERFLOW", "FAIL", "INCRBY", "u2", at // 8 * 8, 3])  # fmt: skip
        return ["BITFIELD", self.key(), *operations]

    def expire(self):
        """GT and LT with a time that is told from now would depend on the clock."""
        if self.random.random() < 0.2:
            return [self.one("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"), self.key(), self.one("-1", "0")]
        word, when = self.one(("EXPIRE", "1000"), ("PEXPIRE", "1000000"), ("EXPIREAT", "9999999999"), ("PEXPIREAT", "9999999999999"))
        return [word, self.key(), when, *self.one([], [], ["NX"], ["XX"], *[["GT"], ["LT"]] * word.endswith("AT"))]

    def restore(self):
        options = self.one([], ["REPLACE"], ["REPLACE"])
        ttl = self.one(["0"], ["1000000"], ["9999999999999", "ABSTTL"], ["1", "ABSTTL"])
        return ["RESTORE", self.key(), ttl[0], self.dump, *options, *ttl[1:]]

    def read(self):
        key = self.key()
        return self.one(["GET", key], ["MGET", *self.keys()], ["STRLEN", key], ["GETRANGE", key, 0, 3], ["SUBSTR", key, 0, 3],
                        ["GETBIT", key, 3], ["BITCOUNT", key], ["BITPOS", key, 1], ["EXISTS", *self.keys()], ["TYPE", key],
                        ["TOUCH", *self.keys()], ["TTL", key], ["PTTL", key], ["EXPIRETIME", key], ["PEXPIRETIME", key], ["DUMP", key],
                        ["LCS", key, self.key()], ["BITFIELD_RO", key, "GET", "u8", 0], ["OBJECT", "ENCODING", key],
                        ["OBJECT", "REFCOUNT", key], ["MEMORY", "USAGE", key], ["RANDOMKEY"], ["KEYS", "*"], ["DBSIZE"], ["SCAN", "0"])  # fmt: skip

    def write(self):
        key, other = self.key(), self.key()
        return self.one(["SETNX", key, self.value()], ["SETEX", key, 1000, self.value()], ["PSETEX", key, 1000000, self.value()],
                        ["GETSET", key, self.value()], ["GETDEL", key], ["SETRANGE", key, self.random.randrange(9), self.value()],
                        ["APPEND", key, self.value()], ["INCR", key], ["DECR", key], ["INCRBY", key, self.random.randrange(3)],
                        ["DECRBY", key, 3], ["INCRBYFLOAT", key, "0.5"], ["MSET", *self.pairs()], ["MSETNX", *self.pairs()],
                        ["SETBIT", key, self.random.randrange(100), self.one(0, 1)],
                        ["BITOP", self.one("AND", "OR", "XOR"), key, *self.keys()], ["BITOP", "NOT", key, other],
                        ["GETEX", key, *self.one([], ["PERSIST"], self.expiry(), ["PXAT", "1"], ["EXAT", "1"])],
                        ["DEL", *self.keys()], ["UNLINK", *self.keys()], ["RENAME", key, other], ["RENAMENX", key, other],
                        ["COPY", key, other, *self.one([], ["DB", self.random.randrange(DATABASES)]), *self.one([], ["REPLACE"])],
                        ["MOVE", key, self.random.randrange(DATABASES)], ["PERSIST", key])  # fmt: skip

    def command(self):
        roll = self.random.random()
        if roll < 0.16:
            return self.set()
        if roll < 0.56:
            return self.write()
        if roll < 0.64:
            return self.expire()
        if roll < 0.68:
            return self.restore()
        if roll < 0.73:
            return self.bits()
        if roll < 0.95:
            return self.read()
        return self.one(["SELECT", self.random.randrange(DATABASES)], ["SWAPDB", self.random.randrange(DATABASES), self.random.randrange(DATABASES)],
                        ["FLUSHDB"], ["FLUSHALL"] if roll < 0.955 else ["PING"])  # fmt: skip

    def step(self):
        """What is sent between two ends: a command, or a transaction."""
        roll = self.random.random()
        if roll < 0.01:
            return [["CONFIG", "SET", "notify-keyspace-events", self.random.choice(LETTERS)]]
        if roll < 0.9:
            return [self.command()]
        commands = [["MULTI"]] + [self.command() for _ in range(self.random.randrange(1, 6))]
        return commands + [["EXEC"] if self.random.random() < 0.9 else ["DISCARD"]]


def differential(report, server, redis, steps, protocol):
    """The same steps to both; every event, its order and its database are the same."""
    with report.case(f"the same events as redis-server, {steps} steps, seed {seed()}, RESP{protocol}"):
        clients, listeners = [], []
        for one in (server, redis):
            client = one.client()
            client.call("FLUSHALL")
            assert client.call("CONFIG", "SET", "notify-keyspace-events", "KEAmn") == ("+", b"OK")
            clients.append(client)
            listeners.append(Listener(one, protocol))
        clients[1].call("SET", "a", "restored")
        draw = Draw(seed() * 1000 + protocol, plain(clients[1].call("DUMP", "a")))
        clients[1].call("FLUSHALL")
        for listener, client in zip(listeners, clients):
            client.call("PUBLISH", END, "begin")
            listener.until(b"begin")
        events = 0
        for number in range(steps):
            step = draw.step()
            heard, replies = [], []
            for client, listener in zip(clients, listeners):
                client.send_all(b"".join(encode(*command) for command in step) + encode("PUBLISH", END, number))
                replies.append([client.read() for _ in range(len(step) + 1)][:-1])
                heard.append(listener.until(b"%d" % number))
            if heard[0] != heard[1]:
                raise AssertionError(f"step {number}: {step!r:.600}: {heard[0]} instead of {heard[1]}, replies {replies!r:.600}")
            events += len(heard[0])
        if events < steps // 4:
            raise AssertionError(f"only {events} events")
        report.note(f"{events} events")
        for one in clients + listeners:
            one.close()
