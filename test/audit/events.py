"""What is noted, by whom, from where and how; and what is not."""

import base64
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import logs
from harness import Client, Strata, encode
from harness.servers import free_port, settle

OK = ("+", b"OK")


class Secure(Client):
    def __init__(self, port, context):
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30.0), server_hostname="localhost")
        self.input = bytearray()
        self.at = 0


def server(**options):
    return Strata(**{"threads": 2, "maxmemory": "64mb", "audit_dir": "audit", "audit_sync": "always", **options})


def folder_of(one):
    return os.path.join(one.folder, "audit")


def found(one, client, **wanted):
    logs.written(client)
    return logs.events(folder_of(one), **wanted)


def authentication():
    with server(audit_classes="authentication") as one, one.client() as master, one.client() as joe:
        assert master.call("ACL", "SETUSER", "joe", "on", ">pw", "~*", "+@all") == OK
        joe.call("AUTH", "joe", "wrong"), joe.call("AUTH", "nobody", "pw"), joe.call("AUTH", "joe", "pw")
        joe.call("CLIENT", "SERVICE", "billing"), joe.call("CLIENT", "SERVICE", "two words")
        joe.call("HELLO", 3), joe.call("HELLO", 3, "AUTH", "joe", "bad"), joe.call("RESET")
        token = master.call("TOKEN", "CREATE", "joe")[1]
        token = token.decode() if isinstance(token, bytes) else token
        joe.call("TOKEN", "AUTH", "nonsense")
        seen = [(event["action"], event["user"], event["result"]) for event in found(one, master)]
        assert seen == [("AUTH", "joe", "denied"), ("AUTH", "nobody", "denied"), ("AUTH", "joe", "ok"), ("CLIENT SERVICE", "joe", "ok"), ("CLIENT SERVICE", "joe", "failed"),
                        ("HELLO", "joe", "denied"), ("RESET", "default", "ok"),
                        ("TOKEN AUTH", "(token)", "denied")], seen  # fmt: skip
        assert [event["names"] for event in found(one, master, action="CLIENT SERVICE")] == [["billing"], ["two words"]]


def administration():
    with server(audit_classes="administration", unix_path=True) as one, one.client() as master, Client(one.unix_path) as local:
        master.call("CONFIG", "SET", "timeout", "100", "tcp-keepalive", "60")
        local.call("ACL", "SETUSER", "joe", "on", ">pw")
        local.call("CLIENT", "KILL", "ID", "999999")
        local.call("SET", "x", "1"), local.call("GET", "x"), local.call("FLUSHALL"), local.call("CONFIG", "SET", "maxmemory", "nonsense")
        seen = [(event["action"], event.get("names"), event["over"], event["result"], event.get("error")) for event in found(one, master)]
        assert seen == [("CONFIG SET", ["timeout", "tcp-keepalive"], "tcp", "ok", None), ("ACL SETUSER", ["joe"], "unix", "ok", None),
                        ("CLIENT KILL", ["ID", "999999"], "unix", "ok", None), ("CONFIG SET", ["maxmemory"], "unix", "failed", "ERR")], seen  # fmt: skip
        events = logs.events(folder_of(one))
        assert events[0]["client"].startswith("127.0.0.1:") and events[1]["client"].endswith("socket"), events
        assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["time"]) and event["us"] >= 0 and len(event["node"]) == 16 for event in events)


def rules():
    with server(audit_classes="rules") as one, one.client() as master:
        master.call("RULES", "LOAD", "version: 1\nkeys:\n  \"user:{id}\": {ttl: 60s}\n")
        master.call("RULES", "LOAD", "nonsense: [")
        master.call("STORE", "SET", "default", "TTL", "10s")
        seen = [(event["action"], event.get("names"), event["result"]) for event in found(one, master)]
        assert seen[0][0] == "RULES LOAD" and seen[1] == ("RULES LOAD", None, "failed") and seen[2][:2] == ("STORE SET", ["default"]), seen
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "rules.yaml")
        with open(path, "w") as file:
            file.write("version: 1\nkeys:\n  \"user:{id}\": {ttl: 60s}\n")
        with server(audit_classes="rules", rules=path) as one, one.client() as master:
            one.process.send_signal(signal.SIGHUP)
            assert settle(lambda: found(one, master, action="RULES RELOAD", result="ok", names=[path]), 10), logs.lines(folder_of(one))
            with open(path, "w") as file:
                file.write("nonsense: [")
            one.process.send_signal(signal.SIGHUP)
            assert settle(lambda: found(one, master, action="RULES RELOAD", result="failed"), 10), logs.lines(folder_of(one))


def invalidation():
    with server(audit_classes="invalidation") as one, one.client() as master:
        master.call("MSET", "user:1", "a", "user:2", "b", "odd", "c")
        master.call("TAG", "ADD", "user:1", "people"), master.call("TAG", "ADD", "user:2", "people")
        master.call("TAG", "INVALIDATE", "people", "REASON", "why it was")
        master.call("INVALIDATE", "KEY", "odd"), master.call("INVALIDATE", "PATTERN", "user:*"), master.call("FLUSHDB"), master.call("FLUSHALL")
        seen = [(event["action"], event.get("names"), event.get("removed")) for event in found(one, master)]
        assert seen == [("TAG INVALIDATE", ["people"], 2), ("INVALIDATE KEY", ["*"], 1), ("INVALIDATE PATTERN", ["user:*"], 0), ("FLUSHDB", None, None),
                        ("FLUSHALL", None, None)], seen  # fmt: skip


def denied():
    with server(audit_classes="denied") as one, one.client() as master, one.client() as joe:
        assert master.call("ACL", "SETUSER", "joe", "on", ">pw", "~mine:*", "+get", "+set", "+multi", "+exec", "+client|reply", "+auth") == OK
        joe.call("AUTH", "joe", "pw"), joe.call("GET", "mine:1"), joe.call("GET", "yours:secret"), joe.call("FLUSHALL"), joe.call("CONFIG", "GET", "port")
        joe.calls([("MULTI",), ("GET", "mine:1"), ("FLUSHALL",)])
        assert joe.call("EXEC")[0] == "-"
        joe.calls([("MULTI",), ("SET", "mine:1", "v")])
        assert master.call("ACL", "SETUSER", "joe", "-set") == OK
        assert joe.call("EXEC")[0] == "*"
        joe.send(encode("CLIENT", "REPLY", "OFF") + encode("GET", "yours:2") + encode("CLIENT", "REPLY", "ON"))
        assert joe.read() == OK
        seen = [(event["action"], event.get("names"), event.get("multi", False)) for event in found(one, master, user="joe", result="denied", error="NOPERM")]
        assert seen == [("GET", ["yours:*"], False), ("FLUSHALL", None, False), ("CONFIG GET", ["port"], False), ("FLUSHALL", None, True), ("SET", ["mine:*"], True),
                        ("GET", ["yours:*"], False)], seen  # fmt: skip
    with server(audit_classes="denied", requirepass="pw") as one, one.client() as stranger, one.client() as master:
        stranger.call("GET", "user:1"), stranger.call("AUTH", "wrong")
        master.call("AUTH", "pw")
        seen = [(event["action"], event["user"], event["error"]) for event in found(one, master)]
        assert seen == [("GET", "default", "NOAUTH"), ("AUTH", "default", "WRONGPASS")], seen
    with server(audit_classes="denied", maxclients=4) as one, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(one.client()) for _ in range(8)]
        answers = [client.call("PING") for client in clients]
        master = clients[answers.index(("+", b"PONG"))]
        refused = sum(answer[0] == "-" for answer in answers)
        noted = [event["error"] for event in found(one, master, action="CONNECT", result="denied")]
        assert refused >= 4 and len(noted) >= refused and set(noted) == {"ERR"}, (answers, noted)  # the harness has knocked as well


def connections():
    with server(audit_classes="connection") as one, one.client() as master:
        with one.client() as other:
            number = other.call("CLIENT", "ID")[1]
        assert settle(lambda: len(found(one, master, id=number)) == 2, 10), logs.lines(folder_of(one))
        assert [event["action"] for event in logs.events(folder_of(one), id=number)] == ["OPENED", "CLOSED"]


def data():
    with server(audit_classes="data-read data-write", audit_keys="full") as one, one.client() as master:
        master.calls([("SET", "user:1", "v"), ("GET", "user:1"), ("GET", "user:2"), ("MGET", "a", "b"), ("PING",), ("DEL", "user:1")])
        seen = [(event["class"], event["action"], event["names"]) for event in found(one, master)]
        assert seen == [("data-write", "SET", ["user:1"]), ("data-read", "GET", ["user:1"]), ("data-read", "GET", ["user:2"]), ("data-read", "MGET", ["a", "b"]),
                        ("data-write", "DEL", ["user:1"])], seen  # fmt: skip
        many = [f"k:{number}" for number in range(20)]
        master.call("MGET", *many)
        last = found(one, master)[-1]
        assert last["names"] == many[:8] and last["touched"] == 20, last
        for how, name in (("class", "user:*"), ("prefix", "user:" + "1" * 27), ("none", None)):
            assert master.call("CONFIG", "SET", "audit-keys", how) == OK
            master.call("GET", "user:" + "1" * 50)
            assert found(one, master)[-1].get("names") == (name and [name]), (how, found(one, master)[-1])
        assert master.call("CONFIG", "SET", "audit-keys", "hash") == OK
        master.calls([("GET", "same"), ("GET", "same"), ("GET", "other")])
        a, b, c = (event["names"][0] for event in found(one, master)[-3:])
        assert a == b != c and re.fullmatch("[0-9a-f]{32}", a), (a, b, c)
        master.call("CONFIG", "SET", "audit-keys", "class")
        master.call("RULES", "LOAD", "version: 1\nkeys:\n  \"user:{id}\": {ttl: 60s}\n")
        master.call("GET", "user:7")
        assert found(one, master)[-1]["names"] == ["user:{id}"], found(one, master)[-1]


def filters():
    with server(audit_users="adm* bob", audit_users_except="admrobot", audit_commands="config @dangerous -config|get -flushall") as one, one.client() as master:
        for name in ("admin", "admrobot", "bob", "joe"):
            assert master.call("ACL", "SETUSER", name, "on", "nopass", "~*", "+@all") == OK
            with one.client() as client:
                client.call("AUTH", name, "x")
                client.call("CONFIG", "GET", "port"), client.call("CONFIG", "SET", "timeout", "0"), client.call("FLUSHALL"), client.call("FLUSHDB")
        seen = [(event["user"], event["action"]) for event in found(one, master)]
        assert seen == [(name, action) for name in ("admin", "bob") for action in ("CONFIG SET", "FLUSHDB")], seen


def settings():
    """Who switches it off is noted before it is off."""
    with server() as one, one.client() as master:
        assert master.call("CONFIG", "SET", "audit-classes", "") == OK
        master.call("CONFIG", "SET", "timeout", "0"), master.call("FLUSHALL")
        logs.written(master)
        last = logs.lines(folder_of(one))[-1]
        assert last["kind"] == "settings" and last["set"] == {"audit-classes": ""} and last["user"] == "default", last
        for name, value in (("audit-classes", "nonsense"), ("audit-commands", "nonsense"), ("audit-dir", "x"), ("audit-keys", "some")):
            assert master.call("CONFIG", "SET", name, value)[0] == "-", name
        assert master.call("CONFIG", "SET", "audit-classes", "invalidation") == OK
        master.call("FLUSHALL")
        assert [event["action"] for event in found(one, master)] == ["FLUSHALL"]


def refused_at_start():
    for options, text in (({"audit_classes": "nonsense"}, "nonsense"), ({"audit_key_file": "none"}, "No such file"), ({"audit_dir": "log/x"}, "cannot be opened")):
        one = server(**options)
        try:
            one.start()
        except AssertionError as error:
            assert text in str(error), (text, error)
        else:
            raise AssertionError(f"it starts with {options}")
        finally:
            one.stop()
    with tempfile.TemporaryDirectory() as place, server(audit_dir=place) as one:
        other = server(audit_dir=place)
        try:
            other.start()
        except AssertionError as error:
            assert f"process {one.pid}" in str(error), error
        else:
            raise AssertionError("two servers write one log")
        finally:
            other.stop()


def certificates():
    place = tempfile.mkdtemp(prefix="strata-test-audit-")
    for words in ([place], ["--client", "ann", place], ["--client", "nobody", place]):
        subprocess.run([logs.PROGRAM, "cert", *words], check=True, capture_output=True)
    port = free_port()
    options = {"tls_port": port, "tls_cert_file": f"{place}/server.crt", "tls_key_file": f"{place}/server.key", "tls_ca_cert_file": f"{place}/ca.crt",
               "tls_auth_clients_user": "CN", "audit_classes": "authentication denied administration"}  # fmt: skip
    with server(**options) as one, one.client() as master:
        assert master.call("ACL", "SETUSER", "ann", "on", "nopass", "~*", "+@all") == OK
        for name in ("ann", "nobody"):
            context = ssl.create_default_context(cafile=f"{place}/ca.crt")
            context.load_cert_chain(f"{place}/{name}.crt", f"{place}/{name}.key")
            with Secure(port, context) as client:
                client.call("CONFIG", "GET", "port")
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            stranger.recv(100)
        assert settle(lambda: found(one, master, action="TLS HANDSHAKE"), 10), logs.lines(folder_of(one))
        seen = [(event["user"], event["result"]) for event in found(one, master, action="TLS CERTIFICATE", over="tls")]
        assert seen == [("ann", "ok"), ("nobody", "denied")], seen
        assert [event["user"] for event in found(one, master, action="CONFIG GET", over="tls")] == ["ann", "default"]


def http():
    """A client of HTTP is one as any other, with its own address."""
    port = free_port()
    with server(http_port=port, audit_classes="authentication denied invalidation") as one, one.client() as master:
        assert master.call("ACL", "SETUSER", "joe", "on", ">pw", "~mine*", "+@all", "-@dangerous") == OK
        for user, password, key in (("joe", "zqwrong", "mine"), ("joe", "pw", "yours"), ("joe", "pw", "mine")):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/keys/{key}", method="PURGE")
            request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
            with contextlib.suppress(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=20).read()
        seen = [(event["user"], event["class"], event["action"], event["result"]) for event in found(one, master, over="http")]
        assert ("joe", "authentication", "AUTH", "denied") in seen and ("joe", "authentication", "AUTH", "ok") in seen, seen
        assert ("joe", "denied", "INVALIDATE KEY", "denied") in seen and ("joe", "invalidation", "INVALIDATE KEY", "ok") in seen, seen
        assert all(event["client"].startswith("127.0.0.1:") for event in logs.events(folder_of(one), over="http"))
        assert "zqwrong" not in "".join(path.read_text() for path in logs.files(folder_of(one)))


def shown():
    with server() as one, one.client() as master:
        master.call("CONFIG", "SET", "timeout", "5"), master.call("FLUSHALL"), master.call("CONFIG", "SET", "timeout", "x")
        master.call("AUDIT", "ROTATE"), master.call("FLUSHDB")
        logs.written(master)
        place = folder_of(one)
        actions = lambda *words: [line.split("@")[1].split("  ")[1] for line in logs.audit("show", *words, place)[1].splitlines()]  # noqa: E731
        assert actions() == ["CONFIG SET timeout", "FLUSHALL", "CONFIG SET timeout", "AUDIT ROTATE", "FLUSHDB"], logs.audit("show", place)
        assert actions("--class", "invalidation") == ["FLUSHALL", "FLUSHDB"] and actions("--result", "failed") == ["CONFIG SET timeout"]
        assert actions("--action", "config") == ["CONFIG SET timeout"] * 2 and actions("--action", "conf") == [] and actions("--user", "joe") == []
        times = [event["time"] for event in logs.events(place)]
        assert actions("--since", times[3]) == ["AUDIT ROTATE", "FLUSHDB"] and actions("--until", times[1]) == ["CONFIG SET timeout", "FLUSHALL"]
        assert len(actions("--since", times[0][:10])) == 5 and actions("--until", "2001") == []
        code, text = logs.audit("show", "--json", "--action", "FLUSHALL", place)
        assert code == 0 and text.count("\n") == 1 and '"action":"FLUSHALL"' in text
        assert logs.audit("show", "--json", "--action=FLUSHALL", place) == (code, text)
        for wrong in (("--class", "invalidations"), ("--result=fine",), ("--since", "yesterday"), ("--since", times[0][:10] + " 12:00"), ("--until=",)):
            assert logs.audit("show", *wrong, place)[0] == 2, wrong
        assert logs.audit("show", place + "x")[0] == 2 and logs.audit("show")[0] == 2 and logs.audit("nonsense")[0] == 2


def strangers():
    """Who is nobody cannot fill the disk: of many lines a second some stand there, and how many there were more. Of others all do."""
    count = 30000
    with server(requirepass="pw", threads=2) as one, one.client() as master, one.client() as stranger, one.client() as joe:
        master.call("AUTH", "pw"), master.call("ACL", "SETUSER", "joe", "on", ">pw", "+auth"), joe.call("AUTH", "joe", "pw")
        begun = time.monotonic()
        for _ in range(0, count, 500):
            assert set(stranger.calls([("GET", "x")] * 500)) == {("-", b"NOAUTH Authentication required.")}
        assert len(joe.calls([("FLUSHALL",)] * 500)) == 500
        for _ in range(0, count, 500):
            stranger.calls([("AUTH", "guess")] * 500)
        seconds = time.monotonic() - begun + 2
        assert one.stop() == 0
        seen = logs.events(folder_of(one), result="denied")
        told, left_out = [event for event in seen if event.get("user") == "default"], [event["left_out"] for event in seen if "left_out" in event]
        assert 0 < len(told) <= 100 * (seconds + 1) and len(told) + sum(left_out) == 2 * count, (len(told), left_out, seconds)
        assert len(left_out) <= seconds + 2 and len(logs.events(folder_of(one), user="joe", error="NOPERM")) == 500, left_out
        assert re.search(r"\(unauthenticated\) \d+ more", logs.audit("show", folder_of(one))[1])
        logs.good(folder_of(one))


def shown_as_text():
    """Names that strangers have chosen: nothing of them does anything in the terminal of who reads the log, or looks like another field."""
    names = {b"root@10.0.0.1  CONFIG SET": "root@10.0.0.1\\x20\\x20CONFIG\\x20SET@127.0.0.1:", b"a\x1b]0;title\x07": "a\\u001b]0;title\\u0007@",
             b"b\xc2\x9b31m": "b\\xc2\\x9b31m@", b"c\x7f": "c\\x7f@", b"d\xe2\x80\xaetxt": "d\\xe2\\x80\\xaetxt@", "grün".encode(): "grün@"}  # fmt: skip
    with server(requirepass="pw") as one, one.client() as master, one.client() as stranger:
        for name in names:
            stranger.call("AUTH", name, "x")
        master.call("AUTH", "pw")
        assert len(found(one, master, result="denied")) == len(names)
        code, text = logs.audit("show", "--result", "denied", folder_of(one))
        assert code == 0 and [shown for shown in names.values() if shown not in text] == [], text
        assert not [char for char in text if char not in "\n" and (ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e")], text
        with open(os.path.join(folder_of(one), "audit-000009.jsonl"), "wb") as file:
            file.write(b'{"seq":1,"time":"2026-01-01T00:00:00.00000\x9bZ","kind":"event","class":"\x1b[2J","user":"\x1b[31m\xff","client":"\x1b","prev":"' + b"0" * 64 + b'","hash":"' + b"0" * 64 + b'"}\n')
        shown = subprocess.run([logs.PROGRAM, "audit", "show", os.path.join(folder_of(one), "audit-000009.jsonl")], capture_output=True, timeout=60, check=False).stdout
        assert b"\\x1b[31m\\xff@\\x1b" in shown and b"\x1b" not in shown and b"\x9b" not in shown, shown


def flows(report):
    for name, case in (("who comes in, and who tries to", authentication), ("what is administrated, and over which transport", administration),
                       ("rules and stores, reloads too", rules), ("what is invalidated, and how much", invalidation),
                       ("what is refused: rights, passwords, in transactions, without replies, at the door", denied), ("connections that open and close", connections),
                       ("reads and writes, and what is said of keys", data), ("filters of users and commands", filters),
                       ("a change of the settings is noted first", settings), ("what is wrong with settings is told at the start", refused_at_start),
                       ("users of certificates, and handshakes that fail", certificates), ("clients of HTTP", http), ("show filters, over files", shown), ("who is nobody does not fill the log", strangers),
                       ("what strangers have chosen is shown as text", shown_as_text)):  # fmt: skip
        with report.case(name):
            case()
