"""Users on a server that runs: rights that change, connections that end, files, secrets."""

import os
import pathlib
import stat
import subprocess
import tempfile
import threading

from harness import Strata
from harness.resp import Closed, encode, plain
from harness.servers import free_port, settle

OK = ("+", b"OK")
NOPERM_KEY = ("-", b"NOPERM this user has no permissions to access one of the keys used as arguments")


def is_closed(client):
    """The server has closed it, or does so at once."""
    try:
        client.read_until_closed()
    except Closed:
        pass
    return True


def enter(server, user, password="pw", **options):
    client = server.client(**options)
    assert client.call("AUTH", user, password) == OK
    return client


def taken_away(server, master):
    """On every worker, with requests under way: what is sent after the reply to SETUSER goes by the new rights."""
    master.call("SET", "app:1", "v")
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "~app:*", "+@read", "+ping") == OK
    clients = [enter(server, "joe") for _ in range(24)]
    wrong = []

    def ask(client, rounds):
        for _ in range(rounds):
            replies = client.calls([("GET", "app:1")] * 8)
            if any(reply not in (("$", b"v"), NOPERM_KEY) for reply in replies):
                wrong.append(replies)

    threads = [threading.Thread(target=ask, args=(client, 40)) for client in clients[:8]]
    for thread in threads:
        thread.start()
    for round_ in range(60):
        rule = "~app:*" if round_ % 2 else "resetkeys"
        assert master.call("ACL", "SETUSER", "joe", rule) == OK
        expected = ("$", b"v") if round_ % 2 else NOPERM_KEY
        for client in clients[8:]:
            reply = client.call("GET", "app:1")
            assert reply == expected, (round_, reply)
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    for client in clients:
        client.close()


def transactions(server, master):
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "~a*", "+@all") == OK
    with enter(server, "joe") as joe:
        joe.calls([("MULTI",), ("SET", "a1", "1"), ("SET", "a2", "1"), ("PING",)])
        assert master.call("ACL", "SETUSER", "joe", "resetkeys", "~a1", "-ping") == OK
        replies = joe.call("EXEC")[1]
        start = b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: "
        assert replies == [OK, ("-", start + b"no permission to touch the specified keys"), ("-", start + b"no permission to execute the command or subcommand")], replies
        assert master.call("EXISTS", "a1", "a2") == (":", 1)
        joe.calls([("MULTI",), ("SET", "a1", "2")])
        assert master.call("ACL", "SETUSER", "joe", "-exec") == OK
        reply = joe.call("EXEC")
        assert reply == ("-", b"EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the 'exec' command"), reply
        assert joe.call("DISCARD") == ("-", b"ERR DISCARD without MULTI")


def subscribers(server, master):
    """Who listens to what is not permitted any more is closed, others stay."""
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "&a*", "&b", "~*", "+@all") == OK
    with enter(server, "joe", protocol=3) as one, enter(server, "joe", protocol=3) as two, enter(server, "joe", protocol=3) as three:
        one.call("SUBSCRIBE", "a1")
        two.call("SUBSCRIBE", "b")
        three.call("PSUBSCRIBE", "a*")
        assert master.call("ACL", "SETUSER", "joe", "resetchannels", "&b") == OK
        assert is_closed(one) and is_closed(three)
        assert two.call("PING") == ("+", b"PONG")
        assert master.call("PUBLISH", "b", "x") == (":", 1)
        assert two.read()[0] == ">"
    for request in (["STREAM", "SUBSCRIBE"], ["MONITOR"], ["CLIENT", "TRACKING", "ON", "BCAST"]):
        assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "allkeys", "&*", "+@all") == OK
        with enter(server, "joe", protocol=3) as one:
            assert one.call(*request)[0] != "-", request
            assert master.call("ACL", "SETUSER", "joe", "resetkeys", "~mine:*") == OK
            assert is_closed(one), request


def waiting(server, master):
    """A CGET that waits for a value is not answered with it when the key is not permitted any more."""
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "~w*", "+@all") == OK
    for protocol in (2, 3):
        token = master.call("CGET", f"w{protocol}", "LEASE", 60000)
        with enter(server, "joe", protocol=protocol) as joe:
            joe.send(encode("CGET", f"w{protocol}", "LEASE", 60000, "WAIT", 60000))
            assert settle(lambda: b"lease_waiting:1" in master.call("INFO", "stats")[1], 10), token
            assert master.call("ACL", "SETUSER", "joe", "resetkeys") == OK
            master.call("SET", f"w{protocol}", "secret value")
            rest = joe.read_until_closed()
            assert "secret value" not in repr(rest), rest
        assert master.call("ACL", "SETUSER", "joe", "~w*") == OK


def deleted(server, master):
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "+@all", "~*") == OK
    assert master.call("ACL", "SETUSER", "ann", "reset", "on", ">pw", "+@all", "~*") == OK
    with enter(server, "joe") as one, enter(server, "ann") as other, enter(server, "joe") as self_ended:
        users = [line.split("user=")[1].split()[0] for line in master.call("CLIENT", "LIST")[1].decode().splitlines()]
        assert sorted(users) == ["ann", "default", "joe", "joe"], users
        assert other.call("CLIENT", "KILL", "USER", "joe", "ID", one.call("CLIENT", "ID")[1]) == (":", 1)
        assert is_closed(one)
        assert self_ended.call("ACL", "DELUSER", "joe") == (":", 1)
        assert is_closed(self_ended)
        assert master.call("ACL", "SETUSER", "joe", "on", ">pw", "+ping") == OK
        assert other.call("PING") == ("+", b"PONG")
        with enter(server, "joe") as again:
            assert again.call("PING") == ("+", b"PONG")
            assert again.call("GET", "x")[1].startswith(b"NOPERM")
            # "off" keeps who is in, and nobody comes in any more
            assert master.call("ACL", "SETUSER", "joe", "off") == OK
            assert again.call("PING") == ("+", b"PONG")
            assert again.call("AUTH", "joe", "pw")[1].startswith(b"WRONGPASS")


def secrets(server, master):
    """Passwords and tokens stand in no log, in no reply, and are not shown to monitors."""
    settings = {"slowlog-log-slower-than": (0, 10000), "commandlog-request-larger-than": (0, 1048576), "commandlog-reply-larger-than": (0, 1048576)}
    for name, (value, _) in settings.items():
        assert master.call("CONFIG", "SET", name, value) == OK, name
    with server.client() as watcher, server.client() as one:
        assert watcher.call("MONITOR") == OK
        one.call("ACL", "SETUSER", "joe", "on", ">hunter2-a", "~hunter2-b", "+echo")
        one.call("AUTH", "joe", "hunter2-c")
        one.call("AUTH", "hunter2-d")
        one.call("HELLO", 3, "AUTH", "joe", "hunter2-e")
        one.call("CONFIG", "SET", "requirepass", "hunter2-f")
        one.call("CONFIG", "SET", "requirepass", "")
        one.call("CONFIG", "SET", "timeout", 0, "TLS-Key-File-Pass", "hunter2-g")
        one.call("ACL", "SETROLE", "readers", ">hunter2-h")
        one.call("token", "Auth", "hunter2-i")
        made = plain(master.call("TOKEN", "CREATE", "joe"))
        token = made[made.index(b"token") + 1]
        assert one.call("TOKEN", "AUTH", token) == OK
        one.call("ECHO", "that was all")
        lines = []
        while not lines or b"that was all" not in lines[-1][1]:
            lines.append(watcher.read())
        logs = [master.call("COMMANDLOG", "GET", -1, log) for log in ("slow", "large-request", "large-reply")]
        shown = repr((lines, logs, master.call("SLOWLOG", "GET", 100), master.call("ACL", "LIST"), master.call("ACL", "LOG"), master.call("CLIENT", "LIST"), master.call("TOKEN", "LIST"))) + server.log()
        assert "TOKEN" in repr(logs[0]) and "TOKEN" in repr(logs[1])
        for word in ("hunter2", token.decode(), token.decode()[-32:]):
            at = shown.replace("~hunter2-b", "").find(word)
            assert at < 0, shown[max(0, at - 200) : at + 100]
    for name, (_, value) in settings.items():
        assert master.call("CONFIG", "SET", name, value) == OK, name


def settings(server, master):
    """Who may look at settings sees no password by which he could be somebody else; who could set another one does."""
    assert master.call("ACL", "SETUSER", "watcher", "reset", "on", ">pw", "~*", "+config|get", "+auth") == OK
    assert master.call("ACL", "SETUSER", "keeper", "reset", "on", ">pw", "+config") == OK
    with enter(server, "watcher") as watcher, enter(server, "keeper") as keeper:
        assert plain(watcher.call("CONFIG", "GET", "requirepass")) == [b"requirepass", b""]
        assert master.call("CONFIG", "SET", "requirepass", "hunter3", "tls-key-file-pass", "hunter4") == OK
        shown = plain(watcher.call("CONFIG", "GET", "*"))
        assert b"hunter" not in repr(shown).encode() and shown.count(b"(hidden)") == 2, shown
        assert plain(watcher.call("CONFIG", "GET", "RequirePass")) == [b"RequirePass", b"(hidden)"]
        replies = watcher.calls([("MULTI",), ("CONFIG", "GET", "requirepass"), ("EXEC",)])
        assert b"hunter" not in repr(replies).encode(), replies
        for one in (keeper, master):
            assert plain(one.call("CONFIG", "GET", "requirepass")) == [b"requirepass", b"hunter3"]
        assert master.call("CONFIG", "SET", "requirepass", "", "tls-key-file-pass", "") == OK


def starts(folder, **options):
    """What a server says that does not start; None: it does."""
    server = Strata(**options)
    try:
        server.start()
        server.stop()
        return None
    except AssertionError:
        return server.log()
    finally:
        server.__exit__()


def file_flow(report, folder):
    path = folder / "users.acl"
    with report.case("a server does not start without its ACL file, and says where it looked"):
        log = starts(folder, aclfile=path)
        assert log and "No such file" in log and str(path) in log, log
    path.write_text("user default on nopass ~* &* +@all\nuser joe on >pw ~app:* +@read\nuser ann on >pw +nosuch\nuser joe off\n")
    with report.case("a server does not start with a wrong ACL file, and names file and lines"):
        log = starts(folder, aclfile=path)
        assert log and f"{path}:3: Error in user declaration '+nosuch': Unknown command or category name in ACL" in log and f"{path}:4: " in log and "Duplicate user" in log, log
    path.write_text("# ours\nuser default on nopass ~* &* +@all\n\nuser joe on >pw ~app:* (~x +get) +@read\n")
    with Strata(aclfile=path, threads=2) as server, server.client() as master, report.case("ACL LOAD and ACL SAVE"):
        assert b"user joe on #" in repr(master.call("ACL", "LIST")).encode()
        joe, ann = enter(server, "joe"), None
        assert joe.call("GET", "app:1") == ("$", None)
        before = master.call("ACL", "LIST")
        path.write_text("user joe on nopass ~* +@all\nuser x foo\n")
        reply = master.call("ACL", "LOAD")
        assert reply[0] == "-" and f"{path}:2: Error in user declaration 'foo': Syntax error".encode() in reply[1] and b"no change" in reply[1], reply
        assert master.call("ACL", "LIST") == before
        assert joe.call("GET", "yours") == NOPERM_KEY
        assert master.call("ACL", "SETUSER", "ann", "on", ">pw", "%R~a", "+@string", "(%W~w* +set)") == OK
        ann = enter(server, "ann")
        before = master.call("ACL", "LIST")
        os.chmod(path, 0o640)
        mode = 0o640
        assert master.call("ACL", "SAVE") == OK
        assert stat.S_IMODE(os.stat(path).st_mode) == mode, "the file keeps its permissions"
        assert [name for name in os.listdir(folder) if name != "users.acl"] == [], os.listdir(folder)
        assert master.call("ACL", "LOAD") == OK
        assert master.call("ACL", "LIST") == before
        assert ann.call("PING")[1].startswith(b"NOPERM") and joe.call("GET", "app:1") == ("$", None)
        path.write_text("user joe on nopass ~app:2 +@read\n")  # others are gone with it, and the default user is as new
        assert master.call("ACL", "LOAD") == OK
        assert is_closed(ann)
        assert joe.call("GET", "app:1") == NOPERM_KEY and joe.call("GET", "app:2") == ("$", None)
        assert master.call("PING") == ("+", b"PONG")
        path.unlink()
        assert master.call("ACL", "LOAD")[1].startswith(b"ERR Error loading ACLs, opening file")
        os.chmod(folder, 0o500)
        reply = master.call("ACL", "SAVE")
        os.chmod(folder, 0o700)
        if os.geteuid() != 0:  # who may write everywhere is not stopped by that
            assert reply[0] == "-", reply
    with report.case("requirepass holds beside a file that says nothing of the default user"):
        path.write_text("user joe on nopass ~app:2 +@read\n")
        with Strata(aclfile=path, requirepass="pw") as server, server.client() as one:
            assert one.call("PING")[1].startswith(b"NOAUTH")
            assert one.call("AUTH", "pw") == OK and one.call("ACL", "LOAD") == OK
            with server.client() as other:
                assert other.call("PING")[1].startswith(b"NOAUTH")


def exposed(report, folder):
    """Files with secrets that everybody on the machine can read are told of."""
    config, acl, key = folder / "strata.yaml", folder / "users.acl", folder / "key"
    config.write_text("requirepass: pw\n")
    acl.write_text("user default on >pw ~* &* +@all\n")
    key.write_text("k" * 32)
    subprocess.run([os.environ["STRATA_PROGRAM"], "cert", folder / "certs"], check=True, capture_output=True, timeout=60)
    tls = folder / "certs" / "server.key"
    options = {"config": config, "aclfile": acl, "audit_dir": folder / "audit", "audit_key_file": key, "tls_port": free_port(), "tls_cert_file": folder / "certs/server.crt",
               "tls_key_file": tls, "tls_auth_clients": "no"}  # fmt: skip
    files = ((config, "a password in the configuration"), (acl, "aclfile"), (key, "audit-key-file"), (tls, "tls-key-file"))
    for mode, word in ((0o644, "read"), (0o646, "changed"), (0o640, None)):
        for path, _ in files:
            os.chmod(path, mode)
        with report.case(f"files of secrets with mode {mode:o}"), Strata(**options) as server:
            for path, what in files:
                says = f"{what}: {path} can be {word} by everybody on this machine: chmod o= {path}"
                assert (says in server.log()) == (word is not None), (says, server.log())
            assert word or "by everybody on this machine" not in server.log()


def configured(report, folder):
    config = folder / "strata.yaml"
    program = os.environ["STRATA_PROGRAM"]
    with report.case("users stand in the configuration"):
        config.write_text("users: |\n  user default off\n  user joe on >pw ~app:* +@read\n")
        with Strata(config=config) as server:
            with server.client() as one:
                assert one.call("PING")[1].startswith(b"NOAUTH")
            with enter(server, "joe") as joe:
                assert joe.call("GET", "app:1") == ("$", None) and joe.call("GET", "x") == NOPERM_KEY
    with report.case("users stand in the configuration or in a file, not in both"):
        config.write_text("users: |\n  user joe on\naclfile: users.acl\n")
        own = {name: value for name, value in os.environ.items() if not name.startswith("STRATA_")}
        done = subprocess.run([program, "server", "--check-config", "--config", config], capture_output=True, text=True, timeout=60, env=own)
        assert done.returncode != 0 and "there is an aclfile as well" in done.stdout + done.stderr, done
        assert "user joe" not in done.stdout + done.stderr
    with report.case("--check-config looks into users and their file"):
        bad = folder / "bad.acl"
        bad.write_text("user default on nopass ~* +@all\nuser joe of\n")
        for words, says in ((["--aclfile", bad], "bad.acl:2: Error in user declaration 'of'"), (["--aclfile", folder / "none"], "No such file"), (["--users", "user joe +nosuch"], "users:1: Error")):
            done = subprocess.run([program, "server", "--check-config", *map(str, words)], capture_output=True, text=True, timeout=60, env=own)
            assert done.returncode == 1 and says in done.stderr and "is good" not in done.stdout, done
    with report.case("new users have the channels that acl-pubsub-default says"), Strata(acl_pubsub_default="allchannels") as server, server.client() as one:
        one.call("ACL", "SETUSER", "joe")
        one.call("ACL", "SETUSER", "ann", "(+get)")
        listed = repr(one.call("ACL", "LIST"))
        assert "user joe off &* -@all" in listed and "(&* -@all +get)" in listed, listed
        assert one.call("CONFIG", "SET", "acl-pubsub-default", "resetchannels") == OK
        one.call("ACL", "SETUSER", "eve")
        assert "user eve off resetchannels -@all" in repr(one.call("ACL", "LIST"))
    with report.case("the log of refusals is as long as acllog-max-len"), Strata(acllog_max_len=3) as server, server.client() as one:
        for i in range(5):
            one.call("AUTH", f"user{i}", "x")
        assert len(one.call("ACL", "LOG")[1]) == 3
        assert b"acl_access_denied_auth:5" in one.call("INFO", "stats")[1]
        one.call("CONFIG", "SET", "acllog-max-len", 1)
        assert len(one.call("ACL", "LOG")[1]) == 1


def flows(report):
    with Strata(threads=4, maxmemory="64mb", stream="yes") as server, server.client() as master:
        for flow, name in (
            (taken_away, "rights that are taken away are gone at once, on every worker"),
            (transactions, "what was queued is judged again at EXEC"),
            (subscribers, "who listens to what is not permitted any more is closed"),
            (waiting, "who waits for what is not permitted any more does not get it"),
            (deleted, "connections of users that are deleted are closed"),
            (secrets, "passwords are shown nowhere"),
            (settings, "passwords among settings are shown to who may set them"),
        ):
            with report.case(name):
                flow(server, master)
        report.expect("the server runs to its end", server.alive() and server.stop() == 0, server.last_words())
    for flow in (file_flow, configured, exposed):
        with tempfile.TemporaryDirectory(prefix="strata-test-") as folder:
            flow(report, pathlib.Path(folder))
