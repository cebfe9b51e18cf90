"""Rights over classes and stores, roles that users share, users that are a service, and access tokens."""

import pathlib
import tempfile

from harness import Strata
from harness.resp import Closed
from live import NOPERM_KEY, OK, enter, is_closed

RULES = b"""version: 1
services: [shop, web]
stores:
  default: { memory: 50% }
  carts: { memory: 20% }
keys:
  "user:{id}": { owner: shop, borrowers: [web] }
  "cart:{id}": { owner: web, store: carts }
"""


def fields(reply):
    """A map as RESP2 has it."""
    values = [one[1] for one in reply[1]]
    return dict(zip(values[::2], values[1::2]))


def refused(client, *words):
    reply = client.call(*words)
    return reply[0] == "-" and reply[1].startswith(b"NOPERM"), reply


def classes(server, master):
    """Keys are judged by the class that they fall into and the store that they are in, whatever rules come later."""
    assert master.call("RULES", "LOAD", RULES)[0] != "-"
    master.call("MSET", "user:1", "a", "user:1:x", "b", "cart:1", "c", "other", "d")
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "%Rclass=user:{id}", "store=carts", "+@all") == OK
    assert fields(master.call("ACL", "GETUSER", "joe"))[b"keys"] == b"%Rclass=user:{id} store=carts"
    with enter(server, "joe") as joe:
        assert joe.call("MGET", "user:1", "cart:1") == ("*", [("$", b"a"), ("$", b"c")])
        assert joe.call("SET", "cart:2", "x") == OK
        for words in (("SET", "user:1", "x"), ("GET", "user:1:x"), ("GET", "other"), ("DEL", "user:1"), ("MGET", "user:1", "other"), ("RENAME", "cart:1", "other"),
                      ("FLUSHALL",), ("INVALIDATE", "PATTERN", "user:*"), ("SUBSCRIBE", "__keyspace@0__:user:1")):
            assert refused(joe, *words)[0], words
        assert sorted(one[1] for one in joe.call("KEYS", "*")[1]) == [b"cart:1", b"cart:2", b"user:1"]
        pipelined = joe.calls([("GET", "user:1"), ("GET", "other"), ("GET", "cart:1")] * 20)
        assert pipelined == [("$", b"a"), NOPERM_KEY, ("$", b"c")] * 20, pipelined
        assert master.call("ACL", "DRYRUN", "joe", "GET", "user:9") == OK
        assert b"'other'" in master.call("ACL", "DRYRUN", "joe", "GET", "other")[1]
        assert master.call("RULES", "LOAD", RULES.replace(b"user:{id}", b"user:{id}:x"))[0] != "-"
        assert joe.call("GET", "user:1") == NOPERM_KEY and joe.call("GET", "user:1:x") == NOPERM_KEY
        assert joe.call("GET", "cart:1") == ("$", b"c")
    assert master.call("RULES", "LOAD", RULES)[0] != "-"


def roles(server, master):
    """Who has a role may what it permits, as it is now; a request needs one of them, or his own rights, for all of it."""
    assert master.call("ACL", "SETUSER", "joe", "role=reader") == ("-", b"ERR Error in ACL SETUSER modifier 'role=reader': There is no such role")
    assert master.call("ACL", "SETROLE", "reader", "%R~a*", "+@read", "+subscribe", "&news") == OK
    assert master.call("ACL", "SETROLE", "writer", "~w*", "+set", "+get") == OK
    for bad in ("on", ">pw", "nopass", "role=x", "service=x"):
        assert master.call("ACL", "SETROLE", "writer", bad)[0] == "-", bad
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "role=reader", "role=writer", "~own", "+set", "+acl|whoami") == OK
    assert master.call("ACL", "SETUSER", "ann", "reset", "on", ">pw", "role=reader") == OK
    with enter(server, "joe") as joe, enter(server, "ann") as ann:
        for words in (("GET", "a1"), ("SET", "w1", "x"), ("SET", "own", "x"), ("MGET", "a1", "a2"), ("GET", "w1")):
            assert not refused(joe, *words)[0], words
        for words in (("SET", "a1", "x"), ("GET", "own"), ("MGET", "a1", "w1"), ("GET", "b")):
            assert refused(joe, *words)[0], words
        assert refused(ann, "SET", "w1", "x")[0] and ann.call("GET", "a1")[0] == "$"
        assert master.call("ACL", "SETROLE", "reader", "resetkeys", "%R~b*") == OK
        assert [joe.call("GET", "b")[0], ann.call("GET", "b")[0]] == ["$", "$"] and refused(joe, "GET", "a1")[0] and refused(ann, "GET", "a1")[0]
        assert master.call("ACL", "DELROLE", "writer", "reader") == ("-", b"ERR 1 users have the role 'writer', and nothing has changed")
        assert ann.call("SUBSCRIBE", "news")[0] == "*"
        assert master.call("ACL", "SETROLE", "reader", "resetchannels") == OK
        assert is_closed(ann)
        assert master.call("ACL", "SETUSER", "joe", "-role=writer") == OK and refused(joe, "SET", "w1", "x")[0]
        assert master.call("ACL", "SETUSER", "joe", "-role=writer")[0] == "-"
        assert joe.call("SET", "own", "y") == OK
    assert master.call("ACL", "DELROLE", "writer", "nosuch") == (":", 1)
    assert master.call("ACL", "ROLES") == ("*", [("$", b"reader")])
    shown = fields(master.call("ACL", "GETROLE", "reader"))
    assert shown[b"keys"] == b"%R~b*" and shown[b"users"] == 2, shown
    assert fields(master.call("ACL", "GETUSER", "joe"))[b"roles"] == [("$", b"reader")]
    assert master.call("ACL", "GETROLE", "nosuch")[1] is None


def services(server, master):
    """A user that is bound to a service owns and borrows what the manifest says of it, and cannot say that it is another."""
    assert master.call("CONFIG", "SET", "ownership", "enforce") == OK
    assert master.call("ACL", "SETUSER", "shopper", "reset", "on", ">pw", "service=shop", "~*", "+@all") == OK
    assert master.call("ACL", "SETUSER", "webber", "reset", "on", ">pw", "service=web", "~*", "+@all") == OK
    with enter(server, "shopper") as shop, enter(server, "webber") as web:
        assert shop.call("CLIENT", "SERVICE") == ("$", b"shop")
        assert shop.call("SET", "user:1", "x") == OK and shop.call("SET", "cart:1", "x")[1].startswith(b"NOTOWNER")
        assert web.call("GET", "user:1") == ("$", b"x") and web.call("SET", "user:1", "x")[1].startswith(b"NOTOWNER")
        assert web.call("CLIENT", "SERVICE", "web") == OK
        assert web.call("CLIENT", "SERVICE", "shop") == ("-", b"NOPERM the user 'webber' is the service 'web', and no other")
        assert web.call("SET", "user:1", "x")[1].startswith(b"NOTOWNER")
        assert b"service=shop" in master.call("CLIENT", "LIST")[1]
        assert master.call("ACL", "SETUSER", "webber", "service=shop") == OK
        assert web.call("SET", "user:1", "y") == OK  # at once
    assert master.call("CONFIG", "SET", "ownership", "off") == OK


def what_rules_take(server, master):
    """Of what goes with a key by the rules nobody is told who has no right to it; the pattern of a class is all of the class; and who may not read may not guess."""
    assert master.call("RULES", "LOAD", b"version: 1\nkeys:\n  'user:{id}': { invalidates: ['card:{id}'] }\n  'card:{id}': {}\n") == OK
    assert master.call("MSET", "user:1", "7", "card:1", "b") == OK
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "~user:*", "+@all") == OK
    with enter(server, "joe") as joe:
        plan = joe.call("INVALIDATE", "KEY", "user:1", "DRYRUN")[1]
        assert [(fields(action)[b"what"], fields(action)[b"entries"]) for action in plan] == [(b"user:1", 1), (b"card:1", None)], plan
        assert joe.call("INVALIDATE", "KEY", "user:1") == (":", 1) and master.call("EXISTS", "card:1") == (":", 0)
        assert master.call("ACL", "SETUSER", "joe", "%R~card:*") == OK and master.call("MSET", "user:1", "7", "user:{7}", "c") == OK and master.call("SET", "card:1", "b") == OK
        assert joe.call("INVALIDATE", "KEY", "user:1") == (":", 2)
        assert master.call("ACL", "SETUSER", "joe", "resetkeys", "~user:{*") == OK
        assert refused(joe, "INVALIDATE", "PATTERN", "user:{id}")[0] and joe.call("INVALIDATE", "PATTERN", "user:{7}*") == (":", 1)
        assert master.call("ACL", "SETUSER", "joe", "resetkeys", "%W~user:*") == OK and master.call("SET", "user:1", "7") == OK
        for words in (("SET", "user:1", "x", "IFEQ", "7"), ("DELIFEQ", "user:1", "7"), ("SET", "user:1", "x", "GET")):
            assert refused(joe, *words)[0], words
    assert master.call("RULES", "LOAD", RULES) == OK


def leases(server, master):
    """Who may load a key that others wait for is to write it."""
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "%R~a*", "~w*", "+@all") == OK
    with enter(server, "joe") as joe:
        assert not refused(joe, "CGET", "a-none")[0] and not refused(joe, "CGET", "a-none", "WAIT", 1)[0]
        assert refused(joe, "CGET", "a-none", "LEASE", 1000)[0] and not refused(joe, "CGET", "w-none", "LEASE", 1000)[0]


def tokens(server, master):
    """A token is its user, on any connection, until it is revoked, its time is over or its user goes."""
    assert master.call("ACL", "SETUSER", "bot", "reset", "on", "~bot:*", "+@read", "+@connection", "+acl|whoami") == OK
    made = fields(master.call("TOKEN", "CREATE", "bot", "NAME", "ci", "EX", 3600))
    text, identity = made[b"token"], made[b"id"]
    assert text.startswith(b"strata_" + identity + b"_") and len(text) == 88 and made[b"expires-at"] - made[b"created-at"] == 3600, made
    assert master.call("TOKEN", "CREATE", "nobody")[0] == "-" and master.call("TOKEN", "CREATE", "bot", "EX", 0)[0] == "-" and master.call("TOKEN", "CREATE", "bot", "NAME", "a b")[0] == "-"
    listed = master.call("TOKEN", "LIST", "bot")
    assert len(listed[1]) == 1 and text[24:] not in repr(listed).encode() and master.call("TOKEN", "LIST", "joe")[1] == []
    with server.client() as bot, server.client() as wrong:
        assert bot.call("TOKEN", "AUTH", text) == OK and bot.call("ACL", "WHOAMI") == ("$", b"bot") and refused(bot, "GET", "x")[0]
        for other in (text[:-1], text[:-1] + (b"0" if text[-1:] != b"0" else b"1"), text.replace(identity, b"0" * 16), b"", b"strata_"):
            assert wrong.call("TOKEN", "AUTH", other) == ("-", b"WRONGPASS invalid token, or its user is disabled.")
        assert wrong.call("ACL", "WHOAMI") == ("$", b"default")
        assert refused(bot, "TOKEN", "LIST")[0] and refused(bot, "TOKEN", "CREATE", "bot")[0]
        assert master.call("ACL", "SETUSER", "bot", "off") == OK and wrong.call("TOKEN", "AUTH", text)[0] == "-"
        assert master.call("ACL", "SETUSER", "bot", "on") == OK and wrong.call("TOKEN", "AUTH", text) == OK
        assert master.call("TOKEN", "REVOKE", "xyz")[0] == "-" and master.call("TOKEN", "REVOKE", "f" * 16) == (":", 0)
        assert wrong.call("RESET")[0] == "+" and master.call("TOKEN", "REVOKE", identity) == (":", 1)
        assert is_closed(bot) and wrong.call("PING")[0] == "+"  # who has left it before is not concerned
    short = fields(master.call("TOKEN", "CREATE", "bot", "EX", 1))
    with server.client() as bot:
        assert bot.call("TOKEN", "AUTH", short[b"token"]) == OK
        assert is_closed(bot) and master.call("TOKEN", "LIST")[1] == []
    last = fields(master.call("TOKEN", "CREATE", "bot"))
    assert last[b"expires-at"] == -1
    with server.client() as bot:
        assert bot.call("TOKEN", "AUTH", last[b"token"]) == OK and master.call("ACL", "DELUSER", "bot") == (":", 1)
        assert is_closed(bot) and master.call("TOKEN", "LIST")[1] == []
    log = repr(master.call("ACL", "LOG"))
    assert "(token)" in log and text.decode()[24:] not in log


def kept(report, folder):
    path = folder / "users.acl"
    path.write_text("user default on nopass ~* &* +@all\n")
    with report.case("roles and tokens are in the file that ACL SAVE writes"):
        with Strata(aclfile=path) as server, server.client() as one:
            assert one.call("ACL", "SETROLE", "reader", "%R~a*", "+get") == OK and one.call("ACL", "SETUSER", "bot", "on", "service=shop", "role=reader") == OK
            token = fields(one.call("TOKEN", "CREATE", "bot", "NAME", "ci"))[b"token"]
            assert one.call("ACL", "SAVE") == OK
        text = path.read_text()
        assert "role reader %R~a* resetchannels -@all +get\n" in text and "user bot on service=shop role=reader " in text and token.decode() not in text, text
        with Strata(aclfile=path) as server, server.client() as one, server.client() as bot:
            assert bot.call("TOKEN", "AUTH", token) == OK and bot.call("GET", "a") == ("$", None) and bot.call("GET", "b") == NOPERM_KEY
            path.write_text("user default on nopass ~* &* +@all\nuser bot on role=reader\n")
            assert b"There is no such role before this line" in one.call("ACL", "LOAD")[1]
            path.write_text("user default on nopass ~* &* +@all\nrole reader +get\nuser bot on role=reader\n")
            assert one.call("ACL", "LOAD") == OK
            try:
                closed = bot.call("GET", "a")[0] == "closed"
            except Closed:
                closed = True
            assert closed  # its token stands there no more


def flows(report):
    with Strata(threads=2, maxmemory="64mb") as server, server.client() as master:
        for flow, name in (
            (classes, "rights over classes and stores follow the rules in force"),
            (roles, "roles permit what they are, and change for all who have them"),
            (services, "users that are a service cannot be another"),
            (what_rules_take, "what rules take with a key is told to who has a right to it"),
            (leases, "a lease is a right to write"),
            (tokens, "tokens stand for a user until they end"),
        ):
            with report.case(name):
                flow(server, master)
        report.expect("the server of roles runs to its end", server.alive() and server.stop() == 0, server.last_words())
    with tempfile.TemporaryDirectory(prefix="strata-test-") as folder:
        kept(report, pathlib.Path(folder))
