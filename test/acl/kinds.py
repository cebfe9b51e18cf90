"""Kinds of users with limited rights, and worlds that differ only in what is outside of them.

A kind says its rules as ACL SETUSER has them, and is its own judge of which keys they reach (docs/acl.md, docs/manifest.md): by patterns, classes, stores, and who owns what. Two worlds are planted
for it. What it may read is the same in both; of what it may only write, or only see the name of, the values differ; what it has no right to is there in the first, and absent or another in the second.
"""

import contextlib
import fnmatch
import re
import zlib

ALWAYS = "user default off\nuser admin on >root ~* &* +@all\n"
MARK = b"QZ7V"  # stands in names and values of others, and in no request
POOL = ["mine:1", "mine:2", "mine:", "mine:1:x", "yours:1", "yours:2", "min", "mine", "MINE:1", "xmine:1", "user:1", "user:2", "user:1:x", "drop:1", "drop:2", "cart:1", "cart:2", "cart:1:x", "mine:{7}"]
EDGES = ["edge:1", "edge:2"]  # which the rules take away with keys that some may write: only whether they were there is a secret
HIDDEN = 20
SERVICE, STRANGER = "ours", "theirs"

HEAD = """version: 1
services: [ours, theirs, third]
stores:
  default: { memory: 40% }
  carts: { memory: 20% }
keys:
"""
# The second has other borders: what was of a class or in a store is not, and the other way about.
CLASSES = [
    {
        "mine:{id}": "{ owner: ours, invalidates: ['edge:{id}'] }",
        "user:{id}": "{ owner: theirs, borrowers: [ours] }",
        "user:{id}:x": "{ owner: theirs, borrowers: [third] }",
        "drop:{id}": "{ owner: theirs }",
        "cart:{id}": "{ store: carts }",
        "yours:{id}": "{ owner: third, borrowers: [theirs] }",
        "edge:{id}": "{}",
    },
    {
        "mine:*": "{ owner: ours, invalidates: ['edge:1'] }",
        "user:{id}:x": "{ owner: theirs, borrowers: [ours] }",
        "user:1": "{ owner: ours, borrowers: [third] }",
        "drop:1": "{ owner: ours }",
        "cart:{id}:x": "{ store: carts }",
        "yours:2": "{ store: carts }",
        "edge:{id}": "{}",
    },
]


def manifest(version):
    return HEAD + "".join(f'  "{pattern}": {what}\n' for pattern, what in CLASSES[version].items())


def class_of(name, version):
    """The pattern with most fixed bytes of those that match."""
    found = [pattern for pattern in CLASSES[version] if re.fullmatch(re.escape(pattern).replace(r"\{id\}", "[^:]+").replace(r"\*", ".*"), name)]
    return max(found, key=lambda pattern: len(pattern.replace("{id}", "").replace("*", "")), default=None)


def said_of(name, version, what):
    """What the class of the key says of `owner`, `borrowers` or `store`; empty: nothing."""
    text = CLASSES[version].get(class_of(name, version), "")
    found = re.search(what + r": \[?([a-z, ]+?)\]?(?:,| })", text)
    return re.split(", *", found.group(1)) if found else []


class Selector:
    """Rules of one set of rights: where, for what, by which commands."""

    def __init__(self, words):
        self.words = words
        self.places, commands = [], set()
        for word in words:
            if word.startswith("+"):
                commands.add(word[1:])
            access = re.match(r"%([RW]+)", word)
            rest = word[access.end() :] if access else word
            place = re.match(r"~|class=|store=", rest)
            if place:
                self.places.append((access.group(1) if access else "RW", place.group(), rest[place.end() :]))
        self.commands = None if any(name.startswith("@") for name in commands) else commands

    def reaches(self, name, access, version, command=None):
        if command and self.commands is not None and command not in self.commands:
            return False
        for given, place, text in self.places:
            if not set(access) & set(given):
                continue
            if place == "~" and fnmatch.fnmatchcase(name, text):
                return True
            if place == "class=" and class_of(name, version) == text:
                return True
            if place == "store=" and (said_of(name, version, "store") or ["default"]) == [text]:
                return True
        return False


class Kind:
    """A user: `own` are its own rules, `more` its selectors, `role` those of a role that it has."""

    def __init__(self, name, own, more=(), role=(), service=None, token=False, rounds=1.0):
        self.name, self.own, self.more, self.role, self.service, self.token, self.rounds = name, own, more, role, service, token, rounds
        self.selectors = [Selector(words) for words in (own, *more, role) if words]
        self.version = 0
        channels = [word for words in (own, *more, role) for word in words if word[0] == "&"]
        self.channels = "" if "&*" in channels or not channels else channels[0][1:-1]  # what the only ones begin with

    @property
    def administrates(self):
        return not any("-@admin" in words for words in (self.own, *self.more, self.role))

    def allows(self, name, access, command=None):
        """By patterns, classes and stores."""
        return any(selector.reaches(name, access, self.version, command) for selector in self.selectors)

    def owns(self, name):
        return not self.service or said_of(name, self.version, "owner") in ([], [self.service])

    def borrows(self, name):
        readers = said_of(name, self.version, "borrowers")
        return not self.service or not readers or self.service in readers + said_of(name, self.version, "owner")

    def reads(self, name, command=None):
        return self.allows(name, "R", command) and self.borrows(name)

    def writes(self, name, command=None):
        return self.allows(name, "W", command) and self.owns(name)

    def sees(self, name):
        """Whether it may know that there is such a key."""
        return self.allows(name, "RW")

    def everything(self, access):
        return any(place == "~" and text == "*" and access in given for selector in self.selectors for given, place, text in selector.places)

    def names(self):
        """Its own twice as often as those of others."""
        own = [name for name in POOL if self.sees(name)]
        return own * 2 + [name for name in POOL if name not in own] if own else POOL

    def rules(self):
        """As words of ACL SETROLE and ACL SETUSER."""
        user = ["reset", "on", ">pw", *self.own, *("(" + " ".join(words) + ")" for words in self.more)]
        user += ["role=limits"] * bool(self.role) + [f"service={self.service}"] * bool(self.service)
        return self.role, user


ALL = ["&*", "+@all"]
KINDS = [
    Kind("read-only", ["%R~*", *ALL]),  # first: who may read all may hear later of what was planted for others
    Kind("bound to mine:*", ["~mine:*", *ALL], rounds=5.0),
    Kind("write-only", ["%W~*", *ALL]),
    Kind("of halves of patterns", ["%R~mine:*", "%W~user:*", "%R~*:x", "~yours:2", "~mine:{*", "&mine:*", "+@all", "-@admin"]),
    Kind("of selectors", ["~mine:*", *ALL, "-@admin"], more=[["%R~user:*", "+get", "+mget", "+exists"], ["%W~drop:?", "+@write", "+@transaction"]]),
    Kind("of a role", ["~cart:1", "+get", "+set", "+strlen"], role=["~mine:1*", "%R~user:*", "%W~drop:*", *ALL], token=True),
    Kind("of a role over classes", ["+ping"], role=["class=mine:{id}", "class=mine:*", "%Rclass=user:{id}", "%Rclass=user:1", "%Wclass=drop:{id}", "&*", "+@all", "-@admin", "-@dangerous"]),
    Kind("of stores", ["store=carts", "%R~mine:*", *ALL], token=True),
    Kind("that is a service", ["~mine:*", "~user:*", "~drop:*", "~yours:*", *ALL], service=SERVICE),
]


def admin(server, **options):
    client = server.client(**options)
    assert client.call("AUTH", "admin", "root") == ("+", b"OK")
    return client


def secret(name, world):
    """Of one size in both worlds, and of few values where it may be guessed."""
    return str(7 + world).encode() if name.endswith("1") else MARK + b"KL"[world : world + 1] * 8


class World:
    """A server, and those who plant and look after it: `number` is 0 where others are there, and 1."""

    def __init__(self, server, number, http):
        self.server, self.number, self.http = server, number, http
        self.masters = [admin(server, timeout=60), admin(server, timeout=60)]
        self.masters[1].call("SELECT", 1)
        self.version = None  # of the rules in force
        self.known = set()  # versions of which kinds.py and the server say the same

    def done(self, *request):
        reply = self.masters[0].call(*request)
        assert reply[0] != "-", (request, reply)
        return reply

    def enter(self, kind):
        """Makes the user; answers its token, if it comes with one."""
        for old in self.done("ACL", "USERS")[1]:
            if old[1] not in (b"default", b"admin"):
                self.done("ACL", "DELUSER", old[1])
        role, user = kind.rules()
        if role:
            self.done("ACL", "DELROLE", "limits")
            self.done("ACL", "SETROLE", "limits", *role)
        self.done("CONFIG", "SET", "ownership", "enforce" if kind.service else "off")
        self.load(kind.version)
        self.done("ACL", "SETUSER", "joe", *user)
        if not kind.token:
            return None
        made = [one[1] for one in self.done("TOKEN", "CREATE", "joe", "NAME", "ci")[1]]
        return made[made.index(b"token") + 1]

    def load(self, version):
        self.done("RULES", "LOAD", manifest(version))
        self.version = version
        if version in self.known:
            return
        self.known.add(version)
        for name, reply in zip(POOL, self.masters[0].calls([("RULES", "MATCH", name) for name in POOL])):
            found, wanted = reply[1], class_of(name, version)
            assert (found and found[1][1].decode()) == wanted, (name, found, wanted)

    def entry(self, kind, name):
        """The request that makes it, or None."""
        if kind.reads(name):
            return ["SET", name, "12" if name.endswith("2") else "own value", "TAGS", 1, "minetag"]
        if kind.sees(name):
            return ["SET", name, secret(name, self.number), "TAGS", 1, "minetag"]
        if self.number == 0:
            return ["SET", name, MARK + b"K" + name.encode(), "TAGS", 2, "theirtag", "minetag"]
        return ["SET", name, MARK + b"another", "EX", 1000000] if name not in EDGES and zlib.crc32(name.encode()) % 2 else None

    @contextlib.contextmanager
    def unowned(self, kind):
        """Whoever plants is of no service."""
        if kind.service:
            self.done("CONFIG", "SET", "ownership", "off")
        yield
        if kind.service:
            self.done("CONFIG", "SET", "ownership", "enforce")

    def plant(self, kind):
        self.done("FLUSHALL")
        if self.version != kind.version:
            self.load(kind.version)
        wanted = [self.entry(kind, name) for name in POOL + EDGES]
        here = [request for request in wanted if request]
        if not kind.sees("hidden") and self.number == 0:
            here += [("SET", f"hidden:{MARK.decode()}{i}", MARK + b"hidden", "EX", 100000) for i in range(HIDDEN)]
        there = [request for name, request in zip(POOL, wanted) if request and not kind.sees(name)]
        with self.unowned(kind):
            replies = self.masters[0].calls(here) + self.masters[1].calls(there)
        assert all(reply == ("+", b"OK") for reply in replies), replies
        self.before = self.outside(kind)

    def outside(self, kind):
        """All that the user may not change, in two databases."""
        return self.look(kind, [name for name in POOL if not kind.writes(name)] + [f"hidden:{MARK.decode()}{i}" for i in range(HIDDEN)])

    def look(self, kind, names):
        with self.unowned(kind):
            return {(db, name): reply[1] for db, one in enumerate(self.masters) for name, reply in zip(names, one.calls([("ENTRY", name) for name in names]))}

    def changed(self, kind, invalidates=False):
        """What is not as it was planted. Whoever may invalidate, may that whatever service he is: then a key of another service may be gone."""
        now = self.outside(kind)
        found = [(db, name, before, now[db, name]) for (db, name), before in self.before.items() if now[db, name] != before]
        return [one for one in found if not (invalidates and one[3] is None and kind.allows(one[1], "W"))]


def holds_mark(what):
    return MARK in (what if isinstance(what, bytes) else repr(what).encode())
