"""Random commands about rules, tags, leases, stale values, the stream, tracking and what moves under them, most of them sensible."""

OFTEN = ["a:1", "a:2", "b:1", "b:2", "c:1:1", "c:1:2", "z", "a:" + "x" * 200, "", 'b:\xff\n"']
MANY = [f"{begin}:{n}" for n in range(10, 1000) for begin in "abz"] + [f"c:{n}:{n % 7}" for n in range(10, 1000)]
KEYS = OFTEN + MANY  # there are no others
TAGS = ["t", "SOFT", "u", "SYNC", "=a:{id}", "~b:", "", *(f"tag:{n}" for n in range(20))]
CLASSES = ["a:{id}", "b:{id}", "c:{id}:{x}", "nobody"]
DATABASES = ["0", "0", "0", "1"]

# Each sends keys elsewhere than the one before, or asks other things of them.
MANIFESTS = [
    'version: 1\nkeys:\n  "a:{id}": { ttl: 1h, stale: 10m, invalidates: ["b:{id}"] }\n'
    '  "b:{id}": { ttl: { default: 2s, sliding: true }, refresh: 80%, invalidates: ["c:{id}:*"] }\n  "c:{id}:{x}": {}\n'
    'events:\n  ev: { invalidate: ["a:{data.id}", "c:{data.id}:*"] }\n',
    "version: 1\nstores:\n  pages: { memory: 4mb }\nkeys:\n"
    '  "a:{id}": { store: pages, ttl: 1h, stale: 1s, negative: 3s }\n'
    '  "b:{id}": { quota: 1mb, on_quota: refuse, evict: first }\n'
    '  "c:{id}:{x}": { owner: svc, borrowers: [web], writes: leased }\nevents:\n  ev: { invalidate: ["a:{data.id}"] }\n',
    'version: 1\nservices: [svc, web]\nkeys:\n  "a:{id}": { evict: never, writes: leased, owner: svc }\n  "b:{id}": { evict: last, stale: 5s }\n'
    '  "c:{id}:{x}": { layers: [client], derives: ["a:{id}"] }\n',
    "version: 1\n",
    "version: 1\nstores:\n  s1: { memory: 1mb, eviction: volatile-ttl }\n  default: { eviction: allkeys-lru, filter: { kind: cuckoo, rate: 1% } }\n"
    'keys:\n  "a:{id}": { store: s1, tags: ["tag:{id}"], invalidates: ["c:*:{id}"] }\n  "b:{id}": { quota: 5%, ttl: { default: 1m, jitter: 10% } }\n'
    '  "c:{id}:{x}": {}\n',
    "version: 1\nkeys: nothing\n",
]

SETTINGS = {
    "history-max-bytes": ["0", "65536", "1mb", "8mb"],
    "stream-max-bytes": ["1mb", "16mb"],
    "stream-retention": ["1", "3600"],
    "lease-max": ["1", "3", "1048576"],
    "lease-waiters-max": ["1", "65536"],
    "ownership": ["off", "warn", "enforce"],
    "maxmemory": ["16mb", "32mb", "48mb"],
    "maxmemory-policy": ["allkeys-lru", "noeviction", "allkeys-lfu"],
    "notify-keyspace-events": ["", "KEA"],
    "pattern-search-max-keys": ["0", "0", "10000"],
    "tracking-table-max-keys": ["3", "0", "1000000"],
}


class Shared:
    """What clients learn from one another: tokens of leases, the stream's run and positions, numbers of connections."""

    def __init__(self):
        self.tokens = []
        self.run = b"x"
        self.position = 0

    def learn(self, reply):
        kind, value = reply
        if kind not in "*>" or not value:
            return
        first = value[0][1]
        if first in (b"LOAD", b"REFRESH"):
            self.tokens.append(value[1][1])
            del self.tokens[:-40]
        elif len(value) == 2 and isinstance(first, bytes) and len(first) == 40 and isinstance(value[1][1], int):
            self.run, self.position = first, value[1][1]


class Words:
    """Draws commands for one connection."""

    def __init__(self, rng, shared):
        self.rng = rng
        self.shared = shared
        self.families = [
            (8, self.cget), (6, self.cset), (6, self.set), (3, self.fill), (8, self.read), (5, self.change), (4, self.move), (6, self.invalidate),
            (4, self.tags), (3, self.look), (4, self.stream), (1, self.rules), (1, self.config), (1, self.client), (3, self.track),
            (4, self.transaction), (1, self.database), (3, self.talk), (2, self.server),
        ]  # fmt: skip
        self.weights = [weight for weight, _ in self.families]

    def command(self):
        return self.rng.choices(self.families, self.weights)[0][1]()

    # ------------------------------------------------------------- words

    def one(self, *of):
        return self.rng.choice(of)

    def key(self):
        return self.rng.choice(OFTEN if self.rng.random() < 0.8 else MANY).encode("latin-1")

    def tag(self):
        return self.rng.choice(TAGS)

    def number(self):
        return str(self.one(0, 1, 2, 5, 10, 50, 100, 1000, 3600000, 3600001, -1, 2**63 - 1, 2**64, "x", ""))

    def short_ms(self):
        return self.one("1", "5", "20", "50")

    def token(self):
        return self.rng.choice(self.shared.tokens) if self.shared.tokens and self.rng.random() < 0.9 else "zz"

    def value(self):
        return self.one("", "v", "1", "x" * 10, "x" * 1000, "x" * 70000)

    def some(self, *groups):
        """Some of the groups of words, in any order."""
        picked = self.rng.sample(groups, self.rng.randint(0, len(groups)))
        return [word for group in picked for word in group]

    def ending(self):
        """What may stand behind an invalidation."""
        why = ["REASON", "x" * self.one(1, 255, 256)]
        return list(self.one([], [], ["SOFT"], ["SOFT"], ["DRYRUN"], ["SYNC", self.short_ms()], why, ["SOFT", "SYNC", self.short_ms(), *why],
                             ["SYNC"], ["SOFT", "SOFT"], ["SYNC", self.number()]))  # fmt: skip

    def wanted(self):
        return self.some(["FROM", self.shared.run, self.one("0", "1", str(self.shared.position), self.number())], ["PREFIX", self.one("a:", "", "b")],
                         ["CLASS", self.one(*CLASSES)], ["TAG", "t"], ["WRITES"], ["GROUPS"], ["ACK"])  # fmt: skip

    # ------------------------------------------------------------- families

    def cget(self):
        asks = self.one(
            ["LEASE", "1000", "STALE", "100000"], ["LEASE", "300", "WAIT", "30"], ["LEASE", "5000", "BOUND"],
            self.some(["LEASE", self.one(self.short_ms(), self.number())], ["BOUND"], ["WAIT", self.short_ms()],
                      ["STALE", self.one("60000", self.number())], ["EARLY", "100000"], ["VERSION"]))  # fmt: skip
        return ["CGET", self.key(), *asks]

    def options(self):
        return self.some(["EX", self.one("1", "100", self.number())], ["PX", self.short_ms()], ["TAGS", "1", self.tag()], ["TAGS", "2", "t", "u"],
                         ["STALE", self.one("1000", self.number())], ["NEGATIVE"], ["VERSION", self.number()], ["IFNEWER", self.number()])[:6]  # fmt: skip

    def cset(self):
        key, token = self.key(), self.token()
        return self.one(
            ["CSET", key, self.value(), "TOKEN", token, *self.options()], ["CSET", key, self.value(), "TOKEN", token, "EX", "60", "STALE", "1000"],
            ["CSET", key, "", "TOKEN", token, "NEGATIVE", "PX", "50"], ["CRELEASE", key, token])  # fmt: skip

    def fill(self):
        key = self.rng.choice(MANY)
        return ["SET", key, "x" * self.one(100, 5000, 40000), *self.one([], ["EX", "100"], ["TAGS", "1", self.tag()])]

    def set(self):
        extra = self.some(["EX", "100"], ["TAGS", "1", self.tag()], ["IFVERSION", self.number()], ["IFNEWER", self.number()], ["NX"], ["GET"], ["KEEPTTL"])
        return ["SET", self.key(), self.value(), *self.one([], ["TAGS", "2", self.tag(), "t"], ["PX", self.short_ms()], extra)]

    def read(self):
        return self.one(["GET", self.key()], ["MGET", self.key(), self.key(), self.key()], ["EXISTS", self.key()], ["TTL", self.key()],
                        ["STRLEN", self.key()], ["GETEX", self.key(), "PX", "10"], ["CVERSION", self.key()])  # fmt: skip

    def change(self):
        return self.one(["DEL", self.key(), self.key()], ["APPEND", self.key(), self.value()], ["INCR", self.key()],
                        ["SETRANGE", self.key(), "10", "abc"], ["EXPIRE", self.key(), self.number()], ["PERSIST", self.key()],
                        ["MSET", self.key(), "1", self.key(), self.value()], ["GETDEL", self.key()])  # fmt: skip

    def move(self):
        return self.one(["RENAME", self.key(), self.key()], ["COPY", self.key(), self.key(), "REPLACE"],
                        ["COPY", self.key(), self.key(), "DB", "1", "REPLACE"], ["MOVE", self.key(), "1"])  # fmt: skip

    def invalidate(self):
        kind, what = self.one(
            ("KEY", [self.key()]), ("KEY", [self.key()]), ("TAG", [self.tag()]), ("CLASS", [self.one(*CLASSES)]),
            ("PATTERN", [self.one("a:*", "*", "b:?", "[", "a:{id}", "c:*:1")]), ("REGEX", [self.one("^a", "(b|c)", "^(a+)+$", ".", "(", "^a:[12]$")]),
            ("EVENT", ["ev", self.one('{"id":1}', '{"id":"2"}', "{}", "{", "[]")]))  # fmt: skip
        return ["INVALIDATE", kind, *what, *self.ending()]

    def tags(self):
        return self.one(["TAG", "INVALIDATE", self.tag(), self.tag(), *self.ending()], ["TAG", "INVALIDATE", self.tag(), "SOFT"],
                        ["TAG", "ADD", self.key(), self.tag(), self.tag()], ["TAG", "REMOVE", self.key(), self.tag()], ["TAG", "OF", self.key()],
                        ["TAG", "KEYS", self.tag(), "0"], ["TAG", "COUNT", self.tag()],
                        ["EVENT", "EMIT", self.one("ev", "no"), '{"id":"1"}', *self.ending()])  # fmt: skip

    def look(self):
        return self.one(["EXPLAIN", self.key()], ["EXPLAIN", self.key()], ["STATS", "CLASS"], ["STATS", "CLASS", "a:*"], ["TAG", "COUNT", "t"])

    def stream(self):
        return self.one(
            ["STREAM", "POSITION"], ["STREAM", "POSITION", "WRITES"], ["STREAM", "SUBSCRIBE", *self.wanted()], ["STREAM", "SUBSCRIBE", "ACK", "WRITES"],
            ["STREAM", "READ", "FROM", self.shared.run, str(max(0, self.shared.position - 20)), *self.one([], ["COUNT", "10"], self.wanted())],
            ["STREAM", "UNSUBSCRIBE"], ["STREAM", "ACK", self.one(str(self.shared.position), self.number())], ["STREAM", "INFO"])  # fmt: skip

    def rules(self):
        return self.one(["RULES", "LOAD", self.one(*MANIFESTS)], ["RULES", "LOAD", self.one(*MANIFESTS)], ["RULES", "DIFF", self.one(*MANIFESTS)],
                        ["RULES", "MATCH", self.key()], ["RULES", "INFO"], ["RULES", "CHECK", self.one(*MANIFESTS)])  # fmt: skip

    def config(self):
        name = self.one(*SETTINGS)
        return ["CONFIG", "SET", name, self.one(*SETTINGS[name])]

    def client(self):
        return self.one(["CLIENT", "KILL", "ID", str(self.rng.randint(1, 200))], ["CLIENT", "SERVICE", self.one("svc", "web", "zz", "")], ["CLIENT", "LIST"],
                        ["CLIENT", "PAUSE", self.short_ms()], ["CLIENT", "UNPAUSE"], ["CLIENT", "SETNAME", "mixed"])  # fmt: skip

    def track(self):
        how = self.one([], [], ["BCAST"], ["BCAST", "PREFIX", self.one("a:", "b")], ["OPTIN"], ["OPTOUT"], ["NOLOOP"], ["REDIRECT", str(self.rng.randint(1, 200))])
        return self.one(["CLIENT", "TRACKING", "on", *how], ["CLIENT", "TRACKING", "on", *how], ["CLIENT", "TRACKING", "off"],
                        ["CLIENT", "CACHING", self.one("yes", "no")], ["CLIENT", "TRACKINGINFO"], ["CLIENT", "GETREDIR"])  # fmt: skip

    def transaction(self):
        return self.one(["MULTI"], ["EXEC"], ["EXEC"], ["DISCARD"], ["WATCH", self.key()])

    def database(self):
        if self.rng.random() < 0.9:
            return ["SELECT", self.one(*DATABASES)]
        return self.one(["SWAPDB", "0", "1"], ["FLUSHDB"], ["FLUSHALL"])

    def talk(self):
        return self.one(["HELLO", "2"], ["HELLO", "3"], ["RESET"], ["PUBLISH", "ch", "m"], ["UNSUBSCRIBE"], ["UNSUBSCRIBE"], ["RESET"],
                        ["SUBSCRIBE", self.one("ch", "__redis__:invalidate")])  # fmt: skip

    def server(self):
        return self.one(["INFO"], ["HSTATS"], ["STORE", "LIST"], ["STORE", "INFO", "default"], ["SCAN", "0"], ["DBSIZE"], ["MEMORY", "STATS"], ["PING"])
