"""What has to be so once everybody has gone: counters agree with one another, nothing is left of clients, keys and memory, no report in the log."""

from commands import KEYS, MANIFESTS, OFTEN, SETTINGS, TAGS
from harness import settle
from harness.resp import plain

DATABASES = 2
SETTLE_S = 15.0
MEMORY_SLACK = 256 << 10
REPORTS = ["ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:", "assertion", "Assertion"]
CALM = {name: values[-1] for name, values in SETTINGS.items()} | {"maxmemory": "32mb", "ownership": "warn", "notify-keyspace-events": ""}
GONE = ["blocked_clients", "tracking_clients", "pubsub_clients", "monitor_clients", "pubsub_channels", "pubsub_patterns", "pubsubshard_channels",
        "lease_waiting", "stream_subscribers", "stream_subscribers_ack", "stream_sync_waiting", "tracking_total_prefixes"]  # fmt: skip
CAUSES = ["never_there", "expired", "evicted", "invalidated", "deleted", "flushed", "nothing", "filtered"]


def info(client):
    """The lines of INFO that are numbers."""
    text = plain(client.call("INFO")).decode("latin-1")
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: int(value) for name, value in pairs if value.lstrip("-").isdigit()}


def ends_in_order(report, server, name):
    status = server.stop()
    log = server.log()
    report.expect(f"{name}: it stops in order", status == 0, f"exit status {status}: {log[-1500:]}")
    begins = min((log.index(text) for text in REPORTS if text in log), default=None)
    report.expect(f"{name}: nothing is reported", begins is None, log[begins : begins + 3000] if begins is not None else "")


class Judge:
    def __init__(self, report, server, name):
        self.report, self.server, self.name = report, server, name
        self.client = server.client()
        self.used_before = self.used_when_empty()

    def expect(self, what, condition, why):
        self.report.expect(f"{self.name}: {what}", condition, why)

    def settles(self, what, question, wanted):
        """Asks until the answer is as wanted."""
        answers = []

        def asked():
            answers[:] = [question()]
            return answers[0] == wanted

        settle(asked, SETTLE_S)
        self.expect(what, answers[0] == wanted, f"{answers[0]} after {SETTLE_S} s, not {wanted}")

    def call(self, *words):
        return plain(self.client.call(*words))

    def used_when_empty(self):
        self.call("FLUSHALL")
        return info(self.client)["used_memory"]

    # ------------------------------------------------------------- after a load

    def after(self, counted):
        """`counted`: nobody has reset counters meanwhile."""
        self.client.close()
        self.client = self.server.client(timeout=20)
        self.call("CLIENT", "UNPAUSE")
        refused = [name for name, value in CALM.items() if self.call("CONFIG", "SET", name, value) != b"OK"]
        self.expect("limits can be set", not refused, f"{refused} cannot")
        self.settles("all have gone", lambda: info(self.client)["connected_clients"], 1)
        self.settles("nobody waits or listens", lambda: {name: info(self.client)[name] for name in GONE}, {name: 0 for name in GONE})
        self.counters(counted)
        for database in range(DATABASES):
            self.keys(database)
        self.nothing_left()
        self.end()

    def counters(self, counted):
        now = info(self.client)
        causes = {cause: now[f"keyspace_misses_{cause}"] for cause in CAUSES}
        self.expect("misses are the sum of their causes", sum(causes.values()) == now["keyspace_misses"], f"{now['keyspace_misses']}: {causes}")
        ends = {name: now[f"lease_{name}"] for name in ("used", "lost", "released", "out")}
        if counted:
            self.expect("each lease ends once", sum(ends.values()) == now["lease_given"], f"{now['lease_given']}: {ends}")
        self.expect("there was something to count", not counted or now["lease_given"] > 0 and now["keyspace_hits"] > 0, f"{ends}")

    def scanned(self):
        found, cursor = [], b"0"
        while True:
            cursor, some = self.call("SCAN", cursor, "COUNT", "1000")
            found += some
            if cursor == b"0":
                return sorted(found)

    def keys(self, database):
        """While nobody writes, all that tell of keys tell the same; some may expire between two questions."""
        self.call("SELECT", database)
        told = {}

        def agree():
            scanned = self.scanned()
            told.update(scanned=len(scanned), unique=len(set(scanned)), keys=len(self.call("KEYS", "*")), exist=self.call("EXISTS", "-", *scanned),
                        size=self.call("DBSIZE"))  # fmt: skip
            return told["scanned"] == told["unique"] == told["keys"] == told["exist"] <= told["size"]

        self.expect(f"database {database} is as large as what is found in it", settle(agree, SETTLE_S), f"{told}")
        for tag in ["t", "u", "tag:3"]:
            self.bearers(database, tag)
        for name in OFTEN:
            self.call("EXPLAIN", name.encode("latin-1"))

    def bearers(self, database, tag):
        """Those found bear the tag, and are as many as are counted; some may expire between two questions."""
        told = {}

        def agree():
            found, cursor = [], b"0"
            while True:
                cursor, some = self.call("TAG", "KEYS", tag, cursor, "COUNT", "1000")
                found += some
                if cursor == b"0":
                    break
            wrong = [name for name in found if tag.encode() not in self.call("TAG", "OF", name) and self.call("EXISTS", name)]
            told.update(found=found, wrong=wrong, count=self.call("TAG", "COUNT", tag))
            return not wrong and len(set(found)) <= told["count"]

        self.expect(f"the keys of the tag {tag} in database {database} bear it", settle(agree, SETTLE_S), f"{told}")

    def nothing_left(self):
        """By deletions alone: whatever was stale, negative, or sent to other stores goes by its name."""
        names = [name.encode("latin-1") for name in KEYS]
        for database in range(DATABASES):
            self.call("SELECT", database)
            self.call("DEL", *names)
            self.settles(f"database {database} is empty after DEL of all keys", lambda: self.call("DBSIZE"), 0)
        self.expect("rules can be taken away", self.call("RULES", "LOAD", MANIFESTS[3]) == b"OK", "they cannot")
        self.expect("so can stores", len(self.call("STORE", "LIST")) == 1, f"{self.call('STORE', 'LIST')}")
        named = [tag for tag in TAGS if tag and tag[0] not in "~^="]
        self.settles("no tag is borne", lambda: sum(self.call("TAG", "COUNT", tag) for tag in named), 0)
        self.call("FLUSHALL")
        self.settles("no key is tracked", lambda: info(self.client)["tracking_total_keys"], 0)
        self.settles("no lease is out", lambda: (info(self.client)["lease_out"], info(self.client)["lease_bytes"]), (0, 0))
        settle(lambda: self.used_when_empty() <= self.used_before + MEMORY_SLACK, SETTLE_S)
        used = self.used_when_empty()
        self.expect("memory is given back", used <= self.used_before + MEMORY_SLACK, f"{used} bytes, {self.used_before} before")

    def end(self):
        self.client.close()
        ends_in_order(self.report, self.server, self.name)
