"""No command shows, tells of, or changes a key outside the patterns of its user.

Two servers get the same requests of a user who is bound to `mine:*`; on one of them there are keys of others, on the other there are none. What a
user cannot know makes no difference: the replies must be alike. And neither names nor values of the others may stand in any reply, and they must be
the same afterwards. Requests are made up from spec/commands: every command, with arguments of the kinds that its syntax has, many of them wrong.
"""

import pathlib
import random
import sys

from harness import Strata
from harness.resp import Closed
from harness.servers import repository, seed

sys.path.insert(0, str(pathlib.Path(repository()) / "tools"))
import gen_commands  # noqa: E402

ROUNDS = 40  # of each command
MARK = b"QZ7VK"  # stands in names and values of others, and in no request
THEIRS = ["yours:1", "yours:2", "min", "mine", "MINE:1", "xmine:1"]
LIKELY = {"tag": ["theirtag", "minetag"], "cursor": ["0"], "prefix": ["yours", "mine", ""], "count": ["100", "1"]}  # by the name of an argument
MINE = ["mine:1", "mine:2", "mine:"]

# Whoever may do this may give himself every right, or stops the server: that is what @admin means.
ALMIGHTY = {"acl|setrole", "acl|delrole", "token|create", "token|revoke", "acl|setuser", "acl|deluser", "acl|load", "acl|save", "config|set", "config|rewrite", "shutdown", "client|kill", "client|pause", "store|set"}
# These leave the connection in a state in which others are not answered, or answer when they like.
STATEFUL = {"client|reply", "quit", "auth", "hello", "reset", "multi", "exec", "discard", "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe",
            "sunsubscribe", "stream|subscribe", "stream|unsubscribe", "select", "save", "bgsave", "bgrewriteaof", "waitaof"}  # fmt: skip
# What they answer depends on the machine, the time or the connection, or counts all keys together, as the cursor of SCAN does. Names and values are looked for all the same.
OWN_WAY = {"dbsize", "info", "memory|stats", "memory|doctor", "memory|malloc-stats", "store|list", "store|info", "hstats", "hget_filter", "hfilter", "hset_filter", "tier|info", "time", "client|id",
           "client|info", "client|list", "latency|histogram", "latency|latest", "latency|history", "latency|graph", "latency|doctor", "acl|genpass", "stream|position", "stream|info",
           "config|get", "cversion", "entry", "metrics", "hotkeys|get", "cget", "lastsave", "latency|reset", "slowlog|len", "object|idletime", "object|freq", "rules|info", "config|resetstat", "dump", "memory|usage",
           "client|tracking", "client|trackinginfo", "client|getredir", "explain", "scan", "invalidate|key", "invalidate|pattern"}  # fmt: skip


def leaves():
    commands = [command for name in gen_commands.FAMILIES for command in gen_commands.load_family(str(pathlib.Path(repository()) / "spec" / "commands"), name)[0]]
    return [command for command in gen_commands.everything(commands) if not command.subcommands or command.data["arity"] == -1]


class Maker:
    """Arguments of a command, from its syntax."""

    def __init__(self, rng):
        self.rng = rng

    def request(self, command):
        words = command.full.split("|") + self.some(command.arguments)
        for at in range(1, len(words)):
            if self.rng.random() < 0.04:
                words[at] = self.value("string")
        if self.rng.random() < 0.05:
            words.append(self.value("string"))
        if self.rng.random() < 0.05 and len(words) > 1:
            words.pop()
        return words

    def some(self, arguments):
        return [word for argument in arguments for word in self.one(argument)]

    def one(self, argument):
        if argument.optional and self.rng.random() < 0.5:
            return []
        times = self.rng.randrange(1, 4) if argument.multiple else 1
        words = []
        for time in range(times):
            if argument.token and argument.kind != "pure-token" and (time == 0 or argument.multiple_token):
                words.append(argument.token)
            words += self.inner(argument)
        return words

    def inner(self, argument):
        if argument.kind == "oneof":
            return self.one(self.rng.choice(argument.children))
        if argument.kind == "block":
            return self.some(argument.children)
        if argument.name in LIKELY and self.rng.random() < 0.8:
            return [self.rng.choice(LIKELY[argument.name])]
        return [argument.token if argument.kind == "pure-token" else self.value(argument.kind)]

    def value(self, kind):
        rng = self.rng
        if kind == "key":
            return rng.choice(MINE * 2 + THEIRS)
        if kind in ("integer", "unix-time"):
            return str(rng.choice([0, 1, 2, 3, 10, 100, -1, 4102444800]))
        if kind == "pattern":
            return rng.choice(["*", "mine:*", "yours:*", "m*", "*:1", "[my]*", "", "yours:1"])
        return rng.choice(["*", "1", "x", "yours:1", "mine:1", "default", "tag", "0", "theirtag", "yours:*", "__keyspace@0__:yours:1", "u8", "[a", "", "EX", "GET"])


def plant(one, with_others):
    def done(*request):
        reply = one.call(*request)
        assert reply[0] != "-", (request, reply)

    for name in MINE:
        done("SET", name, "own value", "TAGS", 1, "minetag")
    for name in THEIRS if with_others else []:
        done("SET", name, MARK + b"value of " + name.encode(), "TAGS", 1, "theirtag")
    for i in range(20 if with_others else 0):
        done("SET", f"hidden:{MARK.decode()}{i}", MARK + b"hidden", "EX", 100000)
    done("ACL", "SETUSER", "joe", "reset", "on", ">pw", "~mine:*", "&*", "+@all")


def digest(one):
    found = {}
    cursor = b"0"
    while True:
        cursor, names = one.call("SCAN", cursor, "COUNT", 1000)[1]
        for name in names[1]:
            if not name[1].startswith(b"mine:"):
                found[name[1]] = [one.call(*request) for request in (("DUMP", name[1]), ("PEXPIRETIME", name[1]), ("TAG", "OF", name[1]))]
        if cursor[1] == b"0":
            return found
        cursor = cursor[1]


def holds_mark(reply):
    return MARK in repr(reply).encode()


class Doubles:
    """The user on both servers."""

    def __init__(self, servers):
        self.servers = servers
        self.connect()

    def connect(self):
        self.clients = [server.client(protocol=3, timeout=10) for server in self.servers]
        for client in self.clients:
            assert client.call("AUTH", "joe", "pw") == ("+", b"OK")
            client.call("CLIENT", "NO-TOUCH", "ON")

    def call(self, *request):
        replies = []
        for client in self.clients:
            try:
                reply = client.call(*request)
                while reply[0] == ">":
                    reply = client.read()
                replies.append(reply)
            except (Closed, ConnectionError):
                replies.append(("closed", b""))
        return replies

    def again(self):
        for client in self.clients:
            client.close()
        self.connect()


def refused(reply):
    return reply[0] == "-" or (reply[0] == "*" and reply[1] and all(one[0] == "-" for one in reply[1]))


def names_of_others(command, words):
    """Whether an argument where a key stands is one of others, as far as the spec says where."""
    for keys in command.keys:
        if "not_key" in keys["flags"]:
            continue
        last = keys["to"] if keys["to"] >= 0 else len(words) + keys["to"]
        if keys["count_at"]:
            try:
                last = keys["at"] + (int(words[keys["count_at"]]) - 1) * keys["step"]
            except (ValueError, IndexError):
                continue
        if any(words[at] in THEIRS for at in range(keys["at"], min(last, len(words) - 1) + 1, keys["step"])):
            return True
    return False


def trial(command, doubles, maker):
    words = maker.request(command)
    one, other = doubles.call(*words)
    if holds_mark(one):
        raise AssertionError(f"{words} shows what is not his: {one}")
    if names_of_others(command, words) and not refused(one) and command.full not in ("command|getkeys", "command|getkeysandflags"):
        raise AssertionError(f"{words} names a key of others and answers {one}")
    if command.full not in OWN_WAY and one != other:
        raise AssertionError(f"{words} answers {one}, and without keys of others {other}")
    if "closed" in (one[0], other[0]) or command.full in ("monitor", "client|tracking", "client|caching"):
        doubles.again()


def transactions(doubles, maker, commands):
    """The same in MULTI."""
    for _ in range(200):
        doubles.call("MULTI")
        for _ in range(3):
            words = maker.request(maker.rng.choice(commands))
            if holds_mark(doubles.call(*words)[0]):
                raise AssertionError(f"{words} in MULTI shows what is not his")
        one = doubles.call("EXEC")[0]
        if holds_mark(one):
            raise AssertionError(f"EXEC shows what is not his: {one}")
        if one[0] == "closed":
            doubles.again()


def listens(server, with_client):
    """Whatever is subscribed to by a user who may use every channel tells him of his own keys only."""
    with server.client(protocol=3) as joe, server.client() as writer:
        writer.call("CONFIG", "SET", "notify-keyspace-events", "KEA")
        assert joe.call("AUTH", "joe", "pw") == ("+", b"OK")
        for request in (["PSUBSCRIBE", "*"], ["PSUBSCRIBE", "__key*"], ["SUBSCRIBE", "__keyevent@0__:set"], ["SUBSCRIBE", "__keyspace@0__:yours:1"], ["SUBSCRIBE", "__stream__"],
                        ["STREAM", "SUBSCRIBE"], ["STREAM", "SUBSCRIBE", "PREFIX", "yours"], ["CLIENT", "TRACKING", "ON", "BCAST"], ["MONITOR"],
                        ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "yours"], ["STREAM", "READ", "FROM", "x", "0"]):  # fmt: skip
            reply = joe.call(*request)
            assert reply[0] == "-" and reply[1].startswith(b"NOPERM"), (request, reply)
        assert joe.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "mine:a") == ("+", b"OK")
        assert joe.call("SUBSCRIBE", "__keyspace@0__:mine:a")[0] == ">"
        assert joe.call("PSUBSCRIBE", "__keyspace@0__:mine:b*")[0] == ">"
        for name in ("yours:1", f"hidden:{MARK.decode()}0", "mine:a", "mine:b1"):
            writer.call("APPEND", name, "x")
        joe.send(b"*1\r\n$4\r\nPING\r\n")
        heard = []
        while not heard or heard[-1][0] == ">":
            heard.append(joe.read())
        assert b"mine:a" in repr(heard).encode() and b"mine:b1" in repr(heard).encode(), heard
        assert b"yours" not in repr(heard).encode() and not holds_mark(heard), heard
        writer.call("CONFIG", "SET", "notify-keyspace-events", "")
        with server.client(protocol=3) as other, server.client() as asks:
            other.call("SUBSCRIBE", "__keyspace@0__:yours:1", "__keyevent@0__:del", "plain")
            assert asks.call("AUTH", "joe", "pw") == ("+", b"OK")
            shown = sorted(name[1] for name in asks.call("PUBSUB", "CHANNELS")[1])
            assert shown == [b"__keyspace@0__:mine:a", b"plain"], shown


def flows(report):
    rng = random.Random(seed())
    maker = Maker(rng)
    commands = [command for command in leaves() if command.full not in ALMIGHTY | STATEFUL]
    options = {"maxmemory": "256mb", "threads": 2, "stream": "yes"}
    with Strata(**options) as full, Strata(**options) as empty, full.client() as master, empty.client() as other_master:
        plant(master, True)
        plant(other_master, False)
        before = digest(master)
        assert len(before) == len(THEIRS) + 20
        doubles = Doubles([full, empty])
        for command in commands:
            with report.case(f"bound to mine:* is {command.full.replace('|', ' ').upper()}"):
                for _ in range(ROUNDS):
                    trial(command, doubles, maker)
                after = digest(master)
                assert after == before, f"{command.full} changed {[name for name in before if after.get(name) != before[name]]}"
        with report.case("bound to mine:* are transactions"):
            transactions(doubles, maker, commands)
            assert digest(master) == before
        with report.case("who listens hears of his own keys only"):
            for server in (full,):
                listens(server, True)
        report.note(f"{len(commands)} commands, {ROUNDS} requests each; not asked: {', '.join(sorted(ALMIGHTY))}")
