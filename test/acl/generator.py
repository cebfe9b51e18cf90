"""Requests of every command, made up from spec/commands: arguments of the kinds that its syntax has, many of them wrong."""

import pathlib
import sys

from harness.servers import repository

sys.path.insert(0, str(pathlib.Path(repository()) / "tools"))
import gen_commands  # noqa: E402

LONG_MS = "100000"
LIKELY = {"tag": ["theirtag", "minetag"], "cursor": ["0"], "prefix": ["yours", "mine", "user", ""], "count": ["100", "1"], "class-pattern": ["mine:{id}", "user:{id}", "cart:{id}", "*"],
          "store": ["default", "carts", "none"], "comparison-value": ["7", "8", "own value"], "value": ["7", "8", "own value", "x", "1"], "manifest": ["version: 1", "x"], "service": ["ours", "theirs"]}  # by the name of an argument
# Whoever may do this may give himself every right, or stops the server: that is what @admin means.
ALMIGHTY = {"acl|setrole", "acl|delrole", "token|create", "token|revoke", "acl|setuser", "acl|deluser", "acl|load", "acl|save", "config|set", "config|rewrite", "shutdown", "client|kill", "client|pause", "store|set"}
# These answer nothing, or when they like, or change what an answer belongs to; transactions and listeners have trials of their own.
STATEFUL = {"client|reply", "multi", "exec", "discard", "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "stream|subscribe", "stream|unsubscribe", "save", "bgsave",
            "bgrewriteaof", "waitaof"}  # fmt: skip
# Behind these the connection is made anew: it has another user, or another state.
ENDING = {"auth", "hello", "reset", "quit", "token|auth", "monitor", "client|tracking", "client|caching"}
# What they answer depends on the machine, the time or the connection, or counts all keys together, as the cursor of SCAN does. Names and values are looked for all the same.
OWN_WAY = {"dbsize", "info", "memory|stats", "memory|doctor", "memory|malloc-stats", "store|list", "store|info", "hstats", "hget_filter", "hfilter", "hset_filter", "tier|info", "time", "client|id",
           "client|info", "latency|histogram", "latency|latest", "latency|history", "latency|graph", "latency|doctor", "acl|genpass", "token|list", "stream|position",
           "stream|info", "config|get", "metrics", "hotkeys|get", "lastsave", "latency|reset", "slowlog|len", "commandlog|len", "object|idletime",
           "object|freq", "rules|info", "config|resetstat", "dump", "memory|usage", "client|trackinginfo", "client|getredir", "scan", "invalidate|pattern", }  # fmt: skip
# These speak of keys that they do not name (docs/acl.md): they are refused to who may not read, or write, every key; others are answered in the server's own way.
NEEDS_ALL = {
    **dict.fromkeys(["randomkey", "explain", "tag|keys", "tag|count", "stats|class", "stream|subscribe", "stream|read", "stream|consumers", "monitor", "slowlog|get", "commandlog|get", "acl|log"], "R"),
    **dict.fromkeys(["flushall", "flushdb", "swapdb", "store|flush", "tag|invalidate", "invalidate|tag", "invalidate|class", "invalidate|regex", "invalidate|event", "event|emit", "rules|load"], "W"),
}
# These speak of no key, and much: the first kind of users asks them.
STATIC = {"command", "command|docs", "command|info", "command|list"}
# They name connections by numbers, which two servers give each for itself.
IDS = {"client|tracking", "client|unblock", "client|list"}
# Their order is that of the table of all keys, as the cursor of SCAN is.
UNORDERED = {"keys"}
# Their numbers are times and versions, which two servers give each for itself.
NUMBERED = {"ttl", "pttl", "expiretime", "pexpiretime", "cversion", "entry", "cget"}
NUMBERS_FROM = 90
WAITS = {"STALE": LONG_MS, "LEASE": LONG_MS, "EARLY": LONG_MS, "WAIT": "1", "SYNC": "1"}
TIMES_AT = {"expire": 2, "pexpire": 2, "setex": 2, "psetex": 2, "restore": 2}


def leaves():
    folder = str(pathlib.Path(repository()) / "spec" / "commands")
    commands = [command for name in gen_commands.FAMILIES for command in gen_commands.load_family(folder, name)[0]]
    return [command for command in gen_commands.everything(commands) if not command.subcommands or command.data["arity"] == -1]


BY_NAME = {command.full: command for command in leaves()}


def meant(command, words):
    """The command that the words are: a wrong one may have made it another subcommand."""
    return BY_NAME.get("|".join(words[:2]).lower(), command)


class Maker:
    """Arguments of a command, from its syntax; `names` are the keys that it draws from."""

    def __init__(self, rng, names):
        self.rng, self.names, self.times = rng, names, 0

    def request(self, command):
        words = command.full.split("|") + self.some(command.arguments)
        for at in range(1, len(words)):
            if self.rng.random() < 0.04:
                words[at] = self.value("string")
        if self.rng.random() < 0.05:
            words.append(self.value("string"))
        if self.rng.random() < 0.05 and len(words) > 1:
            words.pop()
        return self.settled(command, words)

    def settled(self, command, words):
        """Nothing ends between the answers of two servers, no two ends are so close that it matters when they were said, and nothing is waited for."""
        for at in range(1, len(words)):
            if not words[at].isdigit() or words[at] == "0":
                continue
            if TIMES_AT.get(command.full) == at or words[at - 1].upper() in ("PX", "EX"):
                self.times += 1
                words[at] = str(self.times * 10_000_000)
            elif int(words[at]) < 10000:
                words[at] = WAITS.get(words[at - 1].upper(), words[at])
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
            return rng.choice(self.names)
        if kind in ("integer", "unix-time"):
            return str(rng.choice([0, 1, 2, 3, 10, 100, -1, 4102444800]))
        if kind == "pattern":
            return rng.choice(["*", "mine:*", "yours:*", "m*", "*:1", "[my]*", "", "yours:1", "user:*", "user:{id}", "mine:{id}", "cart:1*"])
        return rng.choice(["*", "1", "7", "x", "yours:1", "mine:1", "user:1:x", "default", "tag", "0", "theirtag", "yours:*", "__keyspace@0__:yours:1", "u8", "[a", "", "EX", "GET", "IFEQ"])


def refused(reply):
    return reply[0] == "-" or (reply[0] == "*" and bool(reply[1]) and all(one[0] == "-" for one in reply[1]))


def named_keys(command, words):
    """The arguments where keys stand, as far as the spec says where."""
    found = []
    for keys in command.keys:
        if "not_key" in keys["flags"]:
            continue
        last = keys["to"] if keys["to"] >= 0 else len(words) + keys["to"]
        if keys["count_at"]:
            try:
                last = keys["at"] + (int(words[keys["count_at"]]) - 1) * keys["step"]
            except (ValueError, IndexError):
                continue
        found += [words[at] for at in range(keys["at"], min(last, len(words) - 1) + 1, keys["step"])]
    return found


def in_order(reply):
    return (reply[0], sorted(reply[1])) if reply[0] == "*" else reply


def alike(one, other, numbers=False):
    """Of two replies; with `numbers` times, versions and tokens need not be the same."""
    if one[0] != other[0] or type(one[1]) is not type(other[1]):
        return False
    if isinstance(one[1], list):
        return len(one[1]) == len(other[1]) and all(alike(*pair, numbers) if isinstance(pair[0][0], str) else all(alike(*half, numbers) for half in zip(*pair)) for pair in zip(one[1], other[1]))
    if numbers and isinstance(one[1], int) and one[1] is not True:
        return one[1] == other[1] or min(abs(one[1]), abs(other[1])) >= NUMBERS_FROM
    if numbers and isinstance(one[1], bytes) and len(one[1]) > 12 and len(one[1]) == len(other[1]) and set(one[1] + other[1]) <= set(b"0123456789abcdef-:"):
        return True
    return one[1] == other[1]
