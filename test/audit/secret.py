"""No secret and no value gets into the log, whatever command it is given to."""

import itertools
import os
import sys

import logs
from harness import Closed, Strata, repository

sys.path.insert(0, os.path.join(repository(), "tools"))

import gen_commands  # noqa: E402

SECRET, KEY, SHOWN = "zqsecret", "fam:zqkey", "shown"
LEFT_OUT = {"shutdown", "client|pause", "debug", "acl|load"}


def commands():
    folder = os.path.join(repository(), "spec", "commands")
    for name in gen_commands.FAMILIES:
        found, _ = gen_commands.load_family(folder, name)
        for command in gen_commands.everything(found):
            if command.full not in LEFT_OUT:
                yield command


def words_of(argument, count):
    """Words that an argument of the description may be; texts are secrets, numbered."""
    if argument.kind == "oneof":
        return words_of(argument.children[next(count) % len(argument.children)], count)
    before = [argument.token] if argument.token else []
    if argument.kind == "pure-token":
        return before
    if argument.kind == "block":
        return before + [word for child in argument.children for word in words_of(child, count)]
    plain = {"key": KEY, "integer": "1", "double": "1", "unix-time": "9999999999"}
    return before + [plain.get(argument.kind, f"{SECRET}{next(count)}")]


def requests(command, count):
    """With all options, and with secrets in every place, whatever it is."""
    name = command.full.split("|")
    full = name + [word for argument in command.arguments for word in words_of(argument, count)]
    least = abs(command.data["arity"])
    bare = name + [f"{SECRET}{next(count)}" for _ in range(least - len(name))]
    at, to, step = command.audit[2]
    for request in (full, bare, bare + [f"{SECRET}{next(count)}"]):
        if at:
            last = len(request) + to if to < 0 else to
            for place in range(at, min(last, len(request) - 1) + 1, step):
                if command.full not in ("config|get", "config|set"):
                    request[place] = SHOWN
        # Whom a client wants to be is noted, and that is a name by its place.
        for place, word in enumerate(request[1:-1], 1):
            if (name == ["auth"] and len(request) == 3 and place == 1) or (name == ["hello"] and place >= 2 and request[place - 1].upper() == "AUTH"):
                request[place] = SHOWN
        yield request


def clean(folder):
    text = b"".join(path.read_bytes() for path in logs.files(folder))
    for mark in (SECRET, "zqkey", "zqvalue", "zqpass"):
        at = text.find(mark.encode())
        assert at < 0, text[max(0, at - 600) : at + 100]
    return text


def ask(server, request, user=None):
    try:
        with server.client(timeout=2.0) as client:
            if user:
                client.call("AUTH", user, "zqpass")
            client.call(*request)
    except (Closed, TimeoutError, OSError):
        pass


def every_command(user, password=None):
    options = {"requirepass": password} if password else {}
    with Strata(threads=1, maxmemory="64mb", audit_dir="audit", audit_sync="no", audit_classes=logs.ALL, **options) as server:
        count, asked = itertools.count(), 0
        with server.client() as master:
            if password:
                master.call("AUTH", password)
            assert master.call("ACL", "SETUSER", "joe", "on", ">zqpass", "~other:*", "+@all", "-@dangerous") == ("+", b"OK")
            for command in commands():
                for request in requests(command, count):
                    asked += 1
                    ask(server, request, user)
        assert server.stop() == 0
        folder = os.path.join(server.folder, "audit")
        clean(folder)
        assert len(logs.events(folder)) > asked / 2, (asked, len(logs.events(folder)))
        logs.good(folder)


def known_secrets():
    with Strata(threads=1, maxmemory="64mb", audit_dir="audit", audit_sync="no", audit_classes=logs.ALL) as server, server.client() as one:
        large = "zqvalue" * 20000
        for request in (["AUTH", "zqpass"], ["AUTH", "joe", "zqpass"], ["AUTH", "zqpass", "zqpass", "zqpass"], ["HELLO", "3", "AUTH", "joe", "zqpass"],
                        ["HELLO", "3", "SETNAME", "x", "AUTH", "joe", "zqpass"], ["ACL", "SETUSER", "joe", ">zqpass", "on"], ["TOKEN", "AUTH", "zqpass"],
                        ["CONFIG", "SET", "requirepass", "zqpass"], ["CONFIG", "SET", "timeout", "0", "requirepass", "zqpass"], ["CONFIG", "SET", "zqpass", "x"],
                        ["CONFIG", "SET", "tls-key-file-pass", "zqpass"], ["SET", "k", large], ["APPEND", "k", large], ["MSET", "a", large, "b", "zqvalue"],
                        ["CSET", "k", "zqpass", "zqvalue"], ["PUBLISH", "c", "zqvalue"], ["zqpass"], ["GET"], ["ACL", "zqpass", "zqpass"], ["EVAL", "zqvalue", "0"]):  # fmt: skip
            one.call(*request)
        one.call("CONFIG", "SET", "requirepass", "")
        assert server.stop() == 0
        text = clean(os.path.join(server.folder, "audit"))
        assert b'"names":["(unknown)"]' in text and b'"requirepass"' in text


def flows(report):
    with report.case("no command brings a value or a secret into the log"):
        every_command(None)
    with report.case("nor one that is refused to a user"):
        every_command("joe")
    with report.case("nor one that is refused to somebody unknown"):
        every_command(None, password="zqpass")
    with report.case("passwords, tokens and values in their places, and in wrong ones"):
        known_secrets()
