"""Random commands of several clients, to Strata and to redis-server: the same replies, and the same keys invalidated for the same clients."""

import random
import re
from collections import Counter

from harness import Client, Redis, Strata

KEYS = ["a", "b", "ab", "abc", "n", "x:1", "x:2", "y:1", "bin\x00key"]
PREFIXES = ["a", "b", "x:", "y:", "x:1", "", "none", "ab"]
CLIENTS = 7
IDS_FROM = 1000

READS = [
    lambda d: ["GET", key(d)],
    lambda d: ["MGET"] + [key(d) for _ in range(d.randrange(1, 5))],
    lambda d: ["STRLEN", key(d)],
    lambda d: ["EXISTS", key(d), key(d)],
    lambda d: ["TYPE", key(d)],
    lambda d: ["GETRANGE", key(d), 0, 1],
    lambda d: ["TOUCH", key(d)],
    lambda d: ["BITCOUNT", key(d)],
    lambda d: ["GETBIT", key(d), 7],
    lambda d: ["LCS", key(d), key(d), "LEN"],
    lambda d: ["SUBSTR", key(d), 0, 1],
]
WRITES = [
    lambda d: ["SET", key(d), d.randrange(5)],
    lambda d: ["SET", key(d), d.randrange(5)],
    lambda d: ["SET", key(d), d.randrange(5), d.choice(["NX", "XX", "GET"])],
    lambda d: ["SET", key(d), d.randrange(5), "EX", 1000],
    lambda d: ["SETNX", key(d), 1],
    lambda d: ["DEL"] + [key(d) for _ in range(d.randrange(1, 4))],
    lambda d: ["UNLINK", key(d)],
    lambda d: ["INCR", key(d)],
    lambda d: ["INCRBYFLOAT", key(d), "0.5"],
    lambda d: ["APPEND", key(d), "tail"],
    lambda d: ["SETRANGE", key(d), 2, "zz"],
    lambda d: ["SETBIT", key(d), 5, d.randrange(2)],
    lambda d: ["MSET", key(d), 1, key(d), 2],
    lambda d: ["MSETNX", key(d), 1, key(d), 2],
    lambda d: ["GETSET", key(d), 3],
    lambda d: ["GETDEL", key(d)],
    lambda d: ["GETEX", key(d), "EX", 900 + d.randrange(99)],
    lambda d: ["GETEX", key(d), "PERSIST"],
    lambda d: ["EXPIRE", key(d), 500 + d.randrange(99)],
    lambda d: ["EXPIRE", key(d), -1],
    lambda d: ["PERSIST", key(d)],
    lambda d: ["RENAME", key(d), key(d)],
    lambda d: ["RENAMENX", key(d), key(d)],
    lambda d: ["COPY", key(d), key(d), "REPLACE"],
    lambda d: ["BITOP", "OR", key(d), key(d), key(d)],
    lambda d: ["MOVE", key(d), 1],
]
RARE = [lambda d: ["FLUSHDB"], lambda d: ["FLUSHALL"], lambda d: ["NOSUCH", key(d)], lambda d: ["GET"], lambda d: ["SELECT", d.randrange(2)]]


def key(draw):
    return draw.choice(KEYS)


def tracking_words(draw):
    words = ["CLIENT", "TRACKING", draw.choice(["on", "ON", "on", "on", "off", "maybe"] if draw.random() < 0.2 else ["on"] * 7 + ["off"])]
    modes = draw.choice([[]] * 9 + [["BCAST"]] * 3 + [["OPTIN"], ["OPTIN"], ["OPTOUT"], ["OPTOUT"], ["OPTIN", "OPTOUT"], ["BCAST", "OPTIN"]])
    if draw.random() < 0.3:
        modes = modes + ["NOLOOP"]
    if "BCAST" in modes or draw.random() < 0.05:
        # Of three, redis-server 7.0 answers some overlaps twice.
        modes = modes + [word for _ in range(draw.randrange(3)) for word in ("PREFIX", draw.choice(PREFIXES))]
    if draw.random() < 0.35:
        target = draw.choice(list(range(CLIENTS)) * 3 + [-1, "word"])
        modes = modes + ["REDIRECT", target if target in (-1, "word") else ("id", target)]
        if draw.random() < 0.1:
            modes = modes + ["REDIRECT", ("id", 0)]
    if draw.random() < 0.05:
        modes = modes + [draw.choice(["PREFIX", "REDIRECT", "WHAT"])]
    return words + modes


def step_of(draw, in_multi):
    """Words of a command, with ("id", N) for the id of client N."""
    if in_multi and draw.random() < 0.3:
        return draw.choice([["EXEC"], ["EXEC"], ["EXEC"], ["DISCARD"]])
    dice = draw.random()
    if dice < 0.34:
        return draw.choice(READS)(draw)
    if dice < 0.70:
        return draw.choice(WRITES)(draw)
    if dice < 0.715:
        return draw.choice(RARE)(draw)
    if dice < 0.80:
        return tracking_words(draw)
    if dice < 0.87:
        return ["CLIENT", "CACHING", draw.choice(["yes", "YES", "no", "no", "perhaps"])]
    if dice < 0.90:
        return ["CLIENT", draw.choice(["TRACKINGINFO", "GETREDIR"])]
    if dice < 0.93:
        return ["MULTI"]
    if dice < 0.96:
        return ["(UN)SUBSCRIBE", draw.choice(["__redis__:invalidate", "other"])]
    if dice < 0.965:
        return ["HELLO", draw.choice([2, 3, 3])]
    if dice < 0.97:
        return ["RECONNECT"]
    if dice < 0.975:
        return ["RESET"]
    return ["CLIENT LIST"]


class Apart(Client):
    """redis-server 7.0 puts what EXEC's commands push into the middle of its array; that is read as if it stood before."""

    def __init__(self, address, **options):
        self.depth, self.inside = 0, []
        super().__init__(address, **options)

    def read(self):
        self.depth += 1
        try:
            reply = super().read()
            while self.depth > 1 and reply[0] == ">":
                self.inside.append(reply)
                reply = super().read()
            return reply
        finally:
            self.depth -= 1


class Peer:
    """One of the clients, on one server."""

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.subscriptions = set()
        self.open(3 if number < CLIENTS - 3 else 2)

    def open(self, protocol):
        self.client = Apart(self.world.server.address)
        self.protocol = protocol
        self.in_multi = self.switches = False  # switches: the transaction has CLIENT TRACKING
        self.subscriptions = set()
        self.identify()

    def identify(self):
        if self.protocol == 3:
            self.reply(["HELLO", 3])
        self.reply(["CLIENT", "SETNAME", f"c{self.number}"])
        self.id = self.reply(["CLIENT", "ID"])[1]
        self.world.numbers[self.id] = self.number

    def is_push(self, reply):
        if reply[0] == ">":
            return reply[1][0][1] in (b"invalidate", b"tracking-redir-broken", b"message")
        return self.protocol == 2 and reply[0] == "*" and reply[1] and reply[1][0] == ("$", b"message")

    def reply(self, words):
        """The command's answer; what is pushed around it is kept."""
        self.client.send_all(self.world.encode(words))
        while True:
            reply = self.client.read()
            if reply[0] in "*>":
                self.world.pushes += [(self.number, push) for push in self.client.inside]
                self.client.inside = []
            if not self.is_push(reply):
                return reply
            self.world.pushes.append((self.number, reply))

    def settle(self):
        """Everything that was pushed before this has come."""
        if self.subscriptions and self.protocol == 2:
            self.reply(["PING"])
        elif self.in_multi:
            self.reply(["MULTI"])  # refused, and does not end the transaction
        else:
            self.reply(["CLIENT", "GETNAME"])  # no other command leaves CLIENT CACHING as it is


class World:
    """A server and its clients."""

    def __init__(self, server):
        self.server, self.pushes, self.numbers = server, [], {}
        for _ in range(IDS_FROM):  # so that ids are no other numbers
            Client(server.address).close()
        # The table goes with the last tracker, where redis-server keeps it for one that tracks again: somebody always tracks.
        self.keeper = Client(server.address, protocol=3)
        self.keeper.call("CLIENT", "TRACKING", "on")
        self.peers = [Peer(self, number) for number in range(CLIENTS)]

    def encode(self, words):
        from harness import encode

        return encode(*[self.peers[word[1]].id if isinstance(word, tuple) else word for word in words])

    def named(self, value):
        """Ids of clients as their numbers."""
        if isinstance(value, tuple) and value[0] == ":" and value[1] in self.numbers:
            return (":", f"client {self.numbers[value[1]]}")
        if isinstance(value, (list, tuple)):
            return type(value)(self.named(one) for one in value)
        return value

    def run(self, number, words):
        peer = self.peers[number]
        if words[0] == "RECONNECT":
            peer.client.close()
            peer.open(peer.protocol)
            return "reconnected"
        if words[0] == "(UN)SUBSCRIBE":
            if peer.in_multi:
                return "left out"
            word = "UNSUBSCRIBE" if words[1] in peer.subscriptions else "SUBSCRIBE"
            peer.subscriptions ^= {words[1]}
            return peer.reply([word, words[1]])
        if words[0] == "CLIENT LIST":
            return self.listed()
        if words[0] == "HELLO" and (peer.subscriptions or peer.in_multi):
            return "left out"
        reply = peer.reply(words)
        if words[0] == "HELLO":
            peer.protocol = words[1]
            return reply[0]
        if words[0] == "RESET" and reply == ("+", b"RESET"):
            peer.protocol, peer.in_multi, peer.subscriptions = 2, False, set()
            peer.identify()
        if words[0] == "MULTI" and reply == ("+", b"OK"):
            peer.in_multi = True
        if words[0] in ("EXEC", "DISCARD"):
            peer.in_multi = False
        # Only what tells of other clients has their ids.
        return self.named(reply) if words[0] in ("CLIENT", "EXEC") else reply

    def listed(self):
        """Flags and redirection of every client."""
        with Client(self.server.address) as client:
            text = client.call("CLIENT", "LIST")[1].decode()
        found = {}
        for line in text.splitlines():
            fields = dict(field.split("=", 1) for field in line.split(" "))
            if fields["name"]:
                flags = "".join(sorted(flag for flag in fields["flags"] if flag in "tRBNP"))
                found[fields["name"]] = (flags, self.numbers.get(int(fields["redir"]), fields["redir"]))
        return found

    def told(self):
        """What each client was told since the last time: (client, word, key), the pushes of the step."""
        for peer in self.peers:
            peer.settle()
        told = []
        for number, push in self.pushes:
            words = push[1]
            if words[0][1] == b"tracking-redir-broken":
                told.append((number, "broken", self.numbers.get(words[1][1], words[1][1])))
                continue
            keys = words[-1]
            shape = (push[0], words[0][1], words[1][1] if words[0][1] == b"message" else None)
            if keys[1] is None:
                told.append((number, shape, None))
            else:
                told += [(number, shape, one[1]) for one in keys[1]]
        self.pushes = []
        return told

    def counts(self):
        with Client(self.server.address) as client:
            text = client.call("INFO", "everything")[1].decode()
        return {name: int(re.search(rf"^{name}:(\d+)", text, re.M).group(1)) for name in ("tracking_clients", "tracking_total_prefixes")}

    def some_bcast(self):
        return any("B" in flags for flags, _ in self.listed().values())


def compare(report, name, seed, steps, threads):
    draw = random.Random(seed)
    told_in_all = Counter()
    with Strata(threads=threads, maxmemory="64mb") as strata, Redis() as redis:
        worlds = [World(strata), World(redis)]
        history, number = [], 0
        with report.case(f"{name}: {steps} random steps as redis-server, seed {seed}"):
            for at in range(steps):
                if not (worlds[0].peers[number].in_multi and draw.random() < 0.7):
                    number = draw.randrange(CLIENTS)
                words = step_of(draw, worlds[0].peers[number].in_multi)
                history.append((number, words))
                ours, theirs = [world.run(number, words) for world in worlds]
                if ours != theirs:
                    if words == ["EXEC"] and len(ours[1] or []) == len(theirs[1] or []):
                        pairs = [pair for pair in zip(ours[1], theirs[1]) if pair[0] != pair[1]]
                        ours, theirs = [one for one, _ in pairs], [one for _, one in pairs]
                    raise AssertionError(f"step {at}, client {number}, {words}: {ours!r:.300} instead of {theirs!r:.300}; before: {history[-12:]}")
                told, wanted = [Counter(world.told()) for world in worlds]
                for counted in (told, wanted):
                    # Two flushes of a transaction are told of once.
                    counted.update({what: 1 - count for what, count in counted.items() if what[2] is None})
                    # Who drops everything need not be told of a key.
                    dropping = {what[:2] for what in counted if what[2] is None}
                    for what in [what for what in counted if what[2] is not None and what[:2] in dropping]:
                        del counted[what]
                # Redis sends what prefixes want once a turn of its loop, each key once.
                if worlds[0].peers and (told != wanted) and set(told) == set(wanted) and worlds[0].some_bcast():
                    told = wanted
                # What a transaction changed before it began to track is told of too: changes are handed on after it.
                peer = worlds[0].peers[number]
                if words[:2] == ["CLIENT", "TRACKING"]:
                    peer.switches |= peer.in_multi
                elif words == ["EXEC"] and peer.switches and set(wanted) <= set(told):
                    told = wanted
                if not peer.in_multi:
                    peer.switches = False
                if told != wanted:
                    raise AssertionError(f"step {at}, client {number}, {words}: told {dict(told)} instead of {dict(wanted)}; before: {history[-12:]}")
                told_in_all.update(what if isinstance(what, str) else what[0] for _, what, _ in told)
                if at % 50 == 0 and worlds[0].counts() != worlds[1].counts():
                    raise AssertionError(f"step {at}: {worlds[0].counts()} instead of {worlds[1].counts()}; before: {history[-12:]}")
    return told_in_all
