"""No command shows, tells of, or changes a key outside the rights of its user, wherever these come from.

Two servers get the same requests of a user of some kind (kinds.py); they differ only in what is outside of his rights. What a user cannot know makes no difference: the replies must be alike. And
neither names nor values of others may stand in any reply, and they must be the same afterwards. Requests are made up from spec/commands (generator.py): every command, in and out of transactions.
Meanwhile other rules come into force, which draw the borders of classes and stores anew.
"""

import contextlib
import random

from generator import ALMIGHTY, ENDING, IDS, NEEDS_ALL, NUMBERED, OWN_WAY, STATEFUL, STATIC, UNORDERED, Maker, alike, in_order, leaves, meant, named_keys, refused
from harness import Strata
from harness.resp import Closed, encode
from harness.servers import free_port, seed, settle
from kinds import ALWAYS, KINDS, MARK, POOL, World, admin, holds_mark, manifest

ROUNDS = 8  # of each command and kind; five times as many of the one bound to mine:*
TRANSACTIONS = 25
ROWS = 12  # of requests in one piece
INVALIDATING = ("invalidate|", "tag|invalidate", "event|emit", "flush", "store|flush", "swapdb")


class Doubles:
    """The user on both servers."""

    def __init__(self, worlds, kind):
        self.worlds, self.kind = worlds, kind
        self.tokens = [world.enter(kind) for world in worlds]
        self.clients = []
        self.again()

    def again(self):
        self.close()
        for world, token in zip(self.worlds, self.tokens):
            client = world.server.client(timeout=10)
            self.clients.append(client)
            entered = client.call("TOKEN", "AUTH", token) if token else client.call("AUTH", "joe", "pw")
            assert entered == ("+", b"OK"), entered
            client.call("HELLO", 3)
            client.call("CLIENT", "NO-TOUCH", "ON")

    def close(self):
        for client in self.clients:
            client.close()
        self.clients = []

    def plant(self, chance):
        """Anew, at times with other rules. What a key is to the user may change by that, so nothing stays from before."""
        if chance.random() < 0.3:
            self.kind.version = 1 - self.kind.version
        for world in self.worlds:
            world.plant(self.kind)

    def call(self, *request):
        replies = []
        for client in self.clients:
            try:
                reply = client.call(*request)
                while reply[0] == ">":
                    assert not holds_mark(reply), f"before the answer of {request} it is told {reply}"
                    reply = client.read()
                replies.append(reply)
            except (Closed, ConnectionError):
                replies.append(("closed", b""))
        return replies

    def changed(self, invalidates):
        return [f"world {world.number} has changed: {one}" for world in self.worlds for one in world.changed(self.kind, invalidates)]


def judge(kind, command, words, one, other):
    """What two replies must not say."""
    if holds_mark(one) or holds_mark(other):
        raise AssertionError(f"{words} shows what is not his: {one} {other}")
    foreign = [name for name in named_keys(command, words) if name in POOL and not kind.allows(name, "RW", command.full)]
    if foreign and not refused(one) and command.full not in ("command|getkeys", "command|getkeysandflags"):
        raise AssertionError(f"{words} names {foreign} of others and answers {one}")
    needed = NEEDS_ALL.get(command.full)
    if needed and not kind.everything(needed):
        assert refused(one) and refused(other), f"{words} answers {one} to who has not all keys"
    if command.full in UNORDERED:
        one, other = in_order(one), in_order(other)
    own_way = command.full in OWN_WAY or needed and kind.everything(needed) or one[0] == "%" and command.full == "invalidate|key"  # SYNC: positions in the stream
    if command.full in IDS:
        return
    if refused(one) != refused(other) if own_way else not alike(one, other, command.full in NUMBERED):
        raise AssertionError(f"{words} answers {one}, and in the other world {other} (rules {kind.version})")


def trial(command, doubles, maker):
    words = maker.request(command)
    one, other = doubles.call(*words)
    command = meant(command, words)
    judge(doubles.kind, command, words, one, other)
    if "closed" in (one[0], other[0]) or command.full in ENDING:
        doubles.again()
    return words


def batch(commands, doubles, maker, rounds):
    """All of them on a fresh world, which is looked at afterwards."""
    doubles.plant(maker.rng)
    maker.names = doubles.kind.names()
    tried = []
    for command in commands:
        doubles.call("SELECT", 0)
        tried += [trial(command, doubles, maker) for _ in range(rounds)]
    changed = doubles.changed(any(command.full.startswith(INVALIDATING) for command in commands))
    assert not changed, f"{changed[:3]} by one of {[words for words in tried if any(repr(word) in changed[0] for word in words)] or tried}"


def transactions(doubles, maker, commands):
    """The same in MULTI."""
    for at in range(TRANSACTIONS):
        if at % 5 == 0:
            doubles.plant(maker.rng)
        doubles.call("SELECT", 0)
        doubles.call("MULTI")
        some = maker.rng.sample(commands, 3)
        queued = [maker.request(command) for command in some]
        names = {meant(*pair).full for pair in zip(some, queued)}
        shown = [doubles.call(*words) for words in queued]
        one, other = doubles.call("EXEC")
        if holds_mark([shown, one, other]):
            raise AssertionError(f"{queued} in MULTI shows what is not his: {shown} {one} {other}")
        if not names & (OWN_WAY | ENDING | UNORDERED | IDS | set(NEEDS_ALL)):
            assert alike(one, other, bool(names & NUMBERED)), f"{queued} in MULTI answer {one}, and in the other world {other}"
        if "closed" in (one[0], other[0]) or names & ENDING:
            doubles.again()
        if at % 5 == 4:
            changed = doubles.changed(True)
            assert not changed, f"{changed[:3]} by one of the last transactions, such as {queued}"


def rows(doubles, maker):
    """GET and SET in one piece, which run as rows: each is permitted exactly if it is alone."""
    kind, rng = doubles.kind, maker.rng
    for _ in range(ROWS):
        doubles.plant(rng)
        verb = rng.choice(["GET", "SET"])
        names = [rng.choice(POOL) for _ in range(rng.randrange(2, 40))]
        requests = [("GET", name) if verb == "GET" else ("SET", name, "own value") for name in names]
        replies = [client.calls(requests) for client in doubles.clients]
        for name, one, other in zip(names, *replies):
            may = kind.reads(name, "get") if verb == "GET" else kind.writes(name, "set")
            assert (one[0] != "-") == may, f"{verb} {name} answers {one} with rules {kind.version}"
            assert one == other and not holds_mark(one), f"{verb} {name} answers {one}, and in the other world {other}"
        changed = doubles.changed(False)
        assert not changed, f"{changed[:3]} by {requests}"


def other_rules_meanwhile(doubles, maker):
    """What is outside before and after is so between, whenever the new rules come into force for whom; and what was queued before goes by the new ones."""
    kind, rng = doubles.kind, maker.rng
    for _ in range(4):
        doubles.plant(rng)
        outside = {name for name in POOL if not kind.reads(name)}
        queued = [rng.choice([("SET", name, "x"), ("GET", name), ("DEL", name)]) for name in rng.sample(POOL, 8)]
        kind.version = 1 - kind.version
        names = sorted(name for name in outside if not kind.reads(name))
        requests = [(rng.choice(["GET", "GETSET", "GETDEL", "SET"]), rng.choice(names)) for _ in range(60)] if names else []
        requests = [words + ("x",) * (words[0] in ("GETSET", "SET")) for words in requests]
        for world, client in zip(doubles.worlds, doubles.clients):
            meanwhile(kind, world, client, queued, requests)


def meanwhile(kind, world, client, queued, requests):
    for words in queued:  # each alone: one that is refused ends its transaction
        client.calls([("MULTI",), words])
        world.load(kind.version)
        not_his = [name for name in POOL if not kind.writes(name)]
        before = world.look(kind, not_his)
        reply = client.call("EXEC")
        assert not holds_mark(reply) and world.look(kind, not_his) == before, f"{words} was queued before rules {kind.version}, and EXEC answers {reply}"
        reads = words[0] == "GET" and reply[0] == "*" and reply[1][0][0] != "-"
        assert not reads or kind.reads(words[1], "get"), f"{words} was queued before rules {kind.version}, and EXEC answers {reply}"
        world.load(1 - kind.version)
    world.version = None
    world.masters[0].send(encode("RULES", "LOAD", manifest(kind.version)))
    replies = client.calls(requests)
    assert world.masters[0].read()[0] == "+"
    world.version = kind.version
    for words, reply in zip(requests, replies):
        assert not holds_mark(reply) and (reply[0] == "-" or words[0] == "SET"), f"{words} answers {reply} while rules change"


def listens(doubles, _):
    """Whatever is listened to tells of what may be read only; what tells of all keys is for those who may read them all."""
    kind = doubles.kind
    for world in doubles.worlds:
        world.done("CONFIG", "SET", "notify-keyspace-events", "KEA")
    doubles.plant(random.Random(1))
    secrets = [name for name in POOL if not kind.allows(name, "R")]
    tries = [["PSUBSCRIBE", "*"], ["PSUBSCRIBE", "__key*"], ["SUBSCRIBE", "__keyevent@0__:set"], ["SUBSCRIBE", "__stream__"], ["STREAM", "SUBSCRIBE"], ["STREAM", "SUBSCRIBE", "PREFIX", "yours"],
             ["CLIENT", "TRACKING", "ON", "BCAST"], ["MONITOR"], ["STREAM", "READ", "FROM", "x", "0"], ["STREAM", "CONSUMERS"], ["SLOWLOG", "GET"], ["EXPLAIN", "yours:1"], ["RANDOMKEY"], ["STATS", "CLASS"]]  # fmt: skip
    tries = [] if kind.everything("R") else tries
    if kind.channels:
        tries += [["PUBLISH", "yours:1", "x"], ["SPUBLISH", "yours:1", "x"], ["SUBSCRIBE", "mine:1", "yours:1"], ["SSUBSCRIBE", "yours:1"], ["PSUBSCRIBE", "m*"], ["PSUBSCRIBE", "yours:*"]]
        assert [reply[0] for reply in doubles.call("PUBLISH", kind.channels + "1", "x")] == [":", ":"]
    tries += [["SUBSCRIBE", f"__keyspace@0__:{name}"] for name in secrets] + [["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", name[:5]] for name in secrets]
    for request in tries:
        for reply in doubles.call(*request):
            assert reply[0] == "-" and reply[1].startswith(b"NOPERM"), f"{request} answers {reply}"
    for client, world in zip(doubles.clients, doubles.worlds):
        client.call("CLIENT", "TRACKING", "ON")
        heard = client.calls([("GET", name) for name in POOL])
        world.masters[0].calls([("INVALIDATE", "KEY", name) for name in POOL])
        wanted, told = {name for name in POOL if kind.reads(name, "get")}, set()

        def is_told():
            client.send(encode("ECHO", "the end"))
            heard.append(client.read())
            while heard[-1][0] == ">":
                told.update(name[1].decode() for name in heard[-1][1][1][1] or [])
                heard.append(client.read())
            return wanted <= told

        assert settle(is_told, 10), (wanted, told)
        assert not holds_mark(heard) and told & set(POOL) == wanted, (wanted, told)
    for world in doubles.worlds:
        world.done("CONFIG", "SET", "notify-keyspace-events", "")
    doubles.again()


def administration(doubles, maker, commands):
    """Who has no right to it is refused, and everybody is as he was."""
    before = [world.done("ACL", "LIST") for world in doubles.worlds]
    for command in commands:
        for _ in range(3):
            words = maker.request(command)
            for reply in doubles.call(*words):
                assert reply[0] == "-" and not holds_mark(reply), f"{words} answers {reply}"
    assert [world.done("ACL", "LIST") for world in doubles.worlds] == before


def channels(full):
    """Who may use every channel hears of his own keys only, and is told only of those listeners whose keys he may read."""
    with admin(full) as master, full.client() as joe, full.client() as asks, admin(full) as other:
        master.call("CONFIG", "SET", "ownership", "off", "notify-keyspace-events", "KEA")
        master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "~mine:*", "&*", "+@all")
        assert joe.call("AUTH", "joe", "pw") == asks.call("AUTH", "joe", "pw") == ("+", b"OK") and joe.call("HELLO", 3)[0] == "%"
        assert joe.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "mine:a") == ("+", b"OK")
        assert joe.call("SUBSCRIBE", "__keyspace@0__:mine:a")[0] == ">"
        assert joe.call("PSUBSCRIBE", "__keyspace@0__:mine:b*")[0] == ">"
        for name in ("yours:1", f"hidden:{MARK.decode()}0", "mine:a", "mine:b1"):
            master.call("APPEND", name, "x")
        heard = []

        def is_told():
            joe.send(encode("PING"))
            heard.append(joe.read())
            while heard[-1][0] == ">":
                heard.append(joe.read())
            return b"mine:a" in repr(heard).encode() and b"mine:b1" in repr(heard).encode()

        assert settle(is_told, 10), heard[-3:]
        assert b"yours" not in repr(heard).encode() and not holds_mark(heard), heard
        master.call("CONFIG", "SET", "notify-keyspace-events", "")
        other.call("SUBSCRIBE", "__keyspace@0__:yours:1", "__keyevent@0__:del", "plain")
        shown = sorted(name[1] for name in asks.call("PUBSUB", "CHANNELS")[1])
        assert shown == [b"__keyspace@0__:mine:a", b"plain"], shown


@contextlib.contextmanager
def worlds(**options):
    """Two servers, with HTTP."""
    options = {"maxmemory": "128mb", "threads": 2, "stream": "yes", "users": ALWAYS, **options}
    ports = free_port(), free_port()
    with Strata(http_port=ports[0], **options) as full, Strata(http_port=ports[1], **options) as empty:
        yield [World(full, 0, ports[0]), World(empty, 1, ports[1])]


def pieces(kind, commands):
    """Batches with their names: of the first kind each command is a case."""
    if kind.rounds > 1:
        return [(command.full.replace("|", " ").upper(), [command]) for command in commands]
    families = {}
    for command in commands:
        families.setdefault(command.family["title"].lower(), []).append(command)
    return sorted(families.items())


def of_kind(report, kind, doubles, chance, rounds):
    commands = [command for command in leaves() if command.full not in STATEFUL | ALMIGHTY]
    if kind.rounds <= 1:
        commands = [command for command in commands if command.full not in STATIC]
    maker = Maker(chance, kind.names())
    for name, some in pieces(kind, commands):
        with report.case(f"{kind.name} is {name}" if kind.rounds > 1 else f"who is {kind.name} stays within his rights: {name}"):
            for at in range(0, len(some), 8):
                batch(some[at : at + 8], doubles, maker, max(1, int(rounds * kind.rounds)))
    for trial_of, name in ((transactions, "transactions"), (rows, "rows of requests"), (other_rules_meanwhile, "other rules meanwhile"), (listens, "listening")):
        with report.case(f"who is {kind.name} stays within his rights: {name}"):
            trial_of(doubles, maker, *[commands] * (trial_of is transactions))
    if not kind.administrates:
        with report.case(f"who is {kind.name} stays within his rights: administration"):
            administration(doubles, maker, [command for command in leaves() if command.full in ALMIGHTY])


def flows(report, seed_=None, rounds=ROUNDS, kinds=None):
    chance = random.Random(seed() if seed_ is None else seed_)
    with worlds() as both:
        for kind in kinds or KINDS:
            kind.version = 0
            doubles = Doubles(both, kind)
            of_kind(report, kind, doubles, chance, rounds)
            doubles.close()
        with report.case("what needs all keys by its description is what is known to need them"):
            flagged = {command.full: flag[0].upper() for command in leaves() for flag in command.own_flags if flag in ("reads_all", "writes_all")}
            assert flagged == NEEDS_ALL, set(flagged.items()) ^ set(NEEDS_ALL.items())
        with report.case("who listens hears of his own keys only"):
            channels(both[0].server)
    report.note(f"{len(leaves())} commands, {rounds} requests each of {len(kinds or KINDS)} kinds of users; of those with @admin not asked: {', '.join(sorted(ALMIGHTY))}")
