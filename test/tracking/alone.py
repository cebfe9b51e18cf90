"""What redis-server cannot show: several workers, tags, limits, whoever does not read, and the order of what is told."""

import re
import time

from harness import Closed, Strata, encode, settle
from harness.resp import plain

WORKERS = 4
WAIT_S = 60


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r:.400} instead of {wanted!r:.400}")


def info(client, field):
    return int(re.search(rb"^%s:(\d+)" % field.encode(), client.call("INFO", "everything")[1], re.M).group(1))


class Tracker:
    """A RESP3 client with a copy of what it read."""

    def __init__(self, server, *modes):
        self.client = server.client(3, timeout=WAIT_S)
        self.told = []
        expect(self.call("CLIENT", "TRACKING", "on", *modes), ("+", b"OK"))

    def call(self, *words):
        self.client.send_all(encode(*words))
        while True:
            reply = self.client.read()
            if reply[0] != ">":
                return reply
            word, keys = plain(reply)
            expect(word, b"invalidate")
            self.told += [None] if keys is None else keys

    def news(self):
        """What it was told since the last time, in order; None: drop everything."""
        self.call("PING")
        told, self.told = self.told, []
        return told

    def close(self):
        self.client.close()


class Redirected:
    """A reader of RESP2, and the connection on which it is told."""

    def __init__(self, server, *modes):
        self.listener, self.reader, self.broadcast = server.client(), server.client(), "BCAST" in modes
        number = self.listener.call("CLIENT", "ID")[1]
        self.listener.call("SUBSCRIBE", "__redis__:invalidate")
        expect(self.reader.call("CLIENT", "TRACKING", "on", *modes, "REDIRECT", number), ("+", b"OK"))

    def news(self):
        self.listener.send_all(encode("PING"))
        told = []
        while (reply := plain(self.listener.read()))[0] == b"message":
            told += [None] if reply[2] is None else reply[2]
        return told

    def close(self):
        self.listener.close()
        self.reader.close()


def said_before(report, server):
    with report.case("what CLIENT CACHING says holds if tracking is switched on once more"):
        with server.client() as writer:
            for mode, word, wanted in (("OPTIN", "YES", [b"k"]), ("OPTOUT", "NO", [])):
                tracker = Tracker(server, mode)
                for again in ((mode,), (mode, "NOLOOP")):
                    for read in ([("GET", "k")], [("MULTI",), ("GET", "k"), ("EXEC",)]):
                        expect(writer.call("SET", "k", 1), ("+", b"OK"))
                        tracker.news()
                        expect(tracker.call("CLIENT", "CACHING", word), ("+", b"OK"))
                        expect(tracker.call("CLIENT", "TRACKING", "on", *again), ("+", b"OK"))
                        for words in read:
                            tracker.call(*words)
                        expect(writer.call("SET", "k", 2), ("+", b"OK"))
                        expect((again, read, tracker.news()), (again, read, wanted))
                tracker.close()


def everybody(report, server):
    with report.case("readers on all workers are told before the writer's reply can be known"):
        trackers = [Tracker(server, *modes) for modes in [()] * 8 + [("BCAST",)] * 4 + [("BCAST", "PREFIX", "k")] * 4]
        with server.client() as writer:
            for at in range(50):
                expect(writer.call("SET", "k", at), ("+", b"OK"))
                for tracker in trackers[8:]:
                    expect(tracker.news(), [b"k"])
                for tracker in trackers:
                    expect(tracker.call("GET", "k"), ("$", b"%d" % at))
                    expect(tracker.news(), [])
                expect(writer.call("APPEND", "k", "x")[0], ":")
                for tracker in trackers:
                    expect(tracker.news(), [b"k"])
                expect(writer.call("APPEND", "k", "x")[0], ":")
                for tracker in trackers[:8]:
                    expect(tracker.news(), [])
                for tracker in trackers[8:]:
                    expect(tracker.news(), [b"k"])
        for tracker in trackers:
            tracker.close()


def prefixes(report, server):
    """The same key changed by the same client again: nobody was told the first time, and somebody is the second."""
    with report.case("a prefix that comes between two changes of a key"), server.client() as writer:
        other, tracker = Tracker(server, "BCAST", "PREFIX", "none"), Tracker(server)
        writer.call("SET", "twice", 1)
        tracker.call("CLIENT", "TRACKING", "off")
        tracker.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "tw")
        writer.call("SET", "twice", 2)
        expect((tracker.news(), other.news()), ([b"twice"], []))
        tracker.close()
        other.close()


def own_writes(report, server):
    with report.case("a client's own change is told after the reply, and after the whole of EXEC"), server.client(3) as client:
        client.call("CLIENT", "TRACKING", "on")
        client.call("GET", "own")
        client.send_all(encode("SET", "own", 1))
        expect(client.read(), ("+", b"OK"))
        expect(plain(client.read()), [b"invalidate", [b"own"]])
        client.calls([["GET", "own"], ["MULTI"], ["INCR", "own"], ["GET", "own"]])
        client.send_all(encode("EXEC"))
        expect(plain(client.read()), [2, b"2"])
        expect(plain(client.read()), [b"invalidate", [b"own"]])
        # The last GET of the transaction came after its INCR, so the key is tracked.
        client.send_all(encode("INCR", "own"))
        expect(client.read(), (":", 3))
        expect(plain(client.read()), [b"invalidate", [b"own"]])


def published_after(report, server):
    with report.case("a message that was published after a change comes after it"):
        tracker = Tracker(server)
        listener = tracker.client
        listener.send_all(encode("SUBSCRIBE", "news"))
        expect(listener.read()[0], ">")
        with server.client() as writer:
            for at in range(300):
                expect(tracker.call("GET", "k")[0] in "$_", True)
                writer.calls([["SET", "k", at], ["PUBLISH", "news", at]])
                expect(plain(listener.read()), [b"invalidate", [b"k"]])
                expect(plain(listener.read()), [b"message", b"news", b"%d" % at])
        tracker.close()


def tags(report, server):
    with server.client() as writer:
        with report.case("an invalidated tag is told of at once, key by key, to those who had read them"):
            tracker, other = Tracker(server), Tracker(server)
            for at in range(200):
                writer.call("SET", f"t{at}", "x", "TAGS", 2, f"group{at % 4}", "all")
            writer.call("SET", "plain", "x")
            for at in range(200):
                expect(tracker.call("GET", f"t{at}"), ("$", b"x"))
            other.call("MGET", "t0", "plain")
            writer.call("TAG", "INVALIDATE", "group1")
            expect(sorted(tracker.news()), sorted(b"t%d" % at for at in range(1, 200, 4)))
            expect(other.news(), [])
            writer.call("TAG", "INVALIDATE", "all", "nothing")
            expect(sorted(tracker.news()), sorted(b"t%d" % at for at in range(200) if at % 4 != 1))
            expect(other.news(), [b"t0"])
            expect(tracker.call("GET", "t0"), ("_", None))
            writer.call("DEL", "plain")
            expect(other.news(), [b"plain"])
        with report.case("tags that a key got or lost after it was read"):
            writer.call("SET", "late", "x")
            tracker.call("GET", "late")
            writer.call("TAG", "ADD", "late", "tag")
            told = tracker.news()
            tracker.call("GET", "late")
            writer.call("TAG", "INVALIDATE", "tag")
            expect((told, tracker.news()), ([b"late"], [b"late"]))
            writer.call("SET", "late", "x", "TAGS", 1, "old")
            tracker.call("GET", "late")
            writer.call("SET", "late", "y", "TAGS", 1, "new")
            expect(tracker.news(), [b"late"])
            tracker.call("GET", "late")
            writer.call("TAG", "INVALIDATE", "old")
            expect(tracker.news(), [])
            writer.call("RENAME", "late", "later")
            expect(tracker.news(), [b"late"])
            tracker.call("GET", "later")
            writer.call("TAG", "INVALIDATE", "new")
            expect(tracker.news(), [b"later"])
        with report.case("with BCAST an invalidated tag drops everything, because nobody knows which keys were read"):
            bcast = Tracker(server, "BCAST", "PREFIX", "t")
            writer.call("TAG", "INVALIDATE", "whatever")
            expect(bcast.news(), [None])
            expect(tracker.news(), [])
            bcast.close()
        with report.case("what is invalidated softly by its name is told of in every mode"):
            modes = [Tracker(server), Tracker(server, "BCAST"), Tracker(server, "BCAST", "PREFIX", "so")]
            writer.call("SET", "soft", "x")
            for one in modes:
                one.call("GET", "soft")
                one.news()
            writer.call("INVALIDATE", "KEY", "soft", "SOFT")
            expect([set(one.news()) for one in modes], [{b"soft"}] * 3)
            for one in modes:
                one.close()
        with report.case("reading in a transaction tracks tags as well"):
            writer.call("SET", "inside", "x", "TAGS", 1, "in")
            tracker.call("MULTI")
            tracker.call("GET", "inside")
            expect(plain(tracker.call("EXEC")), [b"x"])
            writer.call("TAG", "INVALIDATE", "in")
            expect(tracker.news(), [b"inside"])
        for one in (tracker, other):
            one.close()


RULES = """
version: 1
keys:
  "user:{id}":    { invalidates: ["profile:{id}", "feed:{id}:*"] }
  "profile:{id}": { ttl: 5m }
  "feed:{user}:{page}": { ttl: 5m }
"""


def rules(report):
    """What rules take away is told of, also to a NOLOOP client whose own write it follows from."""
    with Strata(threads=WORKERS, maxmemory="64mb") as server, server.client() as writer:
        with report.case("what goes by rules is told of before the writer's reply, and what a load of rules tags as well"):
            trackers = [Tracker(server, *modes) for modes in ((), ("NOLOOP",))]
            writer.calls([["SET", name, "x"] for name in ("profile:1", "profile:2", "feed:1:a", "feed:1:b", "feed:2:a")])
            for tracker in trackers:
                tracker.call("MGET", "profile:1", "feed:1:a", "feed:1:b", "feed:2:a")
            expect(writer.call("RULES", "LOAD", RULES), ("+", b"OK"))
            for tracker in trackers:
                tracker.news()
                tracker.call("MGET", "profile:1", "profile:2", "feed:1:a", "feed:1:b", "feed:2:a")
            writer.call("SET", "user:1", "new")
            for tracker in trackers:
                expect(sorted(set(tracker.news())), [b"feed:1:a", b"feed:1:b", b"profile:1"])
            trackers[1].call("SET", "user:2", "own")
            for tracker in trackers:
                expect(sorted(set(tracker.news())), [b"feed:2:a", b"profile:2"])
            for tracker in trackers:
                tracker.close()


def by_itself(report, server):
    with server.client() as writer:
        tracker, noloop = Tracker(server), Tracker(server, "NOLOOP")
        with report.case("what expires is told of when it is found, also to NOLOOP, whoever finds it"):
            writer.calls([["SET", "short", 1, "PX", 60], ["SET", "shorter", 1, "PX", 30]])
            for one in (tracker, noloop):
                one.call("MGET", "short", "shorter")
            told = []
            expect(settle(lambda: told.extend(noloop.news() + [key for key in (noloop.call("MGET", "short", "shorter"),) if False]) or len(set(told)) == 2, 20), True)
            expect(sorted(set(tracker.news())), [b"short", b"shorter"])
        with report.case("SWAPDB drops everything"):
            tracker.news()
            writer.call("SWAPDB", 0, 1)
            expect(set(tracker.news()), {None})
            writer.call("SWAPDB", 0, 1)
            tracker.news()
        for one in (tracker, noloop):
            one.close()


def evicted(report):
    with Strata(threads=2, maxmemory="4mb", maxmemory_policy="allkeys-random") as server, server.client() as writer:
        with report.case("evicted entries are told of"):
            tracker = Tracker(server)
            for at in range(200):
                writer.call("SET", f"old{at}", "x" * 1000)
                tracker.call("GET", f"old{at}")
            for at in range(0, 40000, 500):
                writer.calls([["SET", f"new{n}", "y" * 1000] for n in range(at, at + 500)])
            told = set(tracker.news())
            there = {b"old%d" % at for at in range(200) if plain(writer.call("EXISTS", f"old{at}"))}
            expect(len(there) < 200, True)
            expect({b"old%d" % at for at in range(200)} - there - told, set())
            expect(told & there, set())


def table(report):
    with Strata(threads=2, maxmemory="64mb", tracking_table_max_keys=100) as server, server.client() as client:
        tracker = Tracker(server)
        with report.case("over tracking-table-max-keys keys are forgotten, and who had them drops them"):
            for at in range(1000):
                tracker.call("GET", f"k{at}")
            told = tracker.news()
            expect((info(client, "tracking_total_keys"), info(client, "tracking_total_items")), (100, 100))
            expect((len(told), len(set(told))), (900, 900))
        with report.case("a smaller limit is reached by itself"):
            client.call("CONFIG", "SET", "tracking-table-max-keys", 7)
            expect(settle(lambda: info(client, "tracking_total_keys") == 7, 20), True)
            expect(len(tracker.news()), 93)
            expect(client.call("CONFIG", "GET", "tracking-table-max-keys")[1][1], ("$", b"7"))
        with report.case("without a limit nothing is forgotten"):
            client.call("CONFIG", "SET", "tracking-table-max-keys", 0)
            for at in range(2000):
                tracker.call("GET", f"k{at}")
            expect((tracker.news(), info(client, "tracking_total_keys")), ([], 2000))
        with report.case("whoever goes leaves nothing behind, and the last one takes the table with him"):
            for _ in range(30):
                one = Tracker(server)
                for at in range(50):
                    one.call("GET", f"k{at}")
                one.close()
            expect(settle(lambda: info(client, "tracking_total_items") == 2000 and info(client, "tracking_clients") == 1, 20), True)
            tracker.close()
            expect(settle(lambda: info(client, "tracking_total_keys") == 0 and info(client, "tracking_clients") == 0, 20), True)


def lagging(report):
    with Strata(threads=2, maxmemory="64mb", client_output_buffer_limit="pubsub 1mb 0 0") as server, server.client() as writer:
        with report.case("a client that does not read what it is told is cut, the others are not"):
            good, bad = Tracker(server), Tracker(server, "BCAST")
            writer.call("SET", "k", 0)
            sent = 0
            def gone():
                nonlocal sent
                writer.calls([["SET", f"{'k' * 1000}{at}", 0] for at in range(sent, sent + 1000)])
                sent += 1000
                return info(writer, "client_output_buffer_limit_disconnections") > 0 and info(writer, "tracking_clients") == 1
            expect(settle(gone, 60), True)
            good.call("GET", "k")
            writer.call("SET", "k", 1)
            expect(good.news(), [b"k"])
            good.close()
            bad.close()


def redirected(report, server):
    with report.case("RESP2 with a second connection for what is told, on any worker"):
        for _ in range(20):
            listener, reader, writer = server.client(), server.client(), server.client()
            number = listener.call("CLIENT", "ID")[1]
            listener.call("SUBSCRIBE", "__redis__:invalidate")
            expect(reader.call("CLIENT", "TRACKING", "on", "REDIRECT", number), ("+", b"OK"))
            expect(reader.call("CLIENT", "GETREDIR"), (":", number))
            reader.call("GET", "k")
            writer.call("SET", "k", 1)
            expect(plain(listener.read()), [b"message", b"__redis__:invalidate", [b"k"]])
            writer.call("FLUSHALL")
            expect(listener.read(), ("*", [("$", b"message"), ("$", b"__redis__:invalidate"), ("$", None)]))
            for one in (listener, reader, writer):
                one.close()
    with report.case("those who are told through a second connection are told before the writer's reply can be known"), server.client() as writer:
        everybody = [Redirected(server, *modes) for modes in [(), ("BCAST",), ("BCAST", "PREFIX", "k")] * 6]
        for at in range(100):
            for one in everybody:
                one.reader.call("GET", "k")
            for words, wanted in ((("SET", "k", at), ([b"k"], [b"k"])), (("FLUSHALL",), ([None], [None])), (("TAG", "INVALIDATE", "t"), ([], [None]))):
                writer.call(*words)
                expect((words, [one.news() for one in everybody]), (words, [wanted[one.broadcast] for one in everybody]))
        for one in everybody:
            one.close()
    with report.case("a redirection that broke is told of, and is shown"):
        target, reader, writer = server.client(3), server.client(3), server.client()
        number = target.call("CLIENT", "ID")[1]
        reader.call("CLIENT", "TRACKING", "on", "REDIRECT", number)
        reader.call("GET", "k")
        target.close()
        expect(settle(lambda: not re.search(b"id=%d " % number, writer.call("CLIENT", "LIST")[1]), 20), True)
        writer.call("SET", "k", 2)
        expect(plain(reader.read()), [b"tracking-redir-broken", number])
        expect(b"broken_redirect" in plain(reader.call("CLIENT", "TRACKINGINFO"))[b"flags"], True)
        expect(bool(re.search(b"flags=[a-zA-Z]*tR", reader.call("CLIENT", "INFO")[1])), True)
        expect(reader.call("CLIENT", "TRACKING", "on"), ("+", b"OK"))
        expect(b"broken_redirect" in plain(reader.call("CLIENT", "TRACKINGINFO"))[b"flags"], False)
        for one in (reader, writer):
            one.close()


def flows(report):
    with Strata(threads=WORKERS, maxmemory="64mb") as server:
        said_before(report, server)
        everybody(report, server)
        prefixes(report, server)
        own_writes(report, server)
        published_after(report, server)
        tags(report, server)
        by_itself(report, server)
        redirected(report, server)
    rules(report)
    evicted(report)
    table(report)
    lagging(report)
