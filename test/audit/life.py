"""The log over time: crashes, rotation, disks that are full or slow, and the end."""

import contextlib
import os
import pathlib
import random
import subprocess
import tempfile
import threading
import time

import disks
import logs
from harness import Closed, Strata, encode, seed
from harness.servers import settle

OK = ("+", b"OK")
MANY = {"threads": 2, "maxmemory": "64mb"}


def load(server, count, wrong, done):
    """Denied requests, one after the other; `done` counts those that were answered."""
    try:
        with server.client() as client:
            client.call("AUTH", "joe", "pw")
            for _ in range(count):
                if client.call("GET", "yours")[0] != "-":
                    wrong.append("answered")
                done.append(1)
    except (Closed, OSError):
        pass


def with_joe(server):
    master = server.client()
    assert master.call("ACL", "SETUSER", "joe", "reset", "on", ">pw", "~mine", "+@all") == OK
    return master


def killed():
    """What was answered a second before the kill stands in the log; and the log is good each time."""
    dice = random.Random(seed())
    with tempfile.TemporaryDirectory() as place:
        for round_ in range(4):
            with Strata(**MANY, audit_dir=place, audit_sync="always", audit_max_size="64kb") as server:
                with_joe(server).close()
                wrong, done = [], []
                threads = [threading.Thread(target=load, args=(server, 100000, wrong, done)) for _ in range(4)]
                for thread in threads:
                    thread.start()
                wanted = dice.randint(500, 2500)
                assert settle(lambda: len(done) > wanted, 60), len(done)  # noqa: B023
                server.process.kill()
                server.process.wait()
                for thread in threads:
                    thread.join()
                assert not wrong
                server.status = 0
            code, result = logs.verify(place)
            assert code == 0, (round_, result)
        with Strata(**MANY, audit_dir=place) as server:
            assert server.stop() == 0
        result = logs.good(place)
        assert [finding["finding"] for finding in result["findings"]].count("not-stopped") == 4, result["findings"]
        assert result["files"] > 4 and result["lost"] == 0, result


def torn():
    """A half line at the end stays, and a line accounts for it."""
    with tempfile.TemporaryDirectory() as place:
        for cut in (1, 40, 200):
            with Strata(**MANY, audit_dir=place) as server, server.client() as one:
                one.call("FLUSHALL")
                assert server.stop() == 0
            path = logs.files(place)[-1]
            data = path.read_bytes()
            path.write_bytes(data[:-cut])
        with Strata(**MANY, audit_dir=place) as server:
            assert server.stop() == 0
        result = logs.good(place)
        assert [finding["finding"] for finding in result["findings"]].count("torn-and-mended") == 2, result["findings"]


def rotation():
    with tempfile.TemporaryDirectory() as place:
        with Strata(**MANY, audit_dir=place, audit_sync="no", audit_max_size="64kb") as server, with_joe(server) as master:
            wrong, done = [], []
            threads = [threading.Thread(target=load, args=(server, 2000, wrong, done)) for _ in range(4)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                assert master.call("AUDIT", "ROTATE") == OK
                threads[0].join(0.05)
            for thread in threads:
                thread.join()
            assert len(done) == 8000 and not wrong
            assert server.stop() == 0
        result = logs.good(place)
        assert len(logs.events(place, error="NOPERM")) == 8000 and result["files"] > 20, result
    with tempfile.TemporaryDirectory() as place:
        with Strata(**MANY, audit_dir=place, audit_sync="no", audit_max_size="64kb", audit_keep=3) as server, with_joe(server):
            load(server, 2500, [], [])
            assert server.stop() == 0
        assert len(logs.files(place)) == 3
        assert logs.good(place)["findings"][0]["finding"] == "first-removed"


def fill(path):
    """Until there is no room. A smaller piece may still find some."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


@contextlib.contextmanager
def small_disk(size):
    place = tempfile.mkdtemp(prefix="strata-test-audit-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        os.rmdir(place)


def full_disk():
    """What is to be noted is refused, in transactions too, reads go on, and service resumes by itself with nothing lost."""
    with small_disk("1m") as place, Strata(**MANY, audit_dir=os.path.join(place, "log"), audit_sync="always") as server, server.client() as one:
        one.call("SET", "x", "1")
        assert one.call("CONFIG", "SET", "timeout", "0") == OK
        fill(os.path.join(place, "filling"))
        answers = []

        def refuses():
            answers.append(one.call("CONFIG", "SET", "timeout", "0"))
            return answers[-1][0] == "-"

        assert settle(refuses, 20), answers
        assert answers[-1] == ("-", b"AUDITFAIL The audit log cannot be written, so this is not done: No space left on device"), answers[-1]
        before = one.call("GET", "x")
        assert before == ("$", b"1") and one.call("SET", "x", "2") == OK
        assert one.call("FLUSHALL")[1].startswith(b"AUDITFAIL") and one.call("GET", "x") == ("$", b"2")
        one.calls([("MULTI",)])
        assert one.call("FLUSHALL")[1].startswith(b"AUDITFAIL") and one.call("EXEC")[1].startswith(b"EXECABORT")
        found = logs.facts(one)
        assert found["audit_failing"] == 1 and found["audit_refusing"] == 1 and found["audit_error"] == 28, found
        os.unlink(os.path.join(place, "filling"))
        assert settle(lambda: one.call("CONFIG", "SET", "timeout", "0") == OK, 20)
        logs.written(one)
        assert logs.facts(one)["audit_lost"] == 0
        assert "cannot be written" in server.log() and "is written again" in server.log()
        events = logs.events(os.path.join(place, "log"), action="CONFIG SET")
        assert len(events) == len([answer for answer in answers if answer == OK]) + 2, (len(events), answers)
        assert server.stop() == 0
        logs.good(os.path.join(place, "log"))


def full_disk_goes_on():
    """Nothing is refused, and nothing waits; what is lost is counted where it is lost."""
    options = {"audit_sync": "always", "audit_on_failure": "continue", "audit_queue_size": "64kb"}
    with small_disk("1m") as place, Strata(**MANY, audit_dir=os.path.join(place, "log"), **options) as server, server.client() as one:
        fill(os.path.join(place, "filling"))
        done = 0
        while logs.facts(one)["audit_lost"] < 100:
            assert all(reply == OK for reply in one.calls([("FLUSHALL",)] * 100))
            done += 100
        os.unlink(os.path.join(place, "filling"))
        assert settle(lambda: logs.facts(one)["audit_failing"] == 0, 20)
        logs.written(one)
        assert server.stop() == 0
        result = logs.good(os.path.join(place, "log"))
        assert len(logs.events(os.path.join(place, "log"), action="FLUSHALL")) + result["lost"] == done, (result, done)


def slow(back_pressure):
    """Behind a disk that takes its time to flush. Others, whose requests are not noted, go on."""
    library = disks.shim()
    place = tempfile.mkdtemp(prefix="strata-test-audit-")
    shimmed = disks.Shimmed(os.path.join(place, "x"), library)
    options = {"audit_dir": shimmed.folder, "audit_sync": "always", "audit_queue_size": "64kb", "audit_back_pressure": back_pressure}
    try:
        with Strata(**MANY, **options) as server:
            assert server.stop() == 0
            server.under = shimmed.under
            server.start()
            with with_joe(server) as master, server.client() as other:
                shimmed.control["delay_us"] = 400000
                wrong, done = [], []
                threads = [threading.Thread(target=load, args=(server, 1500, wrong, done)) for _ in range(4)]
                for thread in threads:
                    thread.start()
                held, longest = 0, 0.0
                while any(thread.is_alive() for thread in threads):
                    begun = time.monotonic()
                    assert other.call("SET", "x", "1") == OK
                    longest = max(longest, time.monotonic() - begun)
                    held += logs.facts(other)["audit_holding"]
                    threads[0].join(0.02)
                shimmed.control["delay_us"] = 0
                logs.written(master)
                lost = logs.facts(other)["audit_lost"]
            assert server.stop() == 0
        assert not wrong and len(done) == 6000
        result = logs.good(shimmed.folder)
        noted = len(logs.events(shimmed.folder, error="NOPERM"))
        assert noted + result["lost"] == 6000 and result["lost"] == lost, (noted, result["lost"], lost)
        assert (lost == 0 and held) if back_pressure == "wait" else (lost and not held), (lost, held)
        assert longest < 5, longest
    finally:
        subprocess.run(["rm", "-rf", place], check=True)


def failed_flush():
    """A flush that fails is told, refuses, and is made up for."""
    library = disks.shim()
    place = tempfile.mkdtemp(prefix="strata-test-audit-")
    shimmed = disks.Shimmed(os.path.join(place, "x"), library)
    try:
        with Strata(**MANY, audit_dir=shimmed.folder, audit_sync="always") as server:
            assert server.stop() == 0
            server.under = shimmed.under
            server.start()
            with server.client() as one:
                shimmed.control["fail"] = 0xFFFFFFFF
                assert settle(lambda: one.call("FLUSHALL")[1].startswith(b"AUDITFAIL"), 10)
                shimmed.control["fail"] = 0
                assert settle(lambda: one.call("FLUSHALL") == OK, 10)
                logs.written(one)
                assert shimmed.control["again"] == 0 or logs.facts(one)["audit_failures"] > 0
            assert server.stop() == 0
        logs.good(shimmed.folder)
    finally:
        subprocess.run(["rm", "-rf", place], check=True)


def anchors():
    """The log of the server has hashes that the audit log has to have."""
    with tempfile.TemporaryDirectory() as place:
        with Strata(**MANY, audit_dir=place, audit_anchor_lines=10) as server, server.client() as one:
            for _ in range(50):
                one.call("FLUSHALL")
            logs.written(one)
            assert settle(lambda: "Audit log: " in server.log(), 10)
            assert server.stop() == 0
            said = [line.split() for line in server.log().splitlines() if "Audit log: " in line]
        for words in said:
            logs.good(place, "--expect-last", words[-1], "--expect-lines", words[words.index("lines,") - 1])
        path = pathlib.Path(logs.files(place)[-1])
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:10]))
        assert logs.verify(place, "--expect-last", said[-1][-1])[0] == 1


def taken_away():
    """Who removes the file that is written does not get rid of what comes later, and of what was there not unseen."""
    with tempfile.TemporaryDirectory() as place, Strata(**MANY, audit_dir=place, audit_sync="always") as server, server.client() as one:
        one.call("CONFIG", "SET", "timeout", "100")
        logs.written(one)
        (path,) = logs.files(place)
        path.unlink()

        def goes_on():
            one.call("CONFIG", "SET", "timeout", "200")
            logs.written(one)
            return logs.files(place)

        assert settle(goes_on, 20), os.listdir(place)
        assert f"removed, cut or replaced {path.name} while it was written" in server.log(), server.log()
        assert server.stop() == 0
        code, result = logs.verify(place)
        assert (code, [finding["finding"] for finding in result["findings"] if finding["tampered"]]) == (1, ["file-missing"]), result


def nobody_is_left_out():
    """A client that sends many requests at once, and is gone before its answers."""
    with tempfile.TemporaryDirectory() as place:
        with Strata(**MANY, audit_dir=place, audit_sync="no") as server, with_joe(server) as master:
            with server.client() as joe:
                joe.send(encode("AUTH", "joe", "pw") + encode("GET", "yours") * 1000 + encode("QUIT"))
                joe.read_until_closed()
            logs.written(master)
            assert len(logs.events(place, error="NOPERM")) == 1000
            assert server.stop() == 0
        logs.good(place)


def flows(report):
    for name, case in (("killed under load, the log goes on and is good", killed), ("a torn last line is accounted for", torn),
                       ("rotation under load loses no line, and old files go", rotation), ("on a full disk what is to be noted is refused", full_disk),
                       ("or done, and counted", full_disk_goes_on), ("behind a slow disk connections wait, and others do not", lambda: slow("wait")),
                       ("or events are lost and counted", lambda: slow("drop")), ("a flush that fails is made up for", failed_flush),
                       ("anchors stand in the server's log", anchors), ("requests in a heap are all noted", nobody_is_left_out),
                       ("a file that is taken away while it is written is missed", taken_away)):  # fmt: skip
        with report.case(name):
            case()
