"""Sequences that need several connections, several round trips or the passing of time.

A flow is a function of the session and of how often to run; it raises at the first difference. It begins and ends
with no connection in a special state.
"""

import time

import commands
import compare
import rdb
from harness import Closed, Redis, Strata, settle
from harness.resp import plain

FLOWS = {}


def flow(function):
    FLOWS[function.__name__.replace("_", " ")] = function
    return function


def fill(session, count, prefix=b"s"):
    for start in range(0, count, 100):
        arguments = [b"MSET"]
        for number in range(start, min(start + 100, count)):
            arguments += [prefix + b"%d" % number, session.values.value()]
        session.both("fill", *arguments, label="MSET")


# ------------------------------------------------------------------- scans


def scan_all(client, options):
    keys, cursor, rounds = set(), b"0", 0
    while True:
        reply = client.call("SCAN", cursor, *options)
        if reply[0] != "*" or len(reply[1]) != 2:
            raise AssertionError(f"SCAN {options} answered {reply!r}")
        cursor = reply[1][0][1]
        keys |= {member[1] for member in reply[1][1][1]}
        rounds += 1
        if cursor == b"0":
            return keys
        if rounds > 100_000:
            raise AssertionError("SCAN does not end")


def scan_flow(label, draw):
    def run(session, rounds):
        fill(session, 700)
        fill(session, 100, b"k")
        for _ in range(rounds):
            options = draw(session.values)
            ours, theirs = (scan_all(client, options) for client in session.pair("scan"))
            session.count(label, ("*", []))
            if ours != theirs:
                raise AssertionError(f"SCAN {options}: only Strata {sorted(ours - theirs)[:5]}, only redis-server {sorted(theirs - ours)[:5]}")
        session.afresh()

    FLOWS[f"{label} to its end"] = run


scan_flow("SCAN", lambda v: [])
scan_flow("SCAN MATCH", lambda v: ["MATCH", v.one_of("s1*", "*7", "k[0-4]?", "nothing*", "*")])
scan_flow("SCAN COUNT", lambda v: ["COUNT", v.one_of(1, 7, 100, 10_000)])
scan_flow("SCAN TYPE", lambda v: ["TYPE", v.one_of("string", "list", "STRING", "nosuch")])
scan_flow("SCAN MATCH COUNT TYPE", lambda v: ["TYPE", "string", "COUNT", 50, "MATCH", v.pattern()])


@flow
def SCAN_wrong(session, rounds):
    for arguments in [
        ["x"], ["-1"], [""], ["0", "COUNT"], ["0", "COUNT", "0"], ["0", "COUNT", "-5"], ["0", "COUNT", "x"], ["0", "MATCH"],
        ["0", "FOO", "1"], ["18446744073709551616"], ["0", "COUNT", "1", "TYPE"], ["1.5"], [" 0"],
    ]:  # fmt: skip
        session.both("scan", "SCAN", *arguments, rule=compare.scan)


# ------------------------------------------------------------ transactions


@flow
def WATCH_with_another_writer(session, rounds):
    """Each kind of write between WATCH and EXEC aborts; a read and a write elsewhere do not."""
    for _ in range(rounds):
        for write in [
            ["SET", "w", "2"], ["DEL", "w"], ["EXPIRE", "w", "5000"], ["APPEND", "w", "x"], ["SETRANGE", "w", "0", "z"],
            ["RENAME", "w", "w9"], ["RENAME", "other", "w"], ["COPY", "other", "w", "REPLACE"], ["MSET", "a", "1", "w", "2"],
            ["PERSIST", "w"], ["GETDEL", "w"], ["MOVE", "w", "3"], ["FLUSHDB"], ["FLUSHALL"], ["SETBIT", "w", "3", "1"],
            ["GET", "w"], ["SET", "other", "2"], ["TOUCH", "w"], ["EXPIRE", "nothing", "100"], ["DEL", "nothing"],
            ["SET", "w", "2", "NX"], ["SETNX", "w", "3"], ["GETEX", "w"], ["GETEX", "w", "PERSIST"], ["SWAPDB", "0", "1"],
            ["SWAPDB", "4", "5"], ["INCR", "w"], ["PEXPIREAT", "w", "1"], ["UNLINK", "w"], ["BITOP", "NOT", "w", "other"],
        ]:  # fmt: skip
            for protocol in (2, 3):
                watch_once(session, write, protocol)


def watch_once(session, write, protocol):
    name = f"watch{protocol}"
    session.both(name, "FLUSHALL", protocol=protocol)
    session.both(name, "MSET", "w", "1", "other", "1")
    session.both(name, "WATCH", "w")
    session.both("writer", *write)
    session.both(name, "MULTI")
    session.both(name, "SET", "done", "1")
    session.both(name, "GET", "w")
    try:
        session.both(name, "EXEC")
    except AssertionError as error:
        raise AssertionError(f"after {write}: {error}") from None
    session.both(name, "EXISTS", "done")


@flow
def WATCH_of_a_missing_key(session, rounds):
    for _ in range(rounds):
        for write in [["SET", "m", "1"], ["DEL", "m"], ["SET", "m", "1", "EX", "100"], ["RENAME", "other", "m"], ["PING"]]:
            session.both("watch", "FLUSHALL")
            session.both("watch", "SET", "other", "1")
            session.both("watch", "WATCH", "other2", "m")
            session.both("writer", *write)
            session.both("watch", "MULTI")
            session.both("watch", "PING")
            session.both("watch", "EXEC")


@flow
def UNWATCH_and_DISCARD_forget(session, rounds):
    for forget in (["UNWATCH"], ["MULTI", "DISCARD"], ["RESET"], ["MULTI", "EXEC"]):
        session.both("watch", "SET", "w", "1")
        session.both("watch", "WATCH", "w")
        for word in forget:
            session.both("watch", word)
        session.both("writer", "SET", "w", "2")
        session.both("watch", "MULTI")
        session.both("watch", "GET", "w")
        session.both("watch", "EXEC")


@flow
def WATCH_in_two_databases(session, rounds):
    session.both("watch", "SELECT", "1")
    session.both("watch", "WATCH", "w")
    session.both("watch", "SELECT", "2")
    session.both("writer", "SELECT", "2")
    session.both("writer", "SET", "w", "1")
    session.both("watch", "MULTI")
    session.both("watch", "PING")
    session.both("watch", "EXEC")  # the w of database 2 is not watched
    session.both("watch", "WATCH", "w")
    session.both("writer", "SET", "w", "2")
    session.both("watch", "MULTI")
    session.both("watch", "PING")
    session.both("watch", "EXEC")
    session.afresh()


@flow
def WATCH_and_expiry(session, rounds):
    """A key that expires between WATCH and EXEC counts as changed."""
    session.both("watch", "SET", "w", "1", "PX", "60")
    session.both("watch", "WATCH", "w")
    for client in session.pair("poll"):
        settle(lambda client=client: client.call("EXISTS", "w") == (":", 0), 5)
    session.both("watch", "MULTI")
    session.both("watch", "GET", "w")
    session.both("watch", "EXEC")


@flow
def MULTI_sees_its_own_writes_and_nobody_else_in_between(session, rounds):
    session.both("multi", "MULTI")
    for step in (["SET", "t", "1"], ["INCR", "t"], ["SELECT", "5"], ["SET", "t", "9"], ["GET", "t"], ["SELECT", "0"], ["GET", "t"]):
        session.both("multi", *step)
        session.both("writer", "GET", "t")
    session.both("multi", "EXEC")
    session.both("multi", "MULTI")
    for step in (["INCR", "nan"], ["SET", "nan", "x"], ["INCR", "nan"], ["GET", "nan"], ["FLUSHALL"], ["DBSIZE"]):
        session.both("multi", *step)
    session.both("multi", "EXEC")


# ------------------------------------------------------------------- expiry


@flow
def short_times_to_live_end(session, rounds):
    makers = [
        lambda key: ["SET", key, "v", "PX", "40"], lambda key: ["PSETEX", key, "40", "v"], lambda key: ["GETEX", key, "PX", "40"],
        lambda key: ["PEXPIRE", key, "40"], lambda key: ["RESTORE", key, "40", rdb.payload(b"v"), "REPLACE"],
        lambda key: ["SET", key, "v", "PXAT", str(int(time.time() * 1000) + 60)], lambda key: ["SET", key, "v", "EX", "1"],
    ]  # fmt: skip
    for number, make in enumerate(makers):
        session.both("expiry", "SET", f"e{number}", "v")
        session.both("expiry", *make(f"e{number}"))
        session.both("expiry", "PTTL", f"e{number}", rule=compare.near_ms)
    for client in session.pair("expiry"):
        gone = settle(lambda client=client: client.call("EXISTS", *[f"e{n}" for n in range(len(makers))]) == (":", 0), 5)
        if not gone:
            raise AssertionError("keys with a short time to live are still there after 5 s")
    for command in ("GET", "TTL", "PTTL", "TYPE", "STRLEN", "GETDEL", "PERSIST", "EXPIRETIME", "DUMP"):
        session.both("expiry", command, "e0")
    session.both("expiry", "SET", "e1", "new", "XX")
    session.both("expiry", "SET", "e1", "new", "NX")
    session.both("expiry", "TTL", "e1")
    session.both("expiry", "KEYS", "e*")


@flow
def PTTL_runs_down(session, rounds):
    session.both("expiry", "SET", "p", "v", "PX", "100000")
    ours, theirs = session.pair("expiry")
    first = [client.call("PTTL", "p")[1] for client in (ours, theirs)]
    settle(lambda: theirs.call("PTTL", "p")[1] < first[1] - 50, 5)
    session.both("expiry", "PTTL", "p", rule=compare.near_ms)
    if ours.call("PTTL", "p")[1] >= first[0]:
        raise AssertionError("PTTL does not go down")
    session.both("expiry", "EXPIRE", "p", "0")
    session.both("expiry", "EXISTS", "p")


# --------------------------------------------------------- dump and restore


@flow
def DUMP_and_RESTORE_in_both_directions(session, rounds):
    values = [session.values.value() for _ in range(10 * rounds)] + [b"", b"0", b"-1", b"123456789012", b"a" * 63, b"a" * 64, b"a" * 16384]
    values += [session.values.large_value(), b"abc" * 50_000]
    ours, theirs = session.pair("dump")
    for compression in ("yes", "no"):
        theirs.call("CONFIG", "SET", "rdbcompression", compression)
        for value in values:
            for source, target, name in ((ours, theirs, "Strata to redis-server"), (theirs, ours, "redis-server to Strata")):
                source.call("SET", "from", value)
                payload = source.call("DUMP", "from")[1]
                if rdb.payload_value(payload) != value:
                    raise AssertionError(f"{name}: the payload does not hold the value")
                reply = target.call("RESTORE", "to", 0, payload, "REPLACE")
                session.count("RESTORE across", reply)
                if reply != ("+", b"OK") or target.call("GET", "to")[1] != value:
                    raise AssertionError(f"{name}: {reply!r} for {value[:40]!r} ({len(value)} bytes)")


@flow
def RESTORE_with_a_time_beyond_the_calendar(session, rounds):
    session.both("dump", "RESTORE", "beyond", 2**63 - 1, rdb.payload(b"v"), rule=compare.restore_time)
    session.both("dump", "DEL", "beyond", rule=compare.same_type)


@flow
def CONFIG_SET_maxmemory_0(session, rounds):
    session.both("config", "CONFIG", "SET", "maxmemory", "0", rule=compare.maxmemory_zero)
    session.both("config", "CONFIG", "SET", "maxmemory", "4gb")


# --------------------------------------------------------------- connection


@flow
def CLIENT_REPLY(session, rounds):
    for protocol in (2, 3):
        name = f"reply{protocol}"
        ours, theirs = session.pair(name, protocol)
        for client in (ours, theirs):
            for request in (
                ["CLIENT", "REPLY", "OFF"], ["SET", "r", "1"], ["NOSUCH"], ["GET", "r"], ["CLIENT", "REPLY", "SKIP"], ["PING"],
                ["CLIENT", "REPLY", "ON"], ["CLIENT", "REPLY", "SKIP"], ["INCR", "r"], ["GET", "r"], ["CLIENT", "REPLY", "SKIP"],
                ["CLIENT", "REPLY", "SKIP"], ["PING"], ["PING", "end"],
            ):  # fmt: skip
                client.send(commands_bytes(request))
        for _ in range(3):
            session.both_read(name, ["CLIENT", "REPLY"])
        session.close(name)


def commands_bytes(request):
    from harness import encode

    return encode(*request)


@flow
def QUIT(session, rounds):
    for _ in range(rounds):
        ours, theirs = session.pair("quit")
        for client in (ours, theirs):
            client.send(commands_bytes(["SET", "q", "1"]) + commands_bytes(["QUIT"]) + commands_bytes(["SET", "q", "2"]))
        one, other = ours.read_until_closed(), theirs.read_until_closed()
        session.count("QUIT", other[-1])
        if one != other:
            raise AssertionError(f"Strata {one}, redis-server {other}")
        session.close("quit")
        session.both("after", "GET", "q")


@flow
def RESET_leaves_nothing(session, rounds):
    for _ in range(rounds):
        session.both("reset", "HELLO", "3", "SETNAME", "name", rule=compare.hello)
        session.both("reset", "SELECT", "7")
        session.both("reset", "WATCH", "x")
        session.both("reset", "MULTI")
        session.both("reset", "GET", "x")
        session.both("reset", "RESET")
        session.both("reset", "CLIENT", "GETNAME")
        session.both("reset", "GET", "no such key")
        session.both("reset", "EXEC")


@flow
def HELLO_that_fails(session, rounds):
    """It changes nothing here; redis-server keeps what it had done before it came to the mistake."""
    session.both("hello", "HELLO", "3", "SETNAME", "halfway", "NONSENSE")
    session.both("hello", "CLIENT", "GETNAME", rule=compare.name_unchanged)
    session.close("hello")
    for arguments in (["4"], ["x"], ["3", "AUTH"], ["3", "AUTH", "a"], ["3", "AUTH", "nobody", "x"], ["3", "SETNAME"], ["3", "SETNAME", "a b"], ["2", "FOO"], ["3", "NONSENSE"]):
        session.both("hello", "HELLO", *arguments)
        session.both("hello", "GET", "nothing there")


@flow
def CLIENT_KILL_of_another(session, rounds):
    for selector in ("ID", "ADDR", "LADDR and ID", "TYPE and ID", "old form"):
        results = []
        for side in (0, 1):
            client, victim = session.pair("killer")[side], session.pair("victim")[side]
            number = victim.call("CLIENT", "ID")[1]
            host, port = victim.socket.getsockname()
            peer_host, peer_port = victim.socket.getpeername()
            address = f"{host}:{port}"
            arguments = {
                "ID": ["ID", number],
                "ADDR": ["ADDR", address],
                "LADDR and ID": ["LADDR", f"{peer_host}:{peer_port}", "ID", number],
                "TYPE and ID": ["TYPE", "normal", "ID", number, "SKIPME", "yes"],
                "old form": [address],
            }[selector]
            reply = client.call("CLIENT", "KILL", *arguments)
            session.count("CLIENT KILL", reply)
            try:
                after = victim.call("PING")
            except Closed:
                after = "closed"
            results.append((reply, after))
        session.close("victim")
        if results[0] != results[1]:
            raise AssertionError(f"by {selector}: Strata {results[0]}, redis-server {results[1]}")


@flow
def CLIENT_KILL_of_itself(session, rounds):
    for skip_me in ("no", "yes"):
        replies = []
        for client in session.pair("self"):
            number = client.call("CLIENT", "ID")[1]
            client.send(commands_bytes(["CLIENT", "KILL", "ID", number, "SKIPME", skip_me]) + commands_bytes(["PING"]))
            got = [client.read()]
            try:
                got.append(client.read())
            except Closed:
                got.append("closed")
            replies.append(got)
        session.close("self")
        if replies[0] != replies[1]:
            raise AssertionError(f"SKIPME {skip_me}: Strata {replies[0]}, redis-server {replies[1]}")


@flow
def CLIENT_PAUSE_holds_writes(session, rounds):
    """With WRITE reads go on; writes wait for the end, or for UNPAUSE."""
    for side, client in enumerate(session.pair("pauser")):
        other = session.pair("paused")[side]
        for mode, unpause in (("WRITE", True), ("WRITE", False), ("ALL", False)):
            if client.call("CLIENT", "PAUSE", 60_000 if unpause else 150, mode) != ("+", b"OK"):
                raise AssertionError("CLIENT PAUSE refused")
            started = time.monotonic()
            if mode == "WRITE" and other.call("GET", "nothing") != ("$", None):
                raise AssertionError("a read did not work in CLIENT PAUSE WRITE")
            other.send(commands_bytes(["SET", "paused", "1"]))
            other.socket.settimeout(0.05)
            try:
                early = other.read()
            except TimeoutError:
                early = None
            other.socket.settimeout(30)
            if early is not None:
                raise AssertionError(f"a write was answered during CLIENT PAUSE {mode}: {early}")
            if unpause:
                client.call("CLIENT", "UNPAUSE")
            if other.read() != ("+", b"OK"):
                raise AssertionError("the held write failed")
            if unpause and time.monotonic() - started > 10:
                raise AssertionError("CLIENT UNPAUSE did not release the write")
            session.count("CLIENT PAUSE", ("+", b"OK"))
            if not unpause:
                client.call("CLIENT", "UNPAUSE")


@flow
def MONITOR(session, rounds):
    """The lines, without their times and addresses."""
    seen = []
    for side, watcher in enumerate(session.pair("monitor")):
        if watcher.call("MONITOR") != ("+", b"OK"):
            raise AssertionError("MONITOR refused")
        worker = session.pair("worker")[side]
        worker.call("SELECT", 3)
        for request in (["SET", "a b", 'q"uote'], ["GET", "\x01\r\n\\"], ["get", "x"], ["MULTI"], ["INCR", "n"], ["EXEC"], ["NOSUCH"], ["GET"]):
            worker.call(*request)
        worker.call("PING", "last")
        lines = []
        while not lines or b'"last"' not in lines[-1]:
            lines.append(watcher.read()[1])
        seen.append([line[line.index(b"] ") + 2 :] for line in lines])
        databases = {line[line.index(b"[") + 1 : line.index(b" ", line.index(b"["))] for line in lines}
        if not databases <= {b"0", b"3"}:
            raise AssertionError(f"databases {databases}")
        watcher.call("RESET")
    session.count("MONITOR", ("+", b"OK"))
    session.close("monitor")
    session.close("worker")
    if seen[0] != seen[1]:
        raise AssertionError(f"Strata {seen[0]}, redis-server {seen[1]}")


# ------------------------------------------------------ publish and subscribe

CHANNELS = ["news", "news.a", "news.b", "x", "[x]"]
PATTERNS = ["*", "news*", "news.?", "[a-x]", "\\[x]", "nothing*", ""]
LISTENERS = {"listener 2": 2, "listener 3": 3, "listener 3 too": 3}


def heard(client, request, token):
    """What comes up to the reply to a PING that follows the request: replies and messages, in their order."""
    client.send_all(commands_bytes(request) + commands_bytes(["PING", token]))
    replies = []
    while True:
        reply = client.read()
        if plain(reply) in (token, [b"pong", token]):
            return replies
        replies.append(reply)


def in_any_order(request, replies):
    """Where several patterns match, or all subscriptions end, the order is each server's own."""
    if len(request) > 1 and request[0] != "PING":
        return replies
    if request[0] in ("PING", "RESET"):
        return sorted(replies, key=repr)
    members = [reply[1] for reply in replies]
    return [reply[0] for reply in replies], [m[0] for m in members], sorted(m[1][1] or b"" for m in members), [m[2] for m in members]


def listen_both(session, name, request, token):
    pair = session.pair(name, LISTENERS[name])
    one, other = (in_any_order(request, heard(client, request, token)) for client in pair)
    session.count("PUBSUB flow", ("*", []))
    if one != other:
        raise AssertionError(f"{name} after {request}: Strata {one!r:.400}, redis-server {other!r:.400}")


@flow
def subscribers_and_a_publisher(session, rounds):
    draw = session.values.random
    for number in range(rounds * 60):
        token = b"token %d" % number
        name = draw.choice(list(LISTENERS))
        word = draw.choice(["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"])
        names = PATTERNS if word.startswith("P") else CHANNELS
        count = draw.randrange("UN" in word and draw.random() < 0.3 and -1 or 1, 4)
        listen_both(session, name, [word] + [draw.choice(names) for _ in range(max(count, 0))], token)
        for _ in range(2):
            session.both("publisher", draw.choice(["PUBLISH", "PUBLISH", "SPUBLISH"]), draw.choice(CHANNELS), session.values.value())
            for one in LISTENERS:
                listen_both(session, one, ["PING", "x"], token)
        for request in (["CHANNELS"], ["CHANNELS", draw.choice(PATTERNS)], ["SHARDCHANNELS"]):
            session.both("publisher", "PUBSUB", *request, rule=compare.sorted_members)
        for request in (["NUMPAT"], ["NUMSUB", *CHANNELS], ["SHARDNUMSUB", *CHANNELS], ["NUMSUB"]):
            session.both("publisher", "PUBSUB", *request)
        if draw.random() < 0.05:
            listen_both(session, name, ["RESET"], token)
            session.close(name)
    session.afresh()


@flow
def what_subscribers_may_do(session, rounds):
    for protocol in (2, 3):
        name = f"restricted {protocol}"
        for word in ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"):
            session.both(name, word, "a", protocol=protocol)
            for request in (["GET", "a"], ["SET"], ["CLIENT", "ID", "x"], ["CLIENT", "NOSUCH"], ["MULTI"], ["EXEC"], ["DISCARD"], ["NOSUCH"],
                            ["PING"], ["PING", "x"], ["PING", "x", "y"], ["ECHO", "x"], ["PUBSUB", "NUMPAT"], ["PUBSUB", "CHANNELS", "a", "b"],
                            ["PUBSUB", "NOSUCH"], ["PUBSUB"], ["SUBSCRIBE"], ["PUBLISH", "a"], ["WATCH", "a"], ["AUTH", "a", "b"]):  # fmt: skip
                session.both(name, *request)
            session.both(name, {"SUBSCRIBE": "UNSUBSCRIBE", "PSUBSCRIBE": "PUNSUBSCRIBE", "SSUBSCRIBE": "SUNSUBSCRIBE"}[word])
            session.both(name, "GET", "a")
        for word in ("UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"):
            session.both(name, word)
            session.both(name, word, "none")
        session.both(name, "MULTI")
        for request in (["SUBSCRIBE", "a"], ["SSUBSCRIBE", "a"], ["GET", "a"], ["UNSUBSCRIBE"], ["PUNSUBSCRIBE"], ["PUBLISH", "a", "x"]):
            session.both(name, *request)
        session.both(name, "EXEC")
        session.both(name, "SUBSCRIBE", "q")
        session.both(name, "QUIT")
        session.close(name)


@flow
def CLIENT_LIST_of_subscribers(session, rounds):
    for name in ("one", "two"):
        session.both(name, "SUBSCRIBE", "a")
        session.both(name, "PSUBSCRIBE", "a*")
    counts = []
    for client in session.pair("lister"):
        lines = client.call("CLIENT", "LIST", "TYPE", "pubsub")[1].decode().splitlines()
        counts.append(sorted(tuple(field for field in line.split() if field.split("=")[0] in ("flags", "sub", "psub", "cmd", "db")) for line in lines))
    if counts[0] != counts[1] or len(counts[0]) != 2:
        raise AssertionError(f"CLIENT LIST: Strata {counts[0]}, redis-server {counts[1]}")
    session.both("lister", "CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "no")
    for name in ("one", "two"):
        for client in session.pair(name):
            if client.read_until_closed():
                raise AssertionError("something came before the end")
        session.close(name)


@flow
def SLOWLOG_shape(session, rounds):
    shapes = []
    for client in session.pair("slowlog"):
        client.call("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 5)
        client.call("SLOWLOG", "RESET")
        client.call("CLIENT", "SETNAME", "slow")
        client.call("SET", "k" * 300, "v")
        client.call("MSET", *["a"] * 64)
        client.call("CONFIG", "SET", "slowlog-log-slower-than", 1_000_000)
        length = client.call("SLOWLOG", "LEN")
        entries = client.call("SLOWLOG", "GET", 10)[1]
        shape = []
        for entry in entries:
            kinds = [member[0] for member in entry[1]]
            shape.append((kinds, plain(entry[1][3]), plain(entry[1][5])))
        shapes.append((length, shape, len(client.call("SLOWLOG", "GET", 2)[1])))
        session.count("SLOWLOG GET", ("*", []))
    if shapes[0] != shapes[1]:
        raise AssertionError(f"Strata {shapes[0]}, redis-server {shapes[1]}")


@flow
def OBJECT_FREQ_by_policy(session, rounds):
    """Only with an LFU policy; IDLETIME only without."""
    session.both("object", "SET", "o", "1")
    for policy in ("noeviction", "allkeys-lru", "allkeys-lfu", "volatile-lfu", "volatile-ttl"):
        session.both("object", "CONFIG", "SET", "maxmemory-policy", policy)
        session.both("object", "OBJECT", "FREQ", "o", rule=compare.same_type)
        session.both("object", "OBJECT", "IDLETIME", "o", rule=compare.same_type)
    session.both("object", "CONFIG", "SET", "maxmemory-policy", "noeviction")


@flow
def FLUSHALL(session, rounds):
    for _ in range(rounds):
        for how in ([], ["ASYNC"], ["SYNC"], ["async"]):
            session.both("flush", "SELECT", session.values.db())
            session.both("flush", "MSET", "a", "1", "b", session.values.value())
            session.both("flush", "FLUSHALL", *how, label=" ".join(["FLUSHALL"] + how).upper())
            session.both("flush", "DBSIZE")
            session.both("flush", "GET", "a")
        session.both("flush", "FLUSHALL", "NOW")
        session.both("flush", "FLUSHDB", "ASYNC", "SYNC")


@flow
def databases_are_apart(session, rounds):
    session.both("db", "FLUSHALL")
    for number in range(16):
        session.both("db", "SELECT", str(number))
        session.both("db", "SET", "same", f"value {number}")
        session.both("db", "SET", f"only{number}", "1")
    for number in range(16):
        session.both("db", "SELECT", str(number))
        session.both("db", "GET", "same")
        session.both("db", "KEYS", "*", rule=compare.sorted_members)
        session.both("db", "RANDOMKEY", rule=compare.same_type)
        session.both("db", "SWAPDB", str(number), str(15 - number))
        session.both("db", "GET", "same")
        session.both("db", "MOVE", "same", str((number + 1) % 16))
        session.both("db", "MOVE", f"only{number}", "3")
    for arguments in (["SELECT", "16"], ["SELECT", "-1"], ["SELECT", "x"], ["MOVE", "a", "16"], ["MOVE", "a", "x"], ["SWAPDB", "0", "16"],
                      ["SWAPDB", "x", "0"], ["SWAPDB", "0", "y"], ["COPY", "a", "b", "DB", "16"], ["COPY", "a", "a"]):  # fmt: skip
        session.both("db", *arguments)
    session.both("db", "FLUSHALL")


@flow
def keys_that_move_while_the_index_grows(session, rounds):
    """RENAME, MOVE and COPY hold two keys at once; what one of them makes may shift the other in the index."""
    for number in range(100 * rounds):
        session.both("moving", "SET", f"new{number}", f"value {number}", "EX", "100000")
        kind = number % 4
        if kind == 0:
            session.both("moving", "RENAME", f"new{number}", f"renamed{number}")
        elif kind == 1:
            session.both("moving", "MOVE", f"new{number}", str(number % 15 + 1))
        elif kind == 2:
            session.both("moving", "COPY", f"new{number}", f"copy{number}", "DB", str(number % 16))
        else:
            session.both("moving", "COPY", f"new{number}", f"copied{number}", "REPLACE")
    for number in range(16):
        session.both("moving", "SELECT", str(number))
        session.both("moving", "DBSIZE")
        session.both("moving", "KEYS", "*", rule=compare.keys)
    session.both("moving", "FLUSHALL")
    session.close("moving")


@flow
def RANDOMKEY_answers_keys(session, rounds):
    ours, theirs = session.pair("random")
    for client in (ours, theirs):
        client.call("FLUSHALL")
        if client.call("RANDOMKEY") != ("$", None):
            raise AssertionError("RANDOMKEY of nothing is not null")
        names = {b"r%d" % number for number in range(50)}
        client.call("MSET", *[part for name in names for part in (name, "1")])
        drawn = {client.call("RANDOMKEY")[1] for _ in range(400)}
        if not drawn <= names or len(drawn) < 25:
            raise AssertionError(f"RANDOMKEY drew {len(drawn)} of 50 keys in 400 tries, foreign: {drawn - names}")


@flow
def inline_commands(session, rounds):
    lines = [
        b"PING\r\n", b"ping\n", b"SET inline 'a b'\r\n", b"GET inline\r\n", b'SET inline "\\x41\\n\\"\\t"\r\n', b"GET inline\r\n",
        b"   GET    inline  \r\n", b"\r\n\r\nPING\r\n", b"SET inline 'it\\'s'\r\n", b"GET inline\r\n", b"ECHO \"\"\r\n", b"GET\r\n",
        b"NOSUCH a b\r\n", b"*0\r\nPING\r\n", b"*-1\r\nPING\r\n", b"\tPING\t\r\n",
    ]  # fmt: skip
    for line in lines:
        for client in session.pair("inline"):
            client.send(line)
        session.both_read("inline", [line])
    session.close("inline")


@flow
def protocol_errors(session, rounds):
    """What is said before the connection is closed."""
    frames = [
        b"*1\r\n+PING\r\n", b"*x\r\n", b"*1\r\n$x\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$-5\r\n", b"*2147483648\r\n",
        b"*1\r\n$536870913\r\n", b"*99999999999999999999\r\n", b"*1\r\n$99999999999999999999\r\n", b'SET "a\r\n', b"SET 'a'b\r\n", b'ECHO "a"b\r\n',
        b"*\r\n", b"*1\r\n$\r\n", b"*1\r\n:5\r\n", b"*1\r\n*1\r\n", b"*+1\r\n$4\r\nPING\r\n", b"* 1\r\n", b"x" * 70_000, b"*" + b"1" * 70_000,
        b"*1\r\n$" + b"1" * 70_000,
    ]  # fmt: skip
    for frame in frames:
        got = []
        for client in session.pair("wrong"):
            client.socket.settimeout(5)
            try:
                client.send(frame)
                got.append(client.read_until_closed())
            except (Closed, TimeoutError) as error:
                got.append(type(error).__name__)
        session.close("wrong")
        session.operations += 1
        if got[0] != got[1]:
            raise AssertionError(f"{frame[:60]!r}: Strata {got[0]}, redis-server {got[1]}")


@flow
def before_AUTH(session, rounds):
    """Two more servers, with a password."""
    with Strata(requirepass="secret") as strata, Redis(requirepass="secret") as redis:
        for requests in (
            [["PING"], ["GET", "x"], ["NOSUCH"], ["HELLO"], ["HELLO", "3"], ["MULTI"], ["EXEC"], ["COMMAND", "COUNT"], ["CLIENT", "ID"], ["GET"],
             ["AUTH"], ["AUTH", "wrong"], ["AUTH", "default", "wrong"], ["AUTH", "nobody", "secret"], ["AUTH", "a", "b", "c"], ["PING"],
             ["HELLO", "3", "AUTH", "default", "wrong"], ["HELLO", "3", "AUTH", "default"], ["RESET"], ["AUTH", "secret"], ["PING"], ["GET", "x"],
             ["RESET"], ["GET", "x"], ["AUTH", "default", "secret"], ["GET", "x"], ["CONFIG", "GET", "requirepass"]],
            [["HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me"], ["CLIENT", "GETNAME"], ["GET", "x"]],
            [["AUTH", "secret"], ["CONFIG", "SET", "requirepass", "other"], ["GET", "x"], ["RESET"], ["AUTH", "secret"], ["AUTH", "other"],
             ["CONFIG", "SET", "requirepass", ""], ["RESET"], ["GET", "x"], ["AUTH", "x"]],
            [["QUIT"]],
        ):  # fmt: skip
            with strata.client() as ours, redis.client() as theirs:
                for request in requests:
                    one, other = ours.call(*request), theirs.call(*request)
                    session.count("AUTH", other)
                    if not (compare.hello if request[0] == "HELLO" else compare.equal)(one, other):
                        raise AssertionError(f"{request}: Strata {one}, redis-server {other}")


@flow
def types_that_come_later(session, rounds):
    """Their commands are unknown, in redis-server's own words, and the connection goes on."""
    client = session.pair("unknown")[0]
    for request, text in (
        (["LPUSHX9", "a", "b"], b"ERR unknown command 'LPUSHX9', with args beginning with: 'a' 'b' "),
        (["nosuch"], b"ERR unknown command 'nosuch', with args beginning with: "),
    ):
        if client.call(*request) != ("-", text):
            raise AssertionError(f"{request}: {client.call(*request)}")
        if client.call("PING") != ("+", b"PONG"):
            raise AssertionError("the connection is out of step after an unknown command")


def shutdown(report, session):
    """Last: both end in order, with status 0, and without a reply."""
    with report.case("SHUTDOWN"):
        for server in (session.ours, session.theirs):
            with server.client() as client:
                client.send(commands_bytes(["SHUTDOWN", "NOSAVE"]))
                if client.read_until_closed():
                    raise AssertionError("SHUTDOWN was answered")
            if not settle(lambda server=server: not server.alive(), 20):
                raise AssertionError("still running after SHUTDOWN")
            if server.stop() != 0:
                raise AssertionError(f"exit status {server.status}: {server.last_words()}")
